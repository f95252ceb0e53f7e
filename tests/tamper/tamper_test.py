#!/usr/bin/env python3
"""Servers that lie, and auditors that must say so, through the real programs.

usage: tamper_test.py BUILD-FOLDER PART [WORD]

PART is answers (a proxy alters what an honest server answers), fields (the same to every field there
is), client (the same to immuclient), faults (nobody lies, but nothing works: never an alarm), disk (the
data of a stopped server is altered), fork (two histories), rounds (no false alarm while a busy server
is killed and started) or watch (metrics and alerts over time). WORD: only the cases whose names contain
it.
"""
import sys

import tamper_client
import tamper_disk
import tamper_fork
import tamper_rounds
import tamper_watch
from tamper_cases import (BREAKS, DELETION, FOLLOWED, LARGE, LIES, METHODS, NEWEST, PROVEN_TYPES,
                          REFUSALS, REMEMBERED, SESSION_LIES, SMALL, STATUS_TEXT, STATUSES, THREE,
                          TRUSTED, UNPROVEN_FIELDS)
from tamper_check import check_alarm, check_calm, check_recovery, run_cases
from tamper_world import IS_LONG, Auditor, Client, Failure, Proxy, World, expect


# ---- Answers. ----

def pairs(first, last):
    """Transactions of one entry each."""
    return [[(b"key%03d" % n, b"value of %d" % n)] for n in range(first, last + 1)]


def finish_history(client):
    """What comes after TRUSTED; see tamper_cases.py."""
    client.set_all(pairs(TRUSTED + 1, THREE - 1))
    client.set_all([[(b"three-%d" % n, b"value %d of three" % n) for n in range(3)]])
    client.delete(b"key001")
    client.set_all(pairs(DELETION + 1, NEWEST))


class Stage:
    """An honest server behind the proxy, and an auditor that trusts TRUSTED."""

    def __init__(self, world, opens=False):
        """opens: open() will be called, which needs a server without other users than the superadmin."""
        self.world = world
        self.server = world.server("data").start()
        self.proxy = Proxy(world, self.server.port)
        self.login = world.superadmin_login if opens else world.auditor_login
        self.rules = {"key": world.key, "other": world.make_key("other")[0]}
        client = Client(self.server.port)
        if not opens:
            client.create_auditor()
        client.set_all(pairs(1, REMEMBERED))
        for name, length in ((b"small", SMALL), (b"large", LARGE), (b"hollow", 0)):
            client.create_database(name)
            client.use(name)
            client.set_all([[(b"%s %d" % (name, n), b"x")] for n in range(length)])
        client.create_database(b"odd")
        client.use(b"odd")
        client.set_odd()
        key = ["--server-signing-pub-key", world.public_key]
        check_calm(self.new_auditor("seen", key).once())
        self.proxy.tell("remember")
        client.use(b"defaultdb")
        client.set_all(pairs(REMEMBERED + 1, TRUSTED))
        self.first = self.new_auditor("first", [*key, "--audit-databases", "defaultdb"])
        found = self.first.once()
        check_calm(found)
        expect(found.database()["verdict"] == "first-seen", f"no first sight: {found}")
        finish_history(client)
        client.close()
        self.count = 0

    def new_auditor(self, name, options):
        auditor = Auditor(self.world, name, self.proxy.port, options)
        auditor.user = self.login
        return auditor

    def open(self):
        """
        From here on the server asks for no login, which would take most of the time; it has no other
        databases then.
        """
        client = Client(self.server.port)
        for name in (b"small", b"large", b"hollow", b"odd"):
            client.drop_database(name)
        client.close()
        self.server.stop()
        self.server.command.append("--auth=false")
        self.proxy.tell(f"upstream {self.server.start().port}")
        self.login = []

    def auditor(self):
        self.count += 1
        auditor = self.first.copy(f"auditor{self.count}")
        auditor.user = self.login
        return auditor


def check_lie(stage, lie):
    auditor = stage.auditor()
    stage.proxy.rules([rule.format(**stage.rules) for rule in lie.rules])
    check_alarm(auditor, lie)
    expect(stage.proxy.hits() > 0, "the rule altered no answer")
    stage.proxy.tell("clear")
    if lie.name in FOLLOWED:
        check_recovery(auditor, lie.verdict)


def check_unlisted(stage):
    """A database that is left out of the list is still known, asked for and checked."""
    stage.proxy.rules(["change * DatabaseListResponseV2.databases drop defaultdb"])
    found = stage.auditor().once()
    expect(stage.proxy.hits() > 0, "the rule altered no answer")
    stage.proxy.tell("clear")
    check_calm(found)
    expect(found.database()["checked_entries"] >= NEWEST, f"not checked: {found}")


def check_password_kept(stage):
    """Another server is asked for nothing, so that it never learns the password."""
    stage.proxy.rules(["hello 0123456789abcdefghij"])
    stage.proxy.fields()
    stage.auditor().once()
    expect(stage.proxy.hits() > 0, "the rule altered no answer")
    stage.proxy.tell("clear")
    expect(stage.proxy.fields() == [], "another server was asked for something")


def part_answers(world, word):
    stage = Stage(world, opens=True)
    check_calm(stage.auditor().once())

    def cases(lies):
        return [(lie.name, lambda lie=lie: check_lie(stage, lie)) for lie in lies]
    run_cases([*cases(SESSION_LIES), ("database not listed", lambda: check_unlisted(stage)),
               ("password not sent", lambda: check_password_kept(stage)),
               ("no login from here on", stage.open), *cases(LIES)], word)


# ---- Fields. ----

def check_field(stage, method, path, op):
    """A field is proven, and then altering it is an alarm, or it is one of those that are not."""
    auditor = stage.auditor()
    stage.proxy.rules([f"change {method} {path} {op}"])
    found = auditor.once()
    expect(stage.proxy.hits() > 0, "the rule altered no answer")
    stage.proxy.tell("clear")
    if (method, path) in UNPROVEN_FIELDS:
        expect(found.status == 0, f"an alarm over what is not proven: {found}")
    elif path.split(".")[0] in PROVEN_TYPES:
        expect(found.status == 10, f"nobody notices: {found}")
        expect(auditor.evidence(), f"no evidence: {found}")
    else:
        expect(found.status != 10, f"a false alarm: {found}")


def part_fields(world, word):
    """Every field of every answer that a round gets, whatever they are."""
    stage = Stage(world, opens=True)
    stage.proxy.fields()
    check_calm(stage.auditor().once())
    fields = stage.proxy.fields()
    types = {path.split(".")[0] for _, path, _ in fields}
    expect(types >= PROVEN_TYPES, f"too few fields: {fields}")

    def cases(are_proven):
        return [(" ".join(field), lambda field=field: check_field(stage, *field)) for field in fields
                if (field[1].split(".")[0] in PROVEN_TYPES) == are_proven]
    run_cases([*cases(False), ("no login from here on", stage.open), *cases(True)], word)


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
    for status in STATUSES:
        for method in METHODS if IS_LONG else METHODS[status % len(METHODS):][:1]:
            yield (f"{method} status {status}", lambda m=method, s=status: check_fault(
                stage, [f"answer {m} status {s} {STATUS_TEXT}"]))
    for method in METHODS if IS_LONG else METHODS[-1:]:
        for status, text in REFUSALS:
            yield (f"{method} {text}", lambda m=method, s=status, t=text: check_fault(
                stage, [f"answer {m} status {s} {t}"]))
    for action in BREAKS:
        for skipped in range(0, 12, 4):
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


PARTS = {"answers": part_answers, "fields": part_fields, "faults": part_faults,
         "client": tamper_client.part_client, "disk": tamper_disk.part_disk,
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
