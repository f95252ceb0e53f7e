#!/usr/bin/env python3
"""Adds up ctest's JUnit files and prints the closing line of tests/run.

usage: summarize.py REASONS BROKEN FILE...

REASONS is tests/skip-reasons.txt; BROKEN counts the builds and runs that left no file.
A test that ctest skipped must have printed "SKIP: REASON"; a case skipped inside a test that went
on prints "SKIP CASE: NAME: REASON" and is counted as skipped beside the test itself. A skip without
a reason of the list is a failure. Exits 0 when nothing failed and something passed.
"""
import re
import sys
import xml.etree.ElementTree as ElementTree


class Totals:
    def __init__(self, reasons, broken):
        self.reasons = reasons
        self.passed = 0
        self.failed = broken
        self.skipped = 0

    def skip(self, name, reason):
        words = re.split(r"[\s,]+", reason.strip())
        if words[0] not in self.reasons:
            self.failed += 1
            print(f"failed: {name}: skipped without a reason of the list: {reason!r}")
            return
        self.skipped += 1
        print(f"skipped: {name}: {reason}")

    def add(self, run, case):
        name = f"{run}: {case.get('name')}"
        output = case.findtext("system-out") or ""
        for inner, reason in re.findall(r"^SKIP CASE: (.*): ([^:\n]*)$", output, re.M):
            self.skip(f"{name}: {inner}", reason)
        for inner in re.findall(r"^\[  SKIPPED \] ([a-z]\w*)$", output, re.M):
            if f"SKIP CASE: {inner}: " not in output:
                self.skip(f"{name}: {inner}", "")
        if case.find("skipped") is not None or case.get("status") == "notrun":
            said = re.search(r"^SKIP: (.*)$", output, re.M)
            self.skip(name, said.group(1) if said else "")
        elif case.get("status") == "run":
            self.passed += 1
        else:
            self.failed += 1
            print(f"failed: {name}")


def read_reasons(path):
    with open(path, encoding="utf-8") as lines:
        return {line.split()[0] for line in lines if line.strip() and line[0] != "#"}


def main():
    totals = Totals(read_reasons(sys.argv[1]), int(sys.argv[2]))
    for path in sys.argv[3:]:
        run = re.sub(r".*/|\.xml$", "", path)
        for case in ElementTree.parse(path).getroot().iter("testcase"):
            totals.add(run, case)
    print(f"{totals.passed} passed, {totals.failed} failed, {totals.skipped} skipped")
    sys.exit(0 if totals.failed == 0 and totals.passed > 0 else 1)


main()
