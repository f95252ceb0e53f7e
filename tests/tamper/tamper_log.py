"""Alters the log of a stopped database as somebody with the disk can, from FORMAT.md alone.

A log is changed in place: contents are replaced by others of the same length. What stands for them can
be made to fit again, step by step, as far as the attacker goes: seal() the checksums of a record,
rehash_value() the hash of a value, rehash_entries() the root of a transaction, rechain() everything
that follows.
"""
import glob
import hashlib
import os
import shutil
import struct

SEGMENT_HEADER = 4096
SALT_AT = 24
TX, MARK = 1, 2
HEAD = 152
ENTRY_FIXED = 44
INLINE_MAX = 4096
TILE = 16384


def make_crc_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


CRC_TABLE = make_crc_table()


def crc32c(seed, data):
    """The checksum of what seed covers followed by data."""
    crc = seed ^ 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ CRC_TABLE[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def tree_root(leaves):
    """The root over leaf hashes: neighbours in pairs, an odd last one goes up as it is."""
    while len(leaves) > 1:
        leaves = [sha(b"\x01", *leaves[i:i + 2]) if i + 1 < len(leaves) else leaves[i]
                  for i in range(0, len(leaves), 2)]
    return leaves[0]


class GrowingTree:
    """The root over all transactions so far, by its perfect subtrees."""

    def __init__(self):
        self.parts = []

    def append(self, alh):
        node, height = sha(b"\x00", alh), 0
        while self.parts and self.parts[-1][1] == height:
            node, height = sha(b"\x01", self.parts.pop()[0], node), height + 1
        self.parts.append((node, height))

    def root(self):
        if not self.parts:
            return bytes(32)
        node = self.parts[-1][0]
        for left, _ in reversed(self.parts[:-1]):
            node = sha(b"\x01", left, node)
        return node


class Entry:
    """Where the parts of one entry stand in the log."""

    def __init__(self, log, at):
        self.log = log
        self.at = at
        self.key_len, self.md_len = struct.unpack_from(">HB", log.data, at)
        self.value_len, value_from = struct.unpack_from(">II", log.data, at + 4)
        self.value_at = at + value_from
        self.key_at = at + ENTRY_FIXED
        self.is_inline = self.value_len <= INLINE_MAX
        self.size = ENTRY_FIXED + self.key_len + self.md_len
        if self.is_inline:
            self.size += self.value_len

    def key(self):
        return bytes(self.log.data[self.key_at:self.key_at + self.key_len])

    def value(self):
        return bytes(self.log.data[self.value_at:self.value_at + self.value_len])

    def rehash_value(self):
        self.log.data[self.at + 12:self.at + 44] = sha(self.value())

    def covered(self):
        """What the checksum of the entries covers: all but an inline value."""
        end = self.at + ENTRY_FIXED + self.key_len + self.md_len
        return bytes(self.log.data[self.at:end])

    def leaf(self, version=1):
        if version == 0:
            return sha(b"\x00", sha(self.key(), bytes(self.log.data[self.at + 12:self.at + 44])))
        md = self.log.data[self.key_at + self.key_len:self.key_at + self.key_len + self.md_len]
        digest = sha(struct.pack(">H", self.md_len), bytes(md), struct.pack(">H", self.key_len),
                     self.key(), bytes(self.log.data[self.at + 12:self.at + 44]))
        return sha(b"\x00", digest)


class Transaction:
    def __init__(self, log, at, size):
        self.log = log
        self.at = at
        self.size = size
        self.version, = struct.unpack_from(">H", log.data, at + 10)
        self.id, = struct.unpack_from(">Q", log.data, at + 16)
        count, = struct.unpack_from(">I", log.data, at + 12)
        self.md_len, = struct.unpack_from(">H", log.data, at + 48)
        self.entries = []
        place = at + HEAD + self.md_len
        for _ in range(count):
            self.entries.append(Entry(log, place))
            place += self.entries[-1].size

    def seal(self):
        """Makes both checksums fit."""
        crc = 0
        for entry in self.entries:
            crc = crc32c(crc, entry.covered())
        struct.pack_into(">I", self.log.data, self.at + 44, crc)
        self.log.seal_record(self.at, HEAD + self.md_len)

    def entries_root(self):
        return tree_root([entry.leaf(self.version) for entry in self.entries])

    def rehash_entries(self):
        self.log.data[self.at + 88:self.at + 120] = self.entries_root()

    def alh(self):
        data, at = self.log.data, self.at
        count = struct.pack(">I", len(self.entries))
        if self.version == 0:
            middle = struct.pack(">H", 0) + count[2:]
        else:
            middle = struct.pack(">HH", self.version, self.md_len) \
                + data[at + HEAD:at + HEAD + self.md_len] + count
        inner = sha(data[at + 24:at + 32], middle, data[at + 88:at + 120], data[at + 32:at + 40],
                    data[at + 120:at + 152])
        return sha(data[at + 16:at + 24], data[at + 56:at + 88], inner)


class Log:
    """The first segment of a database's log; test histories fit into it."""

    def __init__(self, folder):
        self.folder = folder
        self.path = os.path.join(folder, "00000000.log")
        with open(self.path, "rb") as file:
            self.data = bytearray(file.read())
        self.salt, = struct.unpack_from(">I", self.data, SALT_AT)
        self.transactions = {}
        self.marks = []
        self.end = SEGMENT_HEADER
        while True:
            size, _, kind = struct.unpack_from(">IIB", self.data, self.end)
            if kind == TX:
                found = Transaction(self, self.end, size)
                self.transactions[found.id] = found
            elif kind == MARK:
                self.marks.append(self.end)
            else:
                assert kind == 0 and size == 0, "the history has more than one segment"
                break
            self.end += size

    def seal_record(self, at, covered):
        crc = crc32c(self.salt, self.data[at:at + 4])
        struct.pack_into(">I", self.data, at + 4, crc32c(crc, self.data[at + 8:at + covered]))

    def rechain(self):
        """Makes one consistent history of what is there, and puts the marks right."""
        tree, previous, alhs = GrowingTree(), sha(b""), {}
        for number in sorted(self.transactions):
            tx = self.transactions[number]
            for entry in tx.entries:
                entry.rehash_value()
            tx.rehash_entries()
            self.data[tx.at + 56:tx.at + 88] = previous
            self.data[tx.at + 120:tx.at + 152] = tree.root()
            tx.seal()
            previous = alhs[number] = tx.alh()
            tree.append(previous)
        for at in self.marks:
            number, = struct.unpack_from(">Q", self.data, at + 12)
            if number:
                self.data[at + 28:at + 60] = alhs[number]
            self.seal_record(at, 64)

    def cut_after(self, number):
        """Zeroes everything behind a transaction."""
        last = self.transactions[number]
        start = last.at + last.size
        self.data[start:self.end] = bytes(self.end - start)

    def swap(self, one, other):
        """Exchanges two records of one size, byte by byte."""
        a, b = self.transactions[one], self.transactions[other]
        assert a.size == b.size
        first, second = self.data[a.at:a.at + a.size], self.data[b.at:b.at + b.size]
        self.data[a.at:a.at + a.size], self.data[b.at:b.at + b.size] = second, first

    def save(self):
        with open(self.path, "r+b") as file:
            file.write(self.data)


def forget_derived(folder):
    """Removes what the server makes anew from the log, so that nothing else remembers."""
    for name in ["mark", "checkpoint", "offsets", "offsets.tail", "tree.tail"]:
        path = os.path.join(folder, name)
        if os.path.exists(path):
            os.unlink(path)
    for path in glob.glob(os.path.join(folder, "tree.[0-9]*")):
        os.unlink(path)
    shutil.rmtree(os.path.join(folder, "index"), ignore_errors=True)


def alter_tree_node(folder, leaf, seal):
    """Flips a bit of a leaf in the first full tile of the tree, with or without its checksum."""
    path = os.path.join(folder, "tree.0")
    with open(path, "r+b") as file:
        tile = bytearray(file.read(TILE))
        assert tile[4:7] == b"tre", "the history fills no tile of the tree"
        tile[32 + (511 - 256 + leaf - 1) * 32] ^= 1
        if seal:
            crc = crc32c(0, bytes(9))
            struct.pack_into(">I", tile, 0, crc32c(crc, tile[4:]))
        file.seek(0)
        file.write(tile)
