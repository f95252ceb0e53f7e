#!/usr/bin/env python3
"""Servers that lie, and auditors that must say so, through the real programs.

usage: tamper_test.py BUILD-FOLDER PART [WORD]

PART is answers (a proxy alters what an honest server answers), client (the same to immuclient), faults
(nobody lies, but nothing works: never an alarm), disk (the data of a stopped server is altered), fork (two
histories), rounds (no false alarm while a busy server is killed and started) or watch (metrics and alerts
over time). WORD: only the cases whose names contain it.
"""
import os
import sys

import tamper_client
import tamper_disk
import tamper_fork
import tamper_rounds
import tamper_watch
from tamper_cases import (BREAKS, DELETION, FOLLOWED, LARGE, LIES, METHODS, NEWEST, REFUSALS, REMEMBERED,
                          SMALL, STATUS_TEXT, STATUSES, THREE, TRUSTED)
from tamper_check import check_alarm, check_calm, check_recovery, run_cases
from tamper_world import Auditor, Client, Failure, Proxy, World, expect


# ---- Answers. ----

def pairs(first, last):
    return [[(b"key%03d" % n, b"value of %d" % n)] for n in range(first, last + 1)]


def make_history(client, last):
    """Transactions 1 to THREE - 1, or all of them up to last; see tamper_cases.py."""
    client.set_all(pairs(1, last))


def finish_history(client):
    client.set_all(pairs(TRUSTED + 1, THREE - 1))
    client.set_all([[(b"three-%d" % n, b"value %d of three" % n) for n in range(3)]])
    client.delete(b"key001")
    client.set_all(pairs(DELETION + 1, NEWEST))


class Stage:
    """An honest server behind the proxy, and an auditor that trusts TRUSTED."""

    def __init__(self, world):
        self.world = world
        self.server = world.server("data").start()
        self.proxy = Proxy(world, self.server.port)
        self.rules = {"key": world.key, "other": world.make_key("other")[0]}
        client = Client(self.server.port)
        client.create_auditor()
        make_history(client, REMEMBERED)
        for name, length in ((b"small", SMALL), (b"large", LARGE), (b"hollow", 0)):
            client.create_database(name)
            client.use(name)
            client.set_all([[(b"%s %d" % (name, n), b"x")] for n in range(length)])
        key = ["--server-signing-pub-key", world.public_key]
        check_calm(Auditor(world, "seen", self.proxy.port, key).once())
        self.proxy.tell("remember")
        client.use(b"defaultdb")
        client.set_all(pairs(REMEMBERED + 1, TRUSTED))
        self.first = Auditor(world, "first", self.proxy.port,
                             [*key, "--audit-databases", "defaultdb"])
        found = self.first.once()
        check_calm(found)
        expect(found.database()["verdict"] == "first-seen", f"no first sight: {found}")
        finish_history(client)
        client.close()
        self.count = 0

    def auditor(self):
        self.count += 1
        return self.first.copy(f"auditor{self.count}")


def check_lie(stage, lie):
    auditor = stage.auditor()
    stage.proxy.rules([rule.format(**stage.rules) for rule in lie.rules])
    check_alarm(auditor, lie)
    expect(stage.proxy.hits() > 0, "the rule altered no answer")
    stage.proxy.tell("clear")
    if lie.name in FOLLOWED:
        check_recovery(auditor, lie.verdict)


def part_answers(world, word):
    stage = Stage(world)
    auditor = stage.auditor()
    check_calm(auditor.once())
    run_cases([(lie.name, lambda lie=lie: check_lie(stage, lie)) for lie in LIES], word)


# ---- Faults. ----

def check_error(auditor, options=()):
    """One round in which something does not work: no alarm, and nothing is forgotten."""
    before = auditor.trusted()
    found = auditor.once(*options)
    expect(found.status not in (0, 10), f"expected an error: {found}")
    expect(auditor.trusted() == before, "the trusted state has changed")
    expect(not auditor.evidence(), "there is evidence of nothing")


def check_fault(stage, rules):
    stage.proxy.rules(rules)
    check_error(stage.auditor())
    expect(stage.proxy.hits() > 0, "the rule altered no answer")
    stage.proxy.tell("clear")


def check_hang(stage, method):
    """Waits longer when a busy machine has not come to the method in time."""
    stage.proxy.rules([f"answer {method} hang"])
    for timeout in ("500ms", "5s", "30s"):
        check_error(stage.auditor(), ["--timeout", timeout])
        if stage.proxy.hits() > 0:
            break
    expect(stage.proxy.hits() > 0, "the rule altered no answer")
    stage.proxy.tell("clear")


def fault_cases(stage):
    """Each status with a text of no meaning from one of the methods, or from all in a long run."""
    is_long = os.environ.get("IMMUDB_TEST_LONG") == "1"
    for status in STATUSES:
        for method in METHODS if is_long else METHODS[status % len(METHODS):][:1]:
            yield (f"{method} status {status}", lambda m=method, s=status: check_fault(
                stage, [f"answer {m} status {s} {STATUS_TEXT}"]))
    for method in METHODS if is_long else METHODS[-2:]:
        for status, text in REFUSALS:
            yield (f"{method} {text}", lambda m=method, s=status, t=text: check_fault(
                stage, [f"answer {m} status {s} {t}"]))
    for action in BREAKS:
        for skipped in range(0, 12, 3):
            yield (f"{action} after {skipped}",
                   lambda a=action, n=skipped: check_fault(stage, [f"answer * {a} after {n}"]))
    for method in ("CurrentState", "VerifiableTxById"):
        yield f"{method} hangs", lambda m=method: check_hang(stage, m)


def check_slow(stage):
    stage.proxy.rules(["answer * slow 20"])
    found = stage.auditor().once()
    check_calm(found)
    expect(stage.proxy.hits() > 0, "the rule altered no answer")
    stage.proxy.tell("clear")


def check_down(stage):
    """Nothing listens behind the proxy: unreachable, and good again when it is back."""
    auditor = stage.auditor()
    stage.server.stop()
    check_error(auditor)
    stage.proxy.tell(f"upstream {stage.server.start().port}")
    check_calm(auditor.once())


def part_faults(world, word):
    stage = Stage(world)
    run_cases([*fault_cases(stage), ("slow answers", lambda: check_slow(stage)),
               ("server down", lambda: check_down(stage))], word)


PARTS = {"answers": part_answers, "faults": part_faults, "client": tamper_client.part_client, "disk": tamper_disk.part_disk,
         "fork": tamper_fork.part_fork, "rounds": tamper_rounds.part_rounds,
         "watch": tamper_watch.part_watch}


def main():
    if len(sys.argv) not in (3, 4) or sys.argv[2] not in PARTS:
        sys.exit(__doc__)
    world = World(sys.argv[1])
    try:
        PARTS[sys.argv[2]](world, sys.argv[3] if len(sys.argv) == 4 else "")
    except Failure as failure:
        sys.exit(f"FAILED {sys.argv[2]}: {failure}")
    finally:
        world.end()


if __name__ == "__main__":
    main()
