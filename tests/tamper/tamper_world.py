"""The real programs as the tests of lying servers run them: servers, the proxy, auditors.

Everything is on the loopback with ports that the kernel chooses, lives in one temporary folder, and is
killed by the kernel when this process ends. Waits have a deadline.
"""
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "integration"))
# pylint: disable=wrong-import-position
from wire import (CREATE_DATABASE, CREATE_USER, DEADLINE_SECONDS, DELETE, DROP, REFER, SET, UNLOAD,  # noqa: E402
                  USE, ZADD, Connection, double_field, field, first_text, number_field)

POLL_SECONDS = 0.01
LOG_SHOWN = 4000
PASSWORD = "Auditor1!"
IS_LONG = os.environ.get("IMMUDB_TEST_LONG") == "1"
READ = 1


class Failure(Exception):
    """What a test found wrong."""


def expect(true, message):
    if not true:
        raise Failure(message)


def poll(check, message):
    deadline = time.monotonic() + DEADLINE_SECONDS
    pause = threading.Event()
    while not check():
        expect(time.monotonic() < deadline, message)
        pause.wait(POLL_SECONDS)


def free_port():
    """A port that nobody has at the moment."""
    with socket.socket() as any_socket:
        any_socket.bind(("127.0.0.1", 0))
        return any_socket.getsockname()[1]


def read_text(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def spawn(command, **options):
    """To be called from the main thread: the kernel kills the program when its maker's thread ends."""
    return subprocess.Popen(["setpriv", "--pdeathsig", "KILL"] + command, **options)


class Client(Connection):
    """A client of the wire protocol, for making histories."""

    def __init__(self, port, user=b"immudb"):
        super().__init__(port)
        if user:
            expect(self.login(user)[0] == 0, f"{user} cannot log in")

    def call(self, method, body):
        """The answer's body."""
        status, body = self.answer(self.send_request(method, body))
        expect(status == 0, f"the server refuses: {body!r}")
        return body

    def use(self, database):
        self.session = first_text(self.call(USE, field(1, database)))

    def set_all(self, transactions):
        """Writes transactions, each a list of (key, value), in this order."""
        for pairs in transactions:
            self.send_request(SET, b"".join(
                field(1, field(1, key) + field(2, value)) for key, value in pairs))
        errors = self.settle(len(transactions))
        expect(not errors, f"the server refuses: {errors}")

    def delete(self, key):
        self.call(DELETE, field(1, key))

    def set_odd(self):
        """A reference, a member of a set, an entry that expires and one that is not indexed."""
        self.set_all([[(b"plain", b"value")]])
        self.call(REFER, field(1, b"reference") + field(2, b"plain"))
        self.call(ZADD, field(1, b"set") + double_field(2, -1.5) + field(3, b"plain"))
        expires = field(2, number_field(1, int(time.time()) + 1))
        for metadata in (expires, number_field(3, 1)):
            self.call(SET, field(1, field(1, b"odd") + field(2, b"value")
                                      + field(3, metadata)))

    def create_database(self, name):
        self.call(CREATE_DATABASE, field(1, name))

    def drop_database(self, name):
        self.call(UNLOAD, field(1, name))
        self.call(DROP, field(1, name))

    def create_auditor(self):
        """A user who may read everything, and nothing more."""
        self.call(CREATE_USER, field(1, b"auditor") + field(2, PASSWORD.encode())
                  + number_field(3, READ) + field(4, b"*"))


class Server:
    """An immudb over a data folder."""

    def __init__(self, world, data, options=()):
        self.data = data
        self.log = data + ".log"
        self.process = None
        self.command = [world.program("immudb"), "--dir", data, "--address", "127.0.0.1",
                        "--port", "0", "--metrics-port", "0", *options]
        self.port = None
        world.servers.append(self)

    def database(self, name="defaultdb"):
        return os.path.join(self.data, name)

    def ready_port(self):
        lines = read_text(self.log).splitlines()
        ports = [line.rsplit(":", 1)[1] for line in lines if line.startswith("Address ")]
        return int(ports[-1]) if "Ready." in " ".join(lines) and ports else None

    def start(self):
        with open(self.log, "wb") as log:
            self.process = spawn(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        poll(lambda: self.ready_port() or self.process.poll() is not None,
             "the server does not get ready")
        self.port = self.ready_port()
        expect(self.port, f"the server did not start:\n{read_text(self.log)}")
        return self

    def stop(self):
        self.process.terminate()
        status = self.process.wait(DEADLINE_SECONDS)
        self.process = None
        expect(status == 0, f"the server ended with {status}:\n{read_text(self.log)}")

    def kill(self):
        self.process.kill()
        self.process.wait(DEADLINE_SECONDS)
        self.process = None


class Proxy:
    """The lying proxy; rules are those of proxy_rule.h."""

    def __init__(self, world, upstream):
        self.process = spawn([world.program("tamper_proxy"), str(upstream)], text=True,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        word, port = self.process.stdout.readline().split()
        expect(word == "port", "the proxy does not start")
        self.port = int(port)
        world.processes.append(self.process)

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        expect(answer and not answer.startswith("error"), f"the proxy on '{line}': {answer}")
        return answer

    def rules(self, lines):
        self.tell("clear")
        for line in lines:
            self.tell(line)

    def fields(self):
        """Every field of every answer so far: (method, "TYPE.FIELD", "OP")."""
        count = int(self.tell("fields").split()[1])
        lines = [self.process.stdout.readline().split(maxsplit=2) for _ in range(count)]
        return [tuple(word.strip() for word in line) for line in lines]

    def hits(self):
        return int(self.tell("hits").split()[1])


class Round:
    """What an auditor said of one round, or of several."""

    def __init__(self, finished):
        self.status = finished.returncode
        self.output = finished.stdout
        self.log = finished.stderr
        try:
            self.report = json.loads(finished.stdout)
        except ValueError:
            self.report = []

    def database(self, name="defaultdb"):
        for database in self.report:
            if database.get("database") == name:
                return database
        raise Failure(f"nothing about {name}; {self}")

    def __str__(self):
        return f"status {self.status}, output:\n{self.output}\nlog:\n{self.log}"


class Auditor:
    """An auditor with a folder of its own, run for one round at a time."""

    def __init__(self, world, name, port, options=()):
        self.world = world
        self.folder = os.path.join(world.folder, name)
        self.port = port
        self.options = list(options)
        self.user = world.auditor_login

    def copy(self, name):
        """Another one that knows what this one knows."""
        twin = Auditor(self.world, name, self.port, self.options)
        shutil.copytree(self.folder, twin.folder)
        return twin

    def arguments(self):
        return ["--dir", self.folder, "--immudb-address", "127.0.0.1",
                "--immudb-port", str(self.port), "--audit-monitoring-port", "0", *self.user,
                *self.options]

    def run(self, *words):
        return subprocess.run([self.world.program("auditor"), *words], text=True, check=False,
                              stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=DEADLINE_SECONDS)

    def once(self, *options):
        return Round(self.run("--once", "--output", "json", *self.arguments(), *options))

    def acknowledge(self, *names):
        done = self.run("ack", "--dir", self.folder, "--reason", "seen by the test", *names)
        expect(done.returncode == 0, f"ack: {done.returncode} {done.stdout}{done.stderr}")

    def forget(self, database):
        done = self.run("trust", "forget", database, *self.arguments())
        expect(done.returncode == 0, f"forget: {done.returncode} {done.stdout}{done.stderr}")

    def trusted(self):
        """Every trusted state and pinned identity, as bytes."""
        found = {}
        for name in sorted(os.listdir(self.folder)):
            if name.startswith(("state-", "identity-")):
                with open(os.path.join(self.folder, name), "rb") as file:
                    found[name] = file.read()
        return found

    def evidence(self):
        folder = os.path.join(self.folder, "evidence")
        return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


class Daemon:
    """An auditor that runs until it is stopped."""

    def __init__(self, auditor, *options):
        self.auditor = auditor
        self.options = options
        self.log = auditor.folder + ".log"
        with open(self.log, "wb") as log:
            self.process = spawn(
                [auditor.world.program("auditor"), *auditor.arguments(), *options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        auditor.world.processes.append(self.process)

    def wait(self, check, message):
        def has_happened():
            expect(self.process.poll() is None, f"the auditor has ended: {read_text(self.log)}")
            return check()
        try:
            poll(has_happened, message)
        except Failure as failure:
            last = read_text(self.log)[-LOG_SHOWN:]
            raise Failure(f"{failure}; the end of its log:\n{last}") from failure

    def wait_log(self, text):
        self.wait(lambda: text in read_text(self.log), f"the auditor does not say: {text}")

    def stop(self):
        self.process.terminate()
        expect(self.process.wait(DEADLINE_SECONDS) == 0, "the auditor ended badly")

    def kill(self):
        self.process.kill()
        self.process.wait(DEADLINE_SECONDS)


class World:
    """The folder of one test, and whatever runs in it."""

    def __init__(self, build):
        self.build = os.path.abspath(build)
        self.folder = tempfile.mkdtemp(prefix="immudb-tamper-")
        self.servers = []
        self.processes = []  # others that are to end with the test
        self.auditor_login = self.login("auditor", PASSWORD)
        self.superadmin_login = self.login("immudb", "immudb")
        self.key, self.public_key = self.make_key("key")
        for name in list(os.environ):
            if name.startswith(("IMMU", "AUDITOR")):
                del os.environ[name]
        os.environ["HOME"] = os.environ["XDG_STATE_HOME"] = self.folder

    def path(self, name):
        return os.path.join(self.folder, name)

    def program(self, name):
        return os.path.join(self.build, "bin", name)

    def login(self, user, password):
        """The options with which an auditor logs in."""
        path = self.path(user + ".password")
        with open(path, "w", encoding="ascii") as file:
            file.write(password + "\n")
        os.chmod(path, 0o600)
        return ["--audit-username", user, "--audit-password-file", path]

    def make_key(self, name):
        """A P-256 key pair: the paths of both files."""
        private, public = self.path(name + ".pem"), self.path(name + ".pub")
        for command in (["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", private],
                        ["ec", "-in", private, "-pubout", "-out", public]):
            subprocess.run(["openssl", *command], check=True, capture_output=True)
        os.chmod(private, 0o600)
        return private, public

    def server(self, name, *options):
        return Server(self, self.path(name), ["--signingKey", self.key, *options])

    def copy_server(self, server, name):
        """A stopped server's data under another name."""
        shutil.copytree(server.data, self.path(name))
        return self.server(name)

    def end(self):
        for process in [server.process for server in self.servers] + self.processes:
            if process and process.poll() is None:
                process.kill()
                process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
