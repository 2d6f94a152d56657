#!/usr/bin/env python3
"""Verifies an audit log offline. Written from docs/audit-log-spec.md alone, so that it shares nothing with the
service's verifier: Python's standard library, and the `openssl` command for Ed25519. It reads nothing outside of the
folder, and no file before its kind and size are known. Memory: two bundles, and some 80 bytes for each entry.
Exit status: 0 valid, 2 findings, 64 a wrong command line."""
import argparse, base64, collections, functools, hashlib, itertools, json, os, pathlib, re, stat, subprocess, tempfile

NOTE_BYTES, MANIFEST_BYTES, ENTRY_BYTES, MOST_FINDINGS, FOREVER = 65_536, 1_048_576, 65_537, 100, 1 << 64
KEY, WITNESS, NUMBER, HASH = b"\x01", b"\x04", "(0|[1-9][0-9]{0,19})", "([A-Za-z0-9+/]{43}=)"
ORIGIN, UUID = r"([^\s+\0-\x1f\x7f]{1,255})\n", "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
FILE = re.compile(r"vkey|checkpoint|retention|(checkpoints|segments)/(\d{20})|tile/(entries|[0-7])/"
                  r"((?:(?!x000)x\d{3}/(?:x\d{3}/){0,5})?\d{3})(?:\.p/([1-9]\d?|1\d\d|2[0-4]\d|25[0-5]))?", re.ASCII)
FOLDER = re.compile(r"checkpoints|segments|tile|tile/(entries|[0-7])(/x[0-9]{3}){0,6}(/[0-9]{3}\.p)?")
ENTRY = re.compile(rf"audit/v1\n([^\n]*)\n{NUMBER}\n{HASH}\n{NUMBER}\n([^\n]+)\n".encode())
LINE = re.compile(r"— ([^\s+]+) ((?:[A-Za-z0-9+/]{4})*[A-Za-z0-9+/]{2,4}={0,2})")
ERASED = re.compile(rf"erasure/v1 ({UUID}) ({UUID}) ([0-9a-f]{{64}}) {NUMBER}\n".encode())

Note = collections.namedtuple("Note", "fields body lines")  # The lines as (name, key id and signature).
class Refused(Exception): pass  # A check that failed: its code, and what is wrong.
def demand(condition, code, text):
    if not condition: raise Refused(code, text)
def sha(data): return hashlib.sha256(data).digest()
def leaf(data): return sha(b"\x00" + data)
def key_id(name, key): return sha(name.encode() + b"\n" + key)[:4]  # A key's first byte is its kind, everywhere.
def b64(data): return base64.b64encode(data).decode()
def unb64(text):
    data = base64.b64decode(text + "==")  # Any text has enough padding then, and what is not canonical is refused.
    demand(b64(data) == text, "parsing", "base64 that is not canonical")
    return data
def root(rows, first, end):  # Of these entries' tree. Each hash in `rows[level]` covers 256 ** level of them.
    for level, row in enumerate(rows):
        if end - first == 256 ** level: return row[first >> 8 * level]
    middle = first + (1 << (end - first - 1).bit_length() - 1)
    return sha(b"\x01" + root(rows, first, middle) + root(rows, middle, end)) if first < end else sha(b"")
def place(level, n, width):  # The name of a tile, or of a bundle where `level` is -1.
    name = re.sub("(...)(?=.)", r"x\1/", f"{n:0{(len(str(n)) + 2) // 3 * 3}}")
    return f"tile/{'entries' if level < 0 else level}/{name}" + (f".p/{width}" if width < 256 else "")
def places(first, end):  # Where a log of `end` entries holds something of those from `first` on: level, n, width.
    for level in range(-1, 8):
        begin, count = first >> 8 * max(level, 0), end >> 8 * max(level, 0)
        for n in range(begin >> 8, count + 255 >> 8 if begin < count else 0):
            yield level, n, min(256, count - 256 * n)
@functools.lru_cache(maxsize=64)
def signed(key, message, signature):  # Ed25519. The bytes before the key make it a file that `openssl` reads.
    with tempfile.TemporaryDirectory() as folder:
        files = {"k": bytes.fromhex("302a300506032b6570032100") + key[1:], "m": message, "s": signature}
        for name, data in files.items(): pathlib.Path(folder, name).write_bytes(data)
        command = "openssl pkeyutl -verify -pubin -keyform DER -inkey k -rawin -in m -sigfile s".split()
        return subprocess.run(command, cwd=folder, capture_output=True).returncode == 0
def key_text(name, key): return f"{name}+{key_id(name, key).hex()}+{b64(key)}"
def parse_key(text, kind=KEY):  # The name and the key of a verifier key.
    match = re.fullmatch(r"([^\s+]+)\+[0-9a-f]{8}\+([A-Za-z0-9+/]{44})", text)
    key = base64.b64decode(match[2]) if match else b""
    demand(key[:1] == kind and key_text(match[1], key) == text, "vkey", "not a verifier key")
    return match[1], key
def parse_note(data, form):
    text, _, end = data.decode(errors="replace").rpartition("\n\n")
    lines, match = [LINE.fullmatch(line) for line in end[:-1].split("\n")], re.fullmatch(form[0], text + "\n")
    demand(match and end[-1:] == "\n" and len(lines) <= 64 and all(lines), "parsing", "not a note of this form")
    fields = [kind(field) for kind, field in zip(form[1:], match.groups())]
    return Note(fields, (text + "\n").encode(), [(line[1], unb64(line[2])) for line in lines])
CHECKPOINT = rf"{ORIGIN}{NUMBER}\n{HASH}\n", str, int, unb64
RETENTION = rf"audit-retention/v1\n{ORIGIN}{NUMBER}\n{NUMBER}\n([A-Za-z0-9_.:/+=-]{{1,256}})\n", str, int, int, str
MANIFEST = (rf"audit-manifest/v1\n{ORIGIN}{NUMBER}\n{HASH}\n{NUMBER} {NUMBER}\n{NUMBER}\ncheckpoints {NUMBER} {HASH}\n"
            r"((?:file .+\n)*)", str, int, unb64, int, int, int, int, unb64, str.splitlines)
def read_file(path, most=NOTE_BYTES, parse=None, *arguments):
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        status = os.fstat(file.fileno())
        demand(stat.S_ISREG(status.st_mode) and status.st_size <= most, "layout", f"not a file of at most {most} bytes")
        return parse(file, *arguments) if parse else file.read(most)
def parse_ledger(file, tenant):  # By subject: the key's commitment, and the time. A last line may have been cut short.
    erased = {}
    while (line := file.readline(256)) and (line[-1:] == b"\n" or len(line) == 256):
        match = ERASED.fullmatch(line)
        subject = match and match[1].decode() == tenant and match[2].decode()
        demand(match and subject not in erased, "ledger", f"damaged before byte {file.tell()}")
        if subject: erased[subject] = match[3].decode(), int(match[4])
    return erased

class Log:  # The verification of one folder. `held`: pairs of a checkpoint's name for findings, and its bytes.
    def __init__(self, folder, keys, held=(), ledger=None, witnesses=()):
        self.folder, self.given, self.held, self.ledger, self.witnesses = folder, keys, held, ledger, witnesses
        self.findings, self.origin, self.cosigned, self.rotations, self.announced = [], None, {}, [], set()
        self.size = self.expired = self.erasures = self.unpublished = 0
        self.files, self.widths, self.numbers = set(), {}, {"checkpoints": [], "segments": []}
        self.time, self.began, self.closed, self.explained, self.rows = None, FOREVER, False, set(), [[]]
    def expect(self, condition, code, text, file=None, entry=None):
        if not condition and len(self.findings) < MOST_FINDINGS:
            self.findings.append({"check": code, "file": file, "entry": entry, "text": text})
    def find(self, *finding): self.expect(False, *finding)
    def tried(self, check, file, *arguments):  # What a check of a file returns. None where it fails: a finding.
        try: return check(file, *arguments)
        except Refused as refused: self.find(*refused.args, file)
        except FileNotFoundError: self.find("missing", "there is no such file", file)
        except OSError as error: self.find("input", str(error.strerror), file)
    def read(self, name, most=NOTE_BYTES): return read_file(f"{self.folder}/{name}" if name in self.files else "", most)
    def note(self, name, form, most=NOTE_BYTES): return parse_note(self.read(name, most), form)
    def verify(self):
        self.tried(self.walk, "")
        self.head = self.tried(self.note, "checkpoint", CHECKPOINT)
        if self.head:
            self.origin, self.size, self.root = self.head.fields
            tenant, name = self.origin.rpartition("/")[2], os.path.basename(os.path.abspath(self.folder))
            self.expect(name == tenant or not re.fullmatch(UUID, name), "origin", "not this tenant's folder", name)
            self.erased = self.ledger and self.tried(read_file, self.ledger, FOREVER, parse_ledger, tenant)
            self.retention = self.tried(self.note, "retention", RETENTION) if "retention" in self.files else None
            self.kept = self.retention.fields[1] if self.retention else 0
            self.whole = self.read_entries()
            if self.whole: self.check_tree()
            self.tried(self.check_keys, "vkey")
        return self
    def walk(self, inside):  # Finds all files by name and kind alone. What no log has is a finding, and never opened.
        for item in sorted(os.scandir(os.path.join(self.folder, inside)), key=lambda item: item.name):
            name, mode = inside + item.name, item.stat(follow_symlinks=False).st_mode
            if stat.S_ISDIR(mode) and FOLDER.fullmatch(name): self.tried(self.walk, name + "/")
            elif stat.S_ISREG(mode) and (match := FILE.fullmatch(name)):
                self.files.add(name)
                if match[1]: self.numbers[match[1]].append(int(match[2]))  # In order: all have 20 digits.
                elif match[3]:
                    at = int(match[3].replace("entries", "-1")), int(re.sub("[x/]", "", match[4]))
                    self.widths.setdefault(at, []).append(int(match[5] or 256))
            elif not stat.S_ISDIR(mode) or name != ".incoming": self.find("layout", "a log has no such thing", name)
    def at(self, level, n, width):  # The narrowest file that has the first `width` of a place: wider ones supersede it.
        return place(level, n, min((have for have in self.widths.get((level, n), ()) if have >= width), default=width))
    def items(self, name, level, n, width):  # The first hashes of a tile, or the first entries of a bundle.
        exact, items, at = name == place(level, n, width), [], 0
        data = self.read(name, (32 if level >= 0 else ENTRY_BYTES) * (width if exact else 256))
        for _ in range(width):
            at, size = (at, 32) if level >= 0 else (at + 2, int.from_bytes(data[at:at + 2], "big"))
            items.append(data[at:at + size])
            at += size
        demand(at == len(data) or at < len(data) and not exact, "layout" if level >= 0 else "parsing", "a wrong length")
        return items
    def load(self, *at):  # The items of a place, if it has a file. None where that can't be read: a finding.
        return self.at(*at) in self.files and self.tried(self.items, self.at(*at), *at) or []
    def bundle(self, n): return self.load(-1, n, min(256, self.size - 256 * n))  # Nothing beyond the end.
    def read_entries(self):  # All leaves. Where entry and tile disagree, the next entry or the root decides.
        before = sha(f"audit-genesis/v1\n{self.origin}\n".encode())
        for n in range(self.size + 255 >> 8):
            width = min(256, self.size - 256 * n)
            entries, tile, file = self.bundle(n), self.load(0, n, width), self.at(-1, n, width)
            if not entries:
                if not tile: return self.find("missing", "neither entries nor hashes from here on", file)
                self.rows[0] += tile
                self.expired, self.time, before = self.expired + width, None, tile[-1]
            for i, (entry, its) in enumerate(zip(entries, tile or map(leaf, entries)), 256 * n):
                mine = leaf(entry)
                if its != mine:
                    after = ENTRY.fullmatch((entries[i % 256 + 1:] or self.bundle(n + 1) or [b""])[0])
                    last = i + 1 == self.size and root([[*self.rows[0], mine]], 0, self.size) == self.root
                    its = mine if last or after and after[3] == b64(mine).encode() else its
                if its == mine: self.check_entry(i, ENTRY.fullmatch(entry), file, before)
                else: self.find("leaf", "its hash is not that in the tile and the next entry", file, i)
                self.rows[0].append(before := its)
        return True
    def check_entry(self, sequence, match, file, before):
        if not match or int(match[4]) >= FOREVER >> 1: return self.find("parsing", "not an entry", file, sequence)
        for code, right in (("origin", match[1] == self.origin.encode()), ("sequence", int(match[2]) == sequence),
                            ("chain", match[3] == b64(before).encode()), ("time", int(match[4]) >= (self.time or 0))):
            self.expect(right, code, "not what its place and the entry before demand", file, sequence)
        self.time, self.began = int(match[4]), min(self.began, int(match[4]))
        if match[5].startswith((b'{"action":"erasure.', b'{"action":"log.')):
            try: self.read_body(sequence, file, **json.loads(match[5]))
            except (ValueError, TypeError, KeyError, AttributeError, RecursionError, Refused):
                self.find("parsing", "not a body of this action", file, sequence)
    def read_body(self, sequence, file, action, subject=None, codes={}, **_):
        self.closed = action == "log.closed" and sequence + 1 == self.size
        if action.startswith("erasure."): self.explained.add(subject)
        if action == "erasure.completed":
            self.erasures += 1
            known = self.erased is None or self.erased.get(subject, [None])[0] == codes["key_commitment"]
            self.expect(known, "ledger", "the ledger has not this erasure, or another key for it", file, sequence)
        elif action == "log.entries_expired": self.announced.add((codes["policy"], codes["first_kept"]))
        elif action == "log.key_rotated":
            old, new = unb64(codes["old_key"]), unb64(codes["new_key"])
            demand(old[:1] + new[:1] == KEY + KEY and len(old) == len(new) == 33, "parsing", "no keys")
            self.rotations.append((sequence, old, new))
    def check_tree(self):  # Every file of hashes and every superseded bundle against the leaves, and the root.
        for row in itertools.islice(self.rows, 7):  # Each adds the next one.
            self.rows.append([root([row], at, at + 256) for at in range(0, len(row) - 255, 256)])
        self.expect(root(self.rows, 0, self.size) == self.root, "root", "not what the entries hash to", "checkpoint")
        for level, n, width in places(0, self.size):
            there = self.at(level, n, width) in self.files or level < 0 and 256 * n + width <= self.kept
            self.expect(there, "missing", "there is no such file", place(level, n, width))
        for level, n, width in [(*at, width) for at, widths in self.widths.items() for width in widths]:
            name, hashes = place(level, n, width), self.rows[max(level, 0)][256 * n:256 * n + width]
            if len(hashes) < width: self.unpublished += 1
            elif level >= 0 or name != self.at(-1, n, min(256, self.size - 256 * n)):
                found = self.tried(self.items, name, level, n, width) or []
                pairs = zip(found if level >= 0 else map(leaf, found), hashes)
                wrong = [256 * n + i << 8 * max(level, 0) for i, (its, right) in enumerate(pairs) if its != right]
                self.expect(not wrong, "leaf" if level < 0 else "tile", "a hash was changed", name, *wrong[:1])
    def signers(self, note, size=None):  # Places in the chain of the keys that signed it. With a size: also witnesses.
        keys, found = [*enumerate((self.origin, key) for key in self.chain)], []
        keys += [(None, witness) for witness in self.witnesses if size is not None]
        for (name, data), (i, (owner, key)) in itertools.product(note.lines, keys):
            if (name, data[:4]) == (owner, key_id(owner, key)):
                stamp = b"cosignature/v1\ntime %d\n" % int.from_bytes(data[4:12], "big") if i is None else b""
                demand(signed(key, stamp + note.body, data[12 if stamp else 4:]), "signature", "it does not verify")
                if i is None: self.cosigned[owner] = max(size, self.cosigned.get(owner, 0))
                else: found.append(i)
        return found
    def due(self, size):  # Which keys sign the checkpoint of a size: two where it is the first to cover a rotation.
        return [i for i, (start, end) in enumerate(self.ranges) if start <= size <= end]
    def check_keys(self, name):  # Which keys the log has had, which of them are known, and everything that they signed.
        given, used = [key for log, key in self.given if log == self.origin], [data[:4] for _, data in self.head.lines]
        mine = sorted(given, key=lambda key: key_id(self.origin, key) not in used)[:1]
        self.chain = [old for _, old, _ in self.rotations[:1]] + [new for _, _, new in self.rotations] or mine
        for (sequence, old, _), before in zip(self.rotations, self.chain):
            self.expect(old == before, "signature", "a rotation from a key that was not in use", None, sequence)
        lines = (self.tried(self.read, name) or b"").decode(errors="replace").split("\n")
        texts = [key_text(self.origin, key) for key in self.chain]
        # Of replacements whose entries expired, only `vkey` tells: such keys signed nothing beyond what expired.
        older = lines[:lines.index(texts[0])] if self.expired and texts and texts[0] in lines else []
        right = lines[len(older):-1] in (texts, texts + lines[-2:-1]) and lines[-1] == ""  # One more may be under way.
        self.expect(right, "vkey", "not a line for each key that the log has had", name)
        self.chain = [parse_key(line)[1] for line in older] + self.chain
        sizes, rotated = [*self.numbers["checkpoints"], self.size], [sequence for sequence, _, _ in self.rotations]
        covered = [min(size for size in sizes if size > sequence) for sequence in rotated]
        self.ranges = [*itertools.pairwise([0, *[self.kept] * len(older), *covered, FOREVER])]
        notes = [("checkpoint", self.size), *((f"checkpoints/{size:020}", size) for size in sizes[:-1])]
        signers = [(*note, self.tried(self.check_checkpoint, *note)) for note in notes]
        self.known, expired = {i for i, key in enumerate(self.chain) if key in given}, {*range(len(older))}
        for i, sequence in [*enumerate(rotated, len(older))] * len(rotated):  # Forwards and backwards.
            if any(size > sequence and self.known & {*(found or ())} & {*self.due(size)} for _, size, found in signers):
                self.known |= {i, i + 1}
        if self.known <= expired: return self.find("signature", "none of the given keys is this log's", "checkpoint")
        self.known |= expired
        for name, size, found in signers:
            right = [i for i in found or () if i in self.due(size) and i in self.known] == self.due(size)
            right = right or found is None or older and size <= self.kept and found
            self.expect(right, "signature", "not signed by the keys of its time", name)
        sealed = 0, sha(f"audit-manifest-genesis/v1\n{self.origin}\n".encode()), 0
        for n in range(len(self.numbers["segments"])):
            sealed = sealed and self.tried(self.check_manifest, f"segments/{n:020}", n, *sealed)
        if self.retention: self.tried(self.check_retention, "retention", sealed[0] if sealed else 0)
        for name, data in self.held: self.tried(self.check_checkpoint, name, None, data)
        for owner in {owner for owner, _ in self.witnesses}.difference(self.cosigned):
            self.find("signature", f"no checkpoint has a cosignature of {owner}", "checkpoint")
        for subject, (_, time) in (self.erased or {}).items() if self.whole and self.time is not None else ():
            told = subject in self.explained or time > self.time or self.expired and time < self.began
            self.expect(told, "ledger", f"no entry tells of the erasure of {subject}", self.ledger)
    def check_checkpoint(self, name, size, held=None):
        note = parse_note(self.read(name) if held is None else held, CHECKPOINT)
        origin, number, head = note.fields
        found = self.signers(note, number)
        demand(held is None or self.known.intersection(found), "signature", "no known key signed it")
        demand(origin == self.origin, "origin", "another log's checkpoint")
        demand(max(size or 0, number) <= self.size, "rollback", "the log is shorter")
        demand(size in (None, number), "layout", "a checkpoint under a wrong name")
        if self.whole and (held or name != "checkpoint"):
            demand(head == root(self.rows, 0, number), "consistency", "not the checkpoint of a prefix of this log")
        return found
    def check_signed(self, note, size):  # Manifests and retention notes: by a key that was not retired before a size.
        demand(any(self.ranges[i][1] >= size for i in self.known & {*self.signers(note)}), "signature", "no valid key")
    def check_manifest(self, name, n, first, before, time):
        demand(name in self.files, "manifest", "this manifest is missing")
        note = self.note(name, MANIFEST, MANIFEST_BYTES)
        origin, *start, end, sealed, count, hash, files = note.fields
        demand(origin == self.origin, "origin", "another log's manifest")
        self.check_signed(note, end)
        follows = start == [n, before, first] and time <= sealed
        demand(follows and first < end <= self.size, "manifest", "not the next one, or it goes beyond the log")
        covered = [size for size in self.numbers["checkpoints"] if first < size <= end or n == size == 0]
        leaves = [leaf(self.read(f"checkpoints/{size:020}")) for size in covered]
        self.expect((count, hash) == (len(leaves), root([leaves], 0, len(leaves))), "digest", "other checkpoints", name)
        for at, line in itertools.zip_longest(places(first, end), files):
            demand(at and line and line.startswith(f"file {place(*at)} "), "manifest", "not the list that it must have")
            data = b"".join(item if at[0] >= 0 else len(item).to_bytes(2, "big") + item for item in self.load(*at))
            right = f"file {place(*at)} {len(data)} {b64(sha(data))}"
            self.expect(line == right or not data, "digest", "not the file that its manifest lists", self.at(*at))
        return end, sha(note.body), sealed
    def check_retention(self, name, sealed):
        self.check_signed(self.retention, self.kept)
        origin, first_kept, _, policy = self.retention.fields
        due = self.kept % 256 == 0 and self.kept < self.size and (policy, str(first_kept)) in self.announced
        due = due or self.kept == self.size and (self.closed or self.time is None)  # The tenant left.
        demand(origin == self.origin and self.kept <= sealed and due, "retention", "not a number for this log")

def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.error = lambda text: parser.exit(64, f"{parser.format_usage()}{text}\n")
    parser.add_argument("folder", help="the log's folder")
    parser.add_argument("--key", action="append", required=True, help="a verifier key; any that the log has had")
    parser.add_argument("--witness", action="append", default=[], help="a witness's verifier key")
    parser.add_argument("--held", action="append", default=[], help="a file: a checkpoint that you kept")
    parser.add_argument("--ledger", help="the erasure ledger")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    given = parser.parse_args()
    try:
        keys, witnesses = [parse_key(text) for text in given.key], [parse_key(text, WITNESS) for text in given.witness]
        held = [(path, read_file(path)) for path in given.held]
    except (Refused, OSError) as error: parser.error(str(error))
    log = Log(given.folder, keys, held, given.ledger, witnesses).verify()
    said = {name: getattr(log, name) for name in "origin size expired erasures unpublished cosigned".split()}
    lines = [" ".join(str(part) for part in found.values() if part is not None) for found in log.findings]
    print(json.dumps({**said, "findings": log.findings}, indent=2) if given.json else "\n".join([str(said), *lines]))
    return 2 if log.findings else 0

if __name__ == "__main__": raise SystemExit(main())
