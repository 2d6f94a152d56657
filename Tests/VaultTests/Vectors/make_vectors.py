"""Makes vectors.json: every byte format of the vault, computed without the vault.

BLAKE2b and HMAC come from Python's own library, AES-GCM, ChaCha20-Poly1305 and Argon2id from the package `cryptography`
(44 or later, for Argon2id), HChaCha20 from the lines below. Nothing is random, so a second run writes the same
file. The tests read the file; this script is needed only when a format changes.

    python3 Tests/VaultTests/Vectors/make_vectors.py
"""

import hashlib
import hmac
import json
import pathlib
import struct
import uuid

from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

AES, XCHACHA = 1, 2


def counting(first, count):
    """`count` bytes that begin with `first` and go up."""
    return bytes((first + i) % 256 for i in range(count))


ROOT = counting(0x00, 32)
EPOCH_ROOT = counting(0x40, 32)
TENANT_ROOT = counting(0x80, 32)
RETIRING_ROOT = counting(0xC0, 32)
TENANT = uuid.UUID("10111213-1415-4617-9819-1a1b1c1d1e1f")
SUBJECT = uuid.UUID("20212223-2425-4627-a829-2a2b2c2d2e2f")
ROW = uuid.UUID("30313233-3435-4637-b839-3a3b3c3d3e3f")
INSTALLATION = uuid.UUID("60616263-6465-4667-8869-6a6b6c6d6e6f")
FIELD = 0x0102
EPOCH = 7
NONCE = {AES: counting(0xA0, 12), XCHACHA: counting(0xB0, 24)}
PLAINTEXT = "Zoë Müller".encode()
PASSPHRASE = "Vergissmeinnicht, blau"
SALT = counting(0x20, 16)
OPERATIONS, MEMORY = 2, 64


def blake2b(data, person, key=b"", salt=b""):
    return hashlib.blake2b(data, digest_size=32, key=key, salt=salt, person=person).digest()


def subkey(root, number, context):
    """libsodium's crypto_kdf_derive_from_key."""
    return blake2b(b"", context, key=root, salt=struct.pack("<Q", number))


def part(data):
    return struct.pack(">H", len(data)) + data


def quarter(s, a, b, c, d):
    def turn(x, n):
        return ((x << n) | (x >> (32 - n))) & 0xFFFFFFFF

    for x, y, z, n in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
        s[x] = (s[x] + s[y]) & 0xFFFFFFFF
        s[z] = turn(s[z] ^ s[x], n)


def hchacha20(key, nonce):
    s = list(struct.unpack("<4I8I4I", b"expand 32-byte k" + key + nonce))
    for _ in range(10):
        for column in range(4):
            quarter(s, column, 4 + column, 8 + column, 12 + column)
        for i in range(4):
            quarter(s, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
    return struct.pack("<8I", *(s[:4] + s[12:]))


def encrypt(suite, key, nonce, plaintext, data):
    if suite == AES:
        return AESGCM(key).encrypt(nonce, plaintext, data)
    inner = hchacha20(key, nonce[:16])
    return ChaCha20Poly1305(inner).encrypt(bytes(4) + nonce[16:], plaintext, data)


def envelope(suite, key, plaintext, data):
    return bytes([1, suite]) + NONCE[suite] + encrypt(suite, key, NONCE[suite], plaintext, data)


def field_data(suite):
    parts = [b"lethe/field/v1", TENANT.bytes, SUBJECT.bytes, ROW.bytes, struct.pack(">H", FIELD), bytes([suite])]
    return b"".join(map(part, parts))


def wrap_data(suite, kind, owner, epoch):
    parts = [b"lethe/wrap/v1", bytes([kind]), TENANT.bytes, owner.bytes, struct.pack(">i", epoch), bytes([suite])]
    return b"".join(map(part, parts))


def index_key():
    data = TENANT.bytes + struct.pack(">i", EPOCH) + subkey(TENANT_ROOT, 1, b"LetheIdx")
    return blake2b(data, b"lethe/index/v1", key=subkey(EPOCH_ROOT, 1, b"LetheIdx"))


def tag(key, kind, value):
    message = b"lethe/tag/v1" + part(kind.encode()) + value.encode()
    return hmac.new(key, message, hashlib.sha256).digest()


def keyring(epochs):
    body = b"lethe/keyring/v1" + INSTALLATION.bytes + bytes([len(epochs)]) + bytes(7)
    for number, state, created, key in epochs:
        body += struct.pack(">i", number) + bytes([state, 0, 0, 0]) + struct.pack(">q", created) + key
    return body + blake2b(body, b"lethe/keyring/v1")


def passphrase_key():
    return Argon2id(salt=SALT, length=32, iterations=OPERATIONS, lanes=1, memory_cost=MEMORY).derive(PASSPHRASE.encode())


def sealed_keyring(epochs):
    nonce = NONCE[XCHACHA]
    header = b"lethe/keyring/v2" + SALT + struct.pack(">II", OPERATIONS, MEMORY) + nonce
    return header + encrypt(XCHACHA, passphrase_key(), nonce, keyring(epochs), header)


# McGrew and Viega, "The Galois/Counter Mode of Operation", test cases 13 to 16; draft-irtf-cfrg-xchacha-03, A.3.1.
GCM_KEY = "feffe9928665731c6d6a8f9467308308" * 2
GCM_TEXT = (
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
    "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255"
)
GCM_SEALED = (
    "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
    "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad"
)
LADIES = (
    b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it."
)
XCHACHA_SEALED = (
    "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb"
    "731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b452"
    "2f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9"
    "21f9664c97637da9768812f615c68b13b52e"
)


def published(source, suite, key, nonce, data, plaintext, ciphertext, mac):
    expected = bytes.fromhex(ciphertext + mac)
    computed = encrypt(
        suite, bytes.fromhex(key), bytes.fromhex(nonce), bytes.fromhex(plaintext), bytes.fromhex(data) or None)
    assert computed == expected, source
    return {"source": source, "suite": suite, "key": key, "nonce": nonce, "data": data, "plaintext": plaintext,
            "sealed": expected.hex()}


PUBLISHED = [
    published("GCM test case 13", AES, "00" * 32, "00" * 12, "", "", "", "530f8afbc74536b9a963b4f1c4cb738b"),
    published("GCM test case 14", AES, "00" * 32, "00" * 12, "", "00" * 16,
              "cea7403d4d606b6e074ec5d3baf39d18", "d0d1c8a799996bf0265b98b5d48ab919"),
    published("GCM test case 15", AES, GCM_KEY, "cafebabefacedbaddecaf888", "", GCM_TEXT,
              GCM_SEALED, "b094dac5d93471bdec1a502270e3cc6c"),
    published("GCM test case 16", AES, GCM_KEY, "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
              GCM_TEXT[:120], GCM_SEALED[:120], "76fc6ece0f4e1768cddf8853bb2d551b"),
    published("draft-irtf-cfrg-xchacha-03 A.3.1", XCHACHA, counting(0x80, 32).hex(), counting(0x40, 24).hex(),
              "50515253c0c1c2c3c4c5c6c7", LADIES.hex(), XCHACHA_SEALED, "c0875924c1c7987947deafd8780acf49"),
]

ONE_EPOCH = [(EPOCH, 1, 1_700_000_000, EPOCH_ROOT)]
TWO_EPOCHS = [(EPOCH - 1, 2, 1_697_408_000, RETIRING_ROOT)] + ONE_EPOCH

VECTORS = {
    "published": PUBLISHED,
    "inputs": {
        "root": ROOT.hex(), "epochRoot": EPOCH_ROOT.hex(), "tenantRoot": TENANT_ROOT.hex(),
        "retiringRoot": RETIRING_ROOT.hex(), "tenant": str(TENANT), "subject": str(SUBJECT), "row": str(ROW),
        "installation": str(INSTALLATION), "field": FIELD, "epoch": EPOCH, "plaintext": PLAINTEXT.hex(),
    },
    "commitment": blake2b(ROOT, b"lethe/commit/v1").hex(),
    "envelopes": [
        {"suite": suite, "subkey": subkey(ROOT, suite, b"LetheFld").hex(), "nonce": NONCE[suite].hex(),
         "data": field_data(suite).hex(),
         "envelope": envelope(suite, subkey(ROOT, suite, b"LetheFld"), PLAINTEXT, field_data(suite)).hex()}
        for suite in (AES, XCHACHA)
    ],
    "wrappings": [
        {"kind": kind, "suite": suite, "id": str(owner), "subkey": subkey(EPOCH_ROOT, suite, b"LetheWrp").hex(),
         "nonce": NONCE[suite].hex(), "data": wrap_data(suite, kind, owner, EPOCH).hex(),
         "blob": envelope(
             suite, subkey(EPOCH_ROOT, suite, b"LetheWrp"), ROOT, wrap_data(suite, kind, owner, EPOCH)).hex()}
        for kind, owner, suite in (
            (1, SUBJECT, XCHACHA), (2, TENANT, XCHACHA), (3, ROW, XCHACHA), (4, ROW, XCHACHA), (1, SUBJECT, AES))
    ],
    "indexKey": {
        "epochSubkey": subkey(EPOCH_ROOT, 1, b"LetheIdx").hex(),
        "tenantSubkey": subkey(TENANT_ROOT, 1, b"LetheIdx").hex(), "key": index_key().hex(),
    },
    "tags": [
        {"kind": kind, "value": value, "tag": tag(index_key(), kind, value).hex()}
        for kind, value in (
            ("email", "zoë.müller@example.org"), ("phone", "+4915112345678"),
            ("identity", "https://id.example.org\nabc-123"), ("actor", "anna"), ("idempotency", "anna"),
            ("email", ""))
    ],
    "keyTagSubkey": subkey(ROOT, 2, b"LetheIdx").hex(),
    "keyTags": [
        {"kind": kind, "value": value, "tag": tag(subkey(ROOT, 2, b"LetheIdx"), kind, value).hex()}
        for kind, value in (("idempotency", "anna"), ("email", "zoë.müller@example.org"), ("idempotency", ""))
    ],
    "keyrings": [
        {"epochs": [EPOCH], "file": keyring(ONE_EPOCH).hex()},
        {"epochs": [EPOCH - 1, EPOCH], "file": keyring(TWO_EPOCHS).hex()},
    ],
    "seal": {
        "passphrase": PASSPHRASE, "salt": SALT.hex(), "operations": OPERATIONS, "memoryKiB": MEMORY,
        "key": passphrase_key().hex(), "nonce": NONCE[XCHACHA].hex(),
        "files": [sealed_keyring(ONE_EPOCH).hex(), sealed_keyring(TWO_EPOCHS).hex()],
    },
}

target = pathlib.Path(__file__).with_name("vectors.json")
target.write_text(json.dumps(VECTORS, indent=2, ensure_ascii=False) + "\n")
