#!/usr/bin/env python3
"""A server of another version than ours, written from libproto/PROTOCOL.md alone.

usage: other_version.py longer|unknown|refuses
       other_version.py older ARCHIVE

Listens on a free port of the loopback and prints it. "longer" greets as a later version may that goes on with
version 1: with fields behind those we know; it answers every call with the health of a database. "unknown" goes on with a
version that nobody offered, "refuses" has none in common with the client. "older" knows the first format of
archives only, and no field of HotBackup that asks for another; what it backs up are the parts of ARCHIVE, and
each other call gets a session. It ends when its standard input does.
"""
import pathlib
import socket
import struct
import sys
import threading

from wire import (ANSWER, DATA, END, ERROR, HELLO, HOT_BACKUP, REQUEST, STREAM, UNIMPLEMENTED, VERSION,
                  Link, error_payload, field, number_field, server_hello)

FAILED_PRECONDITION = 9
DIGEST = 32
IDENTITY = b"0123456789abcdefghij"


def greet(link, habit):
    if habit == "refuses":
        link.send_frame(ERROR, 0, error_payload(FAILED_PRECONDITION, b"no common protocol version"))
        link.close()
        return
    version = VERSION + 1 if habit == "unknown" else VERSION
    hello = server_hello(version, b"immudb 99", IDENTITY, b"defaultdb")
    link.send_frame(HELLO, 0, hello + b"what a later version says")


def back_up(link, number, body, archive):
    """body is empty, field 1 with a transaction below 128, or has what an older version does not know."""
    if body and (len(body) != 2 or body[0] != 8):
        link.send_frame(ERROR, number, error_payload(UNIMPLEMENTED, b"not implemented: unknown field 2"))
        return
    second = archive.index(b"IMMUARC\n", 1)
    part = archive[second:] if body and body[1] > 1 else archive[:second]
    part = part[:-DIGEST] + bytes(DIGEST)
    link.send_frame(ANSWER, number, b"", STREAM)
    link.send_frame(DATA, number, struct.pack(">Q", len(part)) + part)
    link.send_frame(END, number, b"")


def answer(link, number, payload, archive):
    if archive is None:
        link.send_frame(ANSWER, number, number_field(1, 4) + number_field(2, 5))
    elif int.from_bytes(payload[:2], "big") == HOT_BACKUP:
        back_up(link, number, payload[7 + payload[6]:], archive)
    else:
        link.send_frame(ANSWER, number, field(1, b"session"))


def serve(connection, habit, archive):
    link = Link(connection)
    try:
        link.read_frame()
        greet(link, habit)
        while True:
            kind, _, number, payload = link.read_frame()
            if kind == REQUEST:
                answer(link, number, payload, archive)
    except OSError:
        pass
    finally:
        link.close()


def accept_all(listener, *habit):
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection, *habit), daemon=True).start()


def main():
    if len(sys.argv) != (3 if sys.argv[1:2] == ["older"] else 2):
        sys.exit(__doc__)
    archive = pathlib.Path(sys.argv[2]).read_bytes() if len(sys.argv) > 2 else None
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    threading.Thread(target=accept_all, args=(listener, sys.argv[1], archive), daemon=True).start()
    sys.stdin.read()


main()
