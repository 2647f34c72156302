"""Signed notes (C2SP signed-note): a text, an empty line, and one line for each signature.

A key is known by its name and a key id of four bytes; both, and the kind of signature, stand in its vkey
`name+id+base64`. Lines of unknown keys are ignored, as the format asks. This reader is stricter than
the format in one point: besides control characters it refuses the marks that break lines (U+2028) or
reorder what a person reads.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from wipe_agent.certificate.log.lines import LogRefused, read_base64, read_text, write_base64
from wipe_agent.certificate.multibase import public_key_from_bytes
from wipe_agent.certificate.strict import Unreadable

ED25519: Final = 0x01
"""A signature over the text of the note: the log's own."""
COSIGNATURE: Final = 0x04
"""A signature over the text and a time: a witness's (see `checkpoint`)."""
MOST_SIGNATURES: Final = 100
"""As many as the Go implementation reads."""

_DASH: Final = "— "
_NAME: Final = re.compile(r"[^\s+]{1,255}")
_VKEY: Final = re.compile(r"([^\s+]{1,255})\+([0-9a-f]{8})\+([A-Za-z0-9+/]{44})")


def is_name(text: str) -> bool:
    """Whether this can name a key or a log: 1 to 255 characters, no space of any script and no plus."""
    return _NAME.fullmatch(text) is not None


@dataclass(frozen=True)
class VerifierKey:
    """A public key with the name and the kind of signature it is trusted for. `str()` gives its vkey."""

    name: str
    kind: int
    raw: bytes
    """The Ed25519 public key, 32 bytes."""

    @classmethod
    def of(cls, name: str, kind: int, key: Ed25519PublicKey) -> "VerifierKey":
        """The vkey of a key. Raises ValueError for a name that cannot be written in a note."""
        return cls.parse(f"{name}+{_key_id(name, kind, key.public_bytes_raw()).hex()}+{_material(kind, key)}")

    @classmethod
    def parse(cls, text: str) -> "VerifierKey":
        """Read a vkey. Raises Unreadable: also for another kind of key, a wrong id, or a key not to be trusted."""
        if not (match := _VKEY.fullmatch(text)):
            raise Unreadable("The verifier key is not written as name+id+key.")
        name, key_id, material = match.groups()
        data = read_base64(material, "verifier key", size=33)
        if data[0] not in (ED25519, COSIGNATURE):
            raise Unreadable("The verifier key is of a kind that is not read here. Only Ed25519 is (1 and 4).")
        if _key_id(name, data[0], data[1:]).hex() != key_id:
            raise Unreadable("The verifier key has an id that is not its own.")
        try:
            public_key_from_bytes(data[1:])
        except ValueError as error:
            raise Unreadable(f"The verifier key of {name} is bad. {error}") from None
        return cls(name, data[0], data[1:])

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{write_base64(bytes([self.kind]) + self.raw)}"

    @cached_property
    def key_id(self) -> bytes:
        """Four bytes that, with the name, say which key signed."""
        return _key_id(self.name, self.kind, self.raw)

    @property
    def public(self) -> Ed25519PublicKey:
        """The key to verify with."""
        return public_key_from_bytes(self.raw)


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: whose, and what follows the key id."""

    name: str
    key_id: bytes
    value: bytes

    def line(self) -> str:
        """The line, with its newline."""
        return f"{_DASH}{self.name} {write_base64(self.key_id + self.value)}\n"

    @classmethod
    def parse(cls, line: str) -> "Signature":
        """Read one line without its newline. Raises Unreadable."""
        parts = line.removeprefix(_DASH).split(" ")
        if not line.startswith(_DASH) or len(parts) != 2 or not is_name(parts[0]):
            raise Unreadable("A signature line of the note is not written as: — name base64.")
        data = read_base64(parts[1], "signature line of the note")
        if len(data) < 5:
            raise Unreadable("A signature line of the note holds no signature.")
        return cls(parts[0], data[:4], data[4:])


@dataclass(frozen=True)
class Note:
    """A text, which ends in a newline, and its signatures, which nobody has checked yet."""

    text: str
    signatures: tuple[Signature, ...]

    @classmethod
    def parse(cls, data: bytes) -> "Note":
        """Read a note: 64 KB and 100 signatures at most. Raises Unreadable."""
        body, gap, tail = read_text(data, "note").rpartition("\n\n")
        if not gap or not body or not tail.endswith("\n"):
            raise Unreadable("The note is not a text, an empty line and signature lines.")
        return cls(body + "\n", read_signatures(tail))

    def __bytes__(self) -> bytes:
        return (self.text + "\n" + "".join(one.line() for one in self.signatures)).encode()

    def and_signed(self, *signatures: Signature) -> "Note":
        """The note with further signatures behind those it has. One by a key that signed already takes its place."""
        new = {(one.name, one.key_id) for one in signatures}
        kept = tuple(one for one in self.signatures if (one.name, one.key_id) not in new)
        return Note(self.text, kept + signatures)

    def signature_by(self, key: VerifierKey) -> bytes | None:
        """What stands in this key's line, not checked, or None. Raises LogRefused if the key has two lines."""
        found = [one.value for one in self.signatures if one.name == key.name and one.key_id == key.key_id]
        if len(found) > 1:
            raise LogRefused(f"{key.name} signed the note twice.")
        return found[0] if found else None


def read_signatures(text: str) -> tuple[Signature, ...]:
    """Signature lines, each with its newline: the end of a note, or a witness's answer. Raises Unreadable."""
    lines = text.split("\n")
    if lines.pop() or not lines:
        raise Unreadable("The signature lines of the note do not end in a newline.")
    if len(lines) > MOST_SIGNATURES:
        raise Unreadable(f"The note has {len(lines)} signatures. More than {MOST_SIGNATURES} are not read.")
    return tuple(Signature.parse(line) for line in lines)


def sign(text: str, name: str, key: Ed25519PrivateKey) -> Signature:
    """The signature of kind 1 over a text. Raises ValueError for what could not be read again."""
    signature = Signature(name, _key_id(name, ED25519, key.public_key().public_bytes_raw()), key.sign(text.encode()))
    _must_be_readable(text, signature)
    return signature


def verify(note: Note, key: VerifierKey) -> None:
    """Check that the key, of kind 1, signed the note. Raises LogRefused."""
    if key.kind != ED25519:
        raise LogRefused(f"The key of {key.name} is not for signing notes.")
    value = note.signature_by(key)
    if value is None:
        raise LogRefused(f"{key.name} did not sign it.")
    check_signature(key, value, note.text.encode())


def check_signature(key: VerifierKey, signature: bytes, message: bytes) -> None:
    """Check 64 bytes of signature over a message. Raises LogRefused."""
    try:
        key.public.verify(signature, message)
    except InvalidSignature:
        raise LogRefused(f"The signature of {key.name} does not fit: something was changed.") from None


def _must_be_readable(text: str, signature: Signature) -> None:
    note = Note(text, (signature,))
    if Note.parse(bytes(note)) != note:
        raise ValueError("The text cannot be signed as a note: it would be read differently.")


def _key_id(name: str, kind: int, raw: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + bytes([kind]) + raw).digest()[:4]


def _material(kind: int, key: Ed25519PublicKey) -> str:
    return write_base64(bytes([kind]) + key.public_bytes_raw())
