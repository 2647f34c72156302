"""What each evidence class must show, for one line. The policy that admits classes is the marketplace's."""

from math import ceil, log
from typing import Final

from wipe_agent.certificate.statement import MediumLine
from wipe_agent.certificate.vocabulary import KIND_NAMES

# The fastest sustained rate a medium of the kind can have, in bytes per second, with room to spare.
_FASTEST: Final = {
    "hdd": 1_000_000_000,
    "ssd": 3_000_000_000,
    "nvme": 32_000_000_000,
    "emmc": 1_000_000_000,
    "ufs": 8_000_000_000,
    "sd": 4_000_000_000,
    "usb": 6_000_000_000,
}


def evidence_problem(line: MediumLine) -> str | None:
    """Why the line does not show what its evidence class claims, as a sentence, or None."""
    name = described(line)
    if (line.level is None) != (line.evidence_class == "absent"):
        return f"For {name} the method and the evidence do not fit: only an absent medium has no method."
    if (line.level == "destroy") != (line.evidence_class == "destroyed"):
        return f"For {name} the method and the evidence do not fit: destroy goes with destroyed."
    if line.bad_blocks and line.level == "purge":
        return f"{name} has {line.bad_blocks} bad blocks, so it cannot be certified as purged."
    if line.bytes_unreadable and not line.bad_blocks:
        return f"{name} has {line.bytes_unreadable} bytes that could not be read, but no bad blocks."
    if line.evidence_class == "full-read" and line.bytes_read + line.bytes_unreadable != line.size_bytes:
        return (
            f"{name} has {line.size_bytes} bytes, but {line.bytes_read} were read back. "
            "Full-read means every byte: read it back again."
        )
    if line.evidence_class == "sampled-read" and (problem := _sampling_problem(line, name)):
        return problem
    if line.evidence_class == "absent":
        if line.serial or line.wwn or line.size_bytes:
            return f"{name} is certified as absent, and yet identified."
        if line.validator is None or not line.evidence:
            return f"The absence of {name} needs two people and a photograph. One is missing."
    if line.validator is not None and _folded(line.validator) == _folded(line.operator):
        return f"{name} was validated by the operator who wiped it. A second person must do that."
    return None


def duration_problem(line: MediumLine) -> str | None:
    """Why the line's times are too short to be true, as a sentence, or None."""
    fastest = _FASTEST.get(line.kind)
    if fastest is None:
        return None
    # Times are cut to whole seconds, so each span may be a second longer than it looks.
    read_back = (line.verified - line.ended).total_seconds() + 1
    if line.bytes_read > fastest * read_back:
        return f"{described(line)} was read back faster than such a medium can be read."
    written = (line.ended - line.started).total_seconds() + 1
    if line.technique.startswith("overwrite") and line.size_bytes > fastest * written:
        return f"{described(line)} was overwritten faster than such a medium can be written."
    return None


def samples_needed(fraction_ppm: int, confidence_ppm: int) -> int:
    """How many random samples see a leftover share of the medium with this confidence (both per million)."""
    return ceil(log(1 - confidence_ppm / 1e6) / log(1 - fraction_ppm / 1e6))


def described(line: MediumLine) -> str:
    """The medium as people point at it."""
    identity = " ".join(part for part in (line.manufacturer, line.model) if part) or f"the {KIND_NAMES[line.kind]}"
    return f"{identity} (serial {line.serial})" if line.serial else identity


def _folded(name: str) -> str:
    """Names that differ in nothing but case and blanks are one person's."""
    return " ".join(name.casefold().split())


def _sampling_problem(line: MediumLine, name: str) -> str | None:
    sampling = line.sampling
    if sampling is None:
        return f"{name} was read in samples, but the certificate does not say how they were drawn."
    if sampling.fraction_ppm >= 1_000_000 or sampling.confidence_ppm >= 1_000_000:
        return f"{name} was read in samples that are said to show everything. Read it in full."
    needed = samples_needed(sampling.fraction_ppm, sampling.confidence_ppm)
    if sampling.samples < needed:
        return f"{name} was read in {sampling.samples} samples; the stated confidence needs {needed}."
    return None
