"""The certificate's facts in plain words. Pure: values in, sentences out, and no more than the line says."""

from __future__ import annotations

from datetime import datetime

from wipe_agent.certificate.statement import MediumLine
from wipe_agent.certificate.vocabulary import KIND_NAMES
from wipe_agent.report.letters import isolated

_TECHNIQUES = {
    "overwrite-zeros": "Overwritten with zeros",
    "overwrite-aes-ctr": "Overwritten with a random stream",
    "overwrite-3-passes": "Overwritten three times",
}
LEVELS = {"clear": "Clear", "purge": "Purge", "destroy": "Destroy"}


def minute(at: datetime) -> str:
    """A time for people: whole minutes, in UTC."""
    return f"{at:%Y-%m-%d %H:%M} UTC"


def size(count: int) -> str:
    """Bytes as they stand on a drive's own label: decimal units, three digits."""
    for unit, factor in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= factor:
            return f"{count / factor:.3g} {unit}" if count < 1000 * factor else f"{count // factor} {unit}"
    return f"{count} bytes"


def medium_name(line: MediumLine) -> str:
    """Maker and model, else the kind."""
    return " ".join(part for part in (line.manufacturer, line.model) if part) or _capital(KIND_NAMES[line.kind])


def medium_facts(line: MediumLine) -> str:
    """Kind, serial number, WWN and size in one line."""
    facts = [KIND_NAMES[line.kind]]
    if line.evidence_class != "absent":
        facts.append(f"serial {line.serial}" if line.serial else "no serial number reported")
    if line.wwn:
        facts.append(f"WWN {line.wwn}")
    if line.size_bytes:
        facts.append(f"{size(line.size_bytes)} ({line.size_bytes:,} bytes)")
    return ", ".join(facts)


def what_was_done(line: MediumLine) -> str:
    """Technique and the word of NIST SP 800-88 for it."""
    if line.level is None:
        return "Nothing to wipe: the device holds no such medium."
    done = _TECHNIQUES.get(line.technique, _capital(line.technique))
    grain = line.particle_size_micrometres
    size_of_grain = f", largest particle {grain / 1000:g} mm" if grain else ""
    return f"{done}{size_of_grain}. NIST SP 800-88 Rev. 2 calls this {LEVELS[line.level]}."


def evidence(line: MediumLine) -> str:
    """How it is known, for somebody who was not there."""
    if line.evidence_class == "full-read":
        said = "Every byte was read back after the wipe."
        if line.bytes_unreadable:
            said += f" {line.bytes_unreadable:,} bytes could not be read."
    elif line.evidence_class == "sampled-read" and line.sampling is not None:
        share, sure = line.sampling.fraction_ppm / 10_000, line.sampling.confidence_ppm / 10_000
        said = (
            f"{line.sampling.samples:,} places chosen at random were read back. If {share:g} % of the medium still "
            f"held data, this would have shown with {sure:g} % certainty. Smaller rests can have been missed."
        )
    else:
        said = {
            "device-reported": "The device itself reported that it was done. Nothing was read back.",
            "operator-witnessed": "The operator saw that it was done. Nothing was read back.",
            "destroyed": "The medium was destroyed before witnesses.",
            "absent": f"Two people looked and found none. Photographs or other files: {len(line.evidence)}.",
        }[line.evidence_class]
    if line.verification_method:
        method = line.verification_method
        # The agent's own sentence begins with what was just said; once is enough.
        if line.evidence_class == "full-read" and method.startswith("Every byte read back"):
            method = _capital(method.removeprefix("Every byte read back").removeprefix(" and").lstrip(" ,;"))
        said += f" {_capital(method)}" + ("" if method.endswith(".") else ".")
    if line.bad_blocks:
        said += f" Bad blocks: {line.bad_blocks}."
    return said


def not_reached(line: MediumLine) -> str:
    """What the wipe could not reach, or an empty text."""
    return "; ".join(line.exclusions)


def who_and_when(line: MediumLine) -> str:
    """Operator, second person, and the times."""
    if line.started == line.ended:
        when = minute(line.started)
    else:
        same_day = line.started.date() == line.ended.date()
        when = f"{line.started:%Y-%m-%d %H:%M} to {line.ended:{'%H:%M' if same_day else '%Y-%m-%d %H:%M'}} UTC"
    said = f"By {isolated(line.operator)}, {when}"
    if line.verified != line.ended:
        said += f"; checked {minute(line.verified)}"
    said += f". With {line.tool} {line.tool_version}."
    if line.validator:
        said += (
            f" Second person: {isolated(line.validator)}"
            + (f", {minute(line.validated)}" if line.validated else "")
            + "."
        )
    else:
        said += " No second person judged the result."
    return said


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
