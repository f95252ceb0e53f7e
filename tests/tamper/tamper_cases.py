"""What the lying proxy does to answers, and what an auditor must say then.

The history that the cases run on: defaultdb has transactions 1 to 49, of one entry each but for 43, which
has three, and 44, which deletes a key. The auditor trusts transaction 40; the proxy remembers a state of
transaction 20, and those of small (12 transactions), large (60) and hollow (none).
"""
from collections import namedtuple

# name; rules of the proxy ({key}: the server's key, {other}: another one); the verdict; the transactions
# among which the auditor must find the fault: it names a part of them, and exactly those of a pair of
# equal numbers.
Lie = namedtuple("Lie", "name rules verdict first last")

TRUSTED, NEWEST, REMEMBERED, SMALL, LARGE = 40, 49, 20, 12, 60
THREE, DELETION = 43, 44
PROOF = "VerifiableTxById"
SIGN = "answer CurrentState sign {key} defaultdb"


def entry_lies():
    """What belongs to one transaction is altered wherever it is shown."""
    for name, rule, tx in (
            ("value", "TxEntry.value flip", 45),
            ("value long trusted", "TxEntry.value flip", 7),
            ("value cut short", "TxEntry.value short", 46),
            ("value longer", "TxEntry.value long", 46),
            ("value withheld", "TxEntry.value clear", 45),
            ("key", "TxEntry.key flip", 47),
            ("value hash", "TxEntry.hValue flip", 48),
            ("value hash cut short", "TxEntry.hValue short", 48),
            ("length of a value", "TxEntry.vLen add 1", 45),
            ("deletion undone", "TxEntry.metadata clear", DELETION),
            ("entries swapped", "Tx.entries swap", THREE),
            ("entry left out", "Tx.entries cut", THREE),
            ("entry shown twice", "Tx.entries pad", THREE)):
        yield Lie(name, [f"change * {rule} tx {tx}"], "tampered", tx, tx)


HEADER_FIELDS = (("id", "add 1"), ("prevAlh", "flip"), ("ts", "add 1"), ("nentries", "add 1"),
                 ("eH", "flip"), ("blTxId", "add -1"), ("blRoot", "flip"), ("version", "set 0"))


def header_lies():
    """A field of a header: of a transaction that is checked, and of both ends of a proof."""
    for field, op in HEADER_FIELDS:
        yield Lie(f"header {field}", [f"change * TxHeader.{field} {op} tx 45"], "tampered", 45, 45)
        for end in ("source", "target"):
            yield Lie(f"{end} {field}", [f"change {PROOF} DualProof.{end}TxHeader.{field} {op}"],
                      "tampered", TRUSTED, NEWEST)


def proof_fields():
    """What can be wrong with a dual proof besides its headers: cut, padded, altered or left out."""
    for field in ("inclusionProof", "consistencyProof", "lastInclusionProof"):
        for op in ("cut", "pad", "swap", "flip", "short", "long", "clear"):
            yield f"DualProof.{field} {op}"
    for op in ("cut", "pad", "flip", "short", "clear"):
        yield f"LinearProof.terms {op}"
    for field in ("sourceTxId", "TargetTxId"):
        yield f"LinearProof.{field} add 1"
    for op in ("flip", "short", "clear"):
        yield f"DualProof.targetBlTxAlh {op}"
    for field in ("sourceTxHeader", "targetTxHeader", "linearProof"):
        yield f"DualProof.{field} clear"
    yield "VerifiableTx.dualProof clear"
    yield "DualProof.consistencyProof flood"


def proof_lies():
    for rule in proof_fields():
        yield Lie(rule, [f"change {PROOF} {rule}"], "tampered", TRUSTED, NEWEST)


def state_lies():
    state = "change CurrentState ImmutableState"
    yield Lie("signature dropped", [f"{state}.signature clear"], "signature-missing", 0, NEWEST)
    yield Lie("signature of another key", ["answer CurrentState sign {other} defaultdb"],
              "signature-wrong", 0, NEWEST)
    yield Lie("signature altered", ["change CurrentState Signature.signature flip"], "signature-wrong",
              0, NEWEST)
    yield Lie("signature emptied", ["change CurrentState Signature.signature clear"],
              "signature-missing", 0, NEWEST)
    yield Lie("hash altered", [f"{state}.txHash flip"], "signature-wrong", 0, NEWEST)
    yield Lie("hash altered and signed", [f"{state}.txHash flip", SIGN], "tampered", NEWEST, NEWEST)
    yield Lie("stale state", ["answer CurrentState stale"], "rolled-back", REMEMBERED + 1, TRUSTED)
    yield Lie("hash of the trusted transaction",
              ["answer CurrentState stale", f"{state}.txId set {TRUSTED}", SIGN], "tampered", TRUSTED, TRUSTED)
    yield Lie("state of a smaller database", ["answer CurrentState other small", f"{state}.db set "
              "defaultdb", SIGN], "rolled-back", SMALL + 1, TRUSTED)
    yield Lie("state of a larger database", ["answer CurrentState other large", f"{state}.db set "
              "defaultdb", SIGN], "tampered", TRUSTED, LARGE)
    yield Lie("state of another database, its name left", ["answer CurrentState other large"],
              "tampered", 0, LARGE)
    yield Lie("state of another database, its signature left",
              ["answer CurrentState other large", f"{state}.db set defaultdb"], "signature-wrong", 0,
              LARGE)
    yield Lie("state of an empty database", ["answer CurrentState other hollow", f"{state}.db set "
              "defaultdb", SIGN], "emptied", 1, TRUSTED)


def other_lies():
    yield Lie("another server's identity", ["hello 0123456789abcdefghij"], "identity-changed", 0, NEWEST)
    yield Lie("data loss", [f"answer {PROOF} status 15 data_is_corrupted"], "tampered", TRUSTED, NEWEST)


def session_lies():
    """What only a server that one logs in to can say."""
    yield Lie("database hidden", ["change * DatabaseListResponseV2.databases drop defaultdb",
              "change * DatabaseListResponse.databases drop defaultdb",
              "answer UseDatabase status 5 database_does_not_exist"], "emptied", 1, TRUSTED)


# Names of lies after which everything else is checked too: the alarm stays when the server is honest
# again, and ends by an acknowledgement. One of each verdict.
FOLLOWED = {"value", "signature dropped", "signature of another key", "stale state", "database hidden",
            "another server's identity"}

# Those that need a server that one logs in to, with other databases, or are followed; and the rest.
OPEN_LIES = [*entry_lies(), *header_lies(), *proof_lies(), *other_lies()]
SESSION_LIES = [*session_lies(), *state_lies(), *(lie for lie in OPEN_LIES if lie.name in FOLLOWED)]
LIES = [lie for lie in OPEN_LIES if lie.name not in FOLLOWED]

# What goes wrong without anybody lying: no verdict of these may be an alarm.
METHODS = ("Login", "UseDatabase", "CurrentState", PROOF)
STATUSES = range(1, 17)
STATUS_TEXT = "the_server_has_its_reasons"
# What honest servers say, too: status and text.
REFUSALS = ((8, "server_is_busy"), (14, "server_is_shutting_down"), (4, "deadline_exceeded"),
            (7, "token_has_expired"), (16, "not_logged_in"), (8, "limit_exceeded"),
            (9, "database_is_not_loaded"), (7, "session_not_found"))
BREAKS = ("reset", "close", "half", "garbage")

# Messages of which every field is proven, directly or by what it is hashed into, and the fields of them that
# are not: nothing is precommitted, a signature names its key for information, and only that of a state counts.
PROVEN_TYPES = {"ImmutableState", "Signature", "VerifiableTx", "Tx", "TxHeader", "TxEntry", "KVMetadata",
                "DualProof", "LinearProof"}
UNPROVEN_FIELDS = {("CurrentState", "ImmutableState.precommittedTxId"),
                   ("CurrentState", "ImmutableState.precommittedTxHash"),
                   ("CurrentState", "Signature.publicKey"),
                   ("VerifiableTxById", "Signature.publicKey"),
                   ("VerifiableTxById", "Signature.signature"),
                   ("VerifiableTxById", "VerifiableTx.signature")}
