"""decode.py FOLDER: a second opinion on every statement below FOLDER, whether a `.cose` file or a hex string in
a `.json` file. cbor2 reads it and writes the same bytes again, cwt and a Sig_structure put together here both
verify its signature, and its id, where the file tells it, is SHA-256(0x00 || bytes). Keys are found by their kid
among all 32-byte strings of the same folder. Prints counts as JSON; fails when there is nothing to read."""

import json
import re
import sys
from pathlib import Path

import formats
import cbor2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cwt import COSE, COSEKey

HEX = re.compile(r"(?:[a-z0-9]+:)?((?:[0-9a-f]{2})+)\Z")


def strings(value, inside=()):
    """Every byte string below a JSON or CBOR value, with the maps and lists that it stands in."""
    if isinstance(value, bytes):
        yield value, inside
    elif isinstance(value, str):
        if match := HEX.match(value):
            yield bytes.fromhex(match[1]), inside
    elif hasattr(value, "items"):
        for inner in value.values():
            yield from strings(inner, (*inside, value))
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from strings(inner, (*inside, value))


def is_statement(data):
    # Receipts and transparent statements begin alike: receipts.py reads those.
    if data[:2] != b"\xd2\x84":
        return False
    return not cbor2.loads(data).value[1]


folder = Path(sys.argv[1])
found, keys = {}, {}
files = sorted(path for path in folder.rglob("*") if path.suffix in (".cose", ".json"))
for path in files:
    value = json.loads(path.read_text()) if path.suffix == ".json" else path.read_bytes()
    for data, inside in strings(value):
        if is_statement(data):
            found[data] = path, inside
        elif len(data) == 32:
            keys[formats.kid(data)] = data
for data in found:
    for raw, _ in strings(cbor2.loads(cbor2.loads(data).value[2])):
        if len(raw) == 32:
            keys[formats.kid(raw)] = raw

ids = 0
for data, (path, inside) in found.items():
    try:
        statement = formats.statement(data)
        again = cbor2.dumps(cbor2.loads(data), canonical=True)
        assert again == data, "cbor2 writes the envelope otherwise"
        for part, value in (statement.protected, statement.header), (statement.payload, statement.body):
            assert cbor2.dumps(value, canonical=True) == part, "cbor2 writes the header or the body otherwise"
        key = keys.get(statement.header[4])
        assert key is not None, f"no key has the kid {statement.header[4].hex()}"
        Ed25519PublicKey.from_public_bytes(key).verify(statement.signature, statement.signed_bytes())
        cose_key = COSEKey.new({1: 1, 2: statement.header[4], 3: statement.header[1], -1: 6, -2: key})
        assert COSE.new().decode(data, cose_key) == statement.payload, "cwt reads another payload"
        # The nearest map that holds the statement may tell its id as well.
        holder = next((near for near in reversed(inside) if hasattr(near, "items")), {})
        if told := holder.get("id"):
            assert told.split(":")[-1] == statement.id.hex(), f"the id is {statement.id.hex()}, not {told}"
            ids += 1
    except Exception as error:
        sys.exit(f"{path}: statement {data.hex()[:80]}…: {type(error).__name__}: {error}")
if not found:
    sys.exit(f"there is no statement in the {len(files)} files of {folder}")
print(json.dumps({"files": len(files), "statements": len(found), "ids": ids}))
