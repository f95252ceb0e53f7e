"""Reads data folders and archives as FORMAT.md describes them, sharing no code with the engine.

format_reader.py folder FOLDER: a closed database, each file against the others; prints what was read.
format_reader.py archive FILE: an archive. Whatever is not as described ends it with the check that failed.
"""
import hashlib
import os
import re
import stat
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "tamper"))
import tamper_log  # noqa: E402
from tamper_log import crc32c, sha  # noqa: E402

TILE, LEAVES = 16384, 256
PAGE, POSITIONS = 4096, 511
MASK = 2 ** 64 - 1


def need(is_so, what):
    if not is_so:
        raise SystemExit("not as FORMAT.md says: " + what)


def read(*path):
    with open(os.path.join(*path), "rb") as file:
        return file.read()


def u16(data, at):
    return int.from_bytes(data[at:at + 2], "big")


def u32(data, at):
    return int.from_bytes(data[at:at + 4], "big")


def u64(data, at):
    return int.from_bytes(data[at:at + 8], "big")


def need_crc(data, at, covered, what, seed=0):
    need(u32(data, at) == crc32c(seed, covered), "checksum of " + what)


class Records:
    """Records behind one another in bytes, as tamper_log's transactions take them."""

    def __init__(self, data):
        self.data = bytearray(data)

    def transaction(self, at, seed):
        """The transaction at a place, with its checksums and values checked."""
        tx = tamper_log.Transaction(self, at, u32(self.data, at))
        head = self.data[at:at + tamper_log.HEAD + tx.md_len]
        need_crc(head, 4, bytes(head[:4] + head[8:]), f"transaction {tx.id}", seed)
        need(head[8] == 1 and head[9] == 0 and not any(head[50:56]), "head of a transaction")
        need_crc(head, 44, b"".join(entry.covered() for entry in tx.entries), "entries")
        need(u32(head, 40) == sum(entry.size for entry in tx.entries), "length of the entries")
        end = at + len(head) + u32(head, 40)
        for entry in tx.entries:
            need(self.data[entry.at + 3] == 0, "zero in an entry")
            need(sha(entry.value()) == self.data[entry.at + 12:entry.at + 44], "hash of a value")
            if not entry.is_inline:
                need(entry.value_at == end, "place of a long value")
                end += entry.value_len
        need(end == at + tx.size, "length of a transaction")
        return tx


class Chain:
    """That each transaction continues the ones before."""

    def __init__(self, alh=sha(b""), first=1):
        self.tree = tamper_log.GrowingTree() if first == 1 else None
        self.alh = alh
        self.next = first
        self.alhs = {}

    def append(self, tx):
        data, at = tx.log.data, tx.at
        need(tx.id == self.next, "order of transactions")
        need(data[at + 56:at + 88] == self.alh, "prevAlh")
        need(data[at + 88:at + 120] == tx.entries_root(), "eH")
        if self.tree:
            need(u64(data, at + 32) == tx.id - 1, "blTxID")
            need(data[at + 120:at + 152] == self.tree.root(), "blRoot")
        self.alh = self.alhs[tx.id] = tx.alh()
        self.next += 1
        if self.tree:
            self.tree.append(self.alh)


class Database:
    """One folder; the log first, then what is derived from it."""

    def __init__(self, folder):
        self.folder = folder
        self.chain = Chain()
        self.positions = {}
        self.versions = {}
        self.read_marker()
        self.read_log()
        self.read_marks()
        self.read_tree()
        self.read_offsets()
        self.read_index()
        for top, _, names in os.walk(folder):
            need(stat.S_IMODE(os.stat(top).st_mode) == 0o700, "mode of " + top)
            for name in names:
                mode = os.stat(os.path.join(top, name)).st_mode
                need(stat.S_IMODE(mode) == 0o600, "mode of " + name)

    def read_marker(self):
        text = read(self.folder, "immudb.database").decode()
        found = re.fullmatch(r"immudb database\nformat 1\nid ([0-9a-f]{32})\n(name [a-z0-9_]+\n)?", text)
        need(found, "marker")
        self.id = bytes.fromhex(found[1])

    def read_log(self):
        sizes = [2 ** 17, 2 ** 20, 2 ** 22, 2 ** 24] + [2 ** 26] * 4
        segment, is_over = 0, False
        while os.path.exists(os.path.join(self.folder, f"{segment:08d}.log")):
            data = read(self.folder, f"{segment:08d}.log")
            need(data[:8] == b"IMMULOG\n" and u32(data, 8) == 1, "segment")
            need(u32(data, 12) == segment and u64(data, 16) == len(data), "number or size of segment")
            need(len(data) >= sizes[segment] and data[32:48] == self.id, "size or id in a segment")
            need(not any(data[48:60]) and not any(data[64:4096]), "zeroes in a segment's header")
            need_crc(data, 60, data[:60], "segment")
            if is_over:
                need(not any(data[4096:]), "a segment prepared ahead is empty")
            else:
                is_over = self.read_segment(data, segment)
            segment += 1
        need(is_over, "end of the log")

    def read_segment(self, data, segment):
        """Reads the records; tells whether the log ends here."""
        at, salt, records = 4096, u32(data, 24), Records(data)
        while True:
            size, kind = u32(data, at), data[at + 8]
            if kind == 1:
                tx = records.transaction(at, salt)
                self.chain.append(tx)
                self.positions[tx.id] = segment << 32 | at
                self.note_versions(tx, segment << 32)
            elif kind == 2:
                need(size == 64 and not any(data[at + 9:at + 12] + data[at + 60:at + 64]), "mark")
                need_crc(data, at + 4, data[at:at + 4] + data[at + 8:at + 64], "mark", salt)
                known = self.chain.alhs.get(u64(data, at + 12), sha(b""))
                need(data[at + 28:at + 60] == known, "Alh of a mark")
            elif kind == 3:
                need(size == 16 and u32(data, at + 12) == segment + 1, "seal")
                need_crc(data, at + 4, data[at:at + 4] + data[at + 8:at + 16], "seal", salt)
                self.end = (segment + 1) << 32 | 4096
                return False
            else:
                need(kind == 0 and not any(data[at:]), "zeroes behind the log")
                self.end = segment << 32 | at
                return True
            at += size

    def note_versions(self, tx, base):
        for entry in tx.entries:
            self.versions[(index_form(entry.key()), tx.id)] = (base + entry.at, entry)

    def read_marks(self):
        newest = max((self.read_form(read(self.folder, "mark"), at, b"IMMUMARK") for at in (0, 4096)),
                     default=None)
        checkpoint = self.read_form(read(self.folder, "checkpoint"), 0, b"IMMUCHKP")
        for _, number, position in (newest, checkpoint):
            need(number == self.chain.next - 1, "a closed database's mark and checkpoint are its end")
            need(self.positions.get(number, 0) < position <= self.end, "position of a mark")
        need(checkpoint[0] == 0, "sequence number of the checkpoint")

    def read_form(self, data, at, magic):
        """Sequence number, transaction, position."""
        form = data[at:at + 80]
        if not any(form):
            return -1, 0, 0
        need(form[:8] == magic and u32(form, 8) == 1, "form of " + magic.decode())
        need(not any(form[12:16] + form[72:76]), "zeroes in " + magic.decode())
        need_crc(form, 76, form[:76], magic.decode())
        number = u64(form, 24)
        need(form[40:72] == self.chain.alhs.get(number, sha(b"")), "Alh in " + magic.decode())
        return u64(form, 16), number, u64(form, 32)

    def read_slots(self, name, magic, longest):
        """The newest state."""
        data, room, best = read(self.folder, name), -(-(longest + 24) // 4096) * 4096, (0, b"")
        for slot in (data[:room], data[room:]):
            if len(slot) < 24 or not u64(slot, 8):
                continue
            state = slot[24:24 + u64(slot, 16)]
            need(slot[:4] == magic + b"\1", "magic of " + name)
            need_crc(slot, 4, slot[8:24] + state, name, u32(slot, 0))
            best = max(best, (u64(slot, 8), state))
        return best[1]

    def read_tree(self):
        state = self.read_slots("tree.tail", b"trt", 65288)
        size = u64(state, 0)
        need(size == self.chain.next - 1, "leaves of the tree")
        nodes = [sha(b"\0", self.chain.alhs[n]) for n in range(1, size + 1)]
        at, level = 8, 0
        while nodes:
            roots = []
            for tile in range(len(nodes) // LEAVES):
                leaves = nodes[tile * LEAVES:(tile + 1) * LEAVES]
                roots.append(self.read_tile(level, tile, leaves))
            rest = b"".join(nodes[len(nodes) // LEAVES * LEAVES:])
            need(state[at:at + len(rest)] == rest, f"unfinished tile of level {level}")
            at, level, nodes = at + len(rest), level + 1, roots
        need(at == len(state), "length of the tree's state")

    def read_tile(self, level, number, leaves):
        data = read(self.folder, f"tree.{level}")[number * TILE:(number + 1) * TILE]
        need(data[4:8] == b"tre\1" and not any(data[8:32]), "tile")
        need_crc(data, 0, struct.pack(">QB", number, level) + data[4:], "tile")
        rows = [leaves]
        while len(rows[0]) > 1:
            rows.insert(0, [sha(b"\1", *rows[0][i:i + 2]) for i in range(0, len(rows[0]), 2)])
        need(data[32:] == b"".join(node for row in rows for node in row), "nodes of a tile")
        return rows[0][0]

    def read_offsets(self):
        state = self.read_slots("offsets.tail", b"oft", 4088)
        count = u64(state, 0)
        need(count == self.chain.next - 1, "number of offsets")
        found = b""
        for page in range(count // POSITIONS):
            data = read(self.folder, "offsets")[page * PAGE:(page + 1) * PAGE]
            need(data[4:8] == b"ofs\1", "page of offsets")
            need_crc(data, 0, struct.pack(">QB", page, 0) + data[4:], "page of offsets")
            found += data[8:]
        found += state[8:]
        need(found == b"".join(struct.pack(">Q", self.positions[n]) for n in range(1, count + 1)),
             "offsets")

    def read_index(self):
        data = read(self.folder, "index", "manifest")
        count, rows = u32(data, 24), 28
        need(data[:8] == b"IMDBIDX\n" and u32(data, 8) == 1, "manifest")
        need_crc(data, 12, data[:12], "header of the manifest")
        need_crc(data, rows + 36 * count, data[:rows + 36 * count], "manifest")
        need(len(data) == rows + 36 * count + 4, "length of the manifest")
        covered, before, ordinals = u64(data, 16), 0, {}
        need(covered == self.chain.next - 1, "what a closed database's runs cover")
        for row in range(rows, rows + 36 * count, 36):
            number, first, last, size = struct.unpack_from(">QQQQ", data, row)
            need(before < first <= last <= covered, "ranges of runs")
            run = Run(read(self.folder, "index", f"{number:016x}.run"), first, last)
            need(len(run.data) == size and run.data[-4:] == data[row + 32:row + 36], "row of a run")
            self.compare_run(run, ordinals)
            before = last
        need(not self.versions, "versions that the index does not have")
        names = {f"{u64(data, row):016x}.run" for row in range(rows, rows + 36 * count, 36)}
        need(set(os.listdir(os.path.join(self.folder, "index"))) == names | {"manifest"}, "names")

    def compare_run(self, run, ordinals):
        seen = {}
        for key, tx, position, _, flags, _, ordinal in run.entries:
            expected = self.versions.pop((key, tx), None)
            need(expected, f"version {key} {tx} of the index")
            need(position == expected[0], f"position of {key}")
            seen.setdefault(key, []).append(ordinal)
        for key, found in seen.items():
            need(found == list(range(len(found), 0, -1)), f"ordinals of {key}")


class Run:
    """One run, every part of it."""

    def __init__(self, data, first, last):
        self.data = data
        need(data[:8] == b"IMDBRUN\n" and u32(data, 8) == 1, "run")
        need_crc(data, 12, data[:12], "header of a run")
        foot = data[-92:]
        need_crc(foot, 88, foot[:88], "footer of a run")
        (self.first, self.last, entries, keys, self.base, blocks, sparse_at, sparse_size, filter_at,
         filter_size) = struct.unpack_from(">10Q", foot)
        need((self.first, self.last) == (first, last), "transactions of a run")
        need(sparse_at + sparse_size == filter_at and filter_at + filter_size == len(data) - 92,
             "parts of a run")
        sparse, self.filter = data[sparse_at:filter_at], data[filter_at:-92]
        need_crc(foot, 80, sparse, "sparse index")
        need_crc(foot, 84, self.filter, "filter")
        self.entries = []
        self.read_sparse(sparse, blocks, sparse_at)
        found = {entry[0] for entry in self.entries}
        need((len(self.entries), len(found)) == (entries, keys), "counts of a run")
        need(self.entries == sorted(self.entries, key=lambda e: (e[0], -e[1])), "order of a run")
        need(sparse_keys(sparse) == (self.entries[0][0], self.entries[-1][0]), "keys of a run")
        for key in found:
            need(self.may_have(key), f"{key} in the filter")

    def read_sparse(self, sparse, blocks, end):
        at, place = 0, 16
        for _ in range(2):
            at += 2 + u16(sparse, at)
        for number in range(blocks):
            size, at = varint(sparse, at)
            length, at = varint(sparse, at)
            separator, at = sparse[at:at + length], at + length
            tx, at = varint(sparse, at)
            tx = tx or MASK
            before, count = self.entries[-1:], len(self.entries)
            self.read_block(place, size)
            need(self.entries[count][0:1] >= (separator,), "separator")
            need((separator, -tx) <= (self.entries[count][0], -self.entries[count][1]), "separator")
            if before:
                need((before[0][0], -before[0][1]) < (separator, -tx), "entry before a separator")
            else:
                need(separator == self.entries[0][0], "first separator")
            place += size
        need(place == end and at == len(sparse), "end of the blocks")

    def read_block(self, place, size):
        block = self.data[place:place + size]
        need_crc(block, size - 4, block[:-4], "block", place & 0xffffffff)
        groups = u16(block, size - 6)
        table = size - 6 - 2 * groups
        starts = [u16(block, table + 2 * i) for i in range(groups)] + [table]
        need(starts[0] == 0, "first group")
        for start, end in zip(starts, starts[1:]):
            key, count = b"", 0
            while start < end:
                start, key = self.read_entry(block, start, key)
                count += 1
            need(start == end and 1 <= count <= 16, "group")

    def read_entry(self, block, at, before):
        shared, at = varint(block, at)
        rest, at = varint(block, at)
        key, at = before[:shared] + block[at:at + rest], at + rest
        need(shared <= len(before) and 1 <= len(key) <= 1024, "key in a run")
        has, at = block[at], at + 1
        need(has < 8, "parts of an entry")
        tx, at = varint(block, at)
        position, at = varint(block, at)
        length, at = varint(block, at)
        flags = expiry = 0
        ordinal = 1
        if has & 1:
            flags, at = block[at], at + 1
        need(bool(has & 2) == bool(flags & 2), "expiry of an entry")
        if has & 2:
            expiry, at = u64(block, at), at + 8
        if has & 4:
            ordinal, at = varint(block, at)
        self.entries.append((key, tx + self.first, position + self.base, length, flags, expiry, ordinal))
        return at, key

    def may_have(self, key):
        lines = len(self.filter) // 64
        h = 0x6a09e667f3bcc909 ^ len(key) * 0x3c6ef372fe94f82b & MASK
        for i in range(0, len(key), 8):
            h = fold(h ^ u64(key[i:i + 8].ljust(8, b"\0"), 0), 0xbb67ae8584caa73b)
        h = fold(h ^ 0xa54ff53a5f1d36f1, 0xbb67ae8584caa73b)
        line = ((h >> 32) * lines >> 32) * 64
        b = (h * 0x510e527fade682d1 & MASK) >> 16
        for word in range(8):
            bit = b % 64
            if not self.filter[line + word * 8 + bit // 8] >> bit % 8 & 1:
                return False
            b //= 64
        return True


def index_form(key):
    """Of a member of a sorted set (01, length of the set's name, name, score, ...) the score is turned."""
    if key[0] != 1:
        return key
    at = 9 + u64(key, 1)
    score = u64(key, at)
    score ^= MASK if score >> 63 else 1 << 63
    return key[:at] + struct.pack(">Q", score) + key[at + 8:]


def sparse_keys(sparse):
    size = u16(sparse, 0)
    at = 2 + size
    return sparse[2:at], sparse[at + 2:at + 2 + u16(sparse, at)]


def fold(a, b):
    product = a * b
    return product & MASK ^ product >> 64


def varint(data, at):
    value = shift = 0
    while data[at] & 0x80:
        value |= (data[at] & 0x7f) << shift
        at, shift = at + 1, shift + 7
    return value | data[at] << shift, at + 1


def read_archive(path):
    """Every part of an archive, its transactions and digests."""
    data, at, parts, digest, chain = read(path), 0, 0, hashlib.sha256(), None
    records = Records(data)
    while at < len(data):
        begin, head = at, data[at:at + 256]
        form = u32(head, 8)
        need(head[:8] == b"IMMUARC\n" and form in (1, 2), "header of a part")
        need_crc(head, 12, head[:12] + head[16:], "header of a part")
        name = head[105:105 + head[104]]
        need(not any(head[105 + head[104]:] + head[43:48] + head[100:104]), "zeroes in a header")
        first, last = u64(head, 16), u64(head, 24)
        chain = chain or Chain(head[48:80], first)
        need(first == chain.next and head[48:80] == chain.alh, "first transaction of a part")
        digest.update(head)
        at += 256
        entries = 0
        while chain.next <= last:
            tx = records.transaction(at, 0)
            chain.append(tx)
            entries += len(tx.entries)
            if form == 1:
                digest.update(data[at:at + tx.size])
            at += tx.size
        tail = data[at:at + 256]
        need(u32(tail, 0) == 256 and tail[8] == 16 and tail[10] in (0, 65), "trailer")
        need_crc(tail, 4, tail[:4] + tail[8:224], "trailer")
        need(not any(tail[11:16] + tail[80 + tail[9]:152] + tail[217:224]), "zeroes in a trailer")
        need(struct.unpack_from(">QQQ", tail, 16) == (last, last - first + 1, entries), "counts")
        at += 256
        need(u64(tail, 40) == at - begin and tail[48:80] == chain.alh, "size or state of a part")
        digest.update(tail[:224])
        need(tail[224:] == digest.digest(), "digest")
        digest.update(tail[224:])
        parts += 1
    print(f"archive of {name.decode()}: {parts} parts, {chain.next - 1} transactions")


def main():
    what, path = sys.argv[1:]
    if what == "archive":
        read_archive(path)
    else:
        database = Database(path)
        print(f"folder: {database.chain.next - 1} transactions")


main()
