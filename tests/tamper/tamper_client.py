"""The same lies told to immuclient: a verified read must never show what is not proven."""
import os
import shutil
import subprocess

from tamper_cases import HEADER_FIELDS, THREE, Lie, proof_fields
from tamper_check import TAMPERED_EXIT, run_cases
from tamper_world import DEADLINE_SECONDS, Client, Proxy, expect

METHOD, KEY, VALUE = "VerifiableGet", "three-1", "value 1 of three"


def client_lies():
    def lie(name, rule):
        return Lie(name, [f"change {METHOD} {rule}"], None, 0, 0)

    for rule in ("value flip", "value short", "value long", "value clear", "key flip", "tx add 1",
                 "tx clear"):
        yield lie(f"entry {rule}", f"Entry.{rule}")
    for rule in ("leaf add 1", "width add 1", "terms cut", "terms pad", "terms flip", "terms swap",
                 "terms short", "terms clear"):
        yield lie(f"inclusion {rule}", f"InclusionProof.{rule}")
    for field, op in HEADER_FIELDS:
        yield lie(f"header {field}", f"Tx.header.{field} {op}")
        for end in ("source", "target"):
            yield lie(f"{end} {field}", f"DualProof.{end}TxHeader.{field} {op}")
    for rule in proof_fields():
        yield lie(rule, rule)
    for rule in ("VerifiableEntry.entry clear", "VerifiableEntry.verifiableTx clear",
                 "VerifiableEntry.inclusionProof clear", "VerifiableTx.tx clear",
                 "Tx.header clear", "VerifiableTx.signature clear", "Signature.signature flip"):
        yield lie(rule, rule)
    yield Lie("signed by another key", [f"answer {METHOD} sign {{other}} defaultdb"], None, 0, 0)


class Reader:
    """immuclient with a home of its own."""

    def __init__(self, world, proxy):
        self.world = world
        self.home = world.path("home")
        self.environment = {"HOME": self.home, "XDG_STATE_HOME": self.home, "PATH": os.environ["PATH"],
                            "IMMUCLIENT_IMMUDB_ADDRESS": "127.0.0.1",
                            "IMMUCLIENT_IMMUDB_PORT": str(proxy.port)}
        os.mkdir(self.home)

    def run(self, *words, given=""):
        return subprocess.run(
            [self.world.program("immuclient"), *words], input=given, text=True, check=False,
            capture_output=True, timeout=DEADLINE_SECONDS, env=self.environment)

    def read(self):
        return self.run("safeget", KEY, "--server-signing-pub-key", self.world.public_key)


def check_read(reader, proxy, rules):
    kept = reader.home + "-kept"
    shutil.copytree(reader.home, kept)
    proxy.rules(rules)
    done = reader.read()
    hits = proxy.hits()
    proxy.tell("clear")
    shutil.rmtree(reader.home)
    os.rename(kept, reader.home)
    expect(hits > 0, "the rule altered no answer")
    expect(done.returncode == TAMPERED_EXIT and VALUE not in done.stdout,
           f"status {done.returncode}: {done.stdout}{done.stderr}")


def part_client(world, word):
    server = world.server("data").start()
    proxy = Proxy(world, server.port)
    other = world.make_key("other")[0]
    client = Client(server.port)
    client.set_all([[(b"key%d" % n, b"x")] for n in range(1, THREE)])
    client.set_all([[(b"three-%d" % n, b"value %d of three" % n) for n in range(3)]])
    client.set_all([[(b"key%d" % n, b"x")] for n in range(6)])
    reader = Reader(world, proxy)
    done = reader.run("login", "immudb", given="immudb\n")
    expect(done.returncode == 0, f"login: {done.stdout}{done.stderr}")
    expect(reader.read().returncode == 0, "an honest answer does not verify")
    client.set_all([[(b"key%d" % n, b"y")] for n in range(4)])
    client.close()
    run_cases([(lie.name, lambda lie=lie: check_read(
        reader, proxy, [rule.format(other=other) for rule in lie.rules]))
               for lie in client_lies()], word)
    expect(reader.read().returncode == 0, "an honest answer does not verify any more")
