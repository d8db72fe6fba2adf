"""receipts.py STATEMENT TLOG-PROOF RECEIPT TRANSPARENT-STATEMENT KEY.pub VKEY: the same entry in four files. pymerkle
and a signed note accept the tlog-proof; cwt and scitt-cose accept the receipt and the transparent statement, and
refuse them with any single bit changed, for another statement, and for another key. Prints what they say as JSON."""

import json
import sys
from pathlib import Path

import cbor2
import formats
import scitt_cose
from cryptography.hazmat.primitives.serialization import load_ssh_public_key
from cwt import COSE, COSEKey
from pymerkle import InclusionProof, InmemoryTree, verify_inclusion

statement, proof, receipt, transparent = (Path(path).read_bytes() for path in sys.argv[1:5])
author = load_ssh_public_key(Path(sys.argv[5]).read_bytes()).public_bytes_raw()
origin, _, blob = sys.argv[6].split("+", 2)
log = formats.base64_exactly(blob)[1:]
another = bytes(range(32))
says = formats.statement(statement)

# The tlog-proof.
index, path, note = formats.proof(proof)
head = formats.verify_note(note, origin, log)


def included(leaf, index, path):
    tree = InmemoryTree(algorithm="sha256")
    tree.append_entries([b""] * head.size)  # pymerkle gives the shape of a path with the tree
    rule = tree.prove_inclusion(index + 1, head.size).rule
    base = tree.hash_buff(leaf)
    verify_inclusion(base, head.root, InclusionProof("sha256", True, head.size, index + 1, rule, [base, *path]), index + 1, head.size)


included(statement, index, path)
for wrong in (statement + b"\0", index, path), (statement, index - 1, path), (statement, index, path[::-1]):
    assert formats.refuses(included, *wrong), f"pymerkle accepts {wrong[1:]}"


# The receipt.
def with_cwt(receipt, root, key):
    cose_key = COSEKey.new({1: 1, 2: formats.kid(key), 3: -8, -1: 6, -2: key})
    header, _, _ = COSE.new().decode_with_headers(receipt, cose_key, detached_payload=root)
    return dict(header)


header = with_cwt(receipt, head.root, log)
verdict = formats.verify_receipt(receipt, statement, log)
assert sorted(header) == [-65537, 1, 4, 15, 395] and header[395] == 1, header
assert list(header[-65537]) == [head.size, head.root] and header[4] == formats.kid(log)
assert dict(header[15]) == {1: origin, 2: says.header[15][2]}
assert (verdict.issuer, verdict.subject) == (origin, says.header[15][2])
assert (verdict.tree_size, verdict.leaf_index, verdict.root) == (head.size, index, head.root.hex())
assert cbor2.loads(receipt).value[2] is None, "the root is detached"

refused = {"cwt": 0, "scitt-cose": 0}
proofs = cbor2.dumps(cbor2.loads(receipt).value[1])
unsigned = range(receipt.index(proofs), receipt.index(proofs) + len(proofs))
for at in range(len(receipt)):
    for bit in range(8):
        changed = bytearray(receipt)
        changed[at] ^= 1 << bit
        changed = bytes(changed)
        assert formats.refuses(formats.verify_receipt, changed, statement, log), f"scitt-cose: bit {bit} of byte {at}"
        refused["scitt-cose"] += 1
        if at in unsigned:
            continue  # cwt is given the root, and does not look at the path
        assert formats.refuses(with_cwt, changed, head.root, log), f"cwt: bit {bit} of byte {at}"
        refused["cwt"] += 1
assert formats.refuses(formats.verify_receipt, receipt, statement + b"\0", log), "another statement"
assert formats.refuses(formats.verify_receipt, receipt, statement, another), "scitt-cose: another key"
assert formats.refuses(with_cwt, receipt, head.root, another), "cwt: another key"
assert formats.refuses(with_cwt, receipt, head.root[::-1], log), "cwt: another root"

# The transparent statement: the same two, in one envelope.
inner, receipts = formats.take_receipts(transparent)
assert (inner, receipts) == (statement, [receipt]), "the statement and the receipt are not those"
assert scitt_cose.attach_receipts(statement, [receipt]) == transparent, "scitt-cose puts them otherwise"
cose_key = COSEKey.new({1: 1, 2: formats.kid(author), 3: -8, -1: 6, -2: author})
assert COSE.new().decode(transparent, cose_key) == says.payload, "cwt reads another payload"
assert formats.verify_sign1(transparent, author).payload == says.payload, "scitt-cose reads another payload"


def both(data):
    inner, receipts = formats.take_receipts(data)
    formats.verify_sign1(inner, author)
    (one,) = receipts
    formats.verify_receipt(one, inner, log)


both(transparent)
for at in range(len(transparent)):
    changed = bytearray(transparent)
    changed[at] ^= 1
    assert formats.refuses(both, bytes(changed)), f"scitt-cose: byte {at} of the transparent statement"

print(json.dumps({
    "id": "entry:" + says.id.hex(), "index": index, "size": head.size, "root": head.root.hex(),
    "bits": 8 * len(receipt), "refused": refused,
}))  # fmt: skip
