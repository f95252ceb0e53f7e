#!/usr/bin/env python3
"""Vector files of whole histories, made by the independent model of ref_proofs.py.

  python3 make_history.py write FILE [seed] [transactions] [lag]
  python3 make_history.py compare PROGRAM [seed]

write makes one file. lag is how far the links of transactions fall behind: none, random, bursts.
compare makes random histories of every kind in a folder of its own, runs PROGRAM on that folder,
and removes it; without a seed it takes a new one and prints it. PROGRAM must also refuse histories
that were damaged.
"""
import json
import os
import random
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
from ref_check import mutate
from ref_proofs import (KVMetadata, Entry, HTree, Store, TxMetadata, ZERO32, enc_key,
                        enc_reference_value, enc_value, enc_zadd_key, md_bytes, verify_dual)

LAGS = ("none", "random", "bursts")
HOW_TO_READ = (
    "A whole database history, made by ref_proofs.py. txs[]: header fields, inner hash, alh and raw "
    "entries (k raw key, md kv metadata bytes, v raw value, hv value hash). export = "
    "exported-transaction bytes. dual[]: DualProof from tx s to tx t: inc/con/last = inclusion, "
    "consistency and last-inclusion terms, bl_alh = targetBlTxAlh (absent = 32 zero bytes), "
    "lin_s/lin_t/lin = linear proof, linear_advance if present (absent = nil). dual_v2[] = "
    "DualProofV2. entry_proofs[] = inclusion proof of an entry in its transaction. Headers of a proof "
    "are those of txs s and t. rejected[]: shaped like dual[], must not verify; why says what is "
    "wrong.")


def random_entry(rnd, version, number):
    key = b"key-%d-%d" % (rnd.randrange(9), number)
    kind = rnd.randrange(5)
    if kind == 0:
        return Entry(enc_key(key), None, enc_reference_value(b"target", rnd.choice([0, 1, 1 << 60])))
    if kind == 1:
        score = rnd.choice([0.0, -0.0, rnd.uniform(-9, 9), float("inf"), float("-inf")])
        return Entry(enc_zadd_key(b"set", score, key, rnd.randrange(3)), None, b"")
    if kind == 2 and version:
        return Entry(enc_key(key), KVMetadata(deleted=True), b"")
    md = None
    if version and rnd.random() < .4:
        md = KVMetadata(False, rnd.choice([None, -1, 0, 1 << 40]), rnd.random() < .5)
    return Entry(enc_key(key), md, enc_value(rnd.randbytes(rnd.choice([0, 1, 30, 200]))))


def next_link(rnd, lag, link, tx):
    if lag == "none":
        return tx - 1
    if lag == "random":
        return rnd.randint(link, tx - 1)
    return tx - 1 if rnd.random() < .3 else link


def random_store(rnd, transactions, lag):
    store, link, ts = Store(), 0, 1600000000
    for tx in range(1, transactions + 1):
        version = rnd.choice([0, 1, 1])
        md = None
        if version and rnd.random() < .2:
            md = TxMetadata(rnd.choice([None, tx]), rnd.choice([None, b"x", rnd.randbytes(256)]))
        entries = [random_entry(rnd, version, i) for i in range(rnd.choice([1, 1, 2, 3, 5, 9]))]
        link = next_link(rnd, lag, link, tx)
        ts += rnd.choice([0, 0, 1, 1000])
        store.commit(entries, ts, version, md, link)
    return store


def json_hashes(hashes):
    return [h.hex() for h in hashes]


def json_tx_metadata(md):
    if md is None:
        return None
    out = {}
    if md.truncated_tx_id is not None:
        out["truncated_tx_id"] = md.truncated_tx_id
    if md.extra:
        out["extra"] = md.extra.hex()
    return out


def json_tx(store, tx):
    h = store.hdr(tx)
    return {
        "id": h.id, "prev_alh": h.prev_alh.hex(), "ts": h.ts, "version": h.version,
        "md": json_tx_metadata(h.md), "nentries": h.nentries, "eh": h.eh.hex(),
        "bl_tx_id": h.bl_tx_id, "bl_root": h.bl_root.hex(), "inner": h.inner().hex(),
        "alh": h.alh().hex(), "export": store.export(tx).hex(),
        "entries": [{"k": e.key.hex(), "md": md_bytes(e.md).hex(), "v": e.value.hex(),
                     "hv": e.hval.hex(), "vlen": e.vlen} for e in store.entries[tx - 1]],
    }


def json_dual(p):
    out = {"s": p["source_hdr"].id, "t": p["target_hdr"].id, "lin_s": p["linear"]["source"],
           "lin_t": p["linear"]["target"], "lin": json_hashes(p["linear"]["terms"])}
    for key, field in (("inc", "inclusion"), ("con", "consistency"), ("last", "last_inclusion")):
        if p[field]:
            out[key] = json_hashes(p[field])
    if p["target_bl_tx_alh"] != ZERO32:
        out["bl_alh"] = p["target_bl_tx_alh"].hex()
    advance = p["linear_advance"]
    if advance is not None:
        out["linear_advance"] = {"linear_terms": json_hashes(advance["linear_terms"]),
                                 "inclusion": [json_hashes(x) for x in advance["inclusion"]]}
    return out


def cut(p):
    """Copies of a dual proof, each with the last term of one of its lists missing."""
    for field in ("inclusion", "consistency", "last_inclusion"):
        if p[field]:
            yield field + "-cut", {**p, field: p[field][:-1]}
    linear = p["linear"]
    yield "linear-cut", {**p, "linear": {**linear, "terms": linear["terms"][:-1]}}
    advance = p["linear_advance"]
    if advance:
        for field in advance:
            yield "advance-cut", {**p, "linear_advance": {**advance, field: advance[field][:-1]}}


def json_history(rnd, transactions, lag):
    store = random_store(rnd, transactions, lag)
    pairs = [(s, t) for t in range(1, transactions + 1) for s in range(1, t + 1)]
    out = {"source": "ref_proofs.py, links lag: " + lag, "how_to_read": HOW_TO_READ,
           "txs": [json_tx(store, tx) for tx in range(1, transactions + 1)],
           "entry_proofs": [], "dual": [], "dual_v2": [], "rejected": []}
    for tx in range(1, transactions + 1):
        for leaf in range(len(store.entries[tx - 1])):
            p = store.trees[tx - 1].proof(leaf)
            out["entry_proofs"].append({"tx": tx, "leaf": leaf, "width": p["width"],
                                        "terms": json_hashes(p["terms"])})
    for s, t in pairs:
        p = store.dual(s, t)
        assert verify_dual(p, s, t, store.alh(s), store.alh(t))
        out["dual"].append(json_dual(p))
        if lag == "none":
            q = store.dual_v2(s, t)
            out["dual_v2"].append({"s": s, "t": t, "inc": json_hashes(q["inclusion"]),
                                   "con": json_hashes(q["consistency"])})
        if rnd.random() < .1:
            for why, q in list(mutate(p, rnd)) + list(cut(p)):
                assert not verify_dual(q, s, t, store.alh(s), store.alh(t)), why
                out["rejected"].append({"why": why, **json_dual(q)})
    return out


def write(path, rnd, transactions, lag):
    with open(path, "w") as f:
        json.dump(json_history(rnd, transactions, lag), f, separators=(",", ":"), sort_keys=True)
        f.write("\n")


def damaged_histories(rnd):
    """Histories with one thing wrong, which a checker must find."""
    def damaged(key, change):
        history = json_history(rnd, 6, "random")
        change(history[key])
        return history

    def flip(text):
        return text[:-1] + ("0" if text[-1] != "0" else "1")

    yield damaged("dual", lambda l: l[-1].update(lin=[flip(h) for h in l[-1]["lin"]]))
    yield damaged("txs", lambda l: l[-1].update(alh=flip(l[-1]["alh"])))
    yield damaged("entry_proofs", lambda l: l[-1].update(terms=l[-1]["terms"] + [ZERO32.hex()]))
    history = json_history(rnd, 6, "random")
    history["rejected"].append({"why": "nothing is wrong with it", **history["dual"][-1]})
    yield history


def finds_damage(program, rnd):
    for history in damaged_histories(rnd):
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "history_damaged.json"), "w") as f:
                json.dump(history, f)
            done = subprocess.run([program, folder], stdout=subprocess.DEVNULL)
            if done.returncode != 1:
                return False
    return True


def compare(program, seed):
    print("seed", seed, flush=True)
    rnd = random.Random(seed)
    if not finds_damage(program, rnd):
        print("a damaged history was accepted")
        return 1
    with tempfile.TemporaryDirectory() as folder:
        for lag in LAGS:
            for transactions in (1, 2, rnd.randint(3, 9), rnd.randint(10, 24)):
                name = "history_%s_%d.json" % (lag, transactions)
                write(os.path.join(folder, name), rnd, transactions, lag)
        return subprocess.run([program, folder]).returncode


if __name__ == "__main__":
    command, target, rest = sys.argv[1], sys.argv[2], sys.argv[3:]
    seed = int(rest[0]) if rest else random.SystemRandom().randrange(1 << 32)
    if command == "compare":
        sys.exit(compare(target, seed))
    write(target, random.Random(seed), int(rest[1]) if len(rest) > 1 else 14,
          rest[2] if len(rest) > 2 else "random")
