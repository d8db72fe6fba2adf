"""tree.py ENTRIES EVIDENCE: builds the tree of all statements (files `<index>.cose` in the folder ENTRIES) with
pymerkle and with scitt-cose, and checks against it: the checkpoint, every proof of the unpacked evidence, and
the head that each statement signed. Prints the head as JSON."""

import json
import sys
from pathlib import Path

import formats
import scitt_cose
from pymerkle import InclusionProof, InmemoryTree, verify_inclusion

leaves = [path.read_bytes() for path in sorted(Path(sys.argv[1]).glob("*.cose"))]
evidence = formats.evidence(sys.argv[2])
tree = InmemoryTree(algorithm="sha256")
tree.append_entries(leaves)
hexes = [leaf.hex() for leaf in leaves]

for index, leaf in enumerate(leaves):
    size, root = formats.statement(leaf).header[-65537]
    assert size <= index, f"entry {index} signed a head of size {size}"
    assert root == tree.get_root(size), f"pymerkle: entry {index} signed another root"
    assert root.hex() == scitt_cose.merkle_root(hexes[:size]), f"scitt-cose: entry {index} signed another root"


def with_pymerkle(leaf, index, size, path, root):
    rule = tree.prove_inclusion(index + 1, size).rule
    base = tree.hash_buff(leaf)
    proof = InclusionProof("sha256", True, size, index + 1, rule, [base, *path])
    verify_inclusion(base, root, proof, index=index + 1, size=size)


def with_scitt_cose(leaf, index, size, path, root):
    if not scitt_cose.verify_inclusion(leaf.hex(), index, size, [h.hex() for h in path], root.hex()):
        raise ValueError("not included")


heads, refused = set(), 0
for index, (statement, path, note) in evidence.items.items():
    head = formats.checkpoint(note)
    heads.add((head.size, head.root))
    assert statement.bytes == leaves[index], f"the evidence has another entry {index}"
    assert head.root == tree.get_root(head.size), "pymerkle: the checkpoint has another root"
    assert head.root.hex() == scitt_cose.merkle_root(hexes[: head.size]), "scitt-cose: the checkpoint has another root"
    for verify in with_pymerkle, with_scitt_cose:
        verify(statement.bytes, index, head.size, path, head.root)
        wrong = [
            (statement.bytes + b"\0", index, head.size, path, head.root),
            (statement.bytes, index, head.size, path[:-1], head.root),
            (statement.bytes, index, head.size, [*path, head.root], head.root),
            (statement.bytes, index, head.size, [path[0][::-1], *path[1:]], head.root),
            (statement.bytes, index, head.size, path, path[0]),
            (statement.bytes, (index + 1) % head.size, head.size, path, head.root),
        ]
        for arguments in wrong:
            assert formats.refuses(verify, *arguments), f"{verify.__name__} accepts {arguments[1:]}"
            refused += 1

((size, root),) = heads
print(json.dumps({"size": size, "root": root.hex(), "leaves": len(leaves), "proofs": len(evidence.items), "refused": refused}))
