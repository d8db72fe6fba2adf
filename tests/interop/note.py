"""note.py EVIDENCE: checks the checkpoint of unpacked evidence as a C2SP signed note, by the key that the
statements in it name. Prints the vkey, for other verifiers."""

import base64
import sys

import formats

evidence = formats.evidence(sys.argv[1])
statements = [statement for statement, _, _ in evidence.items.values()]
(note,) = {note for _, _, note in evidence.items.values()}
name, key = formats.log_key_in_force(statements)
opened = formats.verify_note(note, name, key)
assert opened.text == f"{name}\n{opened.size}\n{base64.b64encode(opened.root).decode()}\n".encode()
assert opened.signatures == [(name, formats.note_key_id(name, key), opened.signatures[0][2])]

first = statements[0].body["checkpoint-key"]
if first != key:
    assert formats.refuses(formats.verify_note, note, name, first), "the first log key was replaced"
assert formats.refuses(formats.verify_note, note, name + "x", key), "another name"
for at in range(len(note)):
    changed = bytearray(note)
    changed[at] ^= 1
    assert formats.refuses(formats.verify_note, bytes(changed), name, key), f"byte {at} changed"

blob = base64.b64encode(b"\x01" + key).decode()
print(f"{name}+{formats.note_key_id(name, key).hex()}+{blob}")
