"""contents.py EVIDENCE: every content that the subject of unpacked evidence, and what it cites, describes is
there with the BLAKE3, SHA-256 and size that it states, and every file that the manifest of a snapshot says is
kept. Prints blob names and what describes them as JSON."""

import hashlib
import json
import sys

import cbor2
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


def check(content, where):
    blob = (evidence.blobs / content["blake3"].hex()).read_bytes()
    assert len(blob) == content["size"], where
    assert blake3(blob).digest() == content["blake3"], where
    assert hashlib.sha256(blob).digest() == content["sha256"], where
    described.setdefault(content["blake3"].hex(), []).append(where)
    return blob


evidence = formats.evidence(sys.argv[1])
described = {}
for statement, _, _ in evidence.items.values():
    if statement.id == evidence.subject.id or statement.id in cited(evidence.subject.body):
        subject = statement.header[15][2]
        for where, content in descriptors(statement.body, subject):
            blob = check(content, where)
            if subject.startswith("snapshot/"):
                for file in cbor2.loads(blob)["files"]:
                    if file["kept"]:
                        check(file["content"], f"{where}/{file['path']}")
files = sorted(path.name for path in evidence.blobs.iterdir())
assert files == sorted(described), f"blobs {files}, described {sorted(described)}"
print(json.dumps(described))
