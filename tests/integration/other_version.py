#!/usr/bin/env python3
"""A server of another version than ours, written from libproto/PROTOCOL.md alone.

usage: other_version.py longer|unknown|refuses

Listens on a free port of the loopback and prints it. "longer" greets as a later version may that goes on with
version 1: with fields behind those we know; it answers every call with the health of a database. "unknown" goes on with a
version that nobody offered, "refuses" has none in common with the client. It ends when its standard input does.
"""
import socket
import sys
import threading

from wire import (ANSWER, ERROR, HELLO, REQUEST, VERSION, Link, error_payload, number_field,
                  server_hello)

FAILED_PRECONDITION = 9
IDENTITY = b"0123456789abcdefghij"


def greet(link, habit):
    if habit == "refuses":
        link.send_frame(ERROR, 0, error_payload(FAILED_PRECONDITION, b"no common protocol version"))
        link.close()
        return
    version = VERSION + 1 if habit == "unknown" else VERSION
    hello = server_hello(version, b"immudb 99", IDENTITY, b"defaultdb")
    link.send_frame(HELLO, 0, hello + b"what a later version says")


def serve(connection, habit):
    link = Link(connection)
    try:
        link.read_frame()
        greet(link, habit)
        while True:
            kind, _, number, _ = link.read_frame()
            if kind == REQUEST:
                link.send_frame(ANSWER, number, number_field(1, 4) + number_field(2, 5))
    except OSError:
        pass
    finally:
        link.close()


def accept_all(listener, habit):
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection, habit), daemon=True).start()


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    threading.Thread(target=accept_all, args=(listener, sys.argv[1]), daemon=True).start()
    sys.stdin.read()


main()
