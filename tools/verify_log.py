#!/usr/bin/env python3
"""Verifies an audit log offline. Written from docs/audit-log-spec.md alone, so that it shares nothing with the
service's verifier: Python's standard library, and the `openssl` command for Ed25519. It reads nothing outside of the
folder, and no file before its kind and size are known. Memory: two bundles, and some 80 bytes for each entry.
Exit status: 0 valid, 2 findings, 64 a wrong command line."""
import argparse, base64, functools, hashlib, itertools, json, os, pathlib, re, stat, subprocess, sys, tempfile

NOTE_BYTES, MANIFEST_BYTES, ENTRY_BYTES, MOST_FINDINGS, FOREVER = 65_536, 1_048_576, 65_537, 100, 1 << 64
KEY, WITNESS, B64 = b"\x01", b"\x04", "[A-Za-z0-9+/]"
NUMBER, HASH, UUID = "(0|[1-9][0-9]{0,19})", "([A-Za-z0-9+/]{43}=)", "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
FILE = re.compile(r"vkey|checkpoint|retention|(checkpoints|segments)/([0-9]{20})|tile/(entries|[0-7])/"
                  r"((?:(?!x000)x[0-9]{3}/(?:x[0-9]{3}/){0,5})?[0-9]{3})"
                  r"(?:\.p/([1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-5]))?")
FOLDER = re.compile(r"checkpoints|segments|tile|tile/(entries|[0-7])(/x[0-9]{3}){0,6}(/[0-9]{3}\.p)?")
ENTRY = re.compile(rf"audit/v1\n([^\n]*)\n{NUMBER}\n{HASH}\n{NUMBER}\n([^\n]+)\n".encode())
LINE = re.compile(rf"— ([^\s+]+) ((?:{B64}{{4}})*(?:{B64}{{2}}(?:{B64}|=)=)?)")
ORIGIN = r"([^\s+\0-\x1f\x7f]{1,255})\n"
CHECKPOINT = re.compile(rf"{ORIGIN}{NUMBER}\n{HASH}\n")
RETENTION = re.compile(rf"audit-retention/v1\n{ORIGIN}{NUMBER}\n{NUMBER}\n([A-Za-z0-9_.:/+=-]{{1,256}})\n")
MANIFEST = re.compile(rf"audit-manifest/v1\n{ORIGIN}{NUMBER}\n{HASH}\n{NUMBER} {NUMBER}\n{NUMBER}\n(.*)\n((?:.+\n)*)")
ERASED = re.compile(rf"erasure/v1 ({UUID}) ({UUID}) ([0-9a-f]{{64}}) {NUMBER}\n".encode())

class Refused(Exception): pass  # A check that failed: its code, and what is wrong.
def demand(condition, code, text):
    if not condition: raise Refused(code, text)
def sha(data): return hashlib.sha256(data).digest()
def leaf(data): return sha(b"\x00" + data)
def node(left, right): return sha(b"\x01" + left + right)
def key_id(name, kind, key): return sha(name.encode() + b"\n" + kind + key)[:4]
def b64(data): return base64.b64encode(data).decode()
def unb64(text):
    data = base64.b64decode(text)
    demand(b64(data) == text, "parsing", "base64 that is not canonical")
    return data
def peaks(hashes):  # The roots of the complete subtrees over a row of hashes, the widest first.
    found = []
    while hashes:
        width = 1 << len(hashes).bit_length() - 1
        row, hashes = hashes[:width], hashes[width:]
        while len(row) > 1: row = [node(row[i], row[i + 1]) for i in range(0, len(row), 2)]
        found += row
    return found
def fold(tops):  # The root of the tree with these complete subtrees.
    return functools.reduce(lambda right, left: node(left, right), reversed(tops)) if tops else sha(b"")
def place(level, n, width):  # The name of a tile, or of a bundle where `level` is -1.
    name = re.sub("(...)(?=.)", r"x\1/", f"{n:0{(len(str(n)) + 2) // 3 * 3}}")
    return f"tile/{'entries' if level < 0 else level}/{name}" + (f".p/{width}" if width < 256 else "")
def places(first, end):
    """The places of a log of `end` entries that hold something of the entries from `first` on: level, n, width."""
    for level in range(-1, 8):
        begin, count = first >> 8 * max(level, 0), end >> 8 * max(level, 0)
        for n in range(begin >> 8, count + 255 >> 8 if begin < count else 0):
            yield level, n, min(256, count - 256 * n)

@functools.lru_cache(maxsize=64)
def signed(key, message, signature):
    """Whether an Ed25519 signature verifies. The bytes before the key make it a file that `openssl` reads."""
    with tempfile.TemporaryDirectory() as folder:
        for name, data in {"k": bytes.fromhex("302a300506032b6570032100") + key, "m": message, "s": signature}.items():
            pathlib.Path(folder, name).write_bytes(data)
        command = "openssl pkeyutl -verify -pubin -keyform DER -inkey k -rawin -in m -sigfile s".split()
        return subprocess.run(command, cwd=folder, capture_output=True).returncode == 0
def parse_key(text, kind=KEY):  # The name and the public key of a verifier key.
    match = re.fullmatch(r"([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]{44})", text)
    data = unb64(match[3]) if match else b""
    demand(data[:1] == kind and key_id(match[1], kind, data[1:]).hex() == match[2], "vkey", "not a verifier key")
    return match[1], data[1:]
def parse_note(data, form):  # A signed note: the fields of its body, its body, and its lines as (name, key id, rest).
    text, _, end = data.decode(errors="replace").rpartition("\n\n")
    lines, fields = [LINE.fullmatch(line) for line in end[:-1].split("\n")], form.fullmatch(text + "\n")
    demand(fields and end[-1:] == "\n" and len(lines) <= 64 and all(lines), "parsing", "not a note of this form")
    pairs = [(line[1], unb64(line[2])) for line in lines]
    return fields.groups(), (text + "\n").encode(), [(name, rest[:4], rest[4:]) for name, rest in pairs]
def open_file(path, most):
    file = open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb")
    status = os.fstat(file.fileno())
    demand(stat.S_ISREG(status.st_mode) and status.st_size <= most, "layout", f"not a file of at most {most} bytes")
    return file
def read_ledger(path, tenant):
    """The tenant's erasures by subject: the key's commitment, and the time. A last line may have been cut short."""
    with open_file(path, FOREVER) as file:
        erased = {}
        while (line := file.readline(256)) and (line[-1:] == b"\n" or len(line) == 256):
            match = ERASED.fullmatch(line)
            demand(match and (match[1], match[2]) not in erased, "ledger", f"damaged before byte {file.tell()}")
            if match[1].decode() == tenant: erased[match[1], match[2]] = match[3].decode(), int(match[4])
    return {subject.decode(): line for (_, subject), line in erased.items()}

class Log:
    """The verification of one log's folder. `held` is a list of pairs: a checkpoint's name for findings, its bytes."""
    def __init__(self, folder, keys, held=(), ledger=None, witnesses=()):
        self.folder, self.given, self.held, self.ledger, self.witnesses = folder, keys, held, ledger, witnesses
        self.origin, self.size, self.expired, self.erasures = None, 0, 0, 0
        self.findings, self.unpublished, self.cosigned, self.rotations, self.announced = [], 0, {}, [], set()
        self.files, self.widths, self.checkpoints, self.segments, self.explained = set(), {}, [], [], set()
        self.time, self.began, self.closed, self.levels = None, None, False, [[]]
    def expect(self, condition, code, text, file=None, entry=None):
        if not condition and len(self.findings) < MOST_FINDINGS:
            self.findings.append({"check": code, "file": file, "entry": entry, "text": text})
    def find(self, *finding): self.expect(False, *finding)
    def tried(self, file, check, *arguments):
        """What a check returns; None where it fails, which is a finding about the file."""
        try:
            return check(*arguments)
        except Refused as refused: self.find(*refused.args, file)
        except OSError as error:
            self.find("missing" if isinstance(error, FileNotFoundError) else "input", str(error.strerror), file)
    def read(self, name, most=NOTE_BYTES):
        with open_file(os.path.join(self.folder, name) if name in self.files else "", most) as file:
            return file.read(most)
    def note(self, name, form, most=NOTE_BYTES): return parse_note(self.read(name, most), form)
    def verify(self):
        self.tried(None, self.walk)
        self.head = self.tried("checkpoint", self.note, "checkpoint", CHECKPOINT)
        if self.head:
            self.origin, self.size, self.root = self.head[0][0], int(self.head[0][1]), unb64(self.head[0][2])
            tenant, name = self.origin.rpartition("/")[2], os.path.basename(os.path.abspath(self.folder))
            self.expect(name == tenant or not re.fullmatch(UUID, name), "origin", "not this tenant's folder", name)
            self.erased = self.ledger and self.tried(self.ledger, read_ledger, self.ledger, tenant)
            self.retention = "retention" in self.files and self.tried("retention", self.note, "retention", RETENTION)
            self.kept = int(self.retention[0][1]) if self.retention else 0
            self.whole = self.read_entries()
            self.check_tree() if self.whole else self.find("missing", "neither entries nor hashes from here on")
            self.tried("vkey", self.check_keys)
        return self
    def walk(self):  # Finds all files by name and kind alone. What no log has is a finding, and never opened.
        folders = [""]
        while folders:
            inside = folders.pop()
            for item in sorted(os.scandir(os.path.join(self.folder, inside)), key=lambda item: item.name):
                name, mode = inside + item.name, item.stat(follow_symlinks=False).st_mode
                match = stat.S_ISREG(mode) and FILE.fullmatch(name)
                folders += [name + "/"] if stat.S_ISDIR(mode) and FOLDER.fullmatch(name) else []
                if match:
                    self.files.add(name)
                    if match[1]: getattr(self, match[1]).append(int(match[2]))  # In order: all have 20 digits.
                    elif match[3]:
                        at = int(match[3].replace("entries", "-1")), int(re.sub("[x/]", "", match[4]))
                        self.widths.setdefault(at, []).append(int(match[5] or 256))
                elif not stat.S_ISDIR(mode) or not FOLDER.fullmatch(name) and name != ".incoming":
                    self.find("layout", "no log has this, or not as a file or folder of this kind", name)
    def at(self, level, n, width):
        """The name of the narrowest file that holds the first `width` of a place. Wider ones supersede partial ones."""
        return place(level, n, min((have for have in self.widths.get((level, n), ()) if have >= width), default=width))
    def items(self, level, n, width, name):  # The first hashes of a tile, or the first entries of a bundle.
        exact, found, at = name == place(level, n, width), [], 0
        data = self.read(name, (32 if level >= 0 else ENTRY_BYTES) * (width if exact else 256))
        while len(found) < width and at < len(data):
            at, size = (at, 32) if level >= 0 else (at + 2, int.from_bytes(data[at:at + 2], "big"))
            found.append(data[at:at + size])
            at += size
        fits = len(found) == width and at <= len(data) and (at == len(data) or not exact)
        demand(fits, "layout" if level >= 0 else "parsing", "a wrong length")
        return found
    def entries(self, n):  # The entries of bundle `n`; none where they expired, are missing or beyond the end.
        width, name = min(256, self.size - 256 * n), self.at(-1, n, min(256, self.size - 256 * n))
        due = width > 0 and (name in self.files or 256 * n + width > self.kept)
        return due and self.tried(name, self.items, -1, n, width, name) or []
    def read_entries(self):
        """Takes the leaves from entries and tiles. Where these disagree, the next entry or the root decides."""
        before, following = sha(f"audit-genesis/v1\n{self.origin}\n".encode()), self.entries(0)
        for n in range(self.size + 255 >> 8):
            entries, following, width = following, self.entries(n + 1), min(256, self.size - 256 * n)
            name, file = self.at(0, n, width), self.at(-1, n, width)
            tile = self.tried(name, self.items, 0, n, width, name) or []
            if not entries:
                if not tile: return False
                self.levels[0] += tile
                self.expired, self.time, before = self.expired + width, None, tile[-1]
            matches = [ENTRY.fullmatch(entry) for entry in entries + following[:1]] + [None]
            for i, entry in enumerate(entries):
                mine, sequence, after = leaf(entry), 256 * n + i, matches[i + 1]
                its = tile[i] if tile else mine
                if mine == its or after and after[3] == b64(mine).encode() or (
                        sequence + 1 == self.size and fold(peaks([*self.levels[0], mine])) == self.root):
                    self.check_entry(sequence, matches[i], file, before)
                    its = mine
                else: self.find("leaf", "its hash is not that in the tile and the next entry", file, sequence)
                self.levels[0].append(before := its)
        return True
    def check_entry(self, sequence, match, file, before):
        if not match or int(match[2]) >= FOREVER or int(match[4]) >= FOREVER >> 1:
            return self.find("parsing", "not an entry", file, sequence)
        for code, right in (("origin", match[1] == self.origin.encode()), ("sequence", int(match[2]) == sequence),
                            ("chain", match[3] == b64(before).encode()), ("time", int(match[4]) >= (self.time or 0))):
            self.expect(right, code, "not what its place and the entry before demand", file, sequence)
        self.time = int(match[4])
        self.began = self.time if self.began is None else self.began
        if match[5].startswith((b'{"action":"erasure.', b'{"action":"log.')):
            try:
                self.read_body(sequence, file, **json.loads(match[5]))
            except (ValueError, TypeError, KeyError, AttributeError, RecursionError, Refused):
                self.find("parsing", "not a body of this action", file, sequence)
    def read_body(self, sequence, file, action, subject=None, codes={}, **_):
        self.closed = action == "log.closed" and sequence + 1 == self.size
        self.explained |= {subject} if action.startswith("erasure.") else set()
        if action == "erasure.completed":
            self.erasures += 1
            known = self.erased is None or self.erased.get(subject, [None])[0] == codes["key_commitment"]
            self.expect(known, "ledger", "the ledger has not this erasure, or another key for it", file, sequence)
        elif action == "log.entries_expired": self.announced.add((codes["policy"], codes["first_kept"]))
        elif action == "log.key_rotated":
            old, new = unb64(codes["old_key"]), unb64(codes["new_key"])
            demand(old[:1] + new[:1] == b"\x01\x01" and len(old) == len(new) == 33, "parsing", "no keys")
            self.rotations.append((sequence, old[1:], new[1:]))
    def prefix(self, size):  # The root of the log's first entries.
        rows = [row[size >> 8 * level + 8 << 8:size >> 8 * level] for level, row in enumerate(self.levels)]
        return fold([top for row in reversed(rows) for top in peaks(row)])
    def check_tree(self):
        """Every file of hashes and every superseded bundle against the leaves, and these against the root."""
        while len(row := self.levels[-1]) >= 256:
            self.levels.append([peaks(row[at:at + 256])[0] for at in range(0, len(row) - 255, 256)])
        self.expect(self.prefix(self.size) == self.root, "root", "not what the entries hash to", "checkpoint")
        for level, n, width in places(0, self.size):
            there = level <= 0 or self.at(level, n, width) in self.files
            self.expect(there, "missing", "there is no such file", place(level, n, width))
        for level, n, width in [(*at, width) for at, row in self.widths.items() for width in row]:
            name, hashes = place(level, n, width), [*self.levels, *[[]] * 8][max(level, 0)][256 * n:256 * n + width]
            self.unpublished += len(hashes) < width
            if len(hashes) == width and (level >= 0 or name != self.at(-1, n, min(256, self.size - 256 * n))):
                found = self.tried(name, self.items, level, n, width, name) or hashes
                found = found if level >= 0 or found is hashes else [*map(leaf, found)]
                wrong = [256 * n + i << 8 * max(level, 0) for i in range(width) if found[i] != hashes[i]]
                self.expect(not wrong, "leaf" if level < 0 else "tile", "a hash was changed", name, *wrong[:1])
    def signers(self, body, lines, size=None):
        """Which of the log's keys signed a note, by their places in the chain. With a size, witnesses are looked at."""
        keys, found = [(KEY, self.origin, key, i) for i, key in enumerate(self.chain)], []
        keys += [(WITNESS, owner, key, -1) for owner, key in self.witnesses if size is not None]
        for (name, identity, rest), (kind, owner, key, i) in ((line, key) for line in lines for key in keys):
            if (name, identity) == (owner, key_id(owner, kind, key)):
                stamp = b"cosignature/v1\ntime %d\n" % int.from_bytes(rest[:8], "big") if i < 0 else b""
                demand(signed(key, stamp + body, rest[8:] if stamp else rest), "signature", "it does not verify")
                found += [i] if i >= 0 else []
                self.cosigned.update({owner: max(size, self.cosigned.get(owner, 0))} if i < 0 else {})
        return found
    def due(self, size):
        """The keys that sign the checkpoint of a size: the old and the new one where it first covers a rotation."""
        ranges = zip([0, *self.covered], [*self.covered, FOREVER])
        return [i for i, (start, end) in enumerate(ranges) if start <= size <= end]
    def check_keys(self):
        """Everything that is signed: which keys the log has had, which are known, and what each of them signed."""
        given, used = [key for owner, key in self.given if owner == self.origin], [line[1] for line in self.head[2]]
        self.chain = ([key for key in given if key_id(self.origin, KEY, key) in used] or given)[:1]
        self.chain = [*(old for _, old, _ in self.rotations[:1]), *(new for _, _, new in self.rotations)] or self.chain
        for (sequence, old, _), before in zip(self.rotations, self.chain):
            self.expect(old == before, "signature", "a rotation from a key that was not in use", None, sequence)
        sizes, first = [*self.checkpoints, self.size], [rotation[0] for rotation in self.rotations]
        lines = (self.tried("vkey", self.read, "vkey") or b"").decode(errors="replace").split("\n")
        texts = [f"{self.origin}+{key_id(self.origin, KEY, key).hex()}+{b64(KEY + key)}" for key in self.chain]
        # Of replacements whose entries expired, only `vkey` tells: such keys signed nothing beyond what expired.
        older = lines[:lines.index(texts[0])] if self.expired and texts[0] in lines else []
        self.chain, more = [parse_key(line)[1] for line in older] + self.chain, len(lines) - len(texts) - len(older) - 1
        self.expect(lines[len(older):][:len(texts)] == texts and lines[-1] == "" and 0 <= more <= 1, "vkey",
                    "not a line for each key that the log has had", "vkey")  # One more may be under way.
        self.covered = [self.kept] * len(older) + [min(size for size in sizes if size > sequence) for sequence in first]
        notes = [("checkpoint", self.size), *((f"checkpoints/{size:020}", size) for size in self.checkpoints)]
        signers = {note: self.tried(note[0], self.check_checkpoint, *note) for note in notes}
        self.known = {i for i, key in enumerate(self.chain) if key in given}
        for i, sequence in [*enumerate(first, len(older))] * len(first):
            if any(size > sequence and self.known.intersection(found or ()).intersection(self.due(size))
                   for (_, size), found in signers.items()):
                self.known |= {i, i + 1}
        if not self.known.difference(range(len(older))):
            return self.find("signature", "none of the given keys is this log's", "checkpoint")
        self.known |= {*range(len(older))}
        for (name, size), found in signers.items():
            right = found is None or [i for i in found if i in self.due(size) and i in self.known] == self.due(size)
            right = right or older and size <= self.kept and found
            self.expect(right, "signature", "not signed by the keys of its time", name)
        sealed = 0, sha(f"audit-manifest-genesis/v1\n{self.origin}\n".encode()), 0
        for n in range(len(self.segments)):
            sealed = sealed and self.tried(f"segments/{n:020}", self.check_manifest, n, *sealed)
        if self.retention: self.tried("retention", self.check_retention, sealed[0] if sealed else 0, *self.retention)
        for name, data in self.held: self.tried(name, self.check_checkpoint, name, None, data)
        for owner in {owner for owner, _ in self.witnesses}.difference(self.cosigned):
            self.find("signature", f"no checkpoint has a cosignature of {owner}", "checkpoint")
        for subject, (_, time) in (self.erased or {}).items() if self.whole and self.time is not None else ():
            told = subject in self.explained or time > self.time or self.expired and time < self.began
            self.expect(told, "ledger", f"no entry tells of the erasure of {subject}", self.ledger)
    def check_checkpoint(self, name, size, held=None):
        (origin, number, root), body, lines = parse_note(held or self.read(name), CHECKPOINT)
        found, number = self.signers(body, lines, int(number)), int(number)
        demand(not held or self.known.intersection(found), "signature", "no known key signed it")
        demand(origin == self.origin, "origin", "another log's checkpoint")
        demand(max(size or 0, number) <= self.size, "rollback", "the log is shorter")
        demand(held or number == size, "layout", "a checkpoint under a wrong name")
        same = not self.whole or name == "checkpoint" or unb64(root) == self.prefix(number)
        demand(same, "consistency", "not the checkpoint of a prefix of this log")
        return found
    def check_manifest(self, n, first, before, time):
        name = f"segments/{n:020}"
        demand(name in self.files, "manifest", "this manifest is missing")
        (origin, *fields, checkpoints, files), body, lines = self.note(name, MANIFEST, MANIFEST_BYTES)
        end = int(fields[3])
        demand(origin == self.origin, "origin", "another log's manifest")
        self.check_signed(body, lines, end)
        follows = fields[:3] == [str(n), b64(before), str(first)] and time <= int(fields[4])
        demand(follows and first < end <= self.size, "manifest", "not the next one, or it goes beyond the log")
        covered = [size for size in self.checkpoints if first < size <= end or n == size == 0]
        root = fold(peaks([leaf(self.read(f"checkpoints/{size:020}")) for size in covered]))
        self.expect(checkpoints == f"checkpoints {len(covered)} {b64(root)}", "digest", "other checkpoints", name)
        for at, line in itertools.zip_longest(places(first, end), files.splitlines()):
            demand(at and line and line.startswith(f"file {place(*at)} "), "manifest", "not the list that it must have")
            items = self.tried(self.at(*at), self.items, *at, self.at(*at)) if self.at(*at) in self.files else None
            data = b"".join(item if at[0] >= 0 else len(item).to_bytes(2, "big") + item for item in items or ())
            self.expect(items is None or line == f"file {place(*at)} {len(data)} {b64(sha(data))}", "digest",
                        "not the file that its manifest lists", self.at(*at))
        return end, sha(body), int(fields[4])
    def check_signed(self, body, lines, size):
        """Manifests and retention notes are signed by a key that was not retired before a size."""
        ends = [*self.covered, FOREVER]
        demand(any(i in self.known and ends[i] >= size for i in self.signers(body, lines)), "signature", "by no key")
    def check_retention(self, sealed, fields, body, lines):
        self.check_signed(body, lines, self.kept)
        whole = self.kept == self.size and (self.closed or self.time is None)  # The tenant left.
        due = whole or self.kept % 256 == 0 and self.kept < self.size and (fields[3], str(self.kept)) in self.announced
        demand(fields[0] == self.origin and self.kept <= sealed and due, "retention", "not a number for this log")

def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.error = lambda text: parser.exit(64, f"{parser.format_usage()}{text}\n")
    parser.add_argument("folder", help="the log's folder")
    for name, text in {"key": "a verifier key; any that the log has had", "witness": "a witness's verifier key",
                       "held": "a file: a checkpoint that you kept"}.items():
        parser.add_argument("--" + name, action="append", default=[], required=name == "key", help=text)
    parser.add_argument("--ledger", help="the erasure ledger")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    given = parser.parse_args()
    try:
        log = Log(given.folder, [parse_key(key) for key in given.key],
                  [(path, open_file(path, NOTE_BYTES).read()) for path in given.held], given.ledger,
                  [parse_key(key, WITNESS) for key in given.witness]).verify()
    except (Refused, OSError) as error:
        parser.error(str(error))
    said = {name: getattr(log, name) for name in "origin size expired erasures unpublished cosigned".split()}
    lines = [" ".join(str(part) for part in found.values() if part is not None) for found in log.findings]
    print(json.dumps({**said, "findings": log.findings}, indent=2) if given.json else "\n".join([str(said), *lines]))
    return 2 if log.findings else 0

if __name__ == "__main__": sys.exit(main())
