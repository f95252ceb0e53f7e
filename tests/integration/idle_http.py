#!/usr/bin/env python3
"""Opens N connections that are kept after a request and then say nothing, and asks on a new one.

usage: idle_http.py PORT N
"""
import resource
import socket
import sys

PORT, COUNT = int(sys.argv[1]), int(sys.argv[2])
TIMEOUT = 60
ASK = b"GET /livez HTTP/1.1\r\nHost: gateway\r\n\r\n"

soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, COUNT + 64)), hard))


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
