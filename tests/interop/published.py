"""published.py DIRECTORY: reads a published ledger by the paths of C2SP tlog-tiles, builds the tree of its statements with
pymerkle, and compares it with the checkpoint and with the hash tiles of levels 0 and 1. Prints the head as JSON."""

import json
import sys
from pathlib import Path

import formats
from pymerkle import InmemoryTree

folder = Path(sys.argv[1])
head = formats.checkpoint((folder / "checkpoint").read_bytes())


def tile(row, index, width):
    partial = f".p/{width}" if width < 256 else ""
    return (folder / f"tile/{row}/{index:03d}{partial}").read_bytes()


tree = InmemoryTree(algorithm="sha256")
for index in range(-(-head.size // 256)):
    width = min(256, head.size - 256 * index)
    bundle, at, leaves = tile("entries", index, width), 0, []
    while at < len(bundle):
        length = int.from_bytes(bundle[at : at + 2], "big")
        leaves.append(bundle[at + 2 : at + 2 + length])
        at += 2 + length
    assert at == len(bundle) and len(leaves) == width, f"bundle {index}"
    tree.append_entries(leaves)
    assert tile(0, index, width) == b"".join(tree.hash_buff(leaf) for leaf in leaves), f"tile 0/{index}"
    if width == 256:
        of_256 = InmemoryTree(algorithm="sha256")
        of_256.append_entries(leaves)
        above, at = divmod(index, 256)
        hashes = tile(1, above, min(256, head.size // 256 - 256 * above))
        assert hashes[32 * at : 32 * at + 32] == of_256.get_root(256), f"tile 1/{above}, hash {at}"

assert tree.get_size() == head.size
assert tree.get_root(head.size) == head.root, "the checkpoint has another root"
print(json.dumps({"size": head.size, "root": head.root.hex()}))
