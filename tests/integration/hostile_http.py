#!/usr/bin/env python3
"""Requests that no honest client makes; each must be answered or cut off, and the next one served.

usage: hostile_http.py PORT TOKEN
"""
import socket
import sys

PORT, TOKEN = int(sys.argv[1]), sys.argv[2]
TIMEOUT = 60
HEAD = f"POST /db/set HTTP/1.1\r\nHost: gateway\r\nAuthorization: {TOKEN}\r\n".encode()


def send(*pieces, shut=False):
    """Sends pieces on one connection; the status of the answer, 0 if it was cut off without one."""
    with socket.create_connection(("127.0.0.1", PORT), TIMEOUT) as s:
        try:
            for piece in pieces:
                s.sendall(piece)
            if shut:
                s.shutdown(socket.SHUT_WR)
            answer = b""
            while b"\r\n" not in answer:
                more = s.recv(65536)
                if not more:
                    break
                answer += more
        except (ConnectionResetError, BrokenPipeError):
            return 0
    return int(answer.split()[1]) if answer.startswith(b"HTTP/") else 0


def expect(what, status, *allowed):
    if status not in allowed:
        sys.exit(f"{what}: status {status}, expected one of {allowed}")
    healthy = send(b"GET /livez HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n")
    if healthy != 200:
        sys.exit(f"after {what}: /livez is {healthy}")


expect("1 GB announced", send(HEAD + b"Content-Length: 1073741824\r\n\r\n"), 413)
expect("a body cut short", send(HEAD + b"Content-Length: 100\r\n\r\n{}", shut=True), 400, 0)
expect("a chunked body that is too long",
       send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n",
            *[b"100000\r\n" + b" " * 0x100000 + b"\r\n"] * 60), 413, 0)
expect("a chunk's length that is none",
       send(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n"), 400, 0)
expect("a negative length", send(HEAD + b"Content-Length: -1\r\n\r\n"), 400, 411, 0)
expect("two lengths", send(HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} "), 400, 0)
expect("a flood of headers", send(HEAD + b"X-A: b\r\n" * 5000 + b"\r\n"), 400, 413, 431, 0)
expect("a header without end", send(HEAD + b"X-Long: " + b"a" * 100000), 400, 413, 431, 0)
expect("a path without end", send(b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n\r\n"), 400, 413, 414, 0)
expect("no HTTP at all", send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", shut=True), 400, 0)
expect("an unknown method", send(b"BREW /db/set HTTP/1.1\r\nHost: gateway\r\n\r\n"), 400, 405, 501, 0)
expect("nesting", send(HEAD + b"Content-Length: 100000\r\n\r\n" + b"[" * 100000), 400)
expect("a body that stops coming", send(HEAD + b"Content-Length: 100\r\n\r\n{"), 408)


def exchange(data):
    """All that comes for the bytes until the connection is closed."""
    with socket.create_connection(("127.0.0.1", PORT), TIMEOUT) as s:
        s.sendall(data)
        answer = b""
        try:
            while more := s.recv(65536):
                answer += more
        except ConnectionResetError:
            pass
    return answer


# Whoever stands between client and gateway may see another end of these requests: what follows is never
# taken for a request of its own.
SCAN = f"POST /db/scan HTTP/1.1\r\nHost: gateway\r\nAuthorization: {TOKEN}\r\n"
SMUGGLED = b"GET /version HTTP/1.1\r\nHost: gateway\r\n\r\n"
CHUNKED = "Transfer-Encoding: chunked\r\n"
for what, headers, body in (
    ("two lengths, the smaller first", "Content-Length: 2\r\nContent-Length: 46\r\n", "{}"),
    ("length and chunks", "Content-Length: 46\r\n" + CHUNKED, "2\r\n{}\r\n0\r\n\r\n"),
    ("a length and a coding that is none", "Content-Length: 2\r\nTransfer-Encoding: identity\r\n", "{}"),
    ("two codings", CHUNKED + "Transfer-Encoding: identity\r\n", "2\r\n{}\r\n0\r\n\r\n"),
    ("a length with a sign", "Content-Length: +2\r\n", "{}"),
    ("a length in base 16", "Content-Length: 0x2\r\n", "{}"),
    ("a list of lengths", "Content-Length: 2,46\r\n", "{}"),
    ("a length behind a blank", "Content-Length : 2\r\n", "{}"),
    ("chunks behind a blank", "Transfer-Encoding : chunked\r\n", "2\r\n{}\r\n0\r\n\r\n"),
    ("a length behind a folded line", "X-A: b\r\n c\r\nContent-Length: 2\r\n", "{}"),
    ("a length behind many headers", "X-A: b\r\n" * 100 + "Content-Length: 2\r\n", "{}"),
):
    answer = exchange(SCAN.encode() + headers.encode() + b"\r\n" + body.encode() + SMUGGLED)
    if not answer.startswith(b"HTTP/1.1 400 ") or answer.count(b"HTTP/1.1 ") != 1:
        sys.exit(f"{what}: {answer!r:.400}")

# Bodies that nobody reads are not taken for requests either.
for line in ("GET /livez", "GET /db/countall", "HEAD /db/countall", "POST /nowhere", "OPTIONS /db/set"):
    head = f"{line} HTTP/1.1\r\nHost: gateway\r\nAuthorization: {TOKEN}\r\nContent-Length: {len(SMUGGLED)}"
    if (answer := exchange(head.encode() + b"\r\n\r\n" + SMUGGLED)).count(b"HTTP/1.1 ") != 1:
        sys.exit(f"{line} with a body: {answer!r:.400}")

# Version 1.0 knows neither chunks nor connections that are kept.
answer = exchange(SCAN.replace("1.1", "1.0").encode()
                  + b"Accept: application/x-ndjson\r\nContent-Length: 2\r\n\r\n{}" + SMUGGLED)
if b"chunked" in answer or b"Connection: close" not in answer or answer.count(b"HTTP/1.1 ") != 1:
    sys.exit(f"version 1.0: {answer!r:.400}")

# A client that asks whether to send its body is told so, and one whose length is too much is not.
for length, status in ((2, b"HTTP/1.1 100 "), (1 << 30, b"HTTP/1.1 413 ")):
    with socket.create_connection(("127.0.0.1", PORT), TIMEOUT) as s:
        s.sendall(SCAN.encode() + f"Expect: 100-continue\r\nContent-Length: {length}\r\n\r\n".encode())
        answer = s.recv(65536)
    if not answer.startswith(status):
        sys.exit(f"Expect, a length of {length}: {answer!r:.400}")
