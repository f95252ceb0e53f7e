#!/usr/bin/env python3
"""An independent model of the hashes and proofs, in plain Python.

It shares no code with libcrypto-util/crypto and was written from the definitions alone, so that
the two can be compared. Verification functions return True or False and never raise on hostile
input. ref_check.py tests the model itself, make_history.py makes vector files with it.
"""
import hashlib
import struct

ZERO32 = bytes(32)


def sha(*parts):
    h = hashlib.sha256()
    for p in parts:
        h.update(p)
    return h.digest()


EMPTY_ALH = sha()  # the Alh of "transaction 0"


def u16(n): return struct.pack(">H", n)
def u32(n): return struct.pack(">I", n)
def u64(n): return struct.pack(">Q", n & 0xFFFFFFFFFFFFFFFF)
def i64(n): return struct.pack(">q", n)


def leaf_hash(payload): return sha(b"\x00", payload)
def node_hash(l, r): return sha(b"\x01", l, r)


# --------------------------------------------------------------------------- encodings
def enc_key(key): return b"\x00" + key
def enc_value(value): return b"\x00" + value


def enc_reference_value(referenced_key, at_tx):
    return b"\x01" + u64(at_tx) + enc_key(referenced_key)


def enc_zadd_key(zset, score, key, at_tx):
    k = enc_key(key)
    return (b"\x01" + u64(len(zset)) + zset + struct.pack(">d", score)
            + u64(len(k)) + k + u64(at_tx))


def dec_zadd_key(zk):
    assert zk[0] == 1
    n = int.from_bytes(zk[1:9], "big")
    zset = zk[9:9 + n]
    o = 9 + n
    score = struct.unpack(">d", zk[o:o + 8])[0]
    kl = int.from_bytes(zk[o + 8:o + 16], "big")
    key = zk[o + 16:o + 16 + kl]
    at = int.from_bytes(zk[o + 16 + kl:o + 24 + kl], "big")
    assert len(zk) == o + 24 + kl and key[:1] == b"\x00"
    return zset, score, key[1:], at


# --------------------------------------------------------------------------- metadata
class KVMetadata:
    def __init__(self, deleted=False, expires_at=None, non_indexable=False):
        self.deleted, self.expires_at, self.non_indexable = deleted, expires_at, non_indexable

    def to_bytes(self):
        b = b""
        if self.deleted:
            b += b"\x00"
        if self.expires_at is not None:
            b += b"\x01" + i64(self.expires_at)
        if self.non_indexable:
            b += b"\x02"
        return b

    @staticmethod
    def from_bytes(b):
        if len(b) > 11:
            raise ValueError("kv metadata too long")
        md, i = KVMetadata(), 0
        while i < len(b):
            c = b[i]
            i += 1
            if c == 0:
                md.deleted = True
            elif c == 1:
                if len(b) < i + 8:
                    raise ValueError("short")
                md.expires_at = struct.unpack(">q", b[i:i + 8])[0]
                i += 8
            elif c == 2:
                md.non_indexable = True
            else:
                raise ValueError("unknown attribute")
        return md


class TxMetadata:
    def __init__(self, truncated_tx_id=None, extra=None):
        self.truncated_tx_id, self.extra = truncated_tx_id, extra or None

    def to_bytes(self):
        b = b""
        if self.truncated_tx_id is not None:
            b += b"\x00" + u64(self.truncated_tx_id)
        if self.extra:
            if len(self.extra) > 256:
                raise ValueError("extra too long")
            b += b"\x01" + u16(len(self.extra)) + self.extra
        return b

    @staticmethod
    def from_bytes(b):
        if len(b) > 268:
            raise ValueError("tx metadata too long")
        md, i = TxMetadata(), 0
        while i < len(b):
            c = b[i]
            i += 1
            if c == 0:
                if len(b) < i + 8:
                    raise ValueError("short")
                md.truncated_tx_id = int.from_bytes(b[i:i + 8], "big")
                i += 8
            elif c == 1:
                if len(b) < i + 2:
                    raise ValueError("short")
                n = int.from_bytes(b[i:i + 2], "big")
                if len(b) < i + 2 + n:        
                    raise ValueError("short")
                md.extra = b[i + 2:i + 2 + n]
                i += 2 + n
            else:
                raise ValueError("unknown attribute")
        return md


def md_bytes(md): return b"" if md is None else md.to_bytes()


# --------------------------------------------------------------------------- entry digests
class Entry:
    """Raw entry: prefixed key, kv metadata (or None), value hash, value length."""

    def __init__(self, key, md=None, value=None, hval=None, vlen=None):
        self.key, self.md = key, md
        self.value = value
        self.hval = sha(value) if hval is None else hval
        self.vlen = (len(value) if value is not None else 0) if vlen is None else vlen

    def digest(self, version):
        m = md_bytes(self.md)
        if version == 0:
            if m:
                raise ValueError("metadata unsupported in version 0")
            return sha(self.key, self.hval)
        if version == 1:
            return sha(u16(len(m)), m, u16(len(self.key)), self.key, self.hval)
        raise ValueError("unknown version")


# --------------------------------------------------------------------------- per-tx tree
def pow2_below(n):
    """largest power of two strictly smaller than n (n >= 2)"""
    return 1 << ((n - 1).bit_length() - 1)


class HTree:
    def __init__(self, digests):
        self.leaves = [leaf_hash(d) for d in digests]

    def _mth(self, lo, hi):
        if hi - lo == 1:
            return self.leaves[lo]
        k = lo + pow2_below(hi - lo)
        return node_hash(self._mth(lo, k), self._mth(k, hi))

    def root(self):
        return sha() if not self.leaves else self._mth(0, len(self.leaves))

    def root_levels(self):
        """same root by the level algorithm: odd last node is promoted unchanged"""
        if not self.leaves:
            return sha()
        row = self.leaves
        while len(row) > 1:
            nxt = [node_hash(row[i], row[i + 1]) for i in range(0, len(row) - 1, 2)]
            if len(row) % 2:
                nxt.append(row[-1])
            row = nxt
        return row[0]

    def proof(self, i):
        def path(lo, hi):
            if hi - lo == 1:
                return []
            k = lo + pow2_below(hi - lo)
            if i < k:
                return path(lo, k) + [self._mth(k, hi)]
            return path(k, hi) + [self._mth(lo, k)]
        if not 0 <= i < len(self.leaves):
            raise IndexError
        return {"leaf": i, "width": len(self.leaves), "terms": path(0, len(self.leaves))}


def verify_entry_inclusion(proof, digest, root):
    if proof is None:
        return False
    i, r = proof["leaf"], proof["width"] - 1
    h = leaf_hash(digest)
    for t in proof["terms"]:
        h = node_hash(h, t) if (i % 2 == 0 and i != r) else node_hash(t, h)
        i, r = i // 2, r // 2
    return i == r and h == root


# --------------------------------------------------------------------------- append-only tree
def popcount(n): return bin(n).count("1")


def digests_upto(n):
    """how many digests are stored for leaves 1..n = n + total popcount of 0..n-1"""
    total, l = n, 0
    while (1 << l) <= n:
        total += (n >> (l + 1)) << l
        if (n >> l) & 1:
            total += n & ((1 << l) - 1)
        l += 1
    return total


class AHTree:
    """Flat digest log; leaves are numbered from 1."""

    def __init__(self):
        self.D = []
        self.n = 0

    @staticmethod
    def base(n): return digests_upto(n - 1)

    def range_root(self, lo, hi):
        """root of aligned leaf range (lo, hi]: one look-up"""
        return self.D[self.base(hi) + popcount(hi - 1 - lo)]

    def append(self, payload):
        n = self.n + 1
        h = leaf_hash(payload)
        out = [h]
        for l in range((n - 1).bit_length()):
            if (n - 1) >> l & 1:
                left_end = ((n - 1) >> l) << l          # last leaf of the left sibling
                h = node_hash(self.D[self.base(left_end) + l], h)
                out.append(h)
        self.D.extend(out)
        self.n = n
        return n, h

    def reset_size(self, n):
        assert n <= self.n
        del self.D[digests_upto(n):]
        self.n = n

    def root_at(self, n):
        assert 1 <= n <= self.n
        return self.D[self.base(n) + popcount(n - 1)]

    def inclusion(self, i, j):
        assert 1 <= i <= j <= self.n
        lo, hi, proof = 0, j, []
        while hi - lo > 1:
            k = lo + pow2_below(hi - lo)
            if i <= k:
                proof.insert(0, self.range_root(k, hi))
                hi = k
            else:
                proof.insert(0, self.range_root(lo, k))
                lo = k
        return proof

    def consistency(self, i, j):
        assert 1 <= i <= j <= self.n
        if i == j:
            if j == 1:
                return []
            k = pow2_below(j)
            return [self.range_root(k, j), self.range_root(0, k)]
        lo, hi, proof = 0, j, []
        while hi != i:
            k = lo + pow2_below(hi - lo)
            if i <= k:
                proof.insert(0, self.range_root(k, hi))
                hi = k
            else:
                proof.insert(0, self.range_root(lo, k))
                lo = k
        return [self.range_root(lo, hi)] + proof


def ah_verify_inclusion(proof, i, j, leaf, root):
    if i > j or i == 0 or (i < j and not proof):
        return False
    a, b, h = i - 1, j - 1, leaf
    for t in proof:
        h = node_hash(h, t) if (a % 2 == 0 and a != b) else node_hash(t, h)
        a, b = a >> 1, b >> 1
    return h == root


def ah_verify_consistency(proof, i, j, iroot, jroot):
    if i > j or i == 0 or (i < j and not proof):
        return False
    if i == j and not proof:
        return iroot == jroot
    f, s = i - 1, j - 1
    while f % 2 == 1:
        f, s = f >> 1, s >> 1
    ci = cj = proof[0]
    for t in proof[1:]:
        if f % 2 == 1 or f == s:
            ci, cj = node_hash(t, ci), node_hash(t, cj)
            while f % 2 == 0 and f != 0:
                f, s = f >> 1, s >> 1
        else:
            cj = node_hash(cj, t)
        f, s = f >> 1, s >> 1
    return ci == iroot and cj == jroot


def ah_verify_last_inclusion(proof, i, leaf, root):
    if i == 0:
        return False
    h = leaf
    for t in proof:
        h = node_hash(t, h)
    return h == root


# --------------------------------------------------------------------------- header
class Header:
    def __init__(self, id=0, prev_alh=ZERO32, ts=0, version=1, md=None, nentries=0,
                 eh=ZERO32, bl_tx_id=0, bl_root=ZERO32):
        self.id, self.prev_alh, self.ts, self.version = id, prev_alh, ts, version
        self.md, self.nentries, self.eh = md, nentries, eh
        self.bl_tx_id, self.bl_root = bl_tx_id, bl_root

    def _mid(self):
        if self.version == 0:
            return u16(self.nentries & 0xFFFF)
        if self.version == 1:
            m = md_bytes(self.md)
            return u16(len(m)) + m + u32(self.nentries)
        raise ValueError("unknown header version")

    def inner(self):
        return sha(i64(self.ts), u16(self.version), self._mid(), self.eh,
                   u64(self.bl_tx_id), self.bl_root)

    def alh(self):
        return sha(u64(self.id), self.prev_alh, self.inner())

    def to_bytes(self):
        if self.version == 0 and md_bytes(self.md):
            raise ValueError("metadata unsupported in version 0")
        return (u64(self.id) + self.prev_alh + i64(self.ts) + u16(self.version) + self._mid()
                + self.eh + u64(self.bl_tx_id) + self.bl_root)

    @staticmethod
    def from_bytes(b):
        if len(b) < 124:
            raise ValueError("short header")
        h = Header()
        h.id = int.from_bytes(b[0:8], "big")
        h.prev_alh = b[8:40]
        h.ts = struct.unpack(">q", b[40:48])[0]
        h.version = int.from_bytes(b[48:50], "big")
        i = 50
        if h.version == 0:
            h.nentries = int.from_bytes(b[i:i + 2], "big")
            i += 2
        elif h.version == 1:
            n = int.from_bytes(b[i:i + 2], "big")
            i += 2
            if n > 268 or len(b) < i + n + 4:
                raise ValueError("corrupted")
            h.md = TxMetadata.from_bytes(b[i:i + n]) if n else None
            i += n
            h.nentries = int.from_bytes(b[i:i + 4], "big")
            i += 4
        else:
            raise ValueError("unknown version")
        if len(b) < i + 72:
            raise ValueError("short header")
        h.eh = b[i:i + 32]
        h.bl_tx_id = int.from_bytes(b[i + 32:i + 40], "big")
        h.bl_root = b[i + 40:i + 72]
        if h.id < 1 or h.nentries < 1 or h.bl_tx_id >= h.id:
            raise ValueError("invalid header")
        return h


# --------------------------------------------------------------------------- linear proofs
def advance(alh, tx_id, inner): return sha(u64(tx_id), alh, inner)


def verify_linear(p, src, tgt, src_alh, tgt_alh):
    if p is None or p["source"] != src or p["target"] != tgt:
        return False
    terms = p["terms"]
    if src == 0 or src > tgt or not terms or terms[0] != src_alh or len(terms) != tgt - src + 1:
        return False
    h = terms[0]
    for n, t in enumerate(terms[1:], 1):
        h = advance(h, src + n, t)
    return h == tgt_alh


def verify_linear_advance(p, start, end, end_alh, root, size):
    if end < start:
        return False
    if end <= start + 1:
        return True
    if p is None or len(p["linear_terms"]) != end - start or len(p["inclusion"]) != end - start - 1:
        return False
    h = p["linear_terms"][0]                                     # alh of start+1
    for tx in range(start + 1, end):
        if not ah_verify_inclusion(p["inclusion"][tx - start - 1], tx, size, leaf_hash(h), root):
            return False
        h = advance(h, tx + 1, p["linear_terms"][tx - start])
    return h == end_alh


# --------------------------------------------------------------------------- dual proofs
def verify_dual(p, src, tgt, src_alh, tgt_alh):
    if p is None or p["source_hdr"] is None or p["target_hdr"] is None:
        return False
    S, T = p["source_hdr"], p["target_hdr"]
    if S.id != src or T.id != tgt or S.id == 0 or S.id > T.id:
        return False
    if S.alh() != src_alh or T.alh() != tgt_alh:
        return False
    if src < T.bl_tx_id:
        if not ah_verify_inclusion(p["inclusion"], src, T.bl_tx_id, leaf_hash(src_alh), T.bl_root):
            return False
    if S.bl_tx_id > 0:
        if not ah_verify_consistency(p["consistency"], S.bl_tx_id, T.bl_tx_id, S.bl_root, T.bl_root):
            return False
    if T.bl_tx_id > 0:
        if not ah_verify_last_inclusion(p["last_inclusion"], T.bl_tx_id,
                                        leaf_hash(p["target_bl_tx_alh"]), T.bl_root):
            return False
    if src < T.bl_tx_id:
        if not verify_linear(p["linear"], T.bl_tx_id, tgt, p["target_bl_tx_alh"], tgt_alh):
            return False
        return verify_linear_advance(p["linear_advance"], S.bl_tx_id, src, src_alh,
                                     T.bl_root, T.bl_tx_id)
    if not verify_linear(p["linear"], src, tgt, src_alh, tgt_alh):
        return False
    return verify_linear_advance(p["linear_advance"], S.bl_tx_id, T.bl_tx_id,
                                 p["target_bl_tx_alh"], T.bl_root, T.bl_tx_id)


def verify_dual_v2(p, src, tgt, src_alh, tgt_alh):
    if p is None or p["source_hdr"] is None or p["target_hdr"] is None:
        return False
    S, T = p["source_hdr"], p["target_hdr"]
    if S.id == 0 or S.id != src or T.id != tgt or src > tgt:
        return False
    if S.alh() != src_alh or T.alh() != tgt_alh:
        return False
    if S.id - 1 != S.bl_tx_id or T.id - 1 != T.bl_tx_id:
        return False
    if src == tgt:
        return True
    if not ah_verify_inclusion(p["inclusion"], src, T.bl_tx_id, leaf_hash(src_alh), T.bl_root):
        return False
    if src == 1:
        return ah_verify_consistency(p["consistency"], 1, T.bl_tx_id, leaf_hash(src_alh), T.bl_root)
    return ah_verify_consistency(p["consistency"], S.bl_tx_id, T.bl_tx_id, S.bl_root, T.bl_root)


# --------------------------------------------------------------------------- in-memory store
class Store:
    def __init__(self):
        self.hdrs, self.entries, self.trees, self.alhs = [], [], [], []
        self.aht = AHTree()

    def last(self):
        return (len(self.hdrs), self.alhs[-1]) if self.hdrs else (0, EMPTY_ALH)

    def commit(self, entries, ts, version=1, md=None, bl_tx_id=None):
        """bl_tx_id None = id-1, what every server writes today"""
        last, prev = self.last()
        tid = last + 1
        bl = last if bl_tx_id is None else bl_tx_id
        assert bl < tid
        tree = HTree([e.digest(version) for e in entries])
        h = Header(tid, prev, ts, version, md, len(entries), tree.root(), bl,
                   self.aht.root_at(bl) if bl else ZERO32)
        a = h.alh()
        self.hdrs.append(h)
        self.entries.append(entries)
        self.trees.append(tree)
        self.alhs.append(a)
        self.aht.append(a)
        return h

    def hdr(self, i): return self.hdrs[i - 1]
    def alh(self, i): return self.alhs[i - 1]

    def linear(self, s, t):
        assert 0 < s <= t
        return {"source": s, "target": t,
                "terms": [self.alh(s)] + [self.hdr(x).inner() for x in range(s + 1, t + 1)]}

    def linear_advance(self, start, end, size):
        assert start <= end
        if end <= start + 1:
            return None
        return {"linear_terms": [self.alh(start + 1)]
                + [self.hdr(x).inner() for x in range(start + 2, end + 1)],
                "inclusion": [self.aht.inclusion(x, size) for x in range(start + 1, end)]}

    def dual(self, s, t):
        S, T = self.hdr(s), self.hdr(t)
        assert s <= t and S.bl_tx_id <= T.bl_tx_id
        p = {"source_hdr": S, "target_hdr": T, "inclusion": [], "consistency": [],
             "target_bl_tx_alh": ZERO32, "last_inclusion": []}
        if s < T.bl_tx_id:
            p["inclusion"] = self.aht.inclusion(s, T.bl_tx_id)
        if S.bl_tx_id > 0:
            p["consistency"] = self.aht.consistency(S.bl_tx_id, T.bl_tx_id)
        if T.bl_tx_id > 0:
            p["target_bl_tx_alh"] = self.alh(T.bl_tx_id)
            p["last_inclusion"] = self.aht.inclusion(T.bl_tx_id, T.bl_tx_id)
        p["linear"] = self.linear(max(s, T.bl_tx_id), t)
        p["linear_advance"] = self.linear_advance(S.bl_tx_id, min(s, T.bl_tx_id), T.bl_tx_id)
        return p

    def dual_v2(self, s, t):
        S, T = self.hdr(s), self.hdr(t)
        assert 0 < s <= t and S.bl_tx_id == s - 1 and T.bl_tx_id == t - 1
        p = {"source_hdr": S, "target_hdr": T, "inclusion": [], "consistency": []}
        if s < t:
            p["inclusion"] = self.aht.inclusion(s, T.bl_tx_id)
            p["consistency"] = self.aht.consistency(max(1, S.bl_tx_id), T.bl_tx_id)
        return p

    def export(self, i, truncated=False):
        return export_tx(self.hdr(i), self.entries[i - 1], truncated)


# --------------------------------------------------------------------------- exported tx
def export_tx(hdr, entries, truncated=False):
    hb = hdr.to_bytes()
    out = u32(len(hb)) + hb
    for e in entries:
        m = md_bytes(e.md)
        v = e.hval if truncated else (e.value or b"")
        out += u16(len(e.key)) + e.key + u16(len(m)) + m + u32(len(v)) + v
    return out + u16(1) + (b"\x01" if truncated else b"\x00")


def import_tx(b):
    n = int.from_bytes(b[:4], "big")
    hdr = Header.from_bytes(b[4:4 + n])
    i, raw = 4 + n, []
    for _ in range(hdr.nentries):
        kl = int.from_bytes(b[i:i + 2], "big"); i += 2
        key = b[i:i + kl]; i += kl
        ml = int.from_bytes(b[i:i + 2], "big"); i += 2
        md = KVMetadata.from_bytes(b[i:i + ml]) if ml else None; i += ml
        vl = int.from_bytes(b[i:i + 4], "big"); i += 4
        raw.append((key, md, b[i:i + vl])); i += vl
    truncated = False
    if i < len(b):
        tl = int.from_bytes(b[i:i + 2], "big"); i += 2
        truncated = b[i] == 1
        i += tl
    if i != len(b):
        raise ValueError("trailing bytes")
    ents = [Entry(k, m, None, hval=v, vlen=0) if truncated else Entry(k, m, v) for k, m, v in raw]
    return hdr, ents, truncated


# --------------------------------------------------------------------------- state signature
def state_payload(db, tx_id, tx_hash):
    d = db.encode()
    return u32(len(d)) + d + u64(tx_id) + tx_hash


def state_payload_090(tx_id, tx_hash):              # 0.9.0 only, no database name
    return u64(tx_id) + tx_hash


P = 2**256 - 2**224 + 2**192 + 2**96 - 1
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
G = (0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
     0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5)


def _add(p, q):
    if p is None: return q
    if q is None: return p
    if p[0] == q[0]:
        if (p[1] + q[1]) % P == 0: return None
        m = (3 * p[0] * p[0] - 3) * pow(2 * p[1], -1, P) % P
    else:
        m = (q[1] - p[1]) * pow(q[0] - p[0], -1, P) % P
    x = (m * m - p[0] - q[0]) % P
    return x, (m * (p[0] - x) - p[1]) % P


def _mul(k, p):
    r = None
    while k:
        if k & 1: r = _add(r, p)
        p, k = _add(p, p), k >> 1
    return r


def point_from_uncompressed(b):
    if len(b) != 65 or b[0] != 4:
        raise ValueError("not an uncompressed P-256 point")
    x, y = int.from_bytes(b[1:33], "big"), int.from_bytes(b[33:], "big")
    if x >= P or y >= P or (y * y - (x * x * x - 3 * x + B)) % P:
        raise ValueError("not on the curve")
    return x, y


def der_sig(b):
    def integer(o):
        if b[o] != 2 or b[o + 1] & 0x80: raise ValueError("bad DER")
        n = b[o + 1]
        return int.from_bytes(b[o + 2:o + 2 + n], "big", signed=True), o + 2 + n
    if b[0] != 0x30 or b[1] != len(b) - 2: raise ValueError("bad DER")
    r, o = integer(2)
    s, o = integer(o)
    if o != len(b): raise ValueError("bad DER")
    return r, s


def ecdsa_verify(pub65, payload, sig):
    try:
        q = point_from_uncompressed(pub65)
        r, s = der_sig(sig)
    except (ValueError, IndexError):
        return False
    if not (0 < r < N and 0 < s < N):
        return False
    z = int.from_bytes(sha(payload), "big")
    w = pow(s, -1, N)
    pt = _add(_mul(z * w % N, G), _mul(r * w % N, q))
    return pt is not None and pt[0] % N == r
