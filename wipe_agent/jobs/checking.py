"""The check's part of a wipe: what is planned for it, the marks before, the look after, and what follows from both.

`why_not_clean` and `evidence_of` judge by the journal's lines alone, so the certificate says what was seen and no more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wipe_agent import check, methods
from wipe_agent.certificate.statement import Sampling
from wipe_agent.check import signatures
from wipe_agent.jobs import commanding
from wipe_agent.jobs.orders import Order, OrderMedium
from wipe_agent.jobs.story import Attempt
from wipe_agent.journal import Journal
from wipe_agent.media import Target, buffer

BLOCK = 4096
_WORDS = {"zeros": "zero", methods.stream.STREAM: "the random stream, made anew"}


def plan(
    order: Order, medium: OrderMedium, method: methods.Method, *, sampling: tuple[int, int] | None
) -> dict[str, Any]:
    """What the line `planned` says of patterns and check. `sampling` is share and confidence per million, or None.

    Of several passes the last writes zeros, those before it a random stream each, which the next one must replace.
    Raises BadUsage for a share or confidence that cannot be sampled.
    """
    sample = None
    if sampling is not None:
        challenge = order.document["credentialSubject"]["challenge"]
        sample = check.plan_sample(challenge, medium.id, fraction_ppm=sampling[0], confidence_ppm=sampling[1])
    pattern = _unsuspicious_stream() if method.name == "overwrite-stream" else methods.ZEROS
    return {
        "earlier_passes": [methods.new_stream().as_facts() for _ in range(1, method.passes)],
        "pattern": pattern.as_facts(),
        "sampling": sample.as_facts() if sample else None,
    }


def pattern_of(attempt: Attempt) -> methods.Pattern:
    """What this attempt overwrites with. Lines of an older version do not say it: they mean zeros."""
    return methods.pattern_from(attempt.planned.get("pattern"))


def passes_of(attempt: Attempt) -> list[methods.Pattern]:
    """What each pass of this attempt writes, in order; the last is what is compared with afterwards."""
    earlier = attempt.planned.get("earlier_passes") or []
    return [*(methods.pattern_from(facts) for facts in earlier), pattern_of(attempt)]


def compared_with(attempt: Attempt) -> methods.Pattern | None:
    """What is read back is compared with this. None after a command alone that leaves what only the drive knows."""
    alone = commanding.planned_method(attempt).how == "command" and not attempt.planned["settle"]
    return None if alone and not commanding.planned_method(attempt).zeros else pattern_of(attempt)


def plant_marks(journal: Journal, attempt: Attempt, target: Target) -> None:
    """Plant the marks of the control: seed and places are on disk first, then the drive changes.

    Broken off in between, the same marks are planted again. Raises WriteFailed as `check.plant`.
    """
    if attempt.marked is not None:
        return
    if attempt.marking is None:
        marks = check.choose_marks(target.size)
        attempt.marking = journal.append("marking", **marks.as_facts())
    planted = check.plant(target, check.Marks.from_facts(attempt.marking))
    attempt.marked = journal.append("marked", found=planted.found, bad_places=planted.bad_places)


def look_after(
    journal: Journal,
    attempt: Attempt,
    target: Target,
    step: Callable[[str, int], None],
    at: Callable[[int], None],
) -> None:
    """Read back from the first byte, also when an earlier read-back was broken off, and note what was seen."""
    journal.append("checking", planted_and_found=check.self_test())
    sample = _sample_of(attempt)
    step("reading everything back" if sample is None else "reading samples back", target.size)
    pattern = compared_with(attempt)
    seen = check.read_back(target, pattern=pattern, progress=at, sample=sample)
    left = check.residue(target)
    marks = check.marks_left(target, check.Marks.from_facts(attempt.marking)) if attempt.marking is not None else 0
    journal.append(
        "checked",
        direct=target.direct,
        pattern=pattern.kind if pattern is not None else None,
        samples=sample.samples if sample else None,
        clean=seen.clean and left["clean"] and not marks,
        read_back=seen.as_facts(),
        residue=left,
        marks_left=marks,
    )


def why_not_clean(attempt: Attempt) -> str | None:
    """Why what was read back cannot stand as the check of a wipe, as a sentence; None if it can."""
    size, sample = attempt.identity.size, _sample_of(attempt)
    wanted = size if sample is None else sum(min(BLOCK, size - place) for place in sample.places(size))
    if attempt.checked is None or attempt.checked["read_back"]["read"] != wanted:
        return "It was not read back in full." if sample is None else "Not all of its samples were read back."
    seen = attempt.checked["read_back"]
    if seen["unreadable_blocks"]:
        return f"{seen['unreadable_blocks']} blocks of 4 KiB could not be read back."
    if seen["differing_blocks"]:
        where = ", ".join(str(place) for place in seen["examples"][:3])
        what = "zero" if pattern_of(attempt).kind == "zeros" else "the stream that was written"
        return f"{seen['differing_blocks']} blocks of 4 KiB are not {what} after the overwrite (first at byte {where})."
    if attempt.checked.get("marks_left"):
        return f"{attempt.checked['marks_left']} marks of the control are still on the drive."
    if attempt.marking is not None and attempt.marked is None:
        return "The marks of the control were not found before the wipe, so an empty scan after it proves nothing."
    if attempt.checked["clean"] is not True:
        return "A file system or file was still recognised after the overwrite."
    return None


def evidence_of(attempt: Attempt) -> dict[str, Any]:
    """What a certificate line says of the check: class, method in words, bytes read, and how samples were drawn."""
    seen, sample = (attempt.checked or {})["read_back"], _sample_of(attempt)
    pattern = compared_with(attempt)
    if pattern is None:
        how = "read back; not compared, for only the drive knows what its command leaves; file systems and files"
    else:
        how = f"read back and compared with {_WORDS[pattern.kind]}; file systems and files"
    looked = "Every byte" if sample is None else f"{sample.samples} random blocks of 4 KiB"
    before = sum((attempt.surveyed or {}).get("found", {}).values())
    planted = f" {attempt.marked['found']} marks planted and found before, none after." if attempt.marked else ""
    words = f"{looked} {how} searched for. Recognised before the wipe: {before}, after it: 0.{planted}"
    return {
        "evidence_class": "full-read" if sample is None else "sampled-read",
        "verification_method": words,
        "bytes_read": seen["read"],
        "sampling": Sampling(**sample.as_facts()) if sample is not None else None,
    }


def _sample_of(attempt: Attempt) -> check.SamplePlan | None:
    facts = attempt.planned.get("sampling")
    return check.SamplePlan(**facts) if facts else None


def _unsuspicious_stream() -> methods.Pattern:
    """A stream whose first bytes hold no mark of a file system by chance; one key in some 20,000 is left so."""
    while True:
        stream = methods.new_stream()
        head = bytes(stream.chunk(buffer(-(-signatures.FILE_SYSTEM_REACH // BLOCK) * BLOCK), 0))
        if not _has_file_system(head):
            return stream


def _has_file_system(head: bytes) -> bool:
    return bool(signatures.file_systems_at(lambda at, length: head[at : at + length], 0, len(head)))
