"""The browser checks a proof of the log as Python does: the same entries, the same times, the same refusals."""

from __future__ import annotations

import base64
from typing import Any

from tests.certificate.log.test_merkle import Kept
from tests.certificate.log.test_notes import AT, KEY, LOG_KEY, ORIGIN, WITNESS, WITNESS_KEY
from tests.certificate.log.test_proofs import BAD_PROOFS, LEAVES, PROOF, proof_of
from tests.certificate.test_javascript import DECODERS_WORDS, run
from wipe_agent.certificate import log

NINETY = Kept([number.to_bytes(2, "big") for number in range(90)])


def entry(index: int, size: int) -> tuple[bytes, bytes]:
    """The proof of an entry of a log of this size, cosigned, and the entry."""
    checkpoint = log.Checkpoint(ORIGIN, size, log.root(size, NINETY))
    note = checkpoint.signed(KEY).and_signed(log.cosign(checkpoint, WITNESS_KEY.name, WITNESS, at=AT))
    return bytes(log.LogProof(index, log.inclusion_proof(index, size, NINETY), bytes(note))), index.to_bytes(2, "big")


def said_by_python(proof: bytes, leaf: bytes, logs: list[log.VerifierKey], witnesses: list[log.VerifierKey]) -> Any:
    """[index, size, times], or the sentence that refuses."""
    try:
        proven = log.verify_proof(log.LogProof.parse(proof), leaf, logs, witnesses)
    except (log.Unreadable, log.LogRefused) as refusal:
        return DECODERS_WORDS.sub("", str(refusal))
    times = sorted(int(time.timestamp()) for time in proven.seen.witnesses.values())
    return [proven.index, proven.seen.checkpoint.size, times]


def test_the_browser_takes_and_refuses_the_proofs_that_python_takes_and_refuses() -> None:
    good = [entry(index, size) for size in (*range(1, 18), 63, 64, 65, 90) for index in {0, size // 2, size - 1}]
    flipped = []
    for place in range(0, len(PROOF.encode()), 3):
        data = bytearray(PROOF.encode())
        data[place] ^= 1 << place % 7
        flipped.append((bytes(data), LEAVES[4].data))
    bad = [(text.encode(), LEAVES[4].data) for text in BAD_PROOFS.values()]
    swapped = [(proof_of(3), LEAVES[4].data), (entry(2, 7)[0].replace(b"index 2", b"index 9"), b"\x00\x02")]
    given = [*good, *flipped, *bad, *swapped]
    python = [said_by_python(proof, leaf, [LOG_KEY], [WITNESS_KEY]) for proof, leaf in given]
    told = run(
        proofs=[
            {
                "proof": base64.b64encode(proof).decode(),
                "leaf": base64.b64encode(leaf).decode(),
                "logs": [str(LOG_KEY)],
                "witnesses": [str(WITNESS_KEY)],
            }
            for proof, leaf in given
        ]
    )["proofs"]
    browser = [DECODERS_WORDS.sub("", said) if isinstance(said, str) else said for said in told]
    differ = [pair for pair in zip(given, python, browser, strict=True) if pair[1] != pair[2]]
    assert differ == []
    assert all(isinstance(said, list) and said[2] == [int(AT.timestamp())] for said in python[: len(good)])
    assert all(isinstance(said, str) for said in python[len(good) + len(flipped) :])


def test_the_browser_does_not_read_a_key_whose_id_is_not_its_own() -> None:
    proof, leaf = entry(0, 1)
    digit = str(LOG_KEY).split("+")[1]
    wrong = str(LOG_KEY).replace(digit, "0" * 8)
    words = {
        "proof": base64.b64encode(proof).decode(),
        "leaf": base64.b64encode(leaf).decode(),
        "logs": [wrong],
        "witnesses": [],
    }
    as_witness = {**words, "logs": [str(LOG_KEY)], "witnesses": [str(LOG_KEY)]}
    assert run(proofs=[words, as_witness])["proofs"] == [
        "The verifier key has an id that is not its own.",
        f"The key of {ORIGIN} is not for witnesses.",
    ]
