"""Cases of two histories with one beginning: two servers of one identity and one key."""
import os

from tamper_cases import Lie
from tamper_check import check_alarm, check_calm, check_recovery, run_cases
from tamper_world import Auditor, Client, Daemon, Proxy, expect, free_port

EARLIER, COMMON, SAME, LONGER = 30, 40, 45, 47


def pairs(name, first, last):
    return [[(b"%s%d" % (name, n), b"value of %d" % n)] for n in range(first, last + 1)]


class Stage:
    """A server, a copy of it with another continuation, and a proxy in front of each."""

    def __init__(self, world):
        self.world = world
        self.one = world.server("one").start()
        self.proxies = [Proxy(world, self.one.port), Proxy(world, self.one.port)]
        client = Client(self.one.port)
        client.create_auditor()
        client.set_all(pairs(b"common", 1, EARLIER))
        options = ["--server-signing-pub-key", world.public_key, "--audit-databases", "defaultdb"]
        self.first = Auditor(world, "first", self.proxies[0].port, options)
        check_calm(self.first.once())
        client.set_all(pairs(b"common", EARLIER + 1, COMMON))
        check_calm(self.first.once())
        client.close()
        self.one.stop()
        self.other = world.copy_server(self.one, "other").start()
        self.one.start()
        self.write(self.one, b"one", COMMON + 1, SAME)
        self.write(self.other, b"other", COMMON + 1, SAME)
        self.show(self.one, self.other)
        self.count = 0

    @staticmethod
    def write(server, name, first, last):
        client = Client(server.port)
        client.set_all(pairs(name, first, last))
        client.close()

    def show(self, *servers):
        """Which server is behind each proxy."""
        for proxy, server in zip(self.proxies, servers):
            proxy.tell(f"upstream {server.port}")

    def auditor(self, side=0):
        self.count += 1
        auditor = self.first.copy(f"auditor{self.count}")
        auditor.port = self.proxies[side].port
        return auditor


def serve(auditor):
    """An auditor that serves its peers and has done its first round."""
    daemon = Daemon(auditor, "--audit-interval", "1h", "--peer-listen", f"127.0.0.1:{free_port()}")
    daemon.wait_log("consistent: true")
    return daemon


def check_switched(stage):
    """The server is exchanged for the one with the other history."""
    auditor = stage.auditor()
    check_calm(auditor.once())
    stage.show(stage.other, stage.one)
    check_alarm(auditor, Lie("", [], "forked", COMMON + 1, LONGER))
    stage.show(stage.one, stage.other)
    check_recovery(auditor, "forked")


def check_not_forked(stage):
    """Who has seen only what both have in common cannot know; nor is there anything to fear yet."""
    auditor = stage.auditor(1)
    found = auditor.once()
    check_calm(found)
    expect(found.database()["verdict"] == "ok", f"not ok at a new address: {found}")


def check_peers(stage, verdicts, key=True):
    """Each of two auditors is shown a history of its own; comparing notes, both find out."""
    auditors = [stage.auditor(0), stage.auditor(1)]
    for auditor in auditors:
        if not key:
            auditor.options = auditor.options[2:]
        check_calm(auditor.once())
    for mine, theirs, verdict in (*zip(auditors, reversed(auditors), verdicts),):
        daemon = serve(theirs)
        asking = mine.copy(os.path.basename(mine.folder) + "-asking")
        asking.options += ["--peer", daemon.options[-1]]
        check_alarm(asking, Lie("", [], verdict, COMMON + 1, LONGER))
        daemon.stop()


def check_longer_peers(stage):
    """
    One history is longer. Whoever is shown the shorter one learns of a signed state that the server hides:
    that it belongs to another history shows when theirs is as long.
    """
    stage.write(stage.other, b"other", SAME + 1, LONGER)
    check_peers(stage, ("rolled-back", "forked"))


def check_honest_peers(stage):
    """Two auditors of one history, one of them behind, have nothing to say."""
    stage.show(stage.one, stage.one)
    ahead, behind = stage.auditor(0), stage.auditor(1)
    check_calm(ahead.once())
    daemon = serve(ahead)
    for auditor in (behind, ahead.copy(os.path.basename(ahead.folder) + "-copy")):
        auditor.options += ["--peer", daemon.options[-1]]
        check_calm(auditor.once())
    daemon.stop()
    behind.options[-1] = daemon.options[-1]
    check_calm(behind.once())
    stage.show(stage.one, stage.other)


def part_fork(world, word):
    stage = Stage(world)
    run_cases([
        ("common history at another address", lambda: check_not_forked(stage)),
        ("another history, as long", lambda: check_switched(stage)),
        ("peers with two histories", lambda: check_peers(stage, ("forked", "forked"))),
        ("peers with two histories, no key",
         lambda: check_peers(stage, ("forked", "forked"), key=False)),
        ("peers with one history", lambda: check_honest_peers(stage)),
        ("peers with a longer one", lambda: check_longer_peers(stage)),
        ("another history, longer", lambda: check_switched(stage))], word)
