"""Honest rounds: a server that is written to, killed and started again must never be taken for a liar.

The server runs with its durable default: with --synced=false a kill may take back transactions that an
auditor has seen, and "rolled-back" is then the truth. It asks for no login, which would take most of the
time; the other tests have one.
"""
import subprocess
import threading
import time

from tamper_check import TAMPERED_EXIT, check_calm
from tamper_world import IS_LONG, Auditor, Client, Proxy, expect

ROUNDS, ROUNDS_LONG = 500, 10000  # good ones; those that find nobody there do not count
SECONDS, SECONDS_LONG = 20, 3600  # at the most; fewer rounds are done then
ROUNDS_A_RUN = 20
AUDITORS = 2  # at the same time
BATCH = 4
BATCHES_A_LIFE = (20, 200, 800)


class Rounds:
    """An auditor's rounds, in a thread of their own."""

    def __init__(self, auditor):
        self.auditor = auditor
        self.wanted = (ROUNDS_LONG if IS_LONG else ROUNDS) // AUDITORS
        self.by = time.monotonic() + (SECONDS_LONG if IS_LONG else SECONDS)
        self.good = 0
        self.problem = None
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def some(self):
        """So many rounds in one process. Those that are not good are unreachable, never alarms."""
        found = self.auditor.once("--rounds", str(ROUNDS_A_RUN))
        expect(found.status != TAMPERED_EXIT and "consistent: false" not in found.log,
               f"a false alarm: {found}")
        expect(" error: " not in found.log, f"an error where nobody was there: {found}")
        self.good += found.log.count("consistent: true")

    def killed(self):
        """A process that is killed half-way, so that the next one begins with what it has left."""
        process = subprocess.Popen(
            [self.auditor.world.program("auditor"), "--once", "--rounds", str(ROUNDS_A_RUN),
             *self.auditor.arguments()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True)
        for line in process.stderr:
            expect("consistent: false" not in line, f"a false alarm: {line}")
            if "consistent: true" in line:
                self.good += 1
                break
        process.kill()
        process.wait()
        process.stderr.close()

    def run(self):
        try:
            while self.good < self.wanted and time.monotonic() < self.by:
                self.some()
                self.killed()
        except Exception as problem:  # the main thread reports it
            self.problem = problem

    def go_on(self):
        return self.thread.is_alive()

    def end(self):
        self.thread.join()
        if self.problem:
            raise self.problem


def live(server, number, go_on):
    """One life: so many transactions, with keys of this life and keys of all."""
    client = Client(server.port, user=None)
    written, name = 0, b"life %d" % number
    while written < BATCHES_A_LIFE[number % len(BATCHES_A_LIFE)] and go_on():
        client.set_all([[(b"common %d" % n, name), (b"%s %d %d" % (name, written, n), b"value")]
                        for n in range(BATCH)])
        written += 1
    client.close()


def part_rounds(world, _):
    server = world.server("data", "--auth=false").start()
    proxy = Proxy(world, server.port)
    client = Client(server.port, user=None)
    client.set_all([[(b"first", b"value")]])
    client.close()
    auditors = [Auditor(world, f"auditor{n}", proxy.port, [
        "--server-signing-pub-key", world.public_key, "--audit-sample", "20", "--audit-newest", "20"])
                for n in range(AUDITORS)]
    for auditor in auditors:
        auditor.user = []
        check_calm(auditor.once())
    rounds = [Rounds(auditor) for auditor in auditors]

    def go_on():
        return any(one.go_on() for one in rounds)
    lives = 0
    while go_on():
        live(server, lives, go_on)
        server.kill()
        proxy.tell(f"upstream {server.start().port}")
        lives += 1
    for one, auditor in zip(rounds, auditors):
        one.end()
        check_calm(auditor.once())
    good = [one.good for one in rounds]
    print(f"{sum(good)} good rounds, {lives} lives of the server")
    expect(min(good) > 0 and lives > 1, "nothing was tested")
