"""An auditor over time, as an operator sees it: metrics, alerts, restarts and acknowledgements."""
import json
import os
import re
import stat
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer

from tamper_check import run_cases
from tamper_world import (DEADLINE_SECONDS, PASSWORD, Auditor, Client, Daemon, Proxy, expect, free_port,
                          poll)

WEBHOOK_PASSWORD = "Webhook1!"
OK, TAMPERED, ERROR = 1, 0, -2
LAST = 30  # transactions of the watched database; the other one has fewer

# Lies that immudb's auditor takes for errors, or does not look at; each is an alarm here.
ALARMS = (("tampered", [f"change * TxEntry.value flip tx {LAST - 1}"]),
          ("rolled-back", ["answer CurrentState stale"]),
          ("signature-missing", ["change CurrentState ImmutableState.signature clear"]),
          ("emptied", ["answer UseDatabase status 5 database_does_not_exist"]))


class Webhook:
    """Takes what is posted."""

    def __init__(self):
        posted = self.posted = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                posted.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
                self.send_response(204)
                self.end_headers()

            def log_message(self, format, *args):
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/alert"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def verdicts(self):
        return [json.loads(body)["verdict"] for body in self.posted]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Stage:
    """A server with two databases, a proxy, and an auditor that is started and stopped."""

    def __init__(self, world):
        self.world = world
        self.webhook = Webhook()
        self.server = world.server("data").start()
        self.proxy = Proxy(world, self.server.port)
        client = Client(self.server.port)
        client.create_auditor()
        for name, length in ((b"db", LAST // 2), (b"mydb", LAST // 3)):
            client.create_database(name)
            client.use(name)
            client.set_all([[(b"key%d" % n, b"value")] for n in range(length)])
        seen = Auditor(world, "seen", self.proxy.port).once()
        expect(seen.status == 0, f"a false alarm: {seen}")
        self.proxy.tell("remember")
        client.use(b"db")
        client.set_all([[(b"key%d" % n, b"value")] for n in range(LAST // 2, LAST)])
        client.close()
        self.server.stop()
        self.port = free_port()
        self.auditor = Auditor(world, "auditor", self.proxy.port, [
            "--server-signing-pub-key", world.public_key, "--audit-databases", "db,mydb",
            "--audit-monitoring-host", "127.0.0.1",
            "--audit-notification-url", self.webhook.url, "--audit-notification-username", "hook",
            "--audit-notification-password", WEBHOOK_PASSWORD])
        self.daemon = None

    def run(self):
        self.daemon = Daemon(self.auditor, "--audit-interval", "1s", "--audit-monitoring-port",
                             str(self.port))
        self.daemon.wait(lambda: self.metrics() is not None, "no metrics")

    def metrics(self):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics",
                                        timeout=DEADLINE_SECONDS) as answer:
                return answer.read().decode()
        except OSError:
            return None

    def result(self, name=None):
        """The result of the server, or of a database of it."""
        labels = f'[^}}]*db="{name}"[^}}]*' if name else '[^}]*'
        family = "result_per_database" if name else "result_per_server"
        found = re.findall(rf"^immuclient_audit_{family}{{{labels}}} (\S+)$", self.metrics(), re.M)
        return float(found[0]) if found else None

    def wait_result(self, wanted, name=None):
        self.daemon.wait(lambda: self.result(name) == wanted,
                         f"the result of {name or 'the server'} does not become {wanted}")

    def wait_round(self):
        """Until a round has ended that began after this."""
        def rounds():
            return float(re.search(r"^immuclient_audit_server_rounds_total{[^}]*} (\S+)$",
                                   self.metrics(), re.M)[1])
        now = rounds()
        self.daemon.wait(lambda: rounds() >= now + 2, "no more rounds")

    def up(self):
        self.proxy.tell(f"upstream {self.server.start().port}")


def check_down_at_start(stage):
    """A server that is not there does not end the auditor, and is noticed when it comes."""
    stage.run()
    stage.wait_result(ERROR)
    stage.up()
    stage.wait_result(OK)
    for name in ("db", "mydb"):
        expect(stage.result(name) == OK, f"{name} is not ok: {stage.metrics()}")


def check_alarms(stage):
    """Each alarm is 0 in the metrics and one post, and ends by an acknowledgement; mydb stays good."""
    for verdict, rules in ALARMS:
        before = len(stage.webhook.posted)
        stage.proxy.rules(rules)
        stage.wait_result(TAMPERED)
        poll(lambda: verdict in stage.webhook.verdicts()[before:], f"no post about {verdict}")
        stage.proxy.tell("clear")
        stage.wait_round()
        expect(stage.result() == TAMPERED, "the alarm has gone by itself")
        stage.auditor.acknowledge()
        stage.wait_result(OK)
    for body in stage.webhook.posted:
        expect(WEBHOOK_PASSWORD not in body and PASSWORD not in body, f"a password in {body}")


def check_worst_counts(stage):
    """One bad database makes the server bad, and does not hide behind a good one."""
    stage.proxy.rules([f"change * TxEntry.value flip tx {LAST}"])
    stage.wait_result(TAMPERED, "db")
    expect(stage.result("mydb") == OK, "the other database is not ok")
    expect(stage.result() == TAMPERED, "the server is not as bad as its worst database")


def check_alarm_stays(stage):
    """Neither an honest server, nor a restart, nor the server's absence ends an alarm."""
    stage.proxy.tell("clear")
    stage.wait_round()
    expect(stage.result() == TAMPERED, "the alarm has gone by itself")
    stage.daemon.kill()
    stage.server.stop()
    stage.run()
    expect(stage.result() == TAMPERED, "the alarm is gone after a restart")
    stage.daemon.wait_log("unreachable")
    expect(stage.result() == TAMPERED, "the alarm is gone while the server is away")
    stage.up()
    stage.auditor.acknowledge("db")
    stage.wait_result(OK)


def check_folder(stage):
    """Files are private, and others that lie there are left alone."""
    stage.daemon.stop()
    folder = stage.auditor.folder
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        wanted = 0o700 if os.path.isdir(path) else 0o600
        expect(stat.S_IMODE(os.stat(path).st_mode) == wanted, f"mode of {name}")
        if name.startswith("state-"):
            with open(path + "~", "w", encoding="ascii") as file:
                file.write("an editor's copy\n")
    found = stage.auditor.once()
    expect(found.status == 0 and found.database("mydb")["verdict"] == "ok", f"not ok: {found}")


def check_filters(stage):
    """Names that begin so, not names that contain it; one that selects nothing is an error."""
    auditor = stage.auditor.copy("filtered")
    auditor.options[auditor.options.index("db,mydb")] = "db"
    found = auditor.once()
    expect([row["database"] for row in found.report] == ["db"], f"not only db: {found}")
    auditor.options[auditor.options.index("db")] = "nosuch"
    found = auditor.once()
    expect(found.status not in (0, 10) and "mydb" in found.output + found.log,
           f"no list of the databases there are: {found}")


def part_watch(world, word):
    stage = Stage(world)
    try:
        run_cases([
            ("server down at the start", lambda: check_down_at_start(stage)),
            ("alarms", lambda: check_alarms(stage)),
            ("the worst database counts", lambda: check_worst_counts(stage)),
            ("an alarm stays", lambda: check_alarm_stays(stage)),
            ("the folder", lambda: check_folder(stage)),
            ("filters", lambda: check_filters(stage))], word)
    finally:
        stage.webhook.stop()
