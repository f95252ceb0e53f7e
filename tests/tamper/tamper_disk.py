"""Cases in which the data of a stopped server is altered, by fools and by those who know the format."""
import json
import os
import shutil
import sqlite3
import subprocess
from collections import namedtuple

from tamper_check import check_alarm, check_calm, run_cases
from tamper_log import Log, alter_tree_node, forget_derived
from tamper_world import Auditor, Client, Proxy, expect, read_text

# The history: one entry each; the tree's first tile of 256 is full. LARGE has a value of its own place.
TRUSTED, TARGET, TWIN, LARGE, OLD, OLDER, GROWTH = 300, 280, 281, 290, 17, 200, 6

# name; what is done to the folder of the database; the verdict; where; what the server's log says of it
# ("" when nothing can be noticed there).
Damage = namedtuple("Damage", "name alter verdict first last noticed", defaults=("",))


def flip(log, at):
    log.data[at] ^= 1


def entry_of(log, number):
    return log.transactions[number].entries[0]


def value_byte(folder, number=TARGET):
    log = Log(folder)
    entry = entry_of(log, number)
    flip(log, entry.value_at + entry.value_len - 1)
    log.save()


def sealed_value(folder):
    """A value, its hash and the checksums; the root of the transaction stays."""
    log = Log(folder)
    entry = entry_of(log, TARGET)
    flip(log, entry.value_at + entry.value_len - 1)
    entry.rehash_value()
    log.transactions[TARGET].seal()
    log.save()


def sealed_key(folder):
    log = Log(folder)
    entry = entry_of(log, TARGET)
    flip(log, entry.key_at + entry.key_len - 1)
    log.transactions[TARGET].seal()
    log.save()


def sealed_transaction(folder):
    """All of one transaction fits together; what follows it does not."""
    log = Log(folder)
    entry = entry_of(log, TARGET)
    flip(log, entry.value_at + entry.value_len - 1)
    entry.rehash_value()
    log.transactions[TARGET].rehash_entries()
    log.transactions[TARGET].seal()
    log.save()


def sealed_time(folder):
    log = Log(folder)
    flip(log, log.transactions[TARGET].at + 31)
    log.transactions[TARGET].seal()
    log.save()


def broken_header(folder):
    log = Log(folder)
    flip(log, log.transactions[TARGET].at + 31)
    log.save()


def rewritten(folder):
    """Another history from TARGET on, consistent in itself; nothing else remembers the first one."""
    log = Log(folder)
    entry = entry_of(log, TARGET)
    flip(log, entry.value_at + entry.value_len - 1)
    log.rechain()
    log.save()
    forget_derived(folder)


def swapped(folder):
    log = Log(folder)
    log.swap(TARGET, TWIN)
    log.save()


def swapped_contents(folder):
    """Two transactions change places, and history is made to fit."""
    log = Log(folder)
    one, other = entry_of(log, TARGET), entry_of(log, TWIN)
    for first, second, size in ((one.key_at, other.key_at, one.key_len),
                                (one.value_at, other.value_at, one.value_len)):
        kept = log.data[first:first + size]
        log.data[first:first + size] = log.data[second:second + size]
        log.data[second:second + size] = kept
    log.rechain()
    log.save()
    forget_derived(folder)


def cut(folder):
    log = Log(folder)
    log.cut_after(TARGET)
    log.save()
    forget_derived(folder)


def cut_only(folder):
    """The mark and the checkpoint still know better."""
    log = Log(folder)
    log.cut_after(TARGET)
    log.save()


def no_log(folder):
    with open(os.path.join(folder, "00000000.log"), "r+b") as file:
        file.write(b"garbage")


DAMAGES = [
    Damage("value", value_byte, "tampered", TARGET, TARGET),
    Damage("large value", lambda f: value_byte(f, LARGE), "tampered", LARGE, LARGE),
    Damage("value sealed", sealed_value, "tampered", TARGET, TARGET),
    Damage("key sealed", sealed_key, "tampered", TARGET, TARGET),
    Damage("transaction sealed", sealed_transaction, "tampered", TARGET, TARGET + 1),
    Damage("time sealed", sealed_time, "tampered", TARGET, TARGET + 1),
    Damage("header", broken_header, "tampered", TARGET, TARGET),
    Damage("history rewritten", rewritten, "forked", 1, TRUSTED),
    Damage("records swapped", swapped, "tampered", TARGET, TWIN),
    Damage("contents swapped", swapped_contents, "forked", 1, TRUSTED),
    Damage("cut", cut, "rolled-back", TARGET + 1, TRUSTED),
    Damage("cut, marks left", cut_only, "rolled-back", TARGET + 1, TRUSTED, "read-only"),
    Damage("log destroyed", no_log, "emptied", 1, TRUSTED, "read-only"),
    Damage("tree node sealed", lambda f: alter_tree_node(f, 10, True), "tampered", 1, TRUSTED),
]


class Stage:
    """A stopped server whose database an auditor trusts, with an older copy of its data."""

    def __init__(self, world):
        self.world = world
        self.server = world.server("data").start()
        self.proxy = Proxy(world, self.server.port)
        client = Client(self.server.port)
        client.create_auditor()
        client.set_all(self.pairs(1, OLDER))
        client.close()
        self.server.stop()
        shutil.copytree(self.server.database(), world.path("older"))
        client = Client(self.start(self.server).port)
        client.set_all(self.pairs(OLDER + 1, TRUSTED))
        self.first = Auditor(world, "first", self.proxy.port,
                             ["--server-signing-pub-key", world.public_key, "--audit-databases",
                              "defaultdb", "--audit-newest", str(TRUSTED)])
        check_calm(self.first.once())
        client.close()
        self.server.stop()
        self.count = 0

    @staticmethod
    def pairs(first, last):
        return [[(b"key%03d" % n, b"v" * 5000 if n == LARGE else b"value of %03d" % n)]
                for n in range(first, last + 1)]

    def start(self, server):
        server.start()
        self.proxy.tell(f"upstream {server.port}")
        return server

    def pair(self):
        """A copy of the server's data, and an auditor that trusts what it was."""
        self.count += 1
        return (self.world.copy_server(self.server, f"data{self.count}"),
                self.first.copy(f"auditor{self.count}"))

    def finish(self, server):
        server.stop()
        shutil.rmtree(server.data)


def check_damage(stage, damage):
    server, auditor = stage.pair()
    damage.alter(server.database())
    stage.start(server)
    check_alarm(auditor, damage)
    expect(damage.noticed in read_text(server.log), f"the server does not say: {damage.noticed}")
    stage.finish(server)


def grow(server, last, first=b"grown"):
    client = Client(server.port)
    client.set_all([[(b"%s%d" % (first, n), b"x")] for n in range(last)])
    client.close()


def check_grown(stage):
    """History is rewritten and then grows beyond what is trusted."""
    server, auditor = stage.pair()
    rewritten(server.database())
    stage.start(server)
    grow(server, GROWTH)
    check_alarm(auditor, Damage("", None, "forked", 1, TRUSTED + GROWTH))
    stage.finish(server)


def restore(stage, server):
    shutil.rmtree(server.database())
    shutil.copytree(stage.world.path("older"), server.database())


def check_restored(stage):
    """An older copy, and the way on that is documented: acknowledge, forget, trust anew."""
    server, auditor = stage.pair()
    restore(stage, server)
    stage.start(server)
    case = Damage("", None, "rolled-back", OLDER + 1, TRUSTED)
    check_alarm(auditor, case)
    auditor.acknowledge()
    again = auditor.once()
    expect(again.database()["verdict"] == "rolled-back", f"no new alarm: {again}")
    auditor.acknowledge()
    auditor.forget("defaultdb")
    found = auditor.once()
    check_calm(found)
    expect(found.database()["verdict"] == "first-seen", f"not trusted anew: {found}")
    grow(server, GROWTH)
    found = auditor.once()
    expect(found.database()["verdict"] == "ok", f"not ok after a restore: {found}")
    stage.finish(server)


def check_restored_and_grown(stage):
    server, auditor = stage.pair()
    restore(stage, server)
    stage.start(server)
    grow(server, TRUSTED - OLDER + GROWTH)
    check_alarm(auditor, Damage("", None, "forked", 1, TRUSTED + GROWTH))
    stage.finish(server)


def state_of(stage, server):
    """Transactions and hash of the stopped server's database, as the options of an announcement."""
    out = subprocess.run([stage.world.program("immudb"), "verify", "--output", "json",
                          server.database()], capture_output=True, text=True, check=True)
    found = [r for r in json.loads(out.stdout) if "transactions" in r]
    return str(found[0]["transactions"]), found[0]["alh"]


def check_announced(stage):
    """A restore that is announced is told as such; the same notice is no excuse for another one."""
    server, auditor = stage.pair()
    before = state_of(stage, server)
    restore(stage, server)
    after = state_of(stage, server)
    subprocess.run([stage.world.program("immudb"), "announce-restore", "--dir", server.data,
                    "--database", "defaultdb", "--from-tx", before[0], "--from-hash", before[1],
                    "--to-tx", after[0], "--to-hash", after[1], "--by", "tester"], check=True)
    stage.start(server)
    case = Damage("", None, "rolled-back-announced", OLDER + 1, TRUSTED)
    check_alarm(auditor, case)
    auditor.acknowledge()
    again = auditor.once().database()
    expect(again["verdict"] == "rolled-back-announced", f"no new alarm: {again}")
    expect("(local) tester restored" in again["reason"], f"not who: {again}")
    auditor.acknowledge()
    auditor.forget("defaultdb")
    check_calm(auditor.once())
    grow(server, GROWTH)
    check_calm(auditor.once())
    server.stop()
    restore(stage, server)
    stage.start(server)
    check_alarm(auditor, Damage("", None, "rolled-back", OLDER + 1, OLDER + GROWTH))
    stage.finish(server)


def check_forged(stage):
    """A notice that somebody without the key has written next to the data is none."""
    server, auditor = stage.pair()
    hashes = state_of(stage, server)[1]
    restore(stage, server)
    after = state_of(stage, server)[1]
    with sqlite3.connect(os.path.join(server.data, "immudb.sqlite")) as meta:
        meta.execute(
            "INSERT INTO restores (database, from_tx, from_hash, to_tx, to_hash, at, actor, "
            "pending, signature, point) VALUES ('defaultdb', ?, ?, ?, ?, 1900000000000, 'me', 0, "
            "?, ?)", (TRUSTED, bytes.fromhex(hashes), OLDER, bytes.fromhex(after), b"0" * 70,
                      b"\4" + b"0" * 64))
    meta.close()
    stage.start(server)
    check_alarm(auditor, Damage("", None, "rolled-back", OLDER + 1, TRUSTED))
    stage.finish(server)


def check_replaced(stage):
    """All data is another server's, with the same names and users, even the same key."""
    _, auditor = stage.pair()
    other = stage.world.server(f"other{stage.count}")
    stage.start(other)
    client = Client(other.port)
    client.create_auditor()
    client.set_all(stage.pairs(1, TRUSTED))
    client.close()
    check_alarm(auditor, Damage("", None, "identity-changed", 0, TRUSTED))
    stage.finish(other)


def check_renamed(stage):
    """The data stay, the server's identity is another."""
    server, auditor = stage.pair()
    with sqlite3.connect(os.path.join(server.data, "immudb.sqlite")) as metadata:
        identity, = metadata.execute("SELECT id FROM identity").fetchone()
        metadata.execute("UPDATE identity SET id = ?", (identity[::-1],))
    metadata.close()
    stage.start(server)
    check_alarm(auditor, Damage("", None, "identity-changed", 0, TRUSTED))
    stage.finish(server)


def check_dropped(stage):
    """A database is deleted with the server's own command, and made anew under its name."""
    server, auditor = stage.pair()
    stage.start(server)
    client = Client(server.port)
    client.create_database(b"accounts")
    client.use(b"accounts")
    client.set_all(stage.pairs(1, GROWTH))
    auditor.options[auditor.options.index("defaultdb")] = "accounts"
    check_calm(auditor.once())
    client.use(b"defaultdb")
    client.drop_database(b"accounts")
    case = Damage("", None, "emptied", 1, GROWTH)
    check_alarm(auditor, case, "accounts")
    auditor.acknowledge()
    client.create_database(b"accounts")
    check_alarm(auditor, case, "accounts")
    auditor.acknowledge()
    client.use(b"accounts")
    client.set_all(stage.pairs(1, GROWTH - 2))
    check_alarm(auditor, Damage("", None, "rolled-back", 1, GROWTH), "accounts")
    auditor.acknowledge()
    client.set_all(stage.pairs(GROWTH, GROWTH + 4))
    check_alarm(auditor, Damage("", None, "forked", 1, 2 * GROWTH), "accounts")
    client.close()
    stage.finish(server)


def check_swept(stage):
    """No sample, however large, need find a value of long ago; the sweep does."""
    server, auditor = stage.pair()
    value_byte(server.database(), OLD)
    stage.start(server)
    auditor.options += ["--audit-sample", "0", "--audit-newest", "0"]
    check_calm(auditor.once())
    auditor.options += ["--audit-sweep-period", "1h"]
    check_alarm(auditor, Damage("", None, "tampered", OLD, OLD))
    stage.finish(server)


def check_rotated(stage):
    """The server signs with a new key: wrong for whom has only the old one, fine for whom has both."""
    server, auditor = stage.pair()
    private, public = stage.world.make_key(f"key{stage.count}")
    server.command[server.command.index(stage.world.key)] = private
    stage.start(server)
    both = auditor.copy(f"both{stage.count}")
    both.options += ["--server-signing-pub-key", public]
    check_calm(both.once())
    check_alarm(auditor, Damage("", None, "signature-wrong", 0, TRUSTED))
    stage.finish(server)


def check_mended(stage):
    """Derived files that are lost or visibly damaged are made anew, which is nobody's lie."""
    for alter in (forget_derived, lambda f: alter_tree_node(f, 10, False)):
        server, auditor = stage.pair()
        alter(server.database())
        stage.start(server)
        check_calm(auditor.once())
        stage.finish(server)


def part_disk(world, word):
    stage = Stage(world)
    run_cases([
        *((damage.name, lambda damage=damage: check_damage(stage, damage)) for damage in DAMAGES),
        ("history rewritten and grown", lambda: check_grown(stage)),
        ("older copy", lambda: check_restored(stage)),
        ("older copy, grown", lambda: check_restored_and_grown(stage)),
        ("older copy, announced", lambda: check_announced(stage)),
        ("older copy, announcement forged", lambda: check_forged(stage)),
        ("another server's data", lambda: check_replaced(stage)),
        ("another identity", lambda: check_renamed(stage)),
        ("dropped and made anew", lambda: check_dropped(stage)),
        ("old value", lambda: check_swept(stage)),
        ("new key", lambda: check_rotated(stage)),
        ("derived files lost", lambda: check_mended(stage))], word)
