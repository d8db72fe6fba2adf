#!/usr/bin/env python3
"""A second verifier of the promptos ledger format, written from SPEC.md alone. Its sections are those of SPEC.md.

    verifier.py evidence FILE.tar [--ledger ID]     one statement with its proof and its content
    verifier.py directory DIR                       a published ledger
    verifier.py vectors DIR                         whether this verifier agrees with DIR/accept and DIR/reject

--json gives the report as JSON. Exit codes: 0 verified (or, without --ledger, consistent with itself), 2 usage, 3
refused (with a failure class of section 17), 5 something that must be judged is absent. Needs Python 3.9, `cryptography`
and `blake3`; uses no network.
"""
import argparse, base64, contextlib, functools, glob, hashlib, json, os, re, sys
from blake3 import blake3
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

# The class of a rule's "Otherwise"; it is `malformed` for rules that are not here.
CLASSES = {rule: failure for failure, rules in {
    "non-canonical": "CBOR-1 CBOR-2 CBOR-5 BLOB-7", "too-large": "STMT-1 BODY-4 LIMIT-1", "unsupported": "BODY-2",
    "wrong-hash": "BLOB-3 RENDER-1 EVID-7 PUB-7", "bad-signature": "SIG-1", "weak-key": "KEY-1",
    "unknown-key": "KEY-3 RIGHT-1 NOTE-3 NOTE-6", "wrong-issuer": "RIGHT-2", "forked-head": "HEAD-7",
    "key-not-allowed": "RIGHT-3 RIGHT-4 RIGHT-6 RIGHT-7 RIGHT-8 REF-2", "ref-rebound": "REF-3 REF-4",
    "broken-head": "HEAD-1 HEAD-2 HEAD-3 HEAD-4 HEAD-5 LOG-2", "bad-proof": "PROOF-1 PROOF-2 EVID-3 EVID-9 PUB-4 PUB-6",
}.items() for rule in rules.split()}

class Refused(Exception):  # with failure class, rule and sentence
    report = {}  # what was good before it
def need(condition, rule, sentence, failure=None):
    if not condition: raise Refused(failure or CLASSES.get(rule, "malformed"), rule, sentence)
@contextlib.contextmanager
def within(place, **report):
    try: yield
    except UnicodeDecodeError: raise Refused("malformed", "CBOR-6", f"{place} has text that is not UTF-8") from None
    except Refused as refused:
        refused.args, refused.report = (*refused.args[:2], f"{place}: {refused.args[2]}"), {**refused.report, **report}
        raise
def sha256(*parts): return hashlib.sha256(b"".join(parts)).digest()

# ---- 2. Deterministic CBOR ----
class Decoder:  # a library would accept what [CBOR-1] to [CBOR-6] refuse, or not tell the one from the other
    def __init__(self, data):
        self.data, self.pos, self.left = data, 0, 2_000_000  # items; a manifest of 100,000 files has fewer
    def need(self, condition, rule, fault): need(condition, rule, f"{fault} before byte {self.pos}")
    def take(self, count):
        self.need(count <= len(self.data) - self.pos, "CBOR-6", "bytes are missing")
        self.pos += count
        return self.data[self.pos - count:self.pos]
    def head(self):  # major type and argument
        major, low = divmod(self.take(1)[0], 32)
        self.need(major != 7 or low in (20, 21), "CBOR-3", "a float, null or other simple value")
        indefinite = low == 31 and 2 <= major <= 5
        self.need(low < 28, "CBOR-1" if indefinite else "CBOR-6", "an indefinite length, or what is not well-formed")
        argument = low if low < 24 else int.from_bytes(self.take(1 << (low - 24)), "big")
        self.need(low < 24 or argument >= (24, 1 << 8, 1 << 16, 1 << 32)[low - 24], "CBOR-1", "an integer or length too long")
        return major, argument
    def item(self, depth=0):
        self.left -= 1
        self.need(self.left >= 0, "LIMIT-1", "too many items")
        major, argument = self.head()
        if major < 2: return -1 - argument if major else argument
        if major < 4: return self.take(argument) if major == 2 else self.take(argument).decode()
        if major == 6:  # [CBOR-3]: a bignum that fits major type 0 or 1 is an integer that is written too long
            number = argument in (2, 3) and self.data[self.pos:self.pos + 1] < b"\x60" and self.item(depth)
            fits = type(number) is bytes and int.from_bytes(number, "big") < 1 << 64
            self.need(False, "CBOR-1" if fits else "CBOR-3", "a tag or a bignum")
        if major == 7: return argument == 21
        self.need(depth < 16, "CBOR-6", "arrays and maps more than 16 deep")
        if major == 4: return [self.item(depth + 1) for _ in range(argument)]
        found, previous = {}, b""
        for _ in range(argument):
            start = self.pos
            key, encoded = self.item(depth + 1), self.data[start:self.pos]
            self.need(type(key) in (int, str), "CBOR-4", "a map key that is not an integer or text")
            self.need(encoded > previous, "CBOR-2", "map keys that do not ascend")
            previous, found[key] = encoded, self.item(depth + 1)
        return found
def cbor(data, what, tag=None):  # the item that `data` is, below `tag` if there must be one
    with within(what):
        decoder = Decoder(data)
        need(tag is None or decoder.head() == (6, tag), "STMT-2", f"it does not begin with tag {tag}")
        value = decoder.item()
        need(decoder.pos == len(data), "CBOR-5", f"other bytes follow it from byte {decoder.pos} on")
    return value

# ---- 3. Content ----
def digests(chunks):  # BLAKE3, SHA-256 and size
    first, second, size = blake3(), hashlib.sha256(), 0
    for chunk in chunks:
        first.update(chunk)
        second.update(chunk)
        size += len(chunk)
    return first.digest(), second.digest(), size
def check_content(found, told):  # [BLOB-3]; `found` as of digests()
    same = found == (told["blake3"], told["sha256"], told["size"])
    need(same, "BLOB-3", f"content blake3:{told['blake3'].hex()} has another size or digest than a statement says")
def read_manifest(data):  # [BLOB-5] to [BLOB-8]: the files. On details, [BLOB-4], no verdict depends
    need(len(data) <= 32 << 20, "LIMIT-1", "the manifest has more than 32 MiB")
    manifest, last, addresses = cbor(data, "the manifest"), b"", {}
    check("manifest", manifest, "the manifest", [])
    need(manifest["v"] == 1, "BODY-2", f"version {manifest['v']} of the manifest")
    for file in manifest["files"]:
        path, address = file["path"].encode(), file["content"]["blake3"]
        need(not {b"", b".", b".."} & {*path.split(b"/")} and b"\0" not in path, "BLOB-6", f"the path {file['path']!r}")
        need(path > last, "BLOB-7", "the paths of the manifest do not ascend")
        need("ref" not in file or addresses.setdefault(file["ref"], address) == address, "BLOB-8", "a ref of two contents")
        last = path
    return manifest["files"]

# ---- 4. Keys and signatures ----
FIELD, ORDER = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, FIELD) % FIELD
@functools.lru_cache(maxsize=4096)
def is_good_point(encoded):
    """Whether this is the canonical encoding (RFC 8032, section 5.1.3) of a point that is not of small order."""
    y, sign = int.from_bytes(encoded, "little") & ~(1 << 255), encoded[31] >> 7
    u, v = (y * y - 1) % FIELD, (D * y * y + 1) % FIELD
    x = u * v**3 * pow(u * v**7, (FIELD - 5) // 8, FIELD) % FIELD
    if v * x * x % FIELD == -u % FIELD: x = x * pow(2, (FIELD - 1) // 4, FIELD) % FIELD
    if y >= FIELD or v * x * x % FIELD != u or x == 0 and sign: return False
    for _ in range(3):  # eight times the point; the sign of x does not matter
        t = D * x * x * y * y
        x, y = 2 * x * y * pow(1 + t, -1, FIELD) % FIELD, (x * x + y * y) * pow(1 - t, -1, FIELD) % FIELD
    return (x, y) != (0, 1)
def check_key(public, place):  # [KEY-1], [KEY-2]
    need(len(public) == 32 and is_good_point(public), "KEY-1", f"{place} is no point of the curve, or of small order")
def key_id(public): return sha256(b"\0\0\0\x0bssh-ed25519\0\0\0\x20", public)  # [KEY-3]
def fingerprint(kid): return "SHA256:" + base64.b64encode(kid).decode().rstrip("=")

def check_signature(public, message, signature, what):
    """[SIG-1]. OpenSSL takes the equation without the cofactor and compares encodings; R of small order is left to us."""
    if len(signature) == 64 and int.from_bytes(signature[32:], "little") < ORDER and is_good_point(signature[:32]):
        with contextlib.suppress(InvalidSignature):
            return Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    need(False, "SIG-1", f"the signature of {what} is not good")

# ---- 5. The statement ----
class Statement:  # what steps 1 and 2 of section 10 read
    def __init__(self, raw):
        need(len(raw) <= 65_535, "STMT-1", "the statement has more than 65,535 bytes")
        parts = cbor(raw, "the envelope", tag=18)
        need(is_list(parts, bytes, dict, bytes, bytes) and len(parts[3]) == 64, "STMT-2", "this is no signed statement")
        self.protected, unprotected, self.payload, self.signature = parts
        need(not unprotected, "STMT-3", "the unprotected header is not empty")
        header = cbor(self.protected, "the protected header")
        need(type(header) is dict and header.keys() == {1, 3, 4, 15, -65537}, "STMT-4", "the header has other labels")
        claims, self.kid = header[15], header[4]
        need(type(claims) is dict and claims.keys() == {1, 2, 6}, "STMT-8", "the claims are not iss, sub and iat")
        self.iss, self.sub, self.iat = claims[1], claims[2], claims[6]
        for kind, value in (("alg", header[1]), ("content-type", header[3]), ("kid", self.kid), ("identity", self.iss),
                            ("sub", self.sub), ("uint", self.iat), ("head", header[-65537])):
            check(kind, value, f"the header's {kind}", [])
        (self.kind, self.name), (self.size, self.root) = self.sub.split("/", 1), header[-65537]
        self.id = sha256(b"\0", raw)  # [STMT-12]
        self.body, self.not_understood = cbor(self.payload, "the body"), []
        self.known = known = read_body(self)  # the fields that are understood; none when the kind or version is not
        used = known.get("prompts", []) + [known[name] for name in ("prompt",) if name in known]
        content = [(self.name, known["content"])] if known and self.kind == "prompt" else []
        # Prompt refs with their addresses; the sessions of other ledgers that a run cites; statements of this ledger, by
        # id, each with the kind that it must have; the descriptors of what the ledger may be given, not a render's output.
        self.refs = [(ref, told["blake3"]) for ref, told in content + [(one["ref"], one["content"]) for one in used]]
        self.foreign = [one for one in known.get("sessions", []) if "ledger" in one]
        self.cites = [(one["entry"], "session") for one in known.get("sessions", []) if "ledger" not in one]
        self.cites += [(one, name[:-1]) for name in ("renders", "events") for one in known.get(name, [])]
        self.cites += [(known[n], n if n != "since" else None) for n in ("snapshot", "start", "since") if n in known]
        told = [known.get(name) for name in ("content", "details", "attachments", "record", "manifest")]
        told += [one["content"] for one in used] + [one["evidence"] for one in self.foreign]
        self.described = [one for one in told if type(one) is dict]
    def check_signature(self, public):  # [STMT-13]
        message = b"\x84\x6aSignature1"
        for part, after in ((self.protected, b"\x40"), (self.payload, b"")):
            n = len(part)
            message += bytes([0x40 + n] if n < 24 else [0x58, n] if n < 256 else [0x59, n >> 8, n & 255]) + part + after
        check_signature(public, message, self.signature, "the statement")

# ---- 6. Bodies, with what section 3 and ledger.cddl say of shapes ----
WHITE = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200b)))
HIDDEN = "[\0-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
def is_identity(value):  # [STMT-9]
    good = type(value) is str and 1 <= len(value.encode()) <= 128 and not re.search(HIDDEN, value)
    return good and value[0] not in WHITE and value[-1] not in WHITE
def is_list(value, *types): return type(value) is list and [type(one) for one in value] == list(types)
def text(pattern): return lambda value: type(value) is str and re.fullmatch(pattern, value) is not None
def octets(*sizes): return lambda value: type(value) is bytes and len(value) in sizes

TYPES = {  # each with the rule that a wrong value breaks
    "uint": (lambda value: type(value) is int and value >= 0, "BODY-1"), "bool": (lambda value: type(value) is bool, "BODY-1"),
    "text": (text("(?s:.*)"), "BODY-1"), "hash": (octets(32), "BODY-1"), "salt": (octets(16), "BODY-1"),
    "key": (octets(32), "BODY-1"), "commit": (octets(20, 32), "BODY-7"), "identity": (is_identity, "BODY-10"),
    "word": (text("[!-~]{1,128}"), "BODY-6"), "media-type": (text("[!-~]{1,127}"), "BLOB-2"),
    "ref": (text(r"(?=.{1,200}\Z)[!-~]+\.v[0-9][!-~]*"), "REF-1"), "role": (text("admin|agent|user"), "BODY-8"),
    "ledger-name": (text("[a-z0-9.-]{1,64}"), "BODY-9"), "sub": (text("[a-z][a-z0-9-]{0,31}/[!-~]{1,256}"), "STMT-10"),
    "alg": (lambda value: type(value) is int and value in (-8, -19), "STMT-5"), "kid": (octets(32), "STMT-7"),
    "content-type": (lambda value: value == "application/vnd.promptos.statement+cbor", "STMT-6"),
    "head": (lambda value: is_list(value, int, bytes) and value[0] >= 0 and len(value[1]) == 32, "STMT-11"),
}
GOVERNED = ("v:uint prompts:used+64 details:descriptor tool:word catalog:word lint-warnings:uint target?:target"
            " attachments?:descriptor snapshot?:hash renders?:hash+64")
MAPS = {name: [re.fullmatch("([a-z0-9-]+)([?]?):(.+)", field).groups() for field in fields.split()] for name, fields in {
    # field:type. `?` is optional, `*64` a list of at most so many items, `+64` of one at least, `<` of ascending ones.
    "descriptor": "blake3:hash sha256:hash size:uint type:media-type", "admin": "identity:identity key:key",
    "manifest": "v:uint salt:salt files:file*100000", "file": "path:text ref?:ref content:descriptor kept:bool",
    "ledger": "v:uint name:ledger-name admins:admin*64 checkpoint-key:key nonce:salt previous?:previous",
    "previous": "ledger:hash size:uint root:hash", "revoke": "v:uint op:text kid:hash since?:hash",
    "enrol": "v:uint op:text identity:identity key:key roles:role+65535< for?:identity",
    "rotate": "v:uint op:text key:key", "checkpoint": "v:uint op:text key:key",  # so far closed [BODY-2], now open [BODY-3]
    "prompt": "v:uint content:descriptor", "erase": "v:uint content:hash details?:descriptor", "unknown": "v:uint",
    "start": GOVERNED, "session": GOVERNED + " start?:hash events?:hash+1000",
    "event": "v:uint start:hash details:descriptor attachments?:descriptor",
    "used": "ref:ref gate?:word content:descriptor", "target": "commit:commit dirty:bool",
    "render": "v:uint prompt:used engine:word tool:word options:word*16< variables:hash input?:hash output:descriptor",
    "run": "v:uint record:descriptor manifest?:descriptor sessions:cited*64",
    "cited": "entry:hash", "elsewhere": "entry:hash ledger:hash evidence:descriptor trusted:bool",
    "snapshot": "v:uint manifest:descriptor commit?:commit tag?:word lint-errors:uint lint-warnings:uint",
    "import": "v:uint format:word content:descriptor checked:word*16 details?:descriptor",
}.items()}
CLOSED = list(MAPS)[:list(MAPS).index("prompt")]
DISTINCT = {"admin": "key", "used": "ref", "cited": "entry"}  # [BODY-5]

def check(kind, value, place, notes):
    """Checks `value` against TYPES or MAPS; what is not understood is appended to `notes`. [BODY-1], [BLOB-1]"""
    many = re.fullmatch("(.+)([*+])([0-9]+)(<?)", kind)
    if many:
        kind = many[1]
        need(type(value) is list, "BODY-1", f"{place} is not a list")
        need(len(value) <= int(many[3]), "BODY-4", f"{place} has more than {many[3]} items")
        need(value or many[2] == "*", "BODY-5", f"{place} is empty")
        for one in value: check(kind, one, f"an item of {place}", notes)
        names = value if kind == "hash" else [one[DISTINCT[kind]] for one in value if kind in DISTINCT]
        need(len(names) == len({*names}), "BODY-5", f"{place} names one thing twice")
        need(not many[4] or all(map(str.__lt__, value, value[1:])), "BODY-12", f"{place} do not ascend")  # [BODY-8]
    elif kind in TYPES:
        need(TYPES[kind][0](value), TYPES[kind][1], f"{place} is no {kind}")
        if kind == "key": check_key(value, place)  # [BODY-10]
    else:
        need(type(value) is dict and {type(name) for name in value} <= {str}, "BODY-1", f"{place} is no map with text keys")
        if kind == "cited" and value.keys() & {"ledger", "evidence", "trusted"}: kind = "elsewhere"
        for name, optional, inner in MAPS[kind]:
            need(optional or name in value, "BODY-1", f"{place} has no {name}")
            if name in value: check(inner, value[name], f"{name} of {place}", notes)
        for name in value.keys() - {known[0] for known in MAPS[kind]}:
            need(kind not in CLOSED, "BODY-2", f"{place} has the unknown field {name!r}")
            notes.append(f"field {name!r} of {place}")

def read_body(s):  # section 6, then [STMT-14]. The fields that are understood
    body, kind = s.body, s.kind
    check("unknown", body, "the body", [])
    if kind not in ["ledger", *" ".join(MAY.values()).split()] or body["v"] != 1:
        need(kind not in ("ledger", "key"), "BODY-2", f"version {body['v']} of kind {kind!r}")
        s.not_understood.append(f"kind {kind!r}, version {body['v']}")  # [BODY-3]
        return {}
    op = body.get("op") if kind == "key" else kind
    need(type(op) is str, "BODY-1", "the body has no op")
    need(kind != "key" or op in ("enrol", "revoke", "rotate", "checkpoint"), "BODY-2", f"the operation {op!r}")
    check(op, body, "the body", s.not_understood)
    need(op != "enrol" or "for" not in body or "agent" in body["roles"], "BODY-8", "`for` without the role agent")
    need(op != "session" or "start" in body or "events" not in body, "BODY-13", "`events` without `start`")
    keys = [admin["key"] for admin in body["admins"]] if op == "ledger" else []
    need(body.get("checkpoint-key", 0) not in keys, "BODY-11", "the checkpoint key is an admin's key")
    check("ref" if op == "prompt" else "text", s.name, "the statement's name", [])
    said = body["name"] if kind == "ledger" else body["content"].hex() if kind == "erase" else s.name
    if kind == "key": said = (body["kid"] if op == "revoke" else key_id(body["key"])).hex()
    need(s.name == said, "STMT-14", "the statement's name is not what its body says")
    return {name: body[name] for name, _, _ in MAPS[op] if name in body}

# ---- 7 to 10. Order, rights, refs; judging a statement ----
MAY = {"admin": "key erase", "agent": "start event session render run"}
MAY["user"] = MAY["agent"] + " prompt snapshot import"

class Key:  # `last` is the index of its latest statement, or of its enrolment: [HEAD-3], [HEAD-4]
    def __init__(self, public, identity, roles, i):
        self.public, self.identity, self.roles, self.last, self.ended = public, identity, roles, i, False
class Ledger:  # what the statements below an index say; evidence has not the `whole` log
    def __init__(self, whole=True):
        self.whole, self.statements, self.index = whole, [], {}  # index: of an id, with the kind
        self.keys, self.taken, self.refs, self.snapshots = {}, set(), {}, set()
        self.levels = [[]]  # of the tree: levels[h][n] is the hash over the 2^h leaves from n * 2^h on
    def append(self, hash, height=0):
        self.levels += [[]] if height == len(self.levels) else []
        self.levels[height].append(hash)
        if len(self.levels[height]) % 2 == 0: self.append(node(*self.levels[height][-2:]), height + 1)
    def root(self, size):  # of the first `size` leaves: their complete subtrees, joined from the smallest on
        peaks = [level[(size >> height) - 1] for height, level in enumerate(self.levels) if size >> height & 1]
        return functools.reduce(lambda right, left: node(left, right), peaks) if peaks else sha256()
    def add(self, s, i, subject=True):
        """Steps 3 to 6 of section 10 for statement `s` at index `i`, and what it changes."""
        first, op = not self.index, s.body["op"] if s.kind == "key" else None
        if first:
            need(s.kind == "ledger", "LOG-1", "the first statement is no genesis")
            need((s.size, s.root) == (0, sha256()), "HEAD-1", "the head of the genesis is not the empty tree")
            self.id, self.origin, self.checkpoint_key = s.id, f"{s.name}/{s.id.hex()}", s.body["checkpoint-key"]
            for admin in s.body["admins"]:  # [RIGHT-5]
                roles = {"admin", "user"} if key_id(admin["key"]) == s.kid else {"admin"}
                self.keys[key_id(admin["key"])] = Key(admin["key"], admin["identity"], roles, 0)
            self.taken = {self.checkpoint_key, *(key.public for key in self.keys.values())}
        need(first or s.kind != "ledger", "LOG-2", "it is a second genesis")
        need(s.kid in self.keys, "RIGHT-1", f"the key {fingerprint(s.kid)} is not enrolled")
        signer = self.keys[s.kid]
        need(s.iss == signer.identity, "RIGHT-2", f"the key is not enrolled for {s.iss!r}")
        s.check_signature(signer.public)
        need(not signer.ended, "RIGHT-3", f"the key {fingerprint(s.kid)} was revoked or rotated out")
        need(s.size <= i, "HEAD-2", f"its head has size {s.size} at index {i}")
        need(first or s.size > signer.last, "HEAD-4", "its head is from before its key's enrolment or latest statement")
        for cited, kind in s.cites:  # only what the subject of evidence cites has to be there
            at, found = self.index.get(cited, (s.size, None) if subject else (0, kind))
            need(at < s.size, "HEAD-5", f"it cites entry:{cited.hex()}, which is not below its head")
            need(kind in (None, found), "HEAD-6", f"it cites entry:{cited.hex()}, which is no {kind}")
        free = first or not s.known or op == "rotate" or op == "revoke" and s.body["kid"] == s.kid
        need(free or any(s.kind in MAY[role].split() for role in signer.roles), "RIGHT-4", f"its key may not make a {s.kind}")
        public, target = s.known.get("key"), self.keys.get(s.known.get("kid"))
        need(public not in self.taken, "RIGHT-6", "the key was enrolled or the checkpoint key before")
        if op == "revoke":
            need(target and not target.ended, "RIGHT-7", "the key is not enrolled, or was revoked or rotated out")
            admins = [key for key in self.keys.values() if "admin" in key.roles and not key.ended]
            need(admins != [target], "RIGHT-8", "the last admin key cannot be revoked")
        for ref, address in s.refs if self.whole else []:
            need(ref in self.refs or "user" in signer.roles, "REF-2", f"the key may not bind {ref}")
            need(self.refs.setdefault(ref, address) == address, "REF-3", f"{ref} is bound to other content")
        names = {s.name} if self.whole and s.known and s.kind == "snapshot" else set()
        need(not names & self.snapshots, "REF-4", f"there is a snapshot {s.name} already")
        own = subject and self.id in [cited["ledger"] for cited in s.foreign]
        need(not own, "HEAD-9", "it cites its own ledger as another")
        need(not self.whole or self.root(s.size) == s.root, "HEAD-7", f"its author saw another tree of size {s.size}")
        self.append(s.id)
        self.statements.append(s)
        self.index[s.id], signer.last = (i, s.kind), i
        self.snapshots |= names
        self.taken |= {public} - {None}
        if op == "revoke": target.ended = True
        if op == "checkpoint": self.checkpoint_key = public
        if op == "enrol": self.keys[key_id(public)] = Key(public, s.body["identity"], {*s.body["roles"]}, i)
        if op == "rotate":  # [RIGHT-9]
            signer.ended, self.keys[key_id(public)] = True, Key(public, signer.identity, signer.roles, i)
    def report(self):
        notes = [f"entry {self.index[s.id][0]}: {note}" for s in self.statements for note in s.not_understood]
        return {"ledger": "entry:" + self.id.hex(), "origin": self.origin, "size": len(self.statements),
                "root": self.root(len(self.statements)).hex(), "checkpoint-key": fingerprint(key_id(self.checkpoint_key)),
                "signed-by": sorted({f"{s.iss}, {fingerprint(s.kid)}" for s in self.statements}), "not-understood": notes}
def read_log(statements):
    ledger = Ledger()
    for i, raw in enumerate(statements):  # [LOG-3]
        with within(f"entry {i}", at=i, size=i, root=ledger.root(i).hex()):
            ledger.add(Statement(raw), i)
    need(statements, "LOG-1", "there is no genesis")
    return ledger

# ---- 11. The tree ----
def node(left, right): return sha256(b"\x01", left, right)  # [TREE-1]
def path_root(leaf, index, size, path):  # [PROOF-1]: the root that an inclusion proof leads to; RFC 6962, section 2.1.1
    need(index < size and bool(path) == (size > 1), "PROOF-1", "the inclusion proof has not the length for its index")
    k = 1 << (size - 1).bit_length() >> 1
    if size == 1: return leaf
    if index < k: return node(path_root(leaf, index, k, path[:-1]), path[-1])
    return node(path[-1], path_root(leaf, index - k, size - k, path[:-1]))
def path_roots(old, size, root, path, left=True):
    """[PROOF-2]: the old root and the new that a consistency proof leads to; SUBPROOF of RFC 6962, section 2.1.2."""
    need(old <= size and (len(path) == (not left) if old == size else path), "PROOF-2", "a proof of another length")
    k = 1 << (size - 1).bit_length() >> 1
    if old == size: return [path[0], path[0]] if path else [root, root]
    if old > k: return [node(path[-1], half) for half in path_roots(old - k, size - k, root, path[:-1], False)]
    first, second = path_roots(old, k, root, path[:-1], left)
    return [first, node(second, path[-1])]

# ---- 12. Checkpoints and tlog-proofs ----
def read_base64(text):  # the bytes; none when this is not exactly how RFC 4648 writes them
    data = base64.b64decode(text) if re.fullmatch("(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?", text) else b""
    return data if base64.b64encode(data).decode() == text else b""
def note_key_id(name, public): return sha256(name.encode(), b"\n\x01", public)[:4]  # [NOTE-4]

class Checkpoint:  # [NOTE-1], [NOTE-2], [NOTE-5]
    def __init__(self, data):
        need(len(data) <= 65_536, "LIMIT-1", "the checkpoint has more than 65,536 bytes")
        text, blank, lines = data.decode("utf-8", "surrogateescape").rpartition("\n\n")
        good = blank and lines.endswith("\n") and not re.search("[\0-\x09\x0b-\x1f\ud800-\udfff]", text + lines)
        need(good, "NOTE-1", "the checkpoint is not UTF-8 text with a blank line and signatures")
        self.text, self.signatures = text + "\n", []
        for line in lines[:-1].split("\n"):
            found = re.fullmatch(f"\u2014 ([^+{WHITE}]+) ([!-~]+)", line)
            data = read_base64(found[2]) if found else b""
            need(len(data) > 4, "NOTE-1", "the checkpoint has a line that is no signature")
            self.signatures.append((found[1], data[:4], data[4:]))
        lines = re.fullmatch("([^\n]+)\n(0|[1-9][0-9]{0,19})\n([^\n]+)(?:\n[^\n]+)*", text)
        need(lines, "NOTE-5", "the checkpoint is not origin, size and root")
        self.origin, self.size, self.root = lines[1], int(lines[2]), read_base64(lines[3])
        need(self.size < 1 << 64 and len(self.root) == 32, "NOTE-5", "the checkpoint's size is over 64 bits, or its root no hash")
    def check(self, name, public):  # [NOTE-3], [NOTE-6]
        need(self.origin == name, "NOTE-6", "the checkpoint is of another origin")
        own = [signature for *signer, signature in self.signatures if signer == [name, note_key_id(name, public)]]
        need(own, "NOTE-3", "the checkpoint is not signed by the checkpoint key")
        for signature in own: check_signature(public, self.text.encode(), signature, "the checkpoint")
def read_vkey(vkey):  # [NOTE-4]: name and public key
    found = re.fullmatch(f"([^+{WHITE}]+)[+]([0-9a-f]{{8}})[+](.+)", vkey)
    data = read_base64(found[3]) if found else b""
    need(data, "NOTE-4", "this is no verifier key")
    need(data[:1] == b"\x01", "NOTE-4", "a verifier key of another type", "unsupported")
    need(len(data) == 33 and note_key_id(found[1], data[1:]).hex() == found[2], "NOTE-4", "another key id, or key length")
    check_key(data[1:], "the verifier key")
    return found[1], data[1:]
def read_tlog_proof(data):  # [PROOF-3]: index, path, and the bytes of the checkpoint
    need(len(data) <= 131_072, "LIMIT-1", "the proof has more than 131,072 bytes")
    found = re.match(rb"c2sp\.org/tlog-proof@v1\nindex (0|[1-9][0-9]{0,19})\n((?:[A-Za-z0-9+/=]+\n)*)\n", data)
    need(found and int(found[1]) < 1 << 64, "PROOF-3", "this is no tlog-proof")
    path = [read_base64(line) for line in found[2].decode().split()]
    need(len(path) <= 63, "LIMIT-1", "the proof has more than 63 hashes")
    need(all(len(hash) == 32 for hash in path), "PROOF-3", "the proof has a line that is no hash")
    return int(found[1]), path, data[found.end():]

# ---- 13. Evidence ----
def read_file(path, count=-1):
    with open(path, "rb") as file: return file.read(count)
def read_tar(data):
    """The parts by name; refuses what is not readable. The rest of [EVID-1] is judged by writing it again."""
    parts, at = {}, 0
    while any(data[at:at + 512]) or len(data) < at + 512:
        header = data[at:at + 512]
        size = re.fullmatch(rb" *([0-7]{1,11})[ \0]*", header[124:136])
        plain = size and header[257:262] == b"ustar" and header[156:157] in (b"0", b"\0")
        need(plain, "EVID-1", f"the archive has no header of a plain file, and no end, at byte {at}")
        name, at, end = header[:100].split(b"\0")[0].decode("utf-8", "surrogateescape"), at + 512, at + 512 + int(size[1], 8)
        good = name not in parts and end <= len(data) and re.fullmatch("[^\ud800-\udfff]+", name)
        need(good, "EVID-1", f"the archive has {name!r} twice, or not all of it, or this is no UTF-8 text")
        parts[name], at = data[at:end], end + -end % 512
    return parts
def write_tar(parts):
    blocks = []
    for name, data in sorted(parts.items(), key=lambda part: ("seb".find(part[0][:1]), part[0])):
        head = name.encode().ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2 + b"%011o\0" % len(data) + b"0" * 11 + b"\0"
        tail = b"0" + bytes(100) + b"ustar\x0000" + bytes(247)
        blocks += [head, b"%06o\0 " % (sum(head + tail) + 8 * 32), tail, data, bytes(-len(data) % 512)]
    return b"".join(blocks) + bytes(1024)

def check_evidence(data, nested=False):  # the report on an archive; `nested` in a run's
    parts, entries, notes, unexpected = read_tar(data), {}, set(), []
    blobs = {name: digests([part]) for name, part in parts.items() if re.fullmatch("blobs/[0-9a-f]{64}", name)}
    for name in blobs: need(name == "blobs/" + blobs[name][0].hex(), "EVID-7", f"{name} has another address than its name")
    for stem in ["subject"] + [n[:-5] for n in parts if re.fullmatch(r"entries/[0-9]{20}\.cose", n) and int(n[8:28]) < 1 << 64]:
        need({stem + ".cose", stem + ".tlog-proof"} <= parts.keys(), "EVID-2", f"{stem}.cose or its proof is missing")
        with within(stem):
            index, path, note = read_tlog_proof(parts[stem + ".tlog-proof"])
            need(stem in ("subject", f"entries/{index:020}"), "EVID-2", f"its proof is for index {index}", "bad-proof")
            need(index not in entries, "EVID-1", f"entry {index} is there twice")
            entries[index] = stem, Statement(parts[stem + ".cose"]), path
        notes.add(note)
    at, (_, subject, _) = next(iter(entries.items()))
    need(not nested or subject.known and subject.kind == "session", "EVID-10", "the subject within is no session")
    need(0 in entries and entries[0][1].kind == "ledger", "EVID-2", "the genesis is missing")
    need(len(notes) == 1, "EVID-3", "the proofs lead to different checkpoints")
    ledger, checkpoint, genesis = Ledger(whole=False), Checkpoint(notes.pop()), entries[0][1]
    public = [s.known["key"] for _, (_, s, _) in sorted(entries.items()) if s.known.get("op") == "checkpoint"]
    checkpoint.check(f"{genesis.name}/{genesis.id.hex()}", [genesis.known["checkpoint-key"], *public][-1])  # [EVID-4]
    for index, (stem, s, path) in sorted(entries.items()):  # [EVID-5], [EVID-6]
        with within(stem):
            need(path_root(s.id, index, checkpoint.size, path) == checkpoint.root, "PROOF-1", "it is not in the tree")
            ledger.add(s, index, subject=stem == "subject")
    cited = [s for s in ledger.statements if s.id in dict(subject.cites)]
    called = {stem for stem, s, _ in entries.values() if s in [genesis, subject, *cited] or s.kind == "key"}
    tombstones = {stem: "blobs/" + s.known["content"].hex() for stem, s, _ in entries.values() if s.known and s.kind == "erase"}
    apart = ("snapshot", "render") if subject.kind in ("session", "start") else ()
    sources = [subject] + [s for s in cited if s.kind not in apart]  # whose described content must be here [EVID-12]
    described = [told for s in sources for told in s.described]
    for told in described:
        name = "blobs/" + told["blake3"].hex()
        need(name in parts or name in tombstones.values(), "EVID-7", f"{name} is missing, and there is no tombstone of it")
        if name in parts: check_content(blobs[name], told)
        if name in parts and subject.kind == "snapshot" and told is subject.known.get("manifest"):  # [EVID-11]
            described += [file["content"] for file in read_manifest(parts[name]) if file["kept"]]
    erased = (names := {"blobs/" + told["blake3"].hex() for told in described}) - parts.keys()
    called |= names | {stem for stem in tombstones if tombstones[stem] in erased}
    for one in [one for one in subject.foreign if "blobs/" + one["evidence"]["blake3"].hex() in parts]:  # [EVID-9]
        place = f"in the evidence for entry:{one['entry'].hex()}"
        with within(place): inner = check_evidence(parts["blobs/" + one["evidence"]["blake3"].hex()], nested=True)
        same = (inner["ledger"][6:], inner["subject"][6:]) == (one["ledger"].hex(), one["entry"].hex())
        need(same, "EVID-9", f"{place}: it is for another entry or ledger than the run cites")
        unexpected += [f"{place}: {name}" for name in inner["unexpected"]]
    proofs = {stem + ".tlog-proof" for stem, _, _ in entries.values()}
    unexpected += sorted(name for name in parts.keys() - proofs if name.removesuffix(".cose") not in called)  # [EVID-8]
    need(unexpected or write_tar(parts) == data, "EVID-1", "the archive is not as the format writes it", "non-canonical")
    return {**ledger.report(), "subject": "entry:" + subject.id.hex(), "statement": subject.sub, "index": at,
            "size": checkpoint.size, "root": checkpoint.root.hex(), "claimed-time": subject.iat, "content": len(blobs),
            "signed-by": f"{subject.iss}, {fingerprint(subject.kid)}", "erased": sorted(erased), "unexpected": unexpected,
            "not-shown": "that this is the ledger you trust (compare its id or checkpoint key); revocations and checkpoint keys"
                         " that came later or were left out; refs, snapshot names and signed heads, which the keeper judged"}

# ---- 14. A published ledger ----
def read_bundle(path, width):  # [PUB-2]
    data, at, statements = read_file(path, width * 65_537 + 1), 0, []
    while at < len(data) and len(statements) < width:
        start, at = at + 2, at + 2 + int.from_bytes(data[at:at + 2], "big")
        statements.append(data[start:at])
    need(at == len(data) and len(statements) == width, "PUB-2", f"{path} is not {width} statements")
    return statements

def check_directory(folder):
    paths = [os.path.join(base, name) for base, _, names in os.walk(folder) for name in names]
    tiles, raw, absent, here = {}, [], [], {}
    files = {os.path.relpath(path, folder).replace(os.sep, "/"): path for path in paths if os.path.isfile(path)}
    for name, path in files.items():
        tile = re.fullmatch(r"tile/(entries|[0-7])/((?!x000/)(?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?", name)
        if tile and int(tile[3] or 0) < 256: tiles[tile[1], int(re.sub("[x/]", "", tile[2])), int(tile[3] or 256)] = path
    if "checkpoint" not in files: return {"absent": ["checkpoint"]}
    checkpoint = Checkpoint(read_file(files["checkpoint"], 65_537))  # [PUB-1]
    while len(raw) < checkpoint.size and not absent:
        n, width = len(raw) // 256, min(256, checkpoint.size - len(raw))
        there = [w for w in (width, 256) if ("entries", n, w) in tiles]
        raw += read_bundle(tiles["entries", n, there[0]], there[0])[:width] if there else []
        absent += [] if there else [f"tile/entries: bundle {n}, and what follows it"]
    ledger = read_log(raw) if raw or not absent else Ledger()  # [PUB-3]
    if not absent:
        need(ledger.root(len(raw)) == checkpoint.root, "PUB-4", "the statements do not have the checkpoint's root")
        checkpoint.check(ledger.origin, ledger.checkpoint_key)  # [PUB-5]
    for level, hashes in enumerate(ledger.levels[::8]):  # [PUB-6]
        for n in range(-(-len(hashes) // 256)):
            part, name = hashes[256 * n:256 * n + 256], f"hash tile {n} of level {level}"
            there = [w for w in (len(part), 256) if (str(level), n, w) in tiles][:1]
            data = read_file(tiles[str(level), n, there[0]], 8193) if there else b""
            need(not there or len(data) == 32 * there[0], "PUB-6", f"{name} has another length", "malformed")
            need(not there or data[:32 * len(part)] == b"".join(part), "PUB-6", f"{name} is of another tree")
            absent += [] if there else [name]
    for name in [name for name in files if re.fullmatch("blob/[0-9a-f]{2}/[0-9a-f]{62}", name)]:  # [PUB-7]
        with open(files[name], "rb") as file: found = digests(iter(lambda: file.read(1 << 20), b""))
        need(found[0].hex() == name[5:].replace("/", ""), "PUB-7", f"{name} has another address than its name")
        here[found[0]] = found
    told = [one for s in ledger.statements for one in s.described]
    for one in told: one["blake3"] in here and check_content(here[one["blake3"]], one)
    gone = {one["blake3"] for one in told} - here.keys()
    erased = {s.known["content"] for s in ledger.statements if s.known and s.kind == "erase"}
    return {**(ledger.report() if raw else {}), "checkpoint-size": checkpoint.size, "absent": absent, "content": len(here),
            "content-erased": sorted("blake3:" + one.hex() for one in gone & erased),
            "content-absent": sorted("blake3:" + one.hex() for one in gone - erased),
            "not-shown": "that this is the ledger you trust and that others see the same one (compare id, size and root with a"
                         " pin or witness); what was left out before a later head was signed; that claimed times are true"}

# ---- 19. The vectors, but for those of receipts, of witnesses and of forks, which are not judged here ----
BEYOND = "receipt transparent-statement cosignature witness-vkey policy fork submission".split()
def check_vector(v):  # what an accepted vector says besides
    kind, path = v["kind"], [bytes.fromhex(hash) for hash in v.get("path", [])]
    data = {name: bytes.fromhex(v[name]) for name in v if type(v[name]) is str and re.fullmatch("(?:[0-9a-f]{2})*", v[name])}
    if kind == "log": return read_log([bytes.fromhex(raw) for raw in v["statements"]]).report()
    if kind == "evidence": return check_evidence(data["tar"])
    if kind == "vkey": return {"public-key": read_vkey(v["vkey"])[1].hex()}
    if kind == "statement":
        s = Statement(data["statement"])
        need(key_id(data.get("public-key", b"")) == s.kid, "KEY-3", "the kid names another key")
        s.check_signature(data["public-key"])
        return {"id": "entry:" + s.id.hex(), "not-understood": s.not_understood and v.get("not-understood")}
    if kind in ("checkpoint", "tlog-proof"):
        index, path, note = (0, [], v["note"].encode()) if kind == "checkpoint" else read_tlog_proof(v["proof"].encode())
        checkpoint = Checkpoint(note)
        checkpoint.check(*read_vkey(v["vkey"]))
        good = kind == "checkpoint" or path_root(data["leaf"], index, checkpoint.size, path) == checkpoint.root
        need(good, "PROOF-1", "the leaf is not in the tree")
        return {**vars(checkpoint), "root": checkpoint.root.hex()}
    if kind == "proof-inclusion":
        need(path_root(data["leaf"], v["index"], v["size"], path) == data["root"], "PROOF-1", "the leaf is not in the tree")
    elif kind == "proof-consistency":
        old, size, roots = v["old-size"], v["new-size"], [data["old-root"], data["new-root"]]
        need(old or not path and roots[0] == sha256(), "PROOF-2", "size 0 has the empty root and an empty proof")
        need(old == 0 < size or path_roots(old, size, roots[0], path) == roots, "PROOF-2", "the proof leads to other roots")
    elif kind == "commitment":
        found = sha256(f"promptos render {v['of']} v1\0".encode(), data["salt"], data["bytes"])
        need(found == data["commitment"], "RENDER-1", "the commitment is to other bytes, or with another salt")
    else:
        check_key(data["public-key"], "the public key")
        if kind == "signature": check_signature(data["public-key"], data["message"], data["signature"], "the message")
    return {"kid": fingerprint(key_id(data.get("public-key", b"")))}
def check_vectors(folder):
    paths, differ, beyond = sorted(glob.glob(os.path.join(folder, "*", "*.json"))), [], []
    for path in paths:
        v = json.loads(read_file(path))
        if v["kind"] in BEYOND: beyond.append(path); continue
        try: says = check_vector(v)
        except Refused as refused: says = {"class": refused.args[0], **refused.report}
        same = says.get("class") == v.get("class") and all(says[name] == v[name] for name in says.keys() & v.keys())
        differ += [] if same else [f"{path}: {v.get('class', 'accept')} expected, {says.get('class', 'accept')} found"]
    judged = len(paths) - len(beyond)
    return {"vectors": judged, "not-judged": len(beyond), "differ": differ, "absent": [] if paths else ["vectors"]}

def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    checks = {"evidence": lambda path: check_evidence(read_file(path)), "directory": check_directory, "vectors": check_vectors}
    parser.add_argument("what", choices=checks); parser.add_argument("path")
    parser.add_argument("--ledger", help="the id that evidence must be of")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    right = os.path.isfile(args.path) if args.what == "evidence" else os.path.isdir(args.path)
    if not right: parser.error(f"{args.path} is not there, or not what can be judged as {args.what}")
    try:
        report = checks[args.what](args.path)
        ledger = report.get("ledger", "")
        need(args.ledger in (None, ledger, ledger[6:]), "EVID-9", f"it is about another ledger: {ledger}")
        code = 3 if report.get("differ") else 5 if report.get("absent") else 0
    except Refused as refused:
        report, code = {**dict(zip(("class", "rule", "sentence"), refused.args)), **refused.report}, 3
    except OSError as error: parser.error(str(error))
    report = {"verdict": {0: "verified" if args.ledger or args.what == "vectors" else "consistent with itself", 3: "refused", 5: "not all of it is here"}[code], **report}
    if args.json: print(json.dumps(report, indent=2))
    for name, value in [] if args.json else report.items():
        for line in value if type(value) is list else [value]:
            print(f"{name}:".ljust(17) + "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(line)))
    return code
if __name__ == "__main__": sys.exit(main())
