"""Honest rounds: a server that is written to, killed and started again must never be taken for a liar.

The server runs with its durable default: with --synced=false a kill may take back transactions that an
auditor has seen, and "rolled-back" is then the truth.
"""
import os
import threading
import time

from tamper_check import TAMPERED_EXIT, check_calm
from tamper_world import Auditor, Client, Failure, Proxy, expect

ROUNDS, ROUNDS_LONG = 500, 10000
SECONDS = 12  # of the normal run, which ends then even when it is not through
ROUNDS_A_RUN = 25
BATCH = 4
BATCHES_A_LIFE = 60


class Load:
    """A server under writes, killed and started again after every so many of them."""

    def __init__(self, server, proxy):
        self.server, self.proxy = server, proxy
        self.lives = self.batches = 0
        self.problem = None
        self.ends = False
        self.thread = threading.Thread(target=self.run)

    def write(self, client):
        for _ in range(BATCHES_A_LIFE):
            client.set_all([[(b"key %d" % (self.batches % 97 * BATCH + n),
                              b"value of %d" % self.batches)] for n in range(BATCH)])
            self.batches += 1
            if self.ends:
                return

    def live(self):
        """One life: what is under way when it ends is lost, what was answered is not."""
        client = Client(self.server.port)
        try:
            self.write(client)
        finally:
            client.close()
        if not self.ends:
            self.server.kill()
            self.proxy.tell(f"upstream {self.server.start().port}")
            self.lives += 1

    def run(self):
        try:
            while not self.ends:
                self.live()
        except Exception as problem:  # it is the main thread that reports it
            self.problem = problem

    def stop(self):
        self.ends = True
        self.thread.join()
        if self.problem:
            raise Failure(f"the load ended: {self.problem!r}")


def some_rounds(auditor, count):
    """So many rounds in one process: how many were good. Others are unreachable, never alarms."""
    found = auditor.once("--rounds", str(count))
    expect(found.status != TAMPERED_EXIT, f"a false alarm: {found}")
    verdicts = found.database()["verdicts"]
    expect(set(verdicts) <= {"ok", "first-seen", "unreachable", "error"},
           f"a false alarm: {found}")
    return verdicts.get("ok", 0)


def part_rounds(world, _):
    is_long = os.environ.get("IMMUDB_TEST_LONG") == "1"
    wanted = ROUNDS_LONG if is_long else ROUNDS
    by = time.monotonic() + (10 ** 9 if is_long else SECONDS)
    server = world.server("data").start()
    proxy = Proxy(world, server.port)
    client = Client(server.port)
    client.create_auditor()
    client.set_all([[(b"first", b"value")]])
    client.close()
    auditor = Auditor(world, "auditor", proxy.port, ["--server-signing-pub-key", world.public_key,
                                                     "--audit-databases", "defaultdb"])
    check_calm(auditor.once())
    load = Load(server, proxy)
    load.thread.start()
    done = good = 0
    try:
        while done < wanted and time.monotonic() < by and not load.problem:
            good += some_rounds(auditor, ROUNDS_A_RUN)
            done += ROUNDS_A_RUN
    finally:
        load.stop()
    check_calm(auditor.once())
    print(f"{done} rounds, {good} of them good, {load.lives} kills, {load.batches * BATCH} writes")
    expect(good > 0 and load.lives > 0, "nothing was tested")
