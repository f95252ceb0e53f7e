"""Reads offline proofs and evidence as PROOF_FORMAT.md describes them, sharing no code with the library.

proof_reader.py check FILE [PUBLIC-KEY]: says what holds; whatever is not as described ends it.
proof_reader.py change FILE [PUBLIC-KEY]: that it holds, and does not once any byte is another, with the
checksums of a section put right or not, or any section or field is missing; but for what is not proven.
"""
import base64
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "tamper"))
from tamper_log import crc32c, sha, tree_root  # noqa: E402

MAGIC = b"\x89impr\r\n\x1a"
ENTRY, TX, EVIDENCE = 1, 2, 3
SUBJECT = {0x0101, 0x0102, 0x0103, 0x0104, 0x0105, 0x0201}
REFERENCE = {0x0301, 0x0302, 0x0303, 0x0304}
ANSWERS = {0x0401, 0x0402, 0x0403, 0x0404, 0x0501, 0x0502, 0x0503}
KINDS = {  # what must be there, and what may
    ENTRY: (SUBJECT | {0x0401, 0x0402, 0x0403, 0x0404}, {0x0202} | REFERENCE),
    TX: (SUBJECT | {0x0501, 0x0502}, {0x0202, 0x0503}),
    EVIDENCE: (SUBJECT | {0x0601, 0x0602}, ANSWERS | set(range(0x0603, 0x060d)))}
TEXTS = {0x0101, 0x0102, 0x0103, 0x0104, 0x0601, 0x0602, 0x0608}
NUMBERS = {0x0105: 1, 0x0606: 1, 0x0607: 1, 0x0609: 2}
STATES = {0x0201, 0x0604}
MESSAGES = {0x0202: "Signature", 0x0603: "Signature", 0x0605: "Signature", 0x060c: "RestoreNotice",
            0x0301: "Entry", 0x0401: "Entry", 0x0503: "TxEntry", 0x0302: "TxHeader", 0x0402: "TxHeader",
            0x0501: "TxHeader", 0x060a: "TxHeader", 0x0303: "InclusionProof", 0x0403: "InclusionProof",
            0x0304: "DualProof", 0x0404: "DualProof", 0x0502: "DualProof", 0x060b: "DualProof"}
# What anybody may change: of a proof, and of evidence, where an answer that fails may fail otherwise.
UNPROVEN_SECTIONS = {0x0101, 0x0103, 0x0104, 0x0105}
UNPROVEN_IN_EVIDENCE = UNPROVEN_SECTIONS | ANSWERS | {0x0602, 0x0606, 0x0607, 0x0609}
UNPROVEN_FIELDS = {("Entry", 7), ("Reference", 5), ("Signature", 1), ("TxEntry", 3)}
INT, BOOL, BYTES, HASH, TEXT, HASHES = "int", "bool", "bytes", "hash", "text", "hashes"
TYPES = {
    "Entry": {1: ("tx", INT), 2: ("key", BYTES), 3: ("value", BYTES), 4: ("referencedBy", "Reference"),
              5: ("metadata", "KVMetadata"), 6: ("expired", BOOL), 7: ("revision", INT)},
    "Reference": {1: ("tx", INT), 2: ("key", BYTES), 3: ("atTx", INT), 4: ("metadata", "KVMetadata"),
                  5: ("revision", INT)},
    "KVMetadata": {1: ("deleted", BOOL), 2: ("expiration", "Expiration"), 3: ("nonIndexable", BOOL)},
    "Expiration": {1: ("expiresAt", INT)},
    "TxHeader": {1: ("id", INT), 2: ("prevAlh", HASH), 3: ("ts", INT), 4: ("nentries", INT), 5: ("eH", HASH),
                 6: ("blTxId", INT), 7: ("blRoot", HASH), 8: ("version", INT), 9: ("metadata", "TxMetadata")},
    "TxMetadata": {1: ("truncatedTxID", INT), 2: ("extra", BYTES)},
    "TxEntry": {1: ("key", BYTES), 2: ("hValue", HASH), 3: ("vLen", INT), 4: ("metadata", "KVMetadata"),
                5: ("value", BYTES)},
    "InclusionProof": {1: ("leaf", INT), 2: ("width", INT), 3: ("terms", HASHES)},
    "DualProof": {1: ("source", "TxHeader"), 2: ("target", "TxHeader"), 3: ("inclusion", HASHES),
                  4: ("consistency", HASHES), 5: ("targetBlTxAlh", HASH), 6: ("lastInclusion", HASHES),
                  7: ("linear", "LinearProof"), 8: ("advance", "LinearAdvanceProof")},
    "LinearProof": {1: ("source", INT), 2: ("target", INT), 3: ("terms", HASHES)},
    "LinearAdvanceProof": {1: ("terms", HASHES), 2: ("inclusions", "InclusionProof")},
    "Signature": {1: ("publicKey", BYTES), 2: ("signature", BYTES)},
    "RestoreNotice": {1: ("serverId", TEXT), 2: ("database", TEXT), 3: ("fromTx", INT), 4: ("fromHash", BYTES),
                      5: ("toTx", INT), 6: ("toHash", HASH), 7: ("at", INT), 8: ("actor", TEXT),
                      9: ("signature", "Signature")}}
LISTS = {("LinearAdvanceProof", 2)}


class Refused(Exception):
    """What does not hold."""


def need(is_so, what):
    if not is_so:
        raise Refused(what)


# ---- Container ----

def u32(data, at):
    need(at + 4 <= len(data), "cut off")
    return int.from_bytes(data[at:at + 4], "big")


def read_container(data):
    """The kind of the file and its sections."""
    need(data[:8] == MAGIC and data[8:10] == b"\0\1", "magic or version")
    need(u32(data, 16) == crc32c(0, data[:16]), "checksum of the head")
    sections, at = [], 20
    for _ in range(u32(data, 12)):
        need(u32(data, at + 8) == crc32c(0, data[at:at + 8]), "checksum of a section's head")
        need(data[at + 2:at + 4] == b"\0\0", "zero in a section's head")
        kind, size, at = u32(data, at) >> 16, u32(data, at + 4), at + 12
        content = data[at:at + size]
        need(u32(data, at + size) == crc32c(0, content), f"checksum of section {kind:#06x}")
        sections.append((kind, content))
        at += size + 4
    need(sections and at == len(data), "end of the file")
    return u32(data, 8) & 0xffff, sections


# ---- Messages ----

def varint(data, at):
    value = shift = 0
    while True:
        need(at < len(data) and shift < 64, "number in a message")
        value |= (data[at] & 127) << shift
        shift, at = shift + 7, at + 1
        if data[at - 1] < 128:
            break
    need(value < 2 ** 64 and (data[at - 1] or shift == 7), "number that is packed otherwise")
    return value, at


def fields(name, data):
    """Each field of a packed message: number, type, value, where it begins and ends, where its bytes do."""
    at, before = 0, 0
    while at < len(data):
        start = at
        tag, at = varint(data, at)
        number = tag >> 3
        need(number in TYPES[name], f"unknown field of {name}")
        kind = TYPES[name][number][1]
        is_list = kind == HASHES or (name, number) in LISTS
        need(number > before or (is_list and number == before), f"order of fields of {name}")
        before = number
        need(tag & 7 == (0 if kind in (INT, BOOL) else 2), f"wire type in {name}")
        value, at = varint(data, at)
        inside = at
        if kind in (INT, BOOL):
            need(value and (kind == INT or value == 1), f"default value in {name}")
        else:
            need(at + value <= len(data), f"length in {name}")
            need(value or kind not in (BYTES, TEXT), f"default value in {name}")
            value, at = data[at:at + value], at + value
            need(kind not in (HASH, HASHES) or len(value) == 32, f"length of a hash in {name}")
        yield number, kind, value, (start, at), inside


class Message:
    """A message with all fields that its type has."""

    def __init__(self, name, data):
        for number, (field, kind) in TYPES[name].items():
            empty = {INT: 0, BOOL: 0, BYTES: b"", TEXT: b"", HASH: None}.get(kind)
            setattr(self, field, [] if kind == HASHES or (name, number) in LISTS else empty)
        for number, kind, value, _, _ in fields(name, data):
            field = TYPES[name][number][0]
            value = Message(kind, value) if kind in TYPES else text(value) if kind == TEXT else value
            if isinstance(getattr(self, field), list):
                getattr(self, field).append(value)
            else:
                setattr(self, field, value)


def text(data):
    need(len(data) <= 4096 and 0 not in data, "text")
    try:
        data.decode()
    except UnicodeDecodeError:
        need(False, "text that is not UTF-8")
    return data


def read_section(kind, content):
    if kind in TEXTS:
        text(content)
        need(kind != 0x0101 or len(content) == 20, "identity of the server")
        need(kind != 0x0102 or 1 <= len(content) <= 128, "name of the database")
    elif kind in NUMBERS:
        need(len(content) == 8 * NUMBERS[kind], "length of a number")
        need(kind != 0x0609 or content[:8] <= content[8:], "range of transactions")
    elif kind in STATES:
        need(len(content) == 40, "length of a state")
        state = (int.from_bytes(content[:8], "big"), content[8:])
        need(state[0] or state[1] == sha(b""), "state without transactions")
        return state
    else:
        return Message(MESSAGES[kind], content)
    return content


# ---- Hashes and proofs ----

def u64_bytes(value):
    return struct.pack(">Q", value)


def node(left, right):
    return sha(b"\1", left, right)


def half(size):
    """The largest power of two below size."""
    return 1 << (size - 1).bit_length() - 1


def root_of_leaf(leaf, i, size, terms):
    """The root over size leaves that terms lead to from leaf i, from 1."""
    if size == 1:
        need(not terms, "too many terms")
        return leaf
    need(terms, "too few terms")
    k = half(size)
    if i <= k:
        return node(root_of_leaf(leaf, i, k, terms[:-1]), terms[-1])
    return node(terms[-1], root_of_leaf(leaf, i - k, size - k, terms[:-1]))


def roots_of_prefix(i, size, terms):
    """The roots over the first i leaves and over all of them."""
    need(terms, "too few terms")
    if i == size:
        need(len(terms) == 1, "too many terms")
        return terms[0], terms[0]
    k = half(size)
    if i <= k:
        old, new = roots_of_prefix(i, k, terms[:-1])
        return old, node(new, terms[-1])
    old, new = roots_of_prefix(i - k, size - k, terms[:-1])
    return node(terms[-1], old), node(terms[-1], new)


def check_consistency(terms, i, j, old, new):
    need(i <= j, "tree that shrinks")
    if i < j:
        need(roots_of_prefix(i, j, terms) == (old, new), "consistency proof")
    elif i == 1:
        need(not terms and old == new, "consistency proof")
    else:
        need(len(terms) == 2 and node(terms[1], terms[0]) == old == new, "consistency proof")


def header_alh(h):
    """The Alh of a header that is in range."""
    need(h and h.prevAlh and h.eH and h.blRoot, "header")
    need(0 <= h.blTxId < h.id and h.version <= 1 and h.nentries < 2 ** 31, "range in a header")
    need(h.blTxId or h.blRoot == bytes(32), "root of no tree")
    md = b""
    if h.metadata:
        md += b"\0" + u64_bytes(h.metadata.truncatedTxID) if h.metadata.truncatedTxID else b""
        extra = h.metadata.extra
        need(len(extra) <= 256, "metadata of a transaction")
        md += b"\1" + struct.pack(">H", len(extra)) + extra if extra else b""
    if h.version:
        middle = struct.pack(">HH", 1, len(md)) + md + struct.pack(">I", h.nentries)
    else:
        need(not md and h.nentries < 2 ** 16, "header of version 0")
        middle = struct.pack(">HH", 0, h.nentries)
    inner = sha(u64_bytes(h.ts), middle, h.eH, u64_bytes(h.blTxId), h.blRoot)
    return sha(u64_bytes(h.id), h.prevAlh, inner)


def leaf_of(alh):
    return sha(b"\0", alh)


def follow(terms, first):
    """The Alh that inner hashes lead to from the one of the first transaction."""
    alh = terms[0]
    for number, inner in enumerate(terms[1:], first + 1):
        alh = sha(u64_bytes(number), alh, inner)
    return alh


def check_advance(proof, start, end, size, root):
    """That the transactions behind start up to end (its number and Alh) are leaves of the tree."""
    need(start <= end[0], "order of trees")
    if end[0] - start <= 1:
        need(not proof, "advance proof that nobody needs")
        return
    need(proof and len(proof.terms) == end[0] - start, "terms of the advance proof")
    need(len(proof.inclusions) == end[0] - start - 1, "inclusions of the advance proof")
    for i, inclusion in enumerate(proof.inclusions):
        need(not inclusion.leaf and not inclusion.width, "unused fields")
        leaf = leaf_of(follow(proof.terms[:i + 1], start + 1))
        need(root_of_leaf(leaf, start + 1 + i, size, inclusion.terms) == root, "advance proof")
    need(follow(proof.terms, start + 1) == end[1], "end of the advance proof")


def check_dual(proof, source, target):
    """That the history of a state, number and Alh, is the beginning of another's."""
    need(proof and proof.linear and proof.targetBlTxAlh, "dual proof")
    need(1 <= source[0] <= target[0], "order of transactions")
    need((proof.source and proof.source.id, header_alh(proof.source)) == source, "source of a dual proof")
    need((proof.target and proof.target.id, header_alh(proof.target)) == target, "target of a dual proof")
    p, q, root = proof.source.blTxId, proof.target.blTxId, proof.target.blRoot
    end = (q, proof.targetBlTxAlh)
    if source[0] < q:
        need(root_of_leaf(leaf_of(source[1]), source[0], q, proof.inclusion) == root, "inclusion of the source")
    else:
        need(not proof.inclusion, "inclusion that nobody needs")
    if p:
        check_consistency(proof.consistency, p, q, proof.source.blRoot, root)
    else:
        need(not proof.consistency, "consistency that nobody needs")
    if q:
        need(root_of_leaf(leaf_of(end[1]), q, q, proof.lastInclusion) == root, "last inclusion")
    else:
        need(not proof.lastInclusion and end[1] == bytes(32), "last inclusion that nobody needs")
    later, earlier = (end, source) if source[0] < q else (source, end)
    linear = proof.linear
    need((linear.source, linear.target) == (later[0], target[0]), "transactions of the linear proof")
    need(len(linear.terms) == target[0] - later[0] + 1 and linear.terms[0] == later[1], "linear proof")
    need(follow(linear.terms, later[0]) == target[1], "end of the linear proof")
    check_advance(proof.advance, p, earlier, q, root)


def entry_leaf(version, key, value_hash, metadata):
    md = b""
    if metadata:
        md += b"\0" if metadata.deleted else b""
        md += b"\1" + u64_bytes(metadata.expiration.expiresAt) if metadata.expiration else b""
        md += b"\2" if metadata.nonIndexable else b""
    need(len(key) <= 1024 and (version or not md), "key or metadata")
    if not version:
        return leaf_of(sha(key, value_hash))
    return leaf_of(sha(struct.pack(">H", len(md)), md, struct.pack(">H", len(key)), key, value_hash))


def check_history(known, header, proof):
    """The transaction's state, when it and the known one are of one history."""
    tx = (header and header.id, header_alh(header))
    older, newer = sorted([known or tx, tx]) if known != tx else (tx, tx)
    if known and known[0] == tx[0]:
        older, newer = known, tx
    check_dual(proof, older, newer)
    return tx


def check_entry(entry, header, inclusion):
    """That an entry, or a reference, is in the transaction."""
    found = entry.referencedBy or entry
    value = b"\1" + u64_bytes(found.atTx) + b"\0" + entry.key if entry.referencedBy else b"\0" + entry.value
    need(found.tx == header.id and not entry.expired, "transaction of the entry")
    need(not (found.metadata and found.metadata.deleted), "deleted entry")
    need(not entry.referencedBy or not found.atTx or entry.tx == found.atTx, "bound reference")
    leaf = entry_leaf(header.version, b"\0" + found.key, sha(value), found.metadata)
    need(inclusion and inclusion.width == header.nentries and inclusion.leaf < inclusion.width, "width")
    need(root_of_leaf(leaf, inclusion.leaf + 1, inclusion.width, inclusion.terms) == header.eH, "entry")


def check_entries(entries, header):
    need(len(entries) == header.nentries, "number of entries")
    leaves = []
    for entry in entries:
        need(entry.hValue and entry.vLen < 2 ** 31, "entry of a transaction")
        if entry.value:
            need(sha(entry.value) == entry.hValue and len(entry.value) == entry.vLen, "value of an entry")
        leaves.append(entry_leaf(header.version, entry.key, entry.hValue, entry.metadata))
    need((tree_root(leaves) if leaves else sha(b"")) == header.eH, "entries")


# ---- Signatures: ECDSA over P-256 ----

P = 2 ** 256 - 2 ** 224 + 2 ** 192 + 2 ** 96 - 1
N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551
G = (0x6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296,
     0x4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5, 1)


def double(a):
    x, y, z = a
    m, s = 3 * (x - z * z) * (x + z * z), 4 * x * y * y
    x3 = (m * m - 2 * s) % P
    return x3, (m * (s - x3) - 8 * y ** 4) % P, 2 * y * z % P


def add(a, b):
    """Of two points in Jacobian coordinates; z is 0 at infinity."""
    if not a[2] or not b[2]:
        return b if not a[2] else a
    za, zb = a[2] * a[2], b[2] * b[2]
    u, s = a[0] * zb % P, a[1] * b[2] * zb % P
    h, r = (b[0] * za - u) % P, (b[1] * a[2] * za - s) % P
    if not h:
        return double(a) if not r else (1, 1, 0)
    h2 = h * h % P
    x = (r * r - h * h2 - 2 * u * h2) % P
    return x, (r * (u * h2 - x) - s * h * h2) % P, h * a[2] * b[2] % P


def der_number(data):
    """A number in DER and what follows it."""
    need(len(data) > 2 and data[0] == 2 and 1 <= data[1] <= 33 and len(data) >= 2 + data[1], "signature")
    number = data[2:2 + data[1]]
    need(number[0] < 128 and (number[0] or len(number) == 1 or number[1] > 127), "number in a signature")
    return int.from_bytes(number, "big"), data[2 + data[1]:]


def check_signature(key, payload, message):
    need(message, "a signature is missing")
    der = message.signature
    need(len(der) > 2 and der[0] == 0x30 and der[1] == len(der) - 2, "signature")
    r, rest = der_number(der[2:])
    s, rest = der_number(rest)
    need(not rest and 0 < r < N and 0 < s < N, "signature")
    w = pow(s, -1, N)
    u, v = int.from_bytes(sha(payload), "big") * w % N, r * w % N
    both, point = add(G, key), (1, 1, 0)
    for bit in range(255, -1, -1):
        point = double(point)
        which = (u >> bit & 1) + 2 * (v >> bit & 1)
        point = add(point, (None, G, key, both)[which]) if which else point
    need(point[2] and point[0] * pow(point[2], -2, P) % P % N == r, "signature by another key")


def check_state_signature(key, database, state, message):
    payload = struct.pack(">I", len(database)) + database + u64_bytes(state[0]) + state[1]
    check_signature(key, payload, message)


def read_key(path):
    with open(path, encoding="ascii") as file:
        body = "".join(line for line in file if not line.startswith("-----"))
    point = base64.b64decode(body)[-64:]
    return int.from_bytes(point[:32], "big"), int.from_bytes(point[32:], "big"), 1


# ---- Checking ----

class File:
    """The sections of a file, read."""

    def __init__(self, kind, sections):
        need(kind in KINDS, "kind of the file")
        must, may = KINDS[kind]
        types = [name for name, _ in sections]
        need(all(a < b or a == b == 0x0503 for a, b in zip(types, types[1:])), "order of sections")
        need(must <= set(types) <= must | may, "sections of this kind of file")
        need(not REFERENCE & set(types) or REFERENCE <= set(types), "parts of a reference")
        self.found, self.entries, self.kind = {}, [], kind
        for name, content in sections:
            self.found[name] = read_section(name, content)
            if name == 0x0503:
                self.entries.append(self.found[name])
        self.database = self.found[0x0102]
        self.trusted = self.found[0x0201]
        self.known = self.trusted if self.trusted[0] else None
        self.seen = self.found.get(0x0604)

    def get(self, *names):
        return [self.found.get(name) for name in names]

    def check(self, key):
        if self.kind == EVIDENCE:
            return self.judge(key)
        if 0x0301 in self.found:
            self.follow_reference()
        if self.kind == ENTRY:
            entry, header, inclusion, proof = self.get(0x0401, 0x0402, 0x0403, 0x0404)
            state = check_history(self.known, header, proof)
            need(not entry.referencedBy, "reference to a reference")
            check_entry(entry, header, inclusion)
        else:
            header, proof = self.get(0x0501, 0x0502)
            state = check_history(self.known, header, proof)
            check_entries(self.entries, header)
        if key:
            newer = max(state, self.known or state, key=lambda state: state[0])
            check_state_signature(key, self.database, newer, self.found.get(0x0202))
        return "signed" if key else "proven"

    def follow_reference(self):
        entry, header, inclusion, proof = self.get(*sorted(REFERENCE))
        state = check_history(self.known, header, proof)
        need(entry.referencedBy and not entry.value and not entry.metadata and not entry.revision, "reference")
        check_entry(entry, header, inclusion)
        target = self.found[0x0401]
        need((target.key, target.tx) == (entry.key, entry.tx), "what the reference stands for")
        self.known = max(state, self.known or state, key=lambda state: state[0])

    # Evidence.

    def judge(self, key):
        verdict, shown = self.found[0x0601].decode(), self.found.get(0x0605)
        need(self.seen or not shown, "signature of no state")
        signed = 0
        if key and 0x0603 in self.found:
            check_state_signature(key, self.database, self.trusted, self.found[0x0603])
            signed += 1
        if key and shown and not verdict.startswith("signature-"):
            check_state_signature(key, self.database, self.seen, shown)
            signed += 1
        judges = {"rolled-back": self.is_older, "emptied": self.is_emptied, "forked": self.find_fault,
                  "tampered": self.find_fault, "identity-changed": self.is_another,
                  "signature-missing": lambda: need(self.seen and not shown, "signature that is there"),
                  "signature-wrong": lambda: self.is_wrongly_signed(key),
                  "rolled-back-announced": lambda: self.is_announced(key)}
        need(verdict in judges, "verdict")
        worth = judges[verdict]() or "repeated"
        return "repeated" if worth == "signed" and signed < 2 else worth

    def is_older(self):
        need(self.seen and self.seen[0] < self.trusted[0], "state that is not older")

    def is_emptied(self):
        need(self.trusted[0] and not (self.seen and self.seen[0]), "database that is not empty")
        return None if self.seen else "claim"

    def is_another(self):
        other = self.found.get(0x0608, b"")
        need(len(other) == 20 and other != self.found[0x0101], "identity")
        return "claim"

    def is_wrongly_signed(self, key):
        need(self.seen and 0x0605 in self.found, "signature")
        if not key:
            return "claim"
        try:
            check_state_signature(key, self.database, self.seen, self.found[0x0605])
        except Refused:
            return None
        raise Refused("signature that is right")

    def is_announced(self, key):
        notice = self.found.get(0x060c)
        need(notice and self.seen and notice.toHash, "notice of a restore")
        start, end = (notice.fromTx, notice.fromHash), (notice.toTx, notice.toHash)
        need(len(start[1]) == (32 if start[0] else 0), "what was there before")
        need((notice.serverId, notice.database) == (self.found[0x0101], self.database), "server of a notice")
        need(self.trusted[0] > end[0] and (not start[0] or self.trusted[0] < start[0] or self.trusted == start),
             "restore that explains nothing")
        need(self.seen[0] > end[0] or (self.seen[0] == end[0] and (not end[0] or self.seen == end)), "restore")
        if key:
            payload = b"immudb restore notice 1\n"
            for name in (notice.serverId, notice.database):
                payload += struct.pack(">I", len(name)) + name
            payload += u64_bytes(start[0]) + (start[1] or bytes(32)) + u64_bytes(end[0]) + end[1]
            payload += u64_bytes(notice.at) + struct.pack(">I", len(notice.actor)) + notice.actor
            check_signature(key, payload, notice.signature)
        if self.seen[0] >= self.trusted[0]:
            need(self.is_split_by_states() or self.is_split_by_link(), "one history")

    def is_split_by_states(self):
        return bool(self.seen) and self.seen[0] == self.trusted[0] and self.seen != self.trusted

    def is_split_by(self, header, proof):
        """Whether a transaction of the newer state's history is the older state's with another hash."""
        pairs = [(self.seen, self.trusted), (self.trusted, self.seen)] if self.seen else []
        for newer, older in pairs:
            if newer[0] >= older[0] > 0:
                try:
                    found = check_history(newer, header, proof)
                except Refused:
                    continue
                if found[0] == older[0] and found != older:
                    return True
        return False

    def is_split_by_link(self):
        if not {0x060a, 0x060b} & set(self.found):
            return False
        need(self.is_split_by(*self.get(0x060a, 0x060b)), "link")
        return True

    def hold(self, header, proof):
        """From the trusted state, or from the one that was shown."""
        starts = ([self.known] if self.known or not self.seen else []) + ([self.seen] if self.seen else [])
        for start in starts:
            try:
                found = check_history(start if start and start[0] else None, header, proof)
                need(not any(state and found[0] == state[0] and found != state
                             for state in (self.trusted, self.seen)), "another hash")
                return
            except Refused as why:
                last = why
        raise last

    def has_fault(self, names, check):
        """Whether there is an answer, and whether it fails."""
        if not set(names) & set(self.found):
            return False, False
        try:
            check(*self.get(*names))
        except Refused:
            return True, True
        return True, False

    def hold_tx(self, header, proof, _):
        self.hold(header, proof)
        if self.entries:
            check_entries(self.entries, header)

    def hold_entry(self, entry, header, inclusion, proof):
        need(entry, "entry")
        self.hold(header, proof)
        check_entry(entry, header, inclusion)

    def find_fault(self):
        is_between = self.is_split_by_states()
        is_between |= self.is_split_by_link()
        is_recorded, is_fault = is_between, is_between
        for names, check in ((0x0501, 0x0502, 0x0503), self.hold_tx), \
                ((0x0401, 0x0402, 0x0403, 0x0404), self.hold_entry):
            answer = self.has_fault(names, check)
            is_recorded, is_fault = is_recorded | answer[0], is_fault | answer[1]
        is_between |= is_fault and self.is_split_by(*self.get(0x0501, 0x0502))
        need(is_fault or not is_recorded, "answers that verify")
        return "signed" if is_between else "repeated" if is_fault else "claim"


def check(data, key):
    kind, sections = read_container(data)
    return File(kind, sections).check(key)


# ---- Changes ----

def holds(kind, sections, key):
    try:
        File(kind, sections).check(key)
    except Refused:
        return False
    return True


def proven_bytes(name, data):
    """Places of a packed message that are covered by a proof."""
    for number, kind, value, (start, end), inside in fields(name, data):
        if is_proven(name, number, data):
            yield from range(start, inside)
            places = proven_bytes(kind, value) if kind in TYPES else range(end - inside)
            yield from (inside + place for place in places)


def is_proven(name, number, data):
    return (name, number) not in UNPROVEN_FIELDS or (name == "TxEntry" and Message(name, data).value)


def packed_length(size):
    return bytes([size]) if size < 128 else bytes([size & 127 | 128]) + packed_length(size >> 7)


def with_field_missing(name, data):
    """The message once for each of its fields that is proven, without that."""
    for number, kind, value, (start, end), _ in fields(name, data):
        if not is_proven(name, number, data) or (name, number) == ("TxEntry", 5):
            continue
        yield data[:start] + data[end:]
        if kind in TYPES:
            for other in with_field_missing(kind, value):
                yield data[:start] + bytes([number << 3 | 2]) + packed_length(len(other)) + other + data[end:]


def changed_sections(kind, sections):
    """The sections with one change at a time, and what that was."""
    unproven = UNPROVEN_IN_EVIDENCE if kind == EVIDENCE else UNPROVEN_SECTIONS
    for i, (name, content) in enumerate(sections):
        if kind != EVIDENCE or name == 0x0201:
            yield sections[:i] + sections[i + 1:], f"section {name:#06x} is missing"
        yield sections[:i + 1] + sections[i:], f"section {name:#06x} is there twice"
        if name in unproven:
            continue
        places = proven_bytes(MESSAGES[name], content) if name in MESSAGES else range(len(content))
        for at in places:
            other = content[:at] + bytes([content[at] ^ 1 << at % 8]) + content[at + 1:]
            yield sections[:i] + [(name, other)] + sections[i + 1:], f"byte {at} of section {name:#06x}"
        if name in MESSAGES:
            for other in with_field_missing(MESSAGES[name], content):
                yield sections[:i] + [(name, other)] + sections[i + 1:], f"a field of section {name:#06x}"


def change(data, key):
    check(data, key)
    kind, sections = read_container(data)
    count = 0
    for at in range(len(data)):
        other = data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1:]
        try:
            read_container(other)
        except Refused:
            continue
        raise SystemExit(f"byte {at} may be another")
    for other, what in changed_sections(kind, sections):
        if holds(kind, other, key):
            raise SystemExit("holds although changed: " + what)
        count += 1
    return f"{len(data)} bytes, {count} changes with checksums: none holds"


def main():
    commands = {"check": check, "change": change}
    with open(sys.argv[2], "rb") as file:
        data = file.read()
    key = read_key(sys.argv[3]) if len(sys.argv) > 3 else None
    try:
        print(commands[sys.argv[1]](data, key))
    except Refused as why:
        raise SystemExit(f"not as PROOF_FORMAT.md says: {why}") from None


if __name__ == "__main__":
    main()
