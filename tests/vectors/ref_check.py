#!/usr/bin/env python3
"""Tests the independent model of ref_proofs.py.

  python3 ref_check.py selftest [seed] [rounds]   random histories: make, verify, tamper
  python3 ref_check.py vectors [dir]              check every vector file of a folder
  python3 ref_check.py                            both
"""
import glob
import json
import os
import random
import struct
import sys

sys.dont_write_bytecode = True

from ref_proofs import *
from ref_proofs import _mul


def mutate(p, rnd):
    """yield tampered copies of a dual proof"""
    def flip(b):
        i = rnd.randrange(len(b))
        return b[:i] + bytes([b[i] ^ (1 << rnd.randrange(8))]) + b[i + 1:]

    def cp():
        q = dict(p)
        for k in ("inclusion", "consistency", "last_inclusion"):
            q[k] = list(p[k])
        q["linear"] = {**p["linear"], "terms": list(p["linear"]["terms"])}
        if p["linear_advance"]:
            q["linear_advance"] = {"linear_terms": list(p["linear_advance"]["linear_terms"]),
                                   "inclusion": [list(x) for x in p["linear_advance"]["inclusion"]]}
        return q
    for k in ("inclusion", "consistency", "last_inclusion"):
        if p[k]:
            q = cp()
            i = rnd.randrange(len(q[k]))
            q[k][i] = flip(q[k][i])
            yield k, q
    q = cp()
    i = rnd.randrange(len(q["linear"]["terms"]))
    q["linear"]["terms"][i] = flip(q["linear"]["terms"][i])
    yield "linear", q
    if p["target_hdr"].bl_tx_id:
        q = cp()
        q["target_bl_tx_alh"] = flip(q["target_bl_tx_alh"])
        yield "bl_alh", q
    if p["linear_advance"]:
        q = cp()
        i = rnd.randrange(len(q["linear_advance"]["linear_terms"]))
        q["linear_advance"]["linear_terms"][i] = flip(q["linear_advance"]["linear_terms"][i])
        yield "advance", q
        q = cp()
        i = rnd.randrange(len(q["linear_advance"]["inclusion"]))
        l = q["linear_advance"]["inclusion"][i]
        if l:
            j = rnd.randrange(len(l))
            l[j] = flip(l[j])
            yield "advance-inclusion", q
        q = cp()
        q["linear_advance"] = None
        yield "advance-missing", q


def selftest(seed=1, rounds=60):
    rnd = random.Random(seed)
    n_dual = n_mut = n_adv = n_v2 = 0
    # trees: recursive definition == level algorithm == flat log
    for w in range(0, 40):
        ds = [sha(bytes([i])) for i in range(w)]
        t = HTree(ds)
        assert t.root() == t.root_levels()
        for i in range(w):
            p = t.proof(i)
            assert verify_entry_inclusion(p, ds[i], t.root())
            assert not verify_entry_inclusion(p, sha(b"x"), t.root())
            assert len(p["terms"]) <= max(0, (w - 1).bit_length())
    a = AHTree()
    pay = [sha(u64(i)) for i in range(1, 131)]
    for n, x in enumerate(pay, 1):
        assert len(a.D) == digests_upto(n - 1)
        a.append(x)
        assert a.root_at(n) == HTree(pay[:n]).root_levels()
    for j in range(1, 71):
        for i in range(1, j + 1):
            inc, con = a.inclusion(i, j), a.consistency(i, j)
            assert ah_verify_inclusion(inc, i, j, leaf_hash(pay[i - 1]), a.root_at(j))
            assert ah_verify_consistency(con, i, j, a.root_at(i), a.root_at(j))
            if i < j:
                assert not ah_verify_inclusion(inc, i, j, leaf_hash(pay[j - 1]), a.root_at(j))
                assert not ah_verify_consistency(con, i, j, a.root_at(j), a.root_at(j))
        assert ah_verify_last_inclusion(a.inclusion(j, j), j, leaf_hash(pay[j - 1]), a.root_at(j))
    for cut in (129, 64, 63, 1):
        b = AHTree()
        for x in pay: b.append(x)
        b.reset_size(cut)
        assert b.root_at(cut) == a.root_at(cut)
        for x in pay[cut:]: b.append(x)
        assert b.D == a.D
    for rd in range(rounds):
        st, total = Store(), rnd.choice([1, 2, 3, 7, 16, 17, 33])
        lag_mode = rd % 3                       # 0: bl=id-1, 1: random lag, 2: bursts
        bl = 0
        for t in range(1, total + 1):
            ver = rnd.choice([0, 1]) if lag_mode else 1
            ents = []
            for e in range(rnd.choice([1, 1, 2, 5])):
                kind = rnd.randrange(4)
                key = b"k%d" % rnd.randrange(9) + b"-%d" % e
                md = None
                if ver and kind == 1:
                    md = KVMetadata(rnd.random() < .3, rnd.choice([None, 1, 1 << 40]), rnd.random() < .3)
                if kind == 2:
                    ents.append(Entry(enc_key(key), None, enc_reference_value(b"target", rnd.randrange(3))))
                elif kind == 3:
                    ents.append(Entry(enc_zadd_key(b"s", rnd.uniform(-5, 5), key, rnd.randrange(3)), None, b""))
                else:
                    ents.append(Entry(enc_key(key), md, enc_value(bytes(rnd.randrange(256) for _ in range(rnd.randrange(20))))))
            txmd = None
            if ver and rnd.random() < .2:
                txmd = TxMetadata(rnd.choice([None, t]), rnd.choice([None, b"extra"]))
            if lag_mode == 0:
                b_id = None
            elif lag_mode == 1:
                bl = rnd.randint(bl, t - 1)
                b_id = bl
            else:
                if rnd.random() < .3: bl = t - 1
                b_id = bl
            h = st.commit(ents, 1600000000 + t, ver, txmd, b_id)
            hb = h.to_bytes()
            assert Header.from_bytes(hb).to_bytes() == hb
            ih, ie, tr = import_tx(st.export(t))
            assert ih.alh() == h.alh() and HTree([x.digest(ver) for x in ie]).root() == h.eh and not tr
            ih, ie, tr = import_tx(st.export(t, True))
            assert tr and HTree([x.digest(ver) for x in ie]).root() == h.eh
            for i, e in enumerate(ents):
                assert verify_entry_inclusion(st.trees[-1].proof(i), e.digest(ver), h.eh)
        for s in range(1, total + 1):
            for t in range(s, total + 1):
                p = st.dual(s, t)
                assert verify_dual(p, s, t, st.alh(s), st.alh(t)), (rd, s, t)
                n_dual += 1
                n_adv += p["linear_advance"] is not None
                assert not verify_dual(p, s, t, st.alh(t) if s != t else ZERO32, st.alh(t))
                if rnd.random() < .2:
                    for what, q in mutate(p, rnd):
                        ok = verify_dual(q, s, t, st.alh(s), st.alh(t))
                        assert not ok, ("tampering accepted", what, s, t)
                        n_mut += 1
                if lag_mode == 0:
                    q = st.dual_v2(s, t)
                    assert verify_dual_v2(q, s, t, st.alh(s), st.alh(t))
                    n_v2 += 1
                    assert p["linear_advance"] is None and len(p["linear"]["terms"]) <= 2
    assert EMPTY_ALH.hex().startswith("e3b0c442")
    print("selftest ok: %d dual proofs (%d with linear-advance), %d v2, %d tampered all rejected"
          % (n_dual, n_adv, n_v2, n_mut))


# --------------------------------------------------------------------------- vectors
X = bytes.fromhex


def xs(l): return [X(s) for s in l or []]


def kvmd(j):
    if j is None: return None
    return KVMetadata(j.get("deleted", False), j.get("expires_at"), j.get("non_indexable", False))


def txmd(j):
    if j is None: return None
    return TxMetadata(j.get("truncated_tx_id"), X(j["extra"]) if j.get("extra") else None)


def hdr_from(j):
    return Header(j["id"], X(j["prev_alh"]), j["ts"], j["version"], txmd(j.get("md")), j["nentries"],
                  X(j["eh"]), j["bl_tx_id"], X(j["bl_root"]))


def dual_from(j, hdrs):
    la = j.get("linear_advance")
    return {"source_hdr": hdrs[j["s"]], "target_hdr": hdrs[j["t"]],
            "inclusion": xs(j.get("inc")), "consistency": xs(j.get("con")),
            "target_bl_tx_alh": X(j["bl_alh"]) if j.get("bl_alh") else ZERO32,
            "last_inclusion": xs(j.get("last")),
            "linear": {"source": j["lin_s"], "target": j["lin_t"], "terms": xs(j["lin"])},
            "linear_advance": None if la is None else {
                "linear_terms": xs(la["linear_terms"]), "inclusion": [xs(x) for x in la["inclusion"]]}}


def same_dual(a, b):
    return all(a[k] == b[k] for k in ("inclusion", "consistency", "target_bl_tx_alh",
                                      "last_inclusion", "linear", "linear_advance"))


def check_htree(v):
    n = 0
    for t in v["trees"]:
        ds = [sha(b"htree" + u32(i)) for i in range(t["width"])]
        h = HTree(ds)
        assert h.root() == X(t["root"]); n += 1
        for p in t.get("proofs") or []:
            q = h.proof(p["leaf"])
            assert q["terms"] == xs(p["terms"])
            assert verify_entry_inclusion({"leaf": p["leaf"], "width": t["width"], "terms": xs(p["terms"])},
                                          ds[p["leaf"]], X(t["root"]))
            n += 1
    return n


def check_ahtree(v):
    a, pay, n = AHTree(), [], 0
    for i in range(1, len(v["roots"]) + 1):
        pay.append(sha(b"ahtree" + u64(i)))
        a.append(pay[-1])
        assert a.root_at(i) == X(v["roots"][i - 1]); n += 1
    assert b"".join(a.D) == X(v["digest_log"]); n += 1
    for k, c in v["digests_upto"].items():
        assert digests_upto(int(k)) == c; n += 1
    for p in v["inclusion"]:
        assert a.inclusion(p["i"], p["j"]) == xs(p["p"])
        assert ah_verify_inclusion(xs(p["p"]), p["i"], p["j"], leaf_hash(pay[p["i"] - 1]), a.root_at(p["j"])); n += 1
    for p in v["consistency"]:
        assert a.consistency(p["i"], p["j"]) == xs(p["p"])
        assert ah_verify_consistency(xs(p["p"]), p["i"], p["j"], a.root_at(p["i"]), a.root_at(p["j"])); n += 1
    return n


def check_headers(v):
    n = 0
    for c in v["headers"]:
        h = hdr_from(c)
        assert h.alh() == X(c["alh"]) and h.inner() == X(c["inner"]), c["name"]; n += 2
        if c.get("bytes"):
            assert h.to_bytes() == X(c["bytes"])
            assert Header.from_bytes(X(c["bytes"])).to_bytes() == X(c["bytes"]); n += 1
        if "md_bytes" in c:
            assert md_bytes(h.md) == X(c["md_bytes"]); n += 1
    return n


def check_entries(v):
    n = 0
    for c in v["kv_metadata"]:
        assert kvmd(c["md"]).to_bytes() == X(c["bytes"])
        assert KVMetadata.from_bytes(X(c["bytes"])).to_bytes() == X(c["bytes"]); n += 1
    for c in v["digests"]:
        e = Entry(X(c["key"]), kvmd(c.get("md")), X(c["value"]))
        assert e.hval == X(c["hval"])
        assert e.digest(1) == X(c["v1"]); n += 1
        if c.get("v0"):
            assert e.digest(0) == X(c["v0"]); n += 1
        else:
            try:
                e.digest(0)
                raise AssertionError("v0 must refuse metadata")
            except ValueError:
                n += 1
    return n


def check_encodings(v):
    n = 0
    for c in v["set"]:
        assert enc_key(X(c["key"])) == X(c["enc_key"]) and enc_value(X(c["value"])) == X(c["enc_value"]); n += 1
    for c in v["reference"]:
        assert enc_key(X(c["key"])) == X(c["enc_key"])
        assert enc_reference_value(X(c["referenced_key"]), c["at_tx"]) == X(c["enc_value"]); n += 1
    for c in v["zadd"]:
        sc = struct.unpack(">d", X(c["score_bits"]))[0]
        zk = enc_zadd_key(X(c["set"]), sc, X(c["key"]), c["at_tx"])
        assert zk == X(c["enc_key"]) and c["enc_value"] == ""
        z, s, k, t = dec_zadd_key(zk)
        assert z == X(c["set"]) and k == X(c["key"]) and t == c["at_tx"]
        assert struct.pack(">d", s) == X(c["score_bits"])
        assert Entry(zk, None, b"").digest(1) == X(c["digest_v1"]); n += 1
    return n


def check_history(v):
    n, st, hdrs = 0, Store(), {}
    for t in v["txs"]:
        h = hdr_from(t)
        ents = [Entry(X(e["k"]), KVMetadata.from_bytes(X(e["md"])) if e.get("md") else None,
                      X(e["v"]), vlen=e["vlen"]) for e in t["entries"]]
        g = st.commit(ents, h.ts, h.version, h.md, h.bl_tx_id)
        for f in ("id", "prev_alh", "nentries", "eh", "bl_tx_id", "bl_root"):
            assert getattr(g, f) == getattr(h, f), (t["id"], f)
        assert g.alh() == X(t["alh"]) and g.inner() == X(t["inner"]); n += 2
        for e, j in zip(ents, t["entries"]):
            assert e.hval == X(j["hv"])
        hdrs[h.id] = h
        if t.get("export"):
            assert export_tx(g, ents) == X(t["export"]); n += 1
            a, b, c = import_tx(X(t["export"]))
            assert a.alh() == g.alh() and not c
    for j in v.get("entry_proofs", []):
        p = st.trees[j["tx"] - 1].proof(j["leaf"])
        assert p["terms"] == xs(j["terms"]) and p["width"] == j["width"]; n += 1
    for j in v["dual"]:
        p = dual_from(j, hdrs)
        s, t = j["s"], j["t"]
        assert verify_dual(p, s, t, st.alh(s), st.alh(t)), (s, t)
        assert same_dual(st.dual(s, t), p), (s, t)
        n += 2
    for j in v.get("dual_v2", []):
        p = {"source_hdr": hdrs[j["s"]], "target_hdr": hdrs[j["t"]],
             "inclusion": xs(j.get("inc")), "consistency": xs(j.get("con"))}
        assert verify_dual_v2(p, j["s"], j["t"], st.alh(j["s"]), st.alh(j["t"]))
        q = st.dual_v2(j["s"], j["t"])
        assert q["inclusion"] == p["inclusion"] and q["consistency"] == p["consistency"]; n += 2
    for j in v.get("rejected", []):
        p = dual_from(j, hdrs)
        assert not verify_dual(p, j["s"], j["t"], st.alh(j["s"]), st.alh(j["t"])), j["why"]; n += 1
    return n


def check_signature(v):
    n, pub = 0, X(v["public_key_uncompressed"])
    q = _mul(int(v["private_scalar"], 16), G)
    assert b"\x04" + q[0].to_bytes(32, "big") + q[1].to_bytes(32, "big") == pub; n += 1
    for c in v["states"]:
        pl = state_payload(c["db"], c["tx_id"], X(c["tx_hash"]))
        assert pl == X(c["payload"]) and sha(pl) == X(c["payload_sha256"])
        assert ecdsa_verify(pub, pl, X(c["signature"])); n += 2
        assert not ecdsa_verify(pub, pl + b"x", X(c["signature"])); n += 1
    for c in v.get("v090", []):
        pl = state_payload_090(c["tx_id"], X(c["tx_hash"]))
        assert pl == X(c["payload"]) and ecdsa_verify(pub, pl, X(c["signature"])); n += 1
    return n


CHECKS = {"htree": check_htree, "ahtree": check_ahtree, "headers": check_headers,
          "entries": check_entries, "encodings": check_encodings,
          "state_signature": check_signature}


def check_of(name):
    return check_history if name.startswith("history_") else CHECKS.get(name)


def vectors(d):
    files = sorted(glob.glob(os.path.join(d, "*.json")))
    if not files:
        print("no vector files in", d)
        return 1
    for f in files:
        name = os.path.splitext(os.path.basename(f))[0]
        with open(f) as fh:
            v = json.load(fh)
        if check_of(name) is None:
            print("%-22s (no check)" % name)
            continue
        print("%-22s %5d checks ok" % (name, check_of(name)(v)))
    return 0


if __name__ == "__main__":
    arg = sys.argv[1:]
    here = os.path.dirname(os.path.abspath(__file__))
    if not arg or arg[0] == "selftest":
        selftest(int(arg[1]) if len(arg) > 1 else 1, int(arg[2]) if len(arg) > 2 else 60)
    if not arg or arg[0] == "vectors":
        sys.exit(vectors(arg[1] if len(arg) > 1 else here))
