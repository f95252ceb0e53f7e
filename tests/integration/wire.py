"""The wire protocol as tests speak it, written from libproto/PROTOCOL.md alone: frames, hellos, connections.

Used by the clients that send wrong bytes, by peers and servers that lie or are of another version, and by
the tests of lying servers. Nothing here waits without a deadline.
"""
import socket
import struct

DEADLINE_SECONDS = 60
HELLO, REQUEST, ANSWER, ERROR, DATA, END, CREDIT, CANCEL, GOAWAY = range(1, 10)
MORE, STREAM = 1, 2
VERSION = 1
LOGIN, USE, HEALTH = 0x0001, 0x0003, 0x0007
SET, GET, DELETE, REFER, ZADD = 0x0101, 0x0103, 0x0108, 0x0109, 0x010b
HOT_BACKUP = 0x0302
STATE, CREATE_DATABASE, UNLOAD, DROP = 0x0201, 0x0402, 0x0405, 0x0406
CREATE_USER, EXCHANGE_STATES = 0x0502, 0x0701
INVALID_ARGUMENT, NOT_FOUND, UNIMPLEMENTED, UNAUTHENTICATED = 3, 5, 12, 16
KIB, MIB = 1024, 1024 * 1024
MAGIC = b"immudb\r\n"


class Closed(ConnectionError):
    """The other side closed the connection."""


def varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def field(number, data):
    """A text, bytes or a message."""
    return varint(number << 3 | 2) + varint(len(data)) + data


def number_field(number, value):
    return varint(number << 3) + varint(value)


def double_field(number, value):
    return varint(number << 3 | 1) + struct.pack("<d", value)


def first_text(body):
    """The first field of a message, when it is a short text."""
    return body[2:2 + body[1]]


def text(data):
    return struct.pack(">H", len(data)) + data


def client_hello(name, low=VERSION, high=VERSION, window=32 * MIB):
    return MAGIC + struct.pack(">HHII", low, high, 32 * MIB, window) + text(name)


def server_hello(version=VERSION, name=b"", identity=b"", database=b""):
    return (MAGIC + struct.pack(">HIIIII", version, 64 * KIB, 64 * KIB, 16 * KIB, 64 * KIB, 4)
            + text(name) + text(identity) + text(database))


def error_payload(status, message=b""):
    return struct.pack(">H", status) + text(message)


class Link:
    """Frames over a socket, from either side."""

    def __init__(self, connected):
        self.socket = connected
        self.socket.settimeout(DEADLINE_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def close(self):
        self.socket.close()

    def send(self, data):
        try:
            self.socket.sendall(data)
        except OSError as error:
            raise Closed() from error

    def send_frame(self, kind, number, payload, flags=0):
        self.send(struct.pack(">IBBI", len(payload), kind, flags, number) + payload)

    def read(self, size):
        while len(self.buffer) < size:
            try:
                data = self.socket.recv(65536)
            except ConnectionError as error:
                raise Closed() from error
            if not data:
                raise Closed()
            self.buffer += data
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def read_frame(self):
        """(kind, flags, number, payload)"""
        size, kind, flags, number = struct.unpack(">IBBI", self.read(10))
        return kind, flags, number, self.read(size)

    def expect_closed(self):
        """Reads until the other side closes; what it still sends is of no interest."""
        try:
            while True:
                self.read(1)
        except Closed:
            pass


class Connection(Link):
    """A client of the server at 127.0.0.1:port, after its hello unless that is None."""

    def __init__(self, port, hello=client_hello(b"wire")):
        super().__init__(socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_SECONDS))
        self.next_id = 1
        self.session = b""
        if hello is not None:
            self.send_frame(HELLO, 0, hello)
            self.greeting = self.read_frame()

    def send_request(self, method, body, total=None):
        number = self.next_id
        self.next_id += 1
        head = struct.pack(">HIB", method, 0, len(self.session)) + self.session
        if total is not None:
            head += struct.pack(">I", total)
        self.send_frame(REQUEST, number, head + body, 0 if total is None else MORE)
        return number

    def login(self, user=b"immudb", password=None):
        """(status, body or text)"""
        answer = self.answer(self.send_request(LOGIN, field(1, user) + field(2, password or user)))
        if answer[0] == 0:
            self.session = first_text(answer[1])
        return answer

    def answer(self, number):
        """(status, body or text) of a request; control frames in between are passed over."""
        while True:
            kind, _, got, payload = self.read_frame()
            if got == number and kind == ANSWER:
                return 0, payload
            if got == number and kind == ERROR:
                return read_error(payload)
            if kind == ERROR and got == 0 or kind == GOAWAY:
                raise Closed()

    def settle(self, count):
        """Reads the answers of so many requests, in whatever order; the errors among them."""
        errors = []
        while count:
            kind, _, _, payload = self.read_frame()
            count -= kind in (ANSWER, ERROR)
            errors += [read_error(payload)] if kind == ERROR else []
        return errors

    def call(self, method, body):
        return self.answer(self.send_request(method, body))


def read_error(payload):
    """(status, text)"""
    status, size = struct.unpack(">HH", payload[:4])
    return status, payload[4:4 + size].decode()


def request_parts(payload):
    """(method, body) of a request that is one frame."""
    method, _, token = struct.unpack(">HIB", payload[:7])
    return method, payload[7 + token:]
