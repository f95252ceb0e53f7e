#!/usr/bin/env python3
"""An auditor's peer that lies, written from libproto/PROTOCOL.md alone.

usage: lying_peer.py DATABASE TX [SIGNATURE]

Listens on a free port of the loopback and prints it; to every ExchangeStates it answers that it has
proven transaction TX of DATABASE of whatever server it is asked about, with a made-up hash and, in
hexadecimal, this signature, and then prints "asked". It ends when its standard input does.
"""
import socket
import sys
import threading

from wire import (ANSWER, ERROR, EXCHANGE_STATES, HELLO, REQUEST, UNIMPLEMENTED, Link, error_payload, field,
                  first_text, number_field, request_parts, server_hello)


def answer(body, lie):
    """The lie, about the server whose identity is the request's first field."""
    database, tx, signature = lie
    state = (field(1, first_text(body)) + field(2, database) + number_field(3, tx)
             + field(4, bytes([7]) * 32))
    return field(1, state + field(5, signature) if signature else state)


def serve(connection, lie):
    link = Link(connection)
    try:
        link.read_frame()
        link.send_frame(HELLO, 0, server_hello())
        while True:
            kind, _, number, payload = link.read_frame()
            if kind != REQUEST:
                continue
            method, body = request_parts(payload)
            if method == EXCHANGE_STATES:
                link.send_frame(ANSWER, number, answer(body, lie))
                print("asked", flush=True)
            else:
                link.send_frame(ERROR, number, error_payload(UNIMPLEMENTED))
    except OSError:
        pass
    finally:
        link.close()


def accept_all(listener, lie):
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection, lie), daemon=True).start()


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    signature = bytes.fromhex(sys.argv[3]) if len(sys.argv) > 3 else b""
    lie = (sys.argv[1].encode(), int(sys.argv[2]), signature)
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    threading.Thread(target=accept_all, args=(listener, lie), daemon=True).start()
    sys.stdin.read()


main()
