"""dsse.py ENVELOPE KEY.pub STATEMENT: securesystemslib verifies a DSSE envelope by an OpenSSH key, and refuses it with
any single bit of payload, type or signature changed, and for another key. The in-toto Statement in it says of the
statement what cbor2 reads in that. Prints its subjects as JSON."""

import base64
import copy
import json
import sys
from pathlib import Path

import formats
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_ssh_public_key
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey

data = Path(sys.argv[1]).read_bytes()
envelope = json.loads(data)
public = load_ssh_public_key(Path(sys.argv[2]).read_bytes())
statement = Path(sys.argv[3]).read_bytes()

keyid = "SHA256:" + base64.b64encode(formats.kid(public.public_bytes_raw())).decode().rstrip("=")
key = SSlibKey.from_crypto(public, keyid=keyid)
another = SSlibKey.from_crypto(Ed25519PrivateKey.from_private_bytes(bytes(range(32))).public_key(), keyid=keyid)


def verify(envelope, key):
    opened = Envelope.from_dict(copy.deepcopy(envelope))  # from_dict writes into what it is given
    opened.verify([key], threshold=1)
    return opened


def with_bit(text, at, bit):
    raw = bytearray(base64.b64decode(text))
    raw[at] ^= 1 << bit
    return base64.b64encode(raw).decode()


opened = verify(envelope, key)
assert opened.payload_type == "application/vnd.in-toto+json"
(signature,) = envelope["signatures"]
assert signature["keyid"] == keyid, signature
assert formats.refuses(verify, envelope, another), "another key"
refused = 0
for bit in range(8):
    for at in range(64):
        changed = copy.deepcopy(envelope)
        changed["signatures"][0]["sig"] = with_bit(signature["sig"], at, bit)
        assert formats.refuses(verify, changed, key), f"bit {bit} of byte {at} of the signature"
        refused += 1
    for at in range(0, len(opened.payload), 7):
        changed = {**envelope, "payload": with_bit(envelope["payload"], at, bit)}
        assert formats.refuses(verify, changed, key), f"bit {bit} of byte {at} of the payload"
        refused += 1
assert formats.refuses(verify, {**envelope, "payloadType": "text/plain"}, key), "another type"

said = json.loads(opened.payload)
assert json.dumps(said, separators=(",", ":"), ensure_ascii=False).encode() == opened.payload, "not in one form"
says, predicate = formats.statement(statement), said["predicate"]


def plain(value):
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, (list, tuple)) else value


assert said["_type"] == "https://in-toto.io/Statement/v1"
assert predicate["body"] == plain(says.body), "the body says something else"
assert base64.b64decode(predicate["statement"], validate=True) == statement
assert predicate["entry"] == "entry:" + says.id.hex()
claims, (size, root) = says.header[15], says.header[-65537]
assert (predicate["iss"], predicate["sub"], predicate["iat"]) == (claims[1], claims[2], claims[6])
assert predicate["head"] == {"size": size, "root": root.hex()}
index, _, note = formats.proof(predicate["proof"].encode())
head = formats.checkpoint(note)
assert (predicate["index"], predicate["origin"]) == (index, head.origin)
assert predicate["checkpoint"] == {"size": head.size, "root": head.root.hex()}
print(json.dumps({"subjects": {s["name"]: s["digest"] for s in said["subject"]}, "refused": refused}))
