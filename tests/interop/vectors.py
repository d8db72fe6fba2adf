"""vectors.py FOLDER: a second opinion on the format's vectors (`accept/*.json`, `reject/*.json`) where a library
of somebody else judges the same question: proofs, roots, signatures, signed notes, evidence. `decode.py` reads
the statements. Of the rejected ones only those are asked about that such a library must refuse too. Prints what
was judged as JSON."""

import base64
import io
import json
import sys
import tarfile
from collections import Counter
from pathlib import Path

import formats
import scitt_cose
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pymerkle import InclusionProof, InmemoryTree, verify_inclusion


def signed_by(vkey, note):
    """Takes `<name>+<8 hex>+<base64>` apart and opens the note with it."""
    name, key_id, blob = vkey.split("+", 2)
    blob = formats.base64_exactly(blob)
    assert blob[:1] == b"\x01" and formats.note_key_id(name, blob[1:]).hex() == key_id, vkey
    return formats.verify_note(note, name, blob[1:])


def included(leaf, index, size, path, root):
    rule = tree_of(size).prove_inclusion(index + 1, size).rule
    verify_inclusion(leaf, root, InclusionProof("sha256", True, size, index + 1, rule, [leaf, *path]), index + 1, size)


def tree_of(leaves):
    tree = InmemoryTree(algorithm="sha256")
    tree.append_entries([b""] * leaves if isinstance(leaves, int) else leaves)
    return tree


def inclusion(v):
    path = [bytes.fromhex(h) for h in v["path"]]
    included(bytes.fromhex(v["leaf"]), v["index"], v["size"], path, bytes.fromhex(v["root"]))


def consistency(v):
    assert scitt_cose.verify_consistency(v["old-root"], v["new-root"], v["old-size"], v["new-size"], v["path"])


def tlog_proof(v):
    index, path, note = formats.proof(v["proof"].encode())
    head = signed_by(v["vkey"], note)
    included(bytes.fromhex(v["leaf"]), index, head.size, path, head.root)


def checkpoint(v):
    head = signed_by(v["vkey"], v["note"].encode())
    if "origin" in v:  # a vector to reject says no more than why
        assert (head.origin, head.size, head.root.hex()) == (v["origin"], v["size"], v["root"])


def vkey(v):
    name, key_id, blob = v["vkey"].split("+", 2)
    key = bytes.fromhex(v["public-key"])
    assert formats.base64_exactly(blob) == b"\x01" + key and formats.note_key_id(name, key).hex() == key_id


def log(v):
    statements = [formats.statement(bytes.fromhex(s)) for s in v["statements"]]
    tree = tree_of([s.bytes for s in statements])
    assert (tree.get_size(), tree.get_root().hex()) == (v["size"], v["root"])
    assert v["origin"] == formats.log_key_in_force(statements)[0]
    for s in statements:
        size, root = s.header[-65537]
        assert tree.get_root(size) == root


def public_key(v):
    key = bytes.fromhex(v["public-key"])
    Ed25519PublicKey.from_public_bytes(key)
    assert "SHA256:" + base64.b64encode(formats.kid(key)).decode().rstrip("=") == v["kid"]


def signature(v):
    key, message, sig = (bytes.fromhex(v[name]) for name in ("public-key", "message", "signature"))
    Ed25519PublicKey.from_public_bytes(key).verify(sig, message)


def evidence(v):
    with tarfile.open(fileobj=io.BytesIO(bytes.fromhex(v["tar"]))) as tar:
        files = {member.name: tar.extractfile(member).read() for member in tar}
    items = {}
    for name in files:
        if name.endswith(".cose"):
            index, path, note = formats.proof(files[name.removesuffix(".cose") + ".tlog-proof"])
            items[index] = formats.statement(files[name]), path, note
    statements = [items[index][0] for index in sorted(items)]
    origin, key = formats.log_key_in_force(statements)
    for index, (statement, path, note) in items.items():
        head = formats.verify_note(note, origin, key)
        included(statement.id, index, head.size, path, head.root)
    assert head.size == v["size"] and statements[0].id.hex() == v["ledger"].removeprefix("entry:")
    assert formats.statement(files["subject.cose"]).id.hex() == v["subject"].removeprefix("entry:")


def receipt(v):
    key = formats.base64_exactly(v["vkey"].split("+", 2)[2])[1:]
    verdict = formats.verify_receipt(bytes.fromhex(v["receipt"]), bytes.fromhex(v["statement"]), key)
    if "origin" in v:
        assert (verdict.issuer, verdict.leaf_index) == (v["origin"], v["index"])
        assert (verdict.tree_size, verdict.root) == (v["size"], v["root"])


def transparent(v):
    data, log_key = bytes.fromhex(v["transparent-statement"]), formats.base64_exactly(v["vkey"].split("+", 2)[2])[1:]
    statement, receipts = formats.take_receipts(data)
    formats.verify_sign1(statement, bytes.fromhex(v["public-key"]))
    (receipt,) = receipts
    verdict = formats.verify_receipt(receipt, statement, log_key)
    if "id" in v:
        assert (formats.statement(statement).id.hex(), verdict.tree_size) == (v["id"].removeprefix("entry:"), v["size"])


def cosignature(v):
    name, key_id, blob = v["vkey"].split("+", 2)
    blob = formats.base64_exactly(blob)
    assert blob[:1] == b"\x04", v["vkey"]
    text, lines = v["note"].encode().rsplit(b"\n\n", 1)
    times = []
    for line in lines.decode().splitlines():
        who, data = line.removeprefix("— ").split(" ")
        data = formats.base64_exactly(data)
        if who != name or data[:4].hex() != key_id:
            continue
        time = int.from_bytes(data[4:12], "big")
        assert len(data) == 76 and time < 2**63
        message = b"cosignature/v1\ntime %d\n%s\n" % (time, text)
        Ed25519PublicKey.from_public_bytes(blob[1:]).verify(data[12:], message)
        times.append(time)
    if "times" in v:
        assert sorted(times) == [int(time) for time in v["times"]]


def fork(v):
    head, old_text, old_lines, new_text, new_lines = v["proof"].split("\n\n")
    lines = [line.split(" ", 1) for line in head.splitlines()[1:]]
    old = signed_by(lines[0][1], f"{old_text}\n\n{old_lines}\n".encode())
    new = signed_by(lines[0][1], f"{new_text}\n\n{new_lines}".encode())
    (root,) = (formats.base64_exactly(text) for name, text in lines if name == "root")
    path = [formats.base64_exactly(text).hex() for name, text in lines if name == "path"]
    assert root != old.root
    assert scitt_cose.verify_consistency(root.hex(), new.root.hex(), old.size, new.size, path)


judges = {
    "checkpoint": checkpoint, "cosignature": cosignature, "evidence": evidence, "fork": fork, "log": log,
    "proof-consistency": consistency, "proof-inclusion": inclusion, "public-key": public_key, "receipt": receipt,
    "signature": signature, "tlog-proof": tlog_proof, "transparent-statement": transparent, "vkey": vkey,
}  # fmt: skip
# What others refuse for the same reason. They know no weak keys, and leave the CBOR and the text looser; what
# logs and evidence must hold together is our own rule.
refused_too = {"bad-proof", "bad-signature"}
asked = {
    "checkpoint", "cosignature", "fork", "proof-consistency", "proof-inclusion", "receipt", "signature", "tlog-proof",
    "transparent-statement",
}  # fmt: skip
# Where we are stricter still, on purpose.
looser = {
    "proof-consistency-from-0-other-root": "scitt-cose takes any root for the empty tree's",
    "receipt-other-size": "RFC 9942 binds no size; our signed head does",
    "receipt-other-subject": "what a receipt is about is its reader's to compare",
    "signature-r-small-order-1": "OpenSSL checks the equation only",
}
# What a library does not know yet.
unknown = {"receipt-alg-19": "scitt-cose knows EdDSA, and not Ed25519 of RFC 9864"}

judged = {"accept": Counter(), "reject": Counter()}
disagreements = []
for verdict in judged:
    for path in sorted((Path(sys.argv[1]) / verdict).glob("*.json")):
        v = json.loads(path.read_text())
        judge = judges.get(v["kind"])
        if judge is None or path.stem in unknown or verdict == "reject" and not (v["kind"] in asked and v["class"] in refused_too):
            continue
        judged[verdict][v["kind"]] += 1
        try:
            judge(v)
            opinion = "accept"
        except KeyError:
            raise  # a field that this script expects, and no opinion
        except Exception as error:
            opinion = f"{type(error).__name__}: {error}"
        if (opinion == "accept") != (verdict == "accept" or path.stem in looser):
            disagreements.append(f"{path}: {v['what']}: {opinion}")
if disagreements:
    sys.exit("\n".join(disagreements))
print(json.dumps(judged))
