"""Signed notes, verifier keys, checkpoints and cosignatures: against published examples, and against bad ones."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from wipe_agent.certificate import log
from wipe_agent.certificate.log import note as notes

# The example of the Go implementation.
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
# A checkpoint of a public log with six signatures, as it was served; and two of the keys.
REAL_LOG = "arche2025h1.staging.ct.transparency.dev+ba2f06c0+AU0vHmlGCS/PdN8b2OaGmKprLI8HKM+dJ472xgFYh15f"
REAL_WITNESS = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2"
REAL = """\
arche2025h1.staging.ct.transparency.dev
1432088532
U7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=

— arche2025h1.staging.ct.transparency.dev zTM8sQAAAZ5W0WdjBAMARjBEAiBjW5IQf9pvsYLfQFX6hoGREPMHbdQ3urbllzalApkptQIgIpwtEroeW2BXaHAI4kJXFbon5Ch9MNL5zRNZ55lvGt0=
— arche2025h1.staging.ct.transparency.dev ui8GwCF1+kWqZrxGdhj4aX3gcw7XUlXQQabg/27lefwhUkzbC3NygNI75MdhL1bfTW9g8Ei59RA23oHP7Ry1k3ZFWwQ=
— transparency.dev/DEV:witness-little-garden 2AQqhwAAAABqEiEgzgFIqqhbUoDwjMWE6UP8nd8/KYTzwZ2rhIgcqoXHAwVkjZr4AscylP3v7sEodkRAErumC2q44vdgJY096st5BQ==
— witness1.smartit.nu/witness1 pIyCDwAAAABqEiEghIp82KWebrw7/oHQwlTAm3g2RKS4+eebl8eO0WH+/iEcxZ75W3u5hNI7TOQtmJbqmNWVuE0tgh0XwzdZsDsUAQ==
— remora.n621.de 2net5wAAAABqEiEgPlfF3V06o0Y+fHM+J5J9s27wgxxcOVSpZ/2g/KSiXCg9DEZI+aVCIobWX9sXTynk5XeU/zZ0WBxtqB0DrAWfBw==
— witness.stagemole.eu Z/euoAAAAABqEiEgw0i+7g2ENfDAWHmtRzCfKTHSDwYDJA2NmKeGi9Y8FtEyOUvVr+AJmIY/2TUFucgKi7lI7cUiOvKFYe/TmN9DAg==
"""  # noqa: E501 - as it was served

ORIGIN = "log.example/used-devices"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
WITNESS = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
LOG_KEY = log.VerifierKey.of(ORIGIN, log.ED25519, KEY.public_key())
WITNESS_KEY = log.VerifierKey.of("witness.example/one", log.COSIGNATURE, WITNESS.public_key())
AT = datetime(2026, 11, 21, 10, 0, 0, tzinfo=UTC)
CHECKPOINT = log.Checkpoint(ORIGIN, 2, bytes(range(32)))


def signed(*, at: datetime = AT) -> bytes:
    cosignature = log.cosign(CHECKPOINT, WITNESS_KEY.name, WITNESS, at=at)
    return bytes(CHECKPOINT.signed(KEY).and_signed(cosignature))


def test_the_example_of_the_go_implementation_verifies() -> None:
    note, key = log.Note.parse(GO_NOTE.encode()), log.VerifierKey.parse(GO_KEY)
    notes.verify(note, key)
    assert bytes(note).decode() == GO_NOTE
    assert str(key) == GO_KEY
    with pytest.raises(log.LogRefused, match="The signature of PeterNeumann does not fit"):
        notes.verify(log.Note(note.text + "x\n", note.signatures), key)


@pytest.mark.parametrize(
    "vkey",
    [
        GO_KEY,
        REAL_LOG,
        REAL_WITNESS,
        "TEST+7997405c+AQcC+FTVKf0jlTdHDY3rbevmnKxxPjigCXlVtGe6RIr6",
        "Wit1+55ee4561+AVhZSmQj9+SoL+p/nN0Hh76xXmF7QcHfytUrI1XfSClk",
        "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8",
    ],
)
def test_published_verifier_keys_read_and_write_the_same(vkey: str) -> None:
    assert str(log.VerifierKey.parse(vkey)) == vkey


def test_a_public_logs_checkpoint_and_its_witness_are_read_as_their_owners_mean() -> None:
    witness = log.VerifierKey.parse(REAL_WITNESS)
    seen = log.open_checkpoint(REAL.encode(), log.VerifierKey.parse(REAL_LOG), [witness])
    assert seen.checkpoint.size == 1432088532
    assert seen.witnesses == {witness: datetime(2026, 5, 23, 21, 50, 24, tzinfo=UTC)}
    assert bytes(seen.note).decode() == REAL
    for number in range(3):
        changed = REAL.replace("1432088532", str(1432088533 + number)).encode()
        with pytest.raises(log.LogRefused, match="does not fit"):
            log.open_checkpoint(changed, log.VerifierKey.parse(REAL_LOG), [witness])


def test_a_checkpoint_is_signed_and_cosigned_and_read_again() -> None:
    seen = log.open_checkpoint(signed(), LOG_KEY, [WITNESS_KEY])
    assert seen.checkpoint == CHECKPOINT
    assert seen.witnesses == {WITNESS_KEY: AT}


def test_a_cosignature_is_over_the_bytes_of_the_specification() -> None:
    line = log.cosign(CHECKPOINT, WITNESS_KEY.name, WITNESS, at=AT)
    text = base64.b64encode(bytes(range(32))).decode()
    message = f"cosignature/v1\ntime 1795255200\n{ORIGIN}\n2\n{text}\n".encode()
    assert line.value == (1795255200).to_bytes(8, "big") + WITNESS.sign(message)
    assert line.line().startswith("— witness.example/one ")


def test_signing_again_replaces_a_witnesss_older_line() -> None:
    later = log.cosign(CHECKPOINT, WITNESS_KEY.name, WITNESS, at=AT + timedelta(hours=1))
    note = log.Note.parse(signed()).and_signed(later)
    assert len(note.signatures) == 2
    assert log.cosigned_at(note, WITNESS_KEY) == AT + timedelta(hours=1)


def test_lines_of_unknown_keys_are_ignored() -> None:
    stranger = Ed25519PrivateKey.generate()
    line = log.cosign(CHECKPOINT, WITNESS_KEY.name, stranger, at=AT)
    data = bytes(log.Note.parse(signed()).and_signed(line))
    assert log.open_checkpoint(data, LOG_KEY, [WITNESS_KEY]).witnesses == {WITNESS_KEY: AT}
    assert log.open_checkpoint(data, LOG_KEY).witnesses == {}


def test_a_log_cannot_sign_as_its_own_witness() -> None:
    """The same key and name under the other kind is another key, with another id."""
    as_witness = log.VerifierKey.of(ORIGIN, log.COSIGNATURE, KEY.public_key())
    assert as_witness.key_id != LOG_KEY.key_id
    assert log.open_checkpoint(signed(), LOG_KEY, [as_witness]).witnesses == {}
    with pytest.raises(log.LogRefused, match="not for witnesses"):
        log.open_checkpoint(signed(), LOG_KEY, [LOG_KEY])
    with pytest.raises(log.LogRefused, match="not for signing notes"):
        log.open_checkpoint(signed(), as_witness)


def _line(key_id: bytes, value: bytes, name: str = "witness.example/one") -> str:
    return f"— {name} {base64.b64encode(key_id + value).decode()}\n"


WITNESS_LINE = signed().decode().split("\n")[-2] + "\n"
GOOD = signed().decode()
SIGNATURE = base64.b64decode(WITNESS_LINE.split(" ")[2])[4:]
LOG_SIGNATURE = base64.b64decode(GOOD.split("\n")[4].split(" ")[2])[4:]

REFUSED = {
    "signed twice by the log": (GOOD + GOOD.split("\n")[4] + "\n", "signed the note twice"),
    "signed twice by the witness": (GOOD + WITNESS_LINE, "signed the note twice"),
    "not signed by the log": (GOOD.replace(GOOD.split("\n")[4] + "\n", ""), "did not sign it"),
    "another root": (GOOD.replace("AAECAwQF", "AAECAwQG"), "does not fit"),
    "another size": (GOOD.replace("\n2\n", "\n3\n"), "does not fit"),
    "another log": (GOOD.replace(ORIGIN, "log.example/other"), "of another log"),
    "a wrong id of the log's key": (
        GOOD.replace(GOOD.split("\n")[4], _line(WITNESS_KEY.key_id, LOG_SIGNATURE, ORIGIN)[:-1]),
        "did not sign it",
    ),
    "the log's id under another name": (
        GOOD.replace(GOOD.split("\n")[4], _line(LOG_KEY.key_id, LOG_SIGNATURE, "log.example")[:-1]),
        "did not sign it",
    ),
    "the log's signature in the witness's line": (
        GOOD.replace(WITNESS_LINE, _line(WITNESS_KEY.key_id, SIGNATURE[:8] + LOG_SIGNATURE)),
        "does not fit",
    ),
    "a time in the cosignature that was not signed": (
        GOOD.replace(WITNESS_LINE, _line(WITNESS_KEY.key_id, b"\0\0\0\0\1" + SIGNATURE[5:])),
        "no time and signature|does not fit",
    ),
    "a time before time began": (
        GOOD.replace(WITNESS_LINE, _line(WITNESS_KEY.key_id, bytes(8) + SIGNATURE[8:])),
        "no time and signature",
    ),
    "a time beyond all calendars": (
        GOOD.replace(WITNESS_LINE, _line(WITNESS_KEY.key_id, b"\x7f" * 8 + SIGNATURE[8:])),
        "no time and signature",
    ),
    "a cosignature cut short": (
        GOOD.replace(WITNESS_LINE, _line(WITNESS_KEY.key_id, SIGNATURE[:-1])),
        "no time and signature",
    ),
    "a cosignature of four bytes": (
        GOOD.replace(WITNESS_LINE, _line(WITNESS_KEY.key_id, SIGNATURE[:4])),
        "no time and signature",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_checkpoint_that_does_not_hold_is_refused(case: str) -> None:
    text, problem = REFUSED[case]
    assert text != GOOD
    with pytest.raises((log.LogRefused, log.Unreadable), match=problem):
        log.open_checkpoint(text.encode(), LOG_KEY, [WITNESS_KEY])


UNREADABLE = {
    "nothing": (b"", "empty line"),
    "no signature": (GOOD.split("— ")[0].encode(), "do not end|empty line"),
    "no empty line": (GOOD.replace("\n\n", "\n").encode(), "empty line"),
    "no newline at the end": (GOOD[:-1].encode(), "empty line"),
    "cut in the middle of a letter": (GOOD.encode()[: GOOD.encode().index("—".encode()) + 1], "not UTF-8"),
    "too large": (GOOD.encode() + b" " * 70_000, "More than 65536"),
    "a carriage return": (GOOD.replace("\n", "\r\n").encode(), "control character"),
    "a tab": (GOOD.replace("\n2\n", "\n2\t\n").encode(), "control character"),
    "a zero byte": (GOOD.encode() + b"\0", "control character"),
    "a line separator in the text": (GOOD.replace("\n2\n", "\u20282\n").encode(), "control character"),
    "a line separator for a line": (GOOD.replace("\n\n", "\u2028\n\n").encode(), "control character"),
    "a next line": (GOOD.replace("\n2\n", "\x852\n").encode(), "control character"),
    "a name that reads backwards": (GOOD.replace("one", "\u202eeno").encode(), "control character"),
    "leading zeros": (GOOD.replace("\n2\n", "\n02\n").encode(), "without leading zeros"),
    "a sign": (GOOD.replace("\n2\n", "\n+2\n").encode(), "without leading zeros"),
    "an underscore": (GOOD.replace("\n2\n", "\n1_2\n").encode(), "without leading zeros"),
    "digits of another script": (GOOD.replace("\n2\n", "\n٢\n").encode(), "without leading zeros"),
    "a number beyond 2^53": (GOOD.replace("\n2\n", "\n9007199254740992\n").encode(), "without leading zeros"),
    "a number of many digits": (GOOD.replace("\n2\n", f"\n{'9' * 5000}\n").encode(), "without leading zeros"),
    "a space after the size": (GOOD.replace("\n2\n", "\n2 \n").encode(), "without leading zeros"),
    "an empty log with a root": (GOOD.replace("\n2\n", "\n0\n").encode(), "cannot have"),
    "a root with stray bits": (GOOD.replace("Hh8=\n\n", "Hh9=\n\n").encode(), "one spelling"),
    "a root without padding": (GOOD.replace("Hh8=\n\n", "Hh8\n\n").encode(), "not base64"),
    "a root with too much padding": (GOOD.replace("Hh8=\n\n", "Hh8==\n\n").encode(), "base64"),
    "a root in the other base64": (GOOD.replace("AAEC", "__EC").encode(), "not base64"),
    "a root of 31 bytes": (GOOD.replace("Hh8=\n\n", "Hg==\n\n").encode(), "31 bytes instead of 32"),
    "a line beyond the root": (GOOD.replace("\n\n", "\nmore\n\n").encode(), "three lines"),
    "a line missing": (GOOD.replace("\n2\n", "\n").encode(), "three lines"),
    "no origin": (GOOD.removeprefix(ORIGIN).encode(), "origin"),
    "an origin with a space": (("my " + GOOD).encode(), "origin"),
    "an origin with a space of another script": (("my\u3000" + GOOD).encode(), "origin"),
    "an origin with a plus": (("my+" + GOOD).encode(), "origin"),
    "a hyphen for the dash": (GOOD.replace("— w", "- w").encode(), "signature line"),
    "two spaces": (GOOD.replace("one ", "one  ").encode(), "signature line"),
    "a signature line with a word more": (GOOD.replace("one ", "one x ").encode(), "signature line"),
    "a name with a plus": (GOOD.replace("/one ", "+one ").encode(), "signature line"),
    "a name with a no-break space": (GOOD.replace("/one ", "\u00a0one ").encode(), "signature line"),
    "a signature of four bytes": ((GOOD + _line(b"abcd", b"")).encode(), "holds no signature"),
    "a signature with stray bits": ((GOOD + "— a AAAAAAF=\n").encode(), "one spelling|not base64"),
    "a signature with a space in it": ((GOOD + "— a AAAA AAAA\n").encode(), "signature line"),
    "a hundred and one signatures": ((GOOD + _line(b"abcd", b"x") * 99).encode(), "101 signatures"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_a_checkpoint_that_is_not_written_as_agreed_is_not_read(case: str) -> None:
    data, problem = UNREADABLE[case]
    assert data != GOOD.encode()
    with pytest.raises(log.Unreadable, match=problem):
        log.open_checkpoint(data, LOG_KEY, [WITNESS_KEY])


def test_a_witnesss_signature_under_another_id_does_not_count() -> None:
    data = GOOD.replace(WITNESS_LINE, _line(LOG_KEY.key_id, SIGNATURE)).encode()
    assert log.open_checkpoint(data, LOG_KEY, [WITNESS_KEY]).witnesses == {}


def test_no_beginning_of_a_checkpoint_passes_for_the_whole() -> None:
    data = GOOD.encode()
    # Up to the witness's line everything is a checkpoint too, of a log that nobody witnessed.
    whole = {len(data), len(data) - len(WITNESS_LINE.encode())}
    for length in range(len(data)):
        if length not in whole:
            with pytest.raises((log.Unreadable, log.LogRefused)):
                log.open_checkpoint(data[:length], LOG_KEY, [WITNESS_KEY])


def test_a_hundred_signatures_are_read() -> None:
    data = (GOOD + _line(b"abcd", b"x") * 98).encode()
    assert log.open_checkpoint(data, LOG_KEY, [WITNESS_KEY]).witnesses == {WITNESS_KEY: AT}


SMALL_ORDER = bytes([1]) + bytes(31)


@pytest.mark.parametrize(
    ("vkey", "problem"),
    [
        ("", "name"),
        ("PeterNeumann", "name"),
        (GO_KEY + "\n", "name"),
        (" " + GO_KEY, "name"),
        (GO_KEY.replace("c74f20a3", "C74F20A3"), "name"),
        (GO_KEY.replace("c74f20a3", "c74f20a4"), "not its own"),
        (GO_KEY.replace("Peter", "peter"), "not its own"),
        (GO_KEY.replace("+ARpc", "+BBpc"), "not its own"),
        (GO_KEY.replace("+ARpc", "+Ahpc"), "of a kind"),
        (GO_KEY[:-4], "name"),
        (GO_KEY[:-2] + "\u2028", "name"),
    ],
)
def test_a_verifier_key_with_another_spelling_kind_or_id_is_refused(vkey: str, problem: str) -> None:
    with pytest.raises(log.Unreadable, match=problem):
        log.VerifierKey.parse(vkey)


def test_a_verifier_key_under_which_one_signature_fits_many_messages_is_refused() -> None:
    material = base64.b64encode(b"\1" + SMALL_ORDER).decode()
    key_id = notes._key_id("log.example", 1, SMALL_ORDER).hex()
    with pytest.raises(log.Unreadable, match="small order"):
        log.VerifierKey.parse(f"log.example+{key_id}+{material}")


def test_a_text_that_would_be_read_differently_is_not_signed() -> None:
    for text in ("no newline", "two\u2028lines\n", "\0\n"):
        with pytest.raises(ValueError, match=r"note|control"):
            notes.sign(text, "a.example", KEY)
    with pytest.raises(ValueError, match="signature line"):
        notes.sign("text\n", "a b", KEY)
    with pytest.raises(ValueError, match="origin"):
        log.Checkpoint("my log", 0, log.EMPTY_ROOT).signed(KEY)
    with pytest.raises(ValueError, match="time zone"):
        log.cosign(CHECKPOINT, "w.example", WITNESS, at=datetime(1970, 1, 1, tzinfo=UTC))


NAMES = st.text(st.characters(exclude_categories=("Z", "C"), exclude_characters="+"), min_size=1, max_size=60)


@given(NAMES, st.integers(1, 2**53 - 1), st.binary(min_size=32, max_size=32))
def test_any_checkpoint_reads_and_writes_the_same(origin: str, size: int, root: bytes) -> None:
    checkpoint = log.Checkpoint(origin, size, root)
    note = checkpoint.signed(KEY)
    key = log.VerifierKey.of(origin, log.ED25519, KEY.public_key())
    assert log.VerifierKey.parse(str(key)) == key
    assert log.open_checkpoint(bytes(note), key).checkpoint == checkpoint


@given(st.integers(0, len(GOOD.encode()) - 1), st.integers(0, 7))
def test_no_flipped_bit_gets_a_checkpoint_with_its_witness_through(place: int, bit: int) -> None:
    data = bytearray(GOOD.encode())
    data[place] ^= 1 << bit
    try:
        seen = log.open_checkpoint(bytes(data), LOG_KEY, [WITNESS_KEY])
    except (log.Unreadable, log.LogRefused):
        return
    # What is left are lines that now belong to a stranger: the checkpoint is the same, and nobody witnessed it.
    assert seen.checkpoint == CHECKPOINT
    assert seen.witnesses == {}
