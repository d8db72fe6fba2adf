"""cose.py STATEMENT KEY.pub: three COSE libraries accept a statement, agree on what it says, and refuse it
with any single bit changed or for another key. Prints what it says as JSON."""

import json
import sys
from pathlib import Path

import formats
import scitt_cose
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_public_key
from cwt import COSE, COSEKey
from pycose.keys import OKPKey
from pycose.keys.curves import Ed25519
from pycose.messages import CoseMessage


def with_cwt(data, key):
    # Without the key's alg and kid the library would take whatever the message names.
    raw = key.public_bytes_raw()
    cose_key = COSEKey.new({1: 1, 2: formats.kid(raw), 3: -8, -1: 6, -2: raw})
    header, _, payload = COSE.new().decode_with_headers(data, cose_key)
    return dict(header), payload


def with_pycose(data, key):
    message = CoseMessage.decode(data)
    message.key = OKPKey(crv=Ed25519, x=key.public_bytes_raw())
    if not message.verify_signature():
        raise ValueError("bad signature")
    # Its header has classes of its own for the labels it knows; the other labels are as they were.
    return {label: value for label, value in message.phdr.items() if isinstance(label, int)}, message.payload


def with_scitt_cose(data, key):
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    message = scitt_cose.verify_sign1(data, public_key_pem=pem)
    return message.protected, message.payload


data = Path(sys.argv[1]).read_bytes()
key = load_ssh_public_key(Path(sys.argv[2]).read_bytes())
says = formats.statement(data)
another = Ed25519PrivateKey.from_private_bytes(bytes(range(32))).public_key()
verifiers = {"cwt": with_cwt, "pycose": with_pycose, "scitt-cose": with_scitt_cose}
refused = {}
for name, verify in verifiers.items():
    header, payload = verify(data, key)
    assert payload == says.payload, f"{name} reads another payload"
    assert header[15] == says.header[15] and list(header[-65537]) == list(says.header[-65537]), f"{name}: {header}"
    assert formats.refuses(verify, data, another), f"{name} accepts another key"
    refused[name] = 0
    for at in range(len(data)):
        for bit in range(8):
            changed = bytearray(data)
            changed[at] ^= 1 << bit
            assert formats.refuses(verify, bytes(changed), key), f"{name} accepts bit {bit} of byte {at} changed"
            refused[name] += 1

assert sorted(says.header) == [-65537, 1, 3, 4, 15] and sorted(says.header[15]) == [1, 2, 6], says.header
size, root = says.header[-65537]
print(json.dumps({
    "bits": 8 * len(data),
    "refused": refused,
    "parts": {name: data.index(getattr(says, name)) for name in ("protected", "payload", "signature")},
    "id": "entry:" + says.id.hex(),
    "alg": says.header[1],
    "type": says.header[3],
    "kid": says.header[4].hex(),
    "key": formats.kid(key.public_bytes_raw()).hex(),
    "iss": says.header[15][1],
    "sub": says.header[15][2],
    "iat": says.header[15][6],
    "head": {"size": size, "root": root.hex()},
}))
