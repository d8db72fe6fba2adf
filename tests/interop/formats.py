"""What the scripts beside this one share: taking our files apart with other people's libraries."""

import base64
import hashlib
import struct
import warnings
from pathlib import Path
from typing import NamedTuple

warnings.filterwarnings("ignore")  # deprecations inside the libraries are their own matter

import cbor2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


class Statement(NamedTuple):
    """A COSE_Sign1 (RFC 9052): its parts as bytes, and its header and payload as CBOR values."""

    bytes: bytes
    protected: bytes
    payload: bytes
    signature: bytes
    header: dict
    body: dict

    @property
    def id(self):
        return hashlib.sha256(b"\0" + self.bytes).digest()

    def signed_bytes(self):
        return cbor2.dumps(["Signature1", self.protected, b"", self.payload])


def statement(data):
    outer = cbor2.loads(data)
    assert outer.tag == 18, f"tag {outer.tag} is not COSE_Sign1"
    protected, unprotected, payload, signature = outer.value
    assert not unprotected, "the unprotected header is not empty"
    return Statement(data, protected, payload, signature, cbor2.loads(protected), cbor2.loads(payload))


def kid(raw):
    """The OpenSSH fingerprint of a raw Ed25519 public key."""
    wire = b"".join(struct.pack(">I", len(part)) + part for part in (b"ssh-ed25519", raw))
    return hashlib.sha256(wire).digest()


def base64_exactly(text):
    """Python ignores the spare bits of the last digit, which would give one signature two spellings."""
    data = base64.b64decode(text, validate=True)
    assert base64.b64encode(data).decode() == text, f"{text} is not the one base64 of its bytes"
    return data


class Checkpoint(NamedTuple):
    """A C2SP signed note that holds a tlog-checkpoint."""

    text: bytes
    origin: str
    size: int
    root: bytes
    signatures: list  # of (name, key id, signature)


def checkpoint(note):
    text, _, block = note.rpartition(b"\n\n")
    text += b"\n"
    origin, size, root = text.decode().split("\n")[:3]
    *lines, end = block.decode().split("\n")
    assert end == "", "the last line does not end"
    signatures = []
    for line in lines:
        dash, name, blob = line.split(" ")
        assert dash == "\u2014", f"a signature line begins with {dash!r}"
        blob = base64_exactly(blob)
        signatures.append((name, blob[:4], blob[4:]))
    return Checkpoint(text, origin, int(size), base64_exactly(root), signatures)


def proof(data):
    """A C2SP tlog-proof: leaf index, path from the leaf upward, checkpoint as bytes."""
    head, note = data.split(b"\n\n", 1)
    first, index, *path = head.decode().split("\n")
    assert first == "c2sp.org/tlog-proof@v1", first
    return int(index.removeprefix("index ")), [base64_exactly(h) for h in path], note


def log_key_in_force(entries):
    """The origin and the raw checkpoint key that the genesis and the later `key` statements name."""
    genesis, *later = entries
    key = genesis.body["checkpoint-key"]
    for entry in later:
        if entry.header[15][2].startswith("key/") and entry.body["op"] == "checkpoint":
            key = entry.body["key"]
    return f"{genesis.body['name']}/{genesis.id.hex()}", key


def note_key_id(name, key):
    """The key id of signed-note for Ed25519 (type 1)."""
    return hashlib.sha256(name.encode() + b"\n\x01" + key).digest()[:4]


def verify_note(note, name, key):
    """The checkpoint, if `key` signed it as `name`; raises otherwise."""
    opened = checkpoint(note)
    (signature,) = [s for n, i, s in opened.signatures if (n, i) == (name, note_key_id(name, key))]
    Ed25519PublicKey.from_public_bytes(key).verify(signature, opened.text)
    assert opened.origin == name, f"the checkpoint is of {opened.origin}"
    return opened


def pem(raw):
    key = Ed25519PublicKey.from_public_bytes(raw)
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def verify_sign1(data, key):
    """scitt-cose's opinion on a COSE_Sign1 with its payload inside."""
    import scitt_cose  # where it is asked for, so that the other scripts do without

    return scitt_cose.verify_sign1(data, public_key_pem=pem(key))


def verify_receipt(receipt, statement, key):
    """scitt-cose's verdict on a receipt for a statement; raises when it refuses."""
    import scitt_cose

    verdict = scitt_cose.verify_receipt(receipt, leaf_entry_hex=statement.hex(), log_public_key_pem=pem(key))
    if not verdict.ok:
        raise ValueError("; ".join(verdict.errors))
    return verdict


def take_receipts(data):
    """A transparent statement: the statement as it is stored, and the receipts, by scitt-cose."""
    import scitt_cose

    outer = cbor2.loads(data)
    protected, _, payload, signature = outer.value
    statement = cbor2.dumps(cbor2.CBORTag(outer.tag, [protected, {}, payload, signature]))
    receipts = scitt_cose.extract_receipts(data)
    assert not receipts or scitt_cose.attach_receipts(statement, receipts) == data, "scitt-cose puts them otherwise"
    return statement, receipts


class Evidence(NamedTuple):
    """An unpacked evidence tar: statements with their proofs by index, the subject among them."""

    subject: Statement
    items: dict  # index -> (Statement, path, note)
    blobs: Path


def evidence(folder):
    folder = Path(folder)
    items = {}
    for file in [folder / "subject.cose", *sorted((folder / "entries").glob("*.cose"))]:
        index, path, note = proof(file.with_suffix(".tlog-proof").read_bytes())
        assert index not in items, f"index {index} is there twice"
        items[index] = statement(file.read_bytes()), path, note
    return Evidence(statement((folder / "subject.cose").read_bytes()), dict(sorted(items.items())), folder / "blobs")


def refuses(check, *arguments):
    """Whether a library refuses; how it says so is its own matter."""
    try:
        check(*arguments)
    except Exception:
        return True
    return False
