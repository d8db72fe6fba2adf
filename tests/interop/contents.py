"""contents.py EVIDENCE: every content that the subject of unpacked evidence, and what it cites, describes is
there with the BLAKE3, SHA-256 and size that it states. Prints blob names and what describes them as JSON."""

import hashlib
import json
import sys

import formats
from blake3 import blake3


def descriptors(value, where):
    """Every descriptor in a body, with the path that leads to it."""
    if hasattr(value, "items"):
        if {"blake3", "sha256", "size", "type"} <= set(value):
            yield where, value
        for name, inner in value.items():
            yield from descriptors(inner, f"{where}/{name}")
    elif isinstance(value, (list, tuple)):
        for at, inner in enumerate(value):
            yield from descriptors(inner, f"{where}/{at}")


def cited(body):
    return {session["entry"] for session in body.get("sessions", [])}


evidence = formats.evidence(sys.argv[1])
described = {}
for statement, _, _ in evidence.items.values():
    if statement.id == evidence.subject.id or statement.id in cited(evidence.subject.body):
        for where, content in descriptors(statement.body, statement.header[15][2]):
            blob = (evidence.blobs / content["blake3"].hex()).read_bytes()
            assert len(blob) == content["size"], where
            assert blake3(blob).digest() == content["blake3"], where
            assert hashlib.sha256(blob).digest() == content["sha256"], where
            described.setdefault(content["blake3"].hex(), []).append(where)
files = sorted(path.name for path in evidence.blobs.iterdir())
assert files == sorted(described), f"blobs {files}, described {sorted(described)}"
print(json.dumps(described))
