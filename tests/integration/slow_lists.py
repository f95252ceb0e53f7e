#!/usr/bin/env python3
"""Asks for many long lists at a time and reads none of them.

usage: slow_lists.py PORT TOKEN
"""
import socket
import sys
import time

PORT, TOKEN = int(sys.argv[1]), sys.argv[2]
READERS = 40
SECONDS = 60
REQUEST = (f"POST /db/scan HTTP/1.1\r\nHost: gateway\r\nAuthorization: {TOKEN}\r\n"
           "Accept: application/x-ndjson\r\nContent-Length: 2\r\n\r\n{}").encode()


def ask():
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.settimeout(SECONDS)
    s.connect(("127.0.0.1", PORT))
    s.sendall(REQUEST)
    return s


def status(s):
    """What the answer begins with; nothing more of it is read than a little."""
    answer = s.recv(1024)
    return int(answer.split()[1]), answer


readers = [ask() for _ in range(READERS)]
answers = [status(s) for s in readers]
statuses = [a[0] for a in answers]
if not set(statuses) <= {200, 503} or 200 not in statuses or 503 not in statuses:
    sys.exit(f"statuses {statuses}")
if any(a[0] == 503 and b"Retry-After: " not in a[1] for a in answers):
    sys.exit("503 without Retry-After")
for s in readers:
    s.close()
deadline = time.monotonic() + SECONDS
while status(ask())[0] != 200:
    if time.monotonic() > deadline:
        sys.exit("no list is served after the readers have gone")
