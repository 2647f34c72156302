"""The examples in docs/spec/log.md are what they say they are."""

import re
from datetime import UTC, datetime
from pathlib import Path

from wipe_agent.certificate import log

PAGE = (Path(__file__).parents[2] / "docs" / "spec" / "log.md").read_text(encoding="utf-8")
PROOF, KEYS, REQUEST = re.findall(r"^```text\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
(ENTRY,) = re.findall(r"^```json\n(.*?)\n```", PAGE, re.MULTILINE | re.DOTALL)


def test_the_example_proves_its_entry_and_was_seen_when_the_page_says() -> None:
    market, station, harbour = map(log.VerifierKey.parse, KEYS.split())
    leaf = log.Leaf.parse(ENTRY.encode())
    proven = log.verify_proof(log.LogProof.parse(PROOF.encode()), leaf.data, [market], [station, harbour])
    assert proven.seen.witnesses == {
        station: datetime(2026, 3, 4, 12, 0, tzinfo=UTC),
        harbour: datetime(2026, 3, 4, 12, 2, tzinfo=UTC),
    }
    assert (proven.index, proven.seen.checkpoint.size, leaf.kind) == (2, 5, "wipe-certificate")


def test_the_example_of_a_request_proves_growth_from_three_entries() -> None:
    asked = log.Submission.parse(REQUEST.encode())
    seen = log.open_checkpoint(asked.checkpoint, log.VerifierKey.parse(KEYS.split()[0]))
    leaf = log.Leaf.parse(ENTRY.encode())
    # With three entries, the third stands alone on the right; the first two are the last hash but one of the proof.
    third, _, pair, _ = asked.hashes
    assert third == leaf.hash
    log.verify_consistency(3, 5, asked.hashes, log.node_hash(pair, third), seen.checkpoint.root)


def test_every_kind_of_entry_is_on_the_page() -> None:
    assert [kind for kind in log.KINDS if f"| `{kind}` |" not in PAGE] == []
