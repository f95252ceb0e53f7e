#!/usr/bin/env python3
"""An auditor's peer that lies, written from libproto/PROTOCOL.md alone.

usage: lying_peer.py DATABASE TX [SIGNATURE]

Listens on a free port of the loopback and prints it; to every ExchangeStates it answers that it has
proven transaction TX of DATABASE of whatever server it is asked about, with a made-up hash and, in
hexadecimal, this signature, and then prints "asked". It ends when its standard input does.
"""
import socket
import struct
import sys
import threading

HELLO, REQUEST, ANSWER, ERROR = range(1, 5)
EXCHANGE_STATES, UNIMPLEMENTED = 0x0701, 12
KIB = 1024
DEADLINE_SECONDS = 60


def varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def field(number, content):
    return varint(number << 3 | 2) + varint(len(content)) + content


def read(connection, size):
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            raise ConnectionError("closed")
        data += more
    return data


def read_frame(connection):
    size, kind, _, number = struct.unpack(">IBBI", read(connection, 10))
    return kind, number, read(connection, size)


def send_frame(connection, kind, number, payload):
    connection.sendall(struct.pack(">IBBI", len(payload), kind, 0, number) + payload)


def answer(body, lie):
    """The lie, about the server whose identity is the request's first field."""
    database, tx, signature = lie
    server = body[2:2 + body[1]]
    state = (field(1, server) + field(2, database) + varint(3 << 3) + varint(tx)
             + field(4, bytes([7]) * 32))
    return field(1, state + field(5, signature) if signature else state)


def serve(connection, lie):
    connection.settimeout(DEADLINE_SECONDS)
    try:
        read_frame(connection)
        send_frame(connection, HELLO, 0, b"immudb\r\n" + struct.pack(
            ">HIIIIIHHH", 1, 64 * KIB, 64 * KIB, 16 * KIB, 64 * KIB, 4, 0, 0, 0))
        while True:
            kind, number, payload = read_frame(connection)
            method, _, token = struct.unpack(">HIB", payload[:7])
            if kind != REQUEST:
                continue
            if method == EXCHANGE_STATES:
                send_frame(connection, ANSWER, number, answer(payload[7 + token:], lie))
                print("asked", flush=True)
            else:
                send_frame(connection, ERROR, number, struct.pack(">HH", UNIMPLEMENTED, 0))
    except OSError:
        pass
    finally:
        connection.close()


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
