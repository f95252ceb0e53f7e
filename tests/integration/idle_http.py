#!/usr/bin/env python3
"""Opens N connections that are kept after a request and then say nothing, and asks on a new one.

With fewer descriptors it opens as many as leave it, and the gateway, some.

usage: idle_http.py PORT N
"""
import resource
import socket
import sys

PORT, COUNT = int(sys.argv[1]), int(sys.argv[2])
TIMEOUT = 60
SPARE = 128
ASK = b"GET /livez HTTP/1.1\r\nHost: gateway\r\n\r\n"

_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
limit = COUNT + SPARE if hard == resource.RLIM_INFINITY else min(hard, COUNT + SPARE)
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
COUNT = limit - SPARE


def ask(s):
    s.sendall(ASK)
    answer = s.recv(65536)
    if not answer.startswith(b"HTTP/1.1 200"):
        sys.exit(f"answered {answer[:40]}")


idle = []
for _ in range(COUNT):
    s = socket.create_connection(("127.0.0.1", PORT), TIMEOUT)
    ask(s)
    idle.append(s)
with socket.create_connection(("127.0.0.1", PORT), TIMEOUT) as s:
    ask(s)
