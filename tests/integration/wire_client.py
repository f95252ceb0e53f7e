#!/usr/bin/env python3
"""A client of the wire protocol written from libproto/PROTOCOL.md alone, for sending wrong bytes.

usage: wire_client.py CASE PORT PID

Runs one case against the immudb at 127.0.0.1:PORT with process id PID; exit 0 when the server did
what it must. The cases are the functions named case_*. Nothing here waits without a deadline.
"""
import os
import random
import socket
import struct
import sys
import threading
import time

from wire import (ANSWER, CREDIT, DATA, DEADLINE_SECONDS, ERROR, GET, HEALTH, HELLO, HOT_BACKUP,
                  INVALID_ARGUMENT, MIB, NOT_FOUND, REQUEST, SET, STATE, UNAUTHENTICATED,
                  UNIMPLEMENTED, Closed, client_hello, field, read_error)
import wire


class Connection(wire.Connection):
    def __init__(self, port, hello=client_hello(b"wire_client", window=MIB)):
        super().__init__(port, hello)
        if hello is not None:
            expect(self.greeting[0] == HELLO, f"kind {self.greeting[0]} instead of a hello")

    def login(self, *who):
        status, body = super().login(*who)
        expect(status == 0, f"login failed: {status} {body}")


def kv(key, value):
    return field(1, field(1, key) + field(2, value))


def expect(true, message):
    if not true:
        sys.exit(message)


def expect_status(answer, status, part):
    expect(answer[0] == status and part in str(answer[1]), f"{answer} instead of {status} {part}")


def poll(check, message):
    deadline = time.monotonic() + DEADLINE_SECONDS
    pause = threading.Event()
    while not check():
        expect(time.monotonic() < deadline, message)
        pause.wait(0.02)


def resident_bytes(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def open_files(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def expect_alive(port):
    """Others are served as if nothing had happened."""
    connection = Connection(port)
    connection.login()
    expect_status(connection.call(SET, kv(b"alive", b"yes")), 0, "")
    expect_status(connection.call(GET, field(1, b"alive")), 0, "yes")


def case_garbage(port, pid):
    before = open_files(pid)
    rng = random.Random(1)
    for _ in range(200):
        connection = Connection(port, hello=None)
        try:
            connection.send(rng.randbytes(rng.randrange(10, 5000)))
            connection.socket.shutdown(socket.SHUT_WR)
            connection.expect_closed()
        except (Closed, OSError):
            pass
        connection.socket.close()
    expect_alive(port)
    poll(lambda: open_files(pid) <= before, "connections are not released")


def case_garbage_after_hello(port, pid):
    before = open_files(pid)
    rng = random.Random(2)
    for _ in range(200):
        connection = Connection(port)
        try:
            connection.send(rng.randbytes(rng.randrange(10, 5000)))
            connection.socket.shutdown(socket.SHUT_WR)
            connection.expect_closed()
        except (Closed, OSError):
            pass
        connection.socket.close()
    expect_alive(port)
    poll(lambda: open_files(pid) <= before, "connections are not released")


def case_four_gigabytes(port, pid):
    before = resident_bytes(pid)
    for hello in (False, True):
        connection = Connection(port) if hello else Connection(port, hello=None)
        try:
            connection.send(struct.pack(">IBBI", 0xFFFFFFFF, REQUEST if hello else HELLO, 0,
                                        1 if hello else 0))
            connection.expect_closed()
        except Closed:
            pass
    expect(resident_bytes(pid) < before + 64 * MIB, "memory was taken for announced bytes")
    expect_alive(port)


def case_too_much_before_login(port, pid):
    connection = Connection(port)
    try:
        number = connection.send_request(HEALTH, b"x" * 20000)
        status, _ = connection.answer(number)
        expect(status != 0, "a large frame was taken before login")
    except Closed:
        pass
    expect_alive(port)


def case_half_a_frame(port, pid):
    waiting = [Connection(port) for _ in range(100)]
    for connection in waiting:
        connection.send(struct.pack(">IBBI", 10000, REQUEST, 0, 1) + b"half")
    expect_alive(port)
    for connection in waiting:
        connection.socket.close()
    expect_alive(port)


def case_announced_memory(port, pid):
    before = resident_bytes(pid)
    waiting = [Connection(port) for _ in range(16)]
    for connection in waiting:
        connection.login()
        connection.send_request(SET, b"x" * 100, total=32 * MIB)
    expect_alive(port)
    expect(resident_bytes(pid) < before + 200 * MIB, "memory was taken for announced bytes")
    for connection in waiting:
        connection.socket.close()
    expect_alive(port)


def case_disappearing(port, pid):
    before = open_files(pid)
    for _ in range(200):
        connection = Connection(port)
        for _ in range(5):
            connection.send_request(HEALTH, b"")
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.socket.close()
    expect_alive(port)
    poll(lambda: open_files(pid) <= before, "connections are not released")


def case_unknown_method(port, pid):
    connection = Connection(port)
    connection.login()
    expect_status(connection.call(0xFFFF, b""), UNIMPLEMENTED, "")
    expect_status(connection.call(GET, field(1, b"nosuch")), NOT_FOUND, "key not found")


def case_unknown_field(port, pid):
    connection = Connection(port)
    connection.login()
    status, message = connection.call(SET, kv(b"k", b"v") + field(99, b"new"))
    expect(status in (INVALID_ARGUMENT, UNIMPLEMENTED), f"{status} {message}")
    expect_status(connection.call(GET, field(1, b"k")), NOT_FOUND, "")


def case_bad_body(port, pid):
    connection = Connection(port)
    connection.login()
    for body in (b"\xff", b"\x0a\xff\xff\xff\xff\x0f", field(1, b"\x0a\x7f"), b"\x0b" * 100):
        status, message = connection.call(SET, body)
        expect(status == INVALID_ARGUMENT, f"{body!r}: {status} {message}")
    expect_status(connection.call(SET, kv(b"k", b"v")), 0, "")


def case_limits(port, pid):
    connection = Connection(port)
    expect_status(connection.call(SET, kv(b"k", b"v")), UNAUTHENTICATED, "")
    connection.login()
    call = connection.call
    expect_status(call(SET, b""), INVALID_ARGUMENT, "no entries provided")
    expect_status(call(SET, kv(b"", b"v")), INVALID_ARGUMENT, "")
    expect_status(call(SET, kv(b"k" * 1023, b"v")), 0, "")
    expect_status(call(SET, kv(b"k" * 1024, b"v")), INVALID_ARGUMENT, "max key length exceeded")
    expect_status(call(SET, kv(b"k", b"1") + kv(b"k", b"2")), INVALID_ARGUMENT,
                  "duplicated keys are not supported in single batch transaction")
    many = b"".join(kv(b"key%d" % n, b"v") for n in range(1024))
    expect_status(call(SET, many), 0, "")
    expect_status(call(SET, many + kv(b"one more", b"v")), INVALID_ARGUMENT,
                  "max number of entries per tx exceeded")


def case_wrong_session(port, pid):
    connection = Connection(port)
    connection.session = b"nonsense"
    status, _ = connection.call(STATE, b"")
    expect(status in (7, UNAUTHENTICATED), f"status {status} for a made-up session")
    connection.login()
    connection.session = connection.session[:-1] + bytes([connection.session[-1] ^ 1])
    status, _ = connection.call(STATE, b"")
    expect(status in (7, UNAUTHENTICATED), f"status {status} for a changed session")


def case_pipelined(port, pid):
    connection = Connection(port)
    connection.login()
    numbers = [connection.send_request(SET, kv(b"k%d" % n, b"v")) for n in range(200)]
    answered = set()
    while len(answered) < len(numbers):
        kind, _, number, payload = connection.read_frame()
        expect(kind in (ANSWER, CREDIT), f"kind {kind}: {payload!r}")
        if kind == ANSWER:
            expect(number in numbers and number not in answered, f"answer to {number}")
            answered.add(number)


def case_versions(port, pid):
    """A common version is used; the greeting of who has none with us is an error that says so."""
    for low, high in ((1, 1), (0, 1), (1, 7), (0, 65535)):
        connection = wire.Connection(port, client_hello(b"range", low, high) + b"\0of a later version")
        kind, _, number, payload = connection.greeting
        expect(kind == HELLO and number == 0, f"{low} to {high}: kind {kind}")
        expect(struct.unpack(">H", payload[8:10])[0] == 1, f"{low} to {high}: not version 1")
        expect_status(connection.login(), 0, "")
    for low, high in ((0, 0), (2, 2), (2, 65535), (7, 1)):
        connection = wire.Connection(port, client_hello(b"range", low, high))
        kind, _, number, payload = connection.greeting
        expect(kind == ERROR and number == 0, f"{low} to {high}: kind {kind}")
        expect("no common protocol version" in read_error(payload)[1], f"{payload!r}")
        connection.expect_closed()
    passing_on = wire.Connection(port, client_hello(b"for others") + b"\1")
    expect_status(passing_on.login(), 7, "local connections only")
    expect_alive(port)


def case_archive_formats(port, pid):
    """A client is sent archives of no newer format than it says it knows; who says nothing knows the first."""
    for known, sent in ((None, 1), (1, 1), (2, 2), (2 ** 31, 2)):
        connection = Connection(port)
        connection.login()
        body = b"" if known is None else wire.number_field(2, known)
        number, data = connection.send_request(HOT_BACKUP, body), b""
        while len(data) < 8 + 12:
            kind, _, got, payload = connection.read_frame()
            expect(kind in (ANSWER, CREDIT, DATA), f"kind {kind}: {payload!r}")
            data += payload if kind == DATA and got == number else b""
        expect(data[8:16] == b"IMMUARC\n", f"{data[:20]!r}")
        expect(struct.unpack(">I", data[16:20])[0] == sent, f"{known}: {data[16:20]!r}")
        connection.close()
    expect_alive(port)


def main():
    name, port, pid = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    globals()["case_" + name](port, pid)


main()
