"""What is true of an auditor after a lie, after an honest round, and after an acknowledgement."""
import os
import sys
import traceback

from tamper_world import Failure, expect

TAMPERED_EXIT = 10


def run_cases(cases, word=""):
    """Runs (name, function) one after the other, and fails at the end when any of them did."""
    failed, run = [], 0
    for name, check in cases:
        if word not in name:
            continue
        run += 1
        try:
            check()
        except Failure as failure:
            failed.append(name)
            print(f"FAILED {name}: {failure}", flush=True)
        except Exception:  # a broken case must not hide those after it
            failed.append(name)
            print(f"FAILED {name}: {traceback.format_exc()}", flush=True)
    print(f"{run} cases, {len(failed)} failed{': ' if failed else ''}{', '.join(failed)}")
    if failed or not run:
        sys.exit(1)


def check_calm(found):
    """An honest round: nothing is wrong."""
    expect(found.status == 0, f"a false alarm: {found}")


def check_place(database, case):
    """The transactions in question are among those of the case, or exactly its one."""
    first, last = database.get("suspect_from", 0), database.get("suspect_to", 0)
    if case.first == 0 and first == 0 and last == 0:
        return
    expect(first and first <= last, f"no transactions are named: {database}")
    if case.first == case.last:
        expect(first == last == case.first, f"tx {first} to {last} instead of {case.first}")
    expect(case.first <= first and last <= case.last,
           f"tx {first} to {last} are not within {case.first} to {case.last}")


def check_evidence(auditor, database, case):
    path = database.get("evidence")
    expect(path and os.path.exists(path), f"no evidence: {database}")
    checked = auditor.run("verify", path, "--server-signing-pub-key", auditor.world.public_key)
    expect(checked.returncode == 0,
           f"verify: {checked.returncode} {checked.stdout}{checked.stderr}")
    expect(case.verdict in checked.stdout, f"verify does not say {case.verdict}: {checked.stdout}")


def check_alarm(auditor, case, name="defaultdb"):
    """One round against the liar: its verdict, the place, evidence, and nothing trusted that is bad."""
    before = auditor.trusted()
    found = auditor.once()
    database = found.database(name)
    expect(database["verdict"] == case.verdict, f"not {case.verdict}: {found}")
    expect(found.status == TAMPERED_EXIT, f"not the status of an alarm: {found}")
    check_place(database, case)
    check_evidence(auditor, database, case)
    expect(auditor.trusted() == before, "the trusted state has changed")
    return found


def check_recovery(auditor, verdict, name="defaultdb"):
    """The server is honest again: the alarm stays, through restarts, until it is acknowledged."""
    for _ in range(2):
        found = auditor.once()
        database = found.database(name)
        expect(found.status == TAMPERED_EXIT, f"the alarm is gone: {found}")
        expect(database["verdict"] == verdict, f"the alarm is not {verdict} any more: {found}")
    auditor.acknowledge()
    found = auditor.once()
    check_calm(found)
    expect(found.database(name)["verdict"] == "ok", f"not ok after the acknowledgement: {found}")
