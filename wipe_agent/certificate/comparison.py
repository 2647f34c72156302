"""Compare three authentic documents: does this certificate, under this accreditation, answer this work order?

Each question is answered with None, or with a sentence that says what is wrong, why, and what now.
The answers stand in the order in which a report lists them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from wipe_agent.certificate.evidence import described, duration_problem, evidence_problem
from wipe_agent.certificate.statement import MediumLine, Statement
from wipe_agent.certificate.times import CLOCK_TOLERANCE, read_time
from wipe_agent.certificate.vocabulary import KIND_NAMES


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is compared: the statement of the certificate, the documents, and who is asking."""

    statement: Statement
    certificate: Mapping[str, Any]
    accreditation: Mapping[str, Any]
    accreditation_digest: str
    order: Mapping[str, Any]
    order_digest: str
    accreditor_until: datetime | None
    """When the accreditor ended, if the trust file says so."""
    trust_is_training: bool
    training_admitted: bool
    at: datetime


Question = Callable[[Case], str | None]


def scope_of(accreditation: Mapping[str, Any]) -> dict[str, Any]:
    """The scope of an accreditation: methods, mediaKinds, keys."""
    scope: dict[str, Any] = accreditation["credentialSubject"]["conformityAssessment"][0]["accreditationScope"]
    return scope


def _accreditation_problem(case: Case) -> str | None:
    statement, accreditation = case.statement, case.accreditation
    if statement.accreditation_id != accreditation["id"]:
        return "The certificate names another accreditation than the one in the bundle."
    subject = case.certificate["credentialSubject"]
    if subject["authorisation"][0]["issuingAuthority"]["id"] != accreditation["issuer"]["id"]:
        return "The certificate names another accreditor than the one who signed the accreditation."
    centre = accreditation["credentialSubject"]["issuedToParty"]["name"]
    if statement.issuer_name != centre:
        return f"The issuer calls itself {statement.issuer_name}, but the accreditation was given to {centre}."
    if statement.accreditation_digest != case.accreditation_digest:
        return (
            "The accreditation in the bundle is not the one that the certificate was issued under: its digest differs."
        )
    return None


def _accreditation_dates_problem(case: Case) -> str | None:
    statement, accreditation = case.statement, case.accreditation
    centre = statement.issuer_name
    first = min(line.started for line in statement.lines)
    valid_from, valid_until = read_time(accreditation["validFrom"]), read_time(accreditation["validUntil"])
    if first + CLOCK_TOLERANCE < valid_from:
        return f"{centre} was not accredited yet: the wipe began {_when(first)}, the accreditation {_when(valid_from)}."
    if statement.created - CLOCK_TOLERANCE > valid_until:
        return (
            f"The accreditation of {centre} ended {_when(valid_until)}, "
            f"before the certificate was signed ({_when(statement.created)})."
        )
    if (ended := case.accreditor_until) is None:
        return None
    accreditor, granted = accreditation["issuer"]["name"], read_time(accreditation["proof"]["created"])
    for what, signed in (("this accreditation", granted), ("the certificate", statement.created)):
        if signed - CLOCK_TOLERANCE > ended:
            return f"{accreditor} ended as an accreditor {_when(ended)}, before {what} was signed ({_when(signed)})."
    return None


def _scope_problem(case: Case) -> str | None:
    statement, scope = case.statement, scope_of(case.accreditation)
    for line in statement.lines:
        if line.kind not in scope["mediaKinds"]:
            return (
                f"{statement.issuer_name} is not accredited for the kind {KIND_NAMES[line.kind]}, "
                f"and {described(line)} is one. It must go to a centre that is."
            )
        if line.level is not None and line.level not in scope["methods"]:
            return (
                f"{statement.issuer_name} is not accredited to {line.level}, and certifies that of {described(line)}."
            )
    return None


def _work_order_problem(case: Case) -> str | None:
    statement, order = case.statement, case.order
    subject = order["credentialSubject"]
    if statement.work_order_id != order["id"]:
        return (
            "The certificate answers another work order than the one in the bundle. "
            "A certificate for one device cannot be used for another."
        )
    if statement.work_order_digest != case.order_digest:
        return "The work order in the bundle is not the one that the certificate was issued for: its digest differs."
    if statement.challenge != subject["challenge"]:
        return "The certificate does not answer the challenge of its work order."
    if statement.issuer_did != subject["centre"]["id"]:
        return f"The work order was given to {subject['centre']['id']}, not to {statement.issuer_did}."
    if case.certificate["credentialSubject"]["issuedToParty"]["id"] != order["issuer"]["id"]:
        return "The certificate is made out to another party than the one who ordered the work."
    given = order["wipe"].get("credentialStatus")
    if given is not None and case.certificate.get("credentialStatus") != given:
        return "The certificate does not carry the place in the status list that its work order gave to it."
    if statement.supersedes != subject.get("supersedes"):
        return "The certificate does not supersede the one that its work order names."
    return None


def _device_problem(case: Case) -> str | None:
    statement = case.statement
    subject = case.order["credentialSubject"]
    device = subject["device"]
    if (statement.device_id, statement.device_code) != (device["id"], device["code"]):
        return (
            f"The certificate is for the device {statement.device_code} ({statement.device_id}), the work order "
            f"for {device['code']} ({device['id']})."
        )
    for name, words in (("serial", "serial number"), ("model", "model"), ("manufacturer", "manufacturer")):
        if statement.host_claimed[name] != device[name]:
            return (
                f"The certificate states the {words} {statement.host_claimed[name]!r}, the work order {device[name]!r}."
            )
    if statement.custody_cycle != subject["custodyCycle"]:
        return (
            f"The certificate is for custody cycle {statement.custody_cycle}, the work order for "
            f"{subject['custodyCycle']}. A device that came back is wiped again."
        )
    return None


def _host_problem(case: Case) -> str | None:
    statement = case.statement
    claimed, observed = statement.host_claimed["serial"], statement.host_observed.get("serial", "")
    if not claimed or not observed or claimed == observed:
        return None
    for line in statement.lines:
        if line.removal_event is None and line.evidence_class != "absent":
            return (
                f"{described(line)} was wiped in a machine with the serial number {observed}, but the device has "
                f"{claimed}. Record how the medium was taken out, and issue a new certificate."
            )
    return None


def _coverage_problem(case: Case) -> str | None:
    statement, subject = case.statement, case.order["credentialSubject"]
    media, device = subject["media"], subject["device"]
    expected = {medium["id"]: medium for medium in media}
    covered: set[str] = set()
    identities: set[tuple[str, str]] = set()
    for line in statement.lines:
        if line.serial:
            if (line.model, line.serial) in identities:
                return f"{described(line)} stands on the certificate twice. Each medium is certified once."
            identities.add((line.model, line.serial))
        if line.medium_id is None:
            continue
        if line.medium_id in covered:
            return f"{described(line)} stands on the certificate twice. Each medium is certified once."
        if (medium := expected.get(line.medium_id)) is None:
            return f"{described(line)} carries an id that the work order does not know."
        covered.add(line.medium_id)
        if medium["serial"] and line.serial != medium["serial"]:
            return (
                f"The work order expects the serial number {medium['serial']}, the certificate covers "
                f"{line.serial or 'a medium without one'}. Another medium was wiped."
            )
        if line.wwn is not None and medium.get("wwn", line.wwn) != line.wwn:
            return (
                f"{described(line)} has another world wide name than the work order expects. Another medium was wiped."
            )
        if line.kind != medium["kind"]:
            return (
                f"The work order expects {described(line)} to be of the kind {medium['kind']}, the certificate "
                f"says {line.kind}. Correct the order or the certificate."
            )
    missing = [medium for identity, medium in expected.items() if identity not in covered]
    if missing:
        return (
            f"This certificate covers {_count(len(covered))}. {_device_name(device)} has {len(expected)}. "
            f"Missing: {'; '.join(_expected_name(medium) for medium in missing)}. "
            "Sanitise what is missing, and issue a new certificate."
        )
    return None


def _times_problem(case: Case) -> str | None:
    statement, order = case.statement, case.order
    order_from, order_until = read_time(order["validFrom"]), read_time(order["validUntil"])
    created = statement.created
    for line in statement.lines:
        # Only the work order's times come from another clock than the station's.
        if line.started + CLOCK_TOLERANCE < order_from:
            return f"The wipe of {described(line)} is dated before its work order. It cannot answer that order."
        if line.started - CLOCK_TOLERANCE > order_until:
            return f"The wipe of {described(line)} began after its work order had expired. Ask for a new one."
        steps = [("began", line.started), ("ended", line.ended), ("was verified", line.verified)]
        if line.validated is not None:
            steps.append(("was validated", line.validated))
        steps.append(("was certified", created))
        for (earlier, one), (later, other) in pairwise(steps):
            if other < one:
                return f"The wipe of {described(line)} {later} before it {earlier}. These times cannot be true."
    if statement.valid_from < created:
        return "The certificate is valid from a time before it was signed."
    return None


def _training_problem(case: Case) -> str | None:
    is_training = case.statement.training
    for what, flag in (
        ("accreditation", case.accreditation["wipe"]["training"]),
        ("work order", case.order["wipe"]["training"]),
        ("trust file", case.trust_is_training),
    ):
        if flag is not is_training:
            return (
                f"The certificate is {'for practice' if is_training else 'for real'}, "
                f"but the {what} is {'for practice' if flag else 'for real'}. The two do not mix."
            )
    for what, document in (("certificate", case.certificate), ("accreditation", case.accreditation)):
        if (document["credentialSubject"]["assessmentLevel"] == "no-endorsement") is not is_training:
            return f"The {what} does not state its assessment level as practice or real work must."
    if is_training and not case.training_admitted:
        return "This is a training certificate: it proves practice, not a wipe. Ask for training to check it as such."
    return None


def _clock_problem(case: Case) -> str | None:
    statement = case.statement
    if statement.valid_from - CLOCK_TOLERANCE > case.at:
        return f"The certificate is dated {_when(statement.valid_from)}, in the future. One of the clocks is wrong."
    return None


def _evidence_problem(case: Case) -> str | None:
    return _first_problem(evidence_problem, case.statement.lines)


def _duration_problem(case: Case) -> str | None:
    return _first_problem(duration_problem, case.statement.lines)


def _first_problem(problem_of: Callable[[MediumLine], str | None], lines: Sequence[MediumLine]) -> str | None:
    return next((problem for line in lines if (problem := problem_of(line)) is not None), None)


def _when(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M} UTC"


def _count(number: int) -> str:
    return "one medium" if number == 1 else f"{number or 'no'} media"


def _device_name(device: dict[str, Any]) -> str:
    return (
        " ".join(part for part in (device["manufacturer"], device["model"]) if part) or f"The device {device['code']}"
    )


def _expected_name(medium: dict[str, Any]) -> str:
    name = " ".join(part for part in (medium.get("manufacturer", ""), medium["model"]) if part)
    name = name or KIND_NAMES[medium["kind"]]
    return f"{name} (serial {medium['serial']})" if medium["serial"] else name


QUESTIONS: tuple[tuple[str, Question, str], ...] = (
    ("accreditation", _accreditation_problem, "The certificate names this accreditation."),
    (
        "accreditation-dates",
        _accreditation_dates_problem,
        "The accreditation was valid from the first wipe to the end.",
    ),
    ("scope", _scope_problem, "The accreditation covers these methods and kinds of media."),
    ("work-order", _work_order_problem, "The certificate answers this work order and its challenge."),
    ("device", _device_problem, "It is the device of the work order."),
    ("host", _host_problem, "The media were in this device, or their removal is recorded."),
    ("coverage", _coverage_problem, "Every medium that the work order expects is covered once."),
    ("evidence", _evidence_problem, "Each line shows what its evidence class asks for."),
    ("times", _times_problem, "The times are in order."),
    ("duration", _duration_problem, "No step was faster than such a medium allows."),
    ("training", _training_problem, "Practice and real work are not mixed."),
    ("clock", _clock_problem, "It is not dated in the future."),
)
"""The name of each check, its question, and what to say when nothing is wrong."""

# Practice on an image file runs as fast as memory does.
NOT_IN_TRAINING = {"duration": "In training it is not judged how fast the work went."}
"""What is not asked of a training certificate, and what to say of that."""
