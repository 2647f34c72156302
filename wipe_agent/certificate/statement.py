"""What a certificate says, as values, and the builders of the documents that are signed.

`certificate_statement` takes the signed work order and accreditation themselves, so their ids,
digests, challenge and device cannot be copied wrongly. `read_statement` turns a certificate whose
shape has been checked back into values. Neither judges: that is `verify`.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid5

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from wipe_agent.certificate import vocabulary as v
from wipe_agent.certificate.multibase import digest_multibase, public_key_multibase
from wipe_agent.certificate.times import write_time


@dataclass(frozen=True, kw_only=True, slots=True)
class Sampling:
    """How a sampled read was drawn: to see a leftover share of `fraction_ppm` with `confidence_ppm`."""

    fraction_ppm: int
    confidence_ppm: int
    samples: int
    seed: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """A file that supports a line, such as a photograph of the opened case, named by its digest."""

    name: str
    url: str
    digest_multibase: str
    media_type: str


@dataclass(frozen=True, kw_only=True, slots=True)
class MediumLine:
    """One medium on a certificate. Sizes are bytes; times are aware.

    `medium_id` is the id the work order gave to the medium, or None for one it does not list.
    `level` is None exactly when the evidence class is `absent`. An empty `model` or `serial` means
    that the medium reports none. `verified` is when the technique was seen to have completed
    (NIST: verification); `validator` is the second person who judged the result (validation).
    """

    medium_id: str | None
    kind: str
    model: str
    serial: str
    wwn: str | None
    size_bytes: int
    level: str | None
    technique: str
    evidence_class: str
    tool: str
    tool_version: str
    started: datetime
    ended: datetime
    verified: datetime
    exclusions: Sequence[str]
    bad_blocks: int
    operator: str
    validator: str | None
    # What the brief view of a line does not need, but the record of NIST SP 800-88 asks for.
    verification_method: str = ""
    bytes_read: int = 0
    bytes_unreadable: int = 0
    sampling: Sampling | None = None
    validated: datetime | None = None
    validation_method: str = ""
    manufacturer: str = ""
    property_number: str = ""
    source: str = ""
    confidentiality_before: str = ""
    confidentiality_after: str = ""
    destination: str = ""
    removal_event: str | None = None
    particle_size_micrometres: int | None = None
    evidence: Sequence[Evidence] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Statement:
    """What a certificate says. To be believed only when its report is ok."""

    certificate_id: str
    issuer_did: str
    issuer_name: str
    verification_method: str
    valid_from: datetime
    created: datetime
    training: bool
    work_order_id: str
    work_order_digest: str
    challenge: str
    accreditation_id: str
    accreditation_digest: str
    device_id: str
    device_code: str
    custody_cycle: int
    supersedes: str | None
    host_claimed: dict[str, str]
    host_observed: dict[str, str]
    lines: Sequence[MediumLine]


# ---------------------------------------------------------------------------- builders


def certificate_statement(
    *,
    certificate_id: str,
    issuer_did: str,
    issuer_name: str,
    valid_from: datetime,
    training: bool,
    work_order: Mapping[str, Any],
    accreditation: Mapping[str, Any],
    host_observed: Mapping[str, str],
    lines: Sequence[MediumLine],
    supersedes: str | None = None,
    location: str = "",
    contact: str = "",
) -> dict[str, Any]:
    """The unsigned certificate for the signed `work_order`, under the signed `accreditation`.

    `valid_from` is not before the `created` that `issue` will be given. `host_observed` has any of
    manufacturer, model, serial, as the station read them from the machine that held the media; it
    is empty when the station did not see that machine. When its serial differs from the work
    order's, every line must name a `removal_event`: the custody event that took the medium out of the
    device. `supersedes` names the certificate of the device's last custody cycle; it is copied from
    the work order when it is not given. So is its place in the status list, if the order gives it one.
    """
    order = work_order["credentialSubject"]
    device = order["device"]
    host_claimed = {name: device[name] for name in ("manufacturer", "model", "serial")}
    wipe: dict[str, Any] = {
        "training": training,
        "workOrder": {
            "id": work_order["id"],
            "digestMultibase": digest_multibase(work_order),
            "challenge": order["challenge"],
        },
        "device": {
            "id": device["id"],
            "code": device["code"],
            "hostClaimed": host_claimed,
            "hostObserved": dict(host_observed),
        },
        "custodyCycle": order["custodyCycle"],
        "scope": SCOPE_SENTENCE,
        **_present(supersedes=supersedes or order.get("supersedes"), location=location, contact=contact),
    }
    accreditor = accreditation["issuer"]
    subject = {
        "type": ["ConformityAttestation"],
        "id": _derived(certificate_id, "attestation"),
        "name": f"Sanitisation of the storage media of {device['code']}",
        "assessorLevel": "3rdParty",
        "assessmentLevel": _assessment_level(training, "scheme-cab"),
        "attestationType": "certification",
        "issuedToParty": _party(work_order["issuer"]["id"], work_order["issuer"]["name"]),
        "authorisation": [
            {
                "type": ["Endorsement"],
                "name": accreditation["name"],
                "issuingAuthority": _party(accreditor["id"], accreditor["name"]),
                "endorsementEvidence": {
                    "linkURL": accreditation["id"],
                    "linkName": v.ACCREDITATION_FILE,
                    "digestMultibase": digest_multibase(accreditation),
                    "mediaType": "application/vc",
                },
            }
        ],
        "referenceScheme": deepcopy(SCHEME),
        "conformityAssessment": [_assessment(certificate_id, number, line) for number, line in enumerate(lines)],
    }
    return {
        "@context": list(v.CONTEXT),
        "id": certificate_id,
        "type": list(v.CERTIFICATE_TYPE),
        "issuer": _issuer(issuer_did, issuer_name),
        "validFrom": write_time(valid_from),
        "name": ("Training certificate" if training else "Certificate") + f" of data sanitisation for {device['code']}",
        "wipe": wipe,
        "credentialSubject": subject,
        **_present(credentialStatus=deepcopy(work_order["wipe"].get("credentialStatus"))),
    }


def work_order_statement(
    *,
    work_order_id: str,
    issuer_did: str,
    issuer_name: str,
    valid_from: datetime,
    valid_until: datetime,
    training: bool,
    device: Mapping[str, str],
    custody_cycle: int,
    centre_did: str,
    centre_name: str,
    media: Sequence[Mapping[str, Any]],
    challenge: str,
    policy: str,
    supersedes: str | None = None,
    certificate_status: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The unsigned work order: this centre may sanitise this device's media, once.

    `device` has id (urn:uuid), code, manufacturer, model, serial. Each of `media` has id (urn:uuid),
    kind, model, serial (empty when nobody could read it), and maybe manufacturer, wwn, sizeBytes.
    `challenge` comes from `new_challenge` and is used for one order only. `policy` names the rules
    by which the marketplace will judge the evidence. `certificate_status` (from `status.entry`) is the
    place in the marketplace's status list that the certificate has to carry.
    """
    return {
        "@context": list(v.CONTEXT),
        "id": work_order_id,
        "type": list(v.WORK_ORDER_TYPE),
        "issuer": _issuer(issuer_did, issuer_name),
        "validFrom": write_time(valid_from),
        "validUntil": write_time(valid_until),
        "name": ("Training work order" if training else "Work order") + f" to sanitise {device['code']}",
        "wipe": {"training": training, **_present(credentialStatus=certificate_status and dict(certificate_status))},
        "credentialSubject": {
            "type": ["WipeWorkOrder"],
            "device": {name: device[name] for name in ("id", "code", "manufacturer", "model", "serial")},
            "custodyCycle": custody_cycle,
            "centre": _party(centre_did, centre_name),
            "media": [{name: value for name, value in medium.items() if value is not None} for medium in media],
            "challenge": challenge,
            "policy": policy,
            **_present(supersedes=supersedes),
        },
    }


def accreditation_statement(
    *,
    accreditation_id: str,
    issuer_did: str,
    issuer_name: str,
    valid_from: datetime,
    valid_until: datetime,
    training: bool,
    centre_did: str,
    centre_name: str,
    methods: Sequence[str],
    media_kinds: Sequence[str],
    keys: Mapping[str, Ed25519PublicKey],
    status: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The unsigned accreditation: this centre may certify with these keys, within this scope.

    `methods` are levels (clear, purge, destroy). `keys` maps verification methods (centre DID#station)
    to public keys. A centre that gets or loses a station gets a new accreditation.
    `status` (from `status.entry`) is its place in the accreditor's status list.
    """
    return {
        "@context": list(v.CONTEXT),
        "id": accreditation_id,
        "type": list(v.ACCREDITATION_TYPE),
        "issuer": _issuer(issuer_did, issuer_name),
        "validFrom": write_time(valid_from),
        "validUntil": write_time(valid_until),
        "name": ("Training accreditation" if training else "Accreditation") + f" of {centre_name}",
        "wipe": {"training": training},
        "credentialSubject": {
            "type": ["ConformityAttestation"],
            "id": _derived(accreditation_id, "attestation"),
            "name": f"Competence of {centre_name} to sanitise storage media",
            "assessorLevel": "3rdParty",
            "assessmentLevel": _assessment_level(training, "scheme-self"),
            "attestationType": "certification",
            "issuedToParty": _party(centre_did, centre_name),
            "referenceScheme": deepcopy(SCHEME),
            "conformityAssessment": [
                {
                    "type": ["ConformityAssessment"],
                    "id": _derived(accreditation_id, "assessment"),
                    "name": "Scope of accreditation",
                    "assessmentCriteria": [deepcopy(CRITERIA["accreditation"])],
                    "assessmentDate": write_time(valid_from)[:10],
                    "assessedPerformance": [deepcopy(ADMITTED)],
                    "conformityTopic": [deepcopy(TOPIC)],
                    "conformance": True,
                    "accreditationScope": {
                        "methods": list(methods),
                        "mediaKinds": list(media_kinds),
                        "keys": [
                            {
                                "id": method,
                                "type": "Multikey",
                                "controller": centre_did,
                                "publicKeyMultibase": public_key_multibase(key),
                            }
                            for method, key in keys.items()
                        ],
                    },
                }
            ],
        },
        **_present(credentialStatus=status and dict(status)),
    }


def did_document(did: str, keys: Mapping[str, Ed25519PublicKey]) -> dict[str, Any]:
    """The DID document of a party; `keys` maps verification methods (DID#name) to public keys."""
    return {
        "@context": list(v.DID_CONTEXT),
        "id": did,
        "verificationMethod": [
            {
                "id": method,
                "type": "Multikey",
                "controller": did,
                "publicKeyMultibase": public_key_multibase(key),
            }
            for method, key in keys.items()
        ],
        "assertionMethod": list(keys),
    }


def trust_document(
    *,
    training: bool,
    updated: datetime,
    parties: Sequence[Mapping[str, Any]],
    logs: Sequence[Mapping[str, str]] = (),
    witnesses: Sequence[Mapping[str, str]] = (),
    witnesses_needed: int | None = None,
) -> dict[str, Any]:
    """A trust file. Each of `parties` has name, roles (accreditor, marketplace) and didDocument.

    An accreditor that ended has `until` as well: what it let centres sign up to then still counts. A party that changed
    its key may have `keyEnds`: of each key that ended `id`, `until` and maybe `compromisedSince`, both times.
    A trust file is for training or for the real thing, never for both: practice keys are worth nothing. Each of `logs`
    has origin, vkey and name, each of `witnesses` vkey and name (C2SP signed-note verifier keys). `witnesses_needed` is
    how many of these witnesses must have seen a certificate in the log; without `logs` all three are left out.
    """
    later: dict[str, Any] = {}
    if logs:
        later["logs"] = [{name: log[name] for name in ("origin", "vkey", "name")} for log in logs]
        later["witnesses"] = [{name: witness[name] for name in ("vkey", "name")} for witness in witnesses]
        later["witnessesNeeded"] = witnesses_needed if witnesses_needed is not None else len(later["witnesses"])
    return {
        "type": "WipeTrust",
        "version": 1,
        "training": training,
        "updated": write_time(updated),
        "parties": [
            {"name": party["name"], "roles": list(party["roles"]), "didDocument": party["didDocument"]}
            | ({"until": write_time(party["until"])} if party.get("until") is not None else {})
            | ({"keyEnds": [_key_end(end) for end in party["keyEnds"]]} if party.get("keyEnds") else {})
            for party in parties
        ],
        **later,
    }


def _key_end(end: Mapping[str, Any]) -> dict[str, str]:
    since = end.get("compromisedSince")
    return {"id": end["id"], "until": write_time(end["until"])} | (
        {} if since is None else {"compromisedSince": write_time(since)}
    )


def dids_document(did_documents: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The file `dids.json` of a bundle: a convenience for other tools, never a source of trust."""
    return {"didDocuments": [dict(document) for document in did_documents]}


# ---------------------------------------------------------------------------- fixed parts

_TERM: Final = v.WIPE_CONTEXT + "#"

SCOPE_SENTENCE: Final = (
    "This certificate says what was done to the listed media on the stated dates, and by what evidence. "
    "It says nothing of media that are not listed, of cloud accounts, or of later use."
)
SCHEME: Final = {
    "type": ["ConformityScheme"],
    "id": _TERM + "scheme",
    "name": "Proof of data wiping for used devices, version 1",
}
TOPIC: Final = {"id": _TERM + "data-sanitisation", "name": "data sanitisation"}
CRITERIA: Final = {
    name: {"type": ["Criterion"], "id": _TERM + name, "name": text}
    for name, text in {
        "clear": "NIST SP 800-88 Rev. 2: Clear",
        "purge": "NIST SP 800-88 Rev. 2: Purge",
        "destroy": "NIST SP 800-88 Rev. 2: Destroy",
        "absent": "No storage medium is present, shown by evidence",
        "accreditation": "Competence to sanitise and to check storage media",
    }.items()
}
METRIC: Final = {"type": ["PerformanceMetric"], "id": _TERM + "evidence-class", "name": "evidence class"}
PERFORMANCE: Final = {
    name: {"type": ["Performance"], "metric": METRIC, "score": {"type": ["Score"], "code": name}}
    for name in v.EVIDENCE_CLASSES
}
ADMITTED: Final = {"type": ["Performance"], "score": {"type": ["Score"], "code": "admitted"}}


def _assessment(certificate_id: str, number: int, line: MediumLine) -> dict[str, Any]:
    """The assessment of one medium: what UNTP asks for, and our record under `sanitisation`."""
    assessment_id = _derived(certificate_id, str(number))
    medium = {
        **_present(id=line.medium_id, manufacturer=line.manufacturer, wwn=line.wwn),
        "kind": line.kind,
        "model": line.model,
        "serial": line.serial,
        "sizeBytes": line.size_bytes,
        **_present(propertyNumber=line.property_number, source=line.source),
    }
    verification: dict[str, Any] = {
        "result": "completed",
        "at": write_time(line.verified),
        "bytesRead": line.bytes_read,
        "bytesUnreadable": line.bytes_unreadable,
        **_present(method=line.verification_method),
    }
    if line.sampling is not None:
        verification["sampling"] = {
            "fractionPpm": line.sampling.fraction_ppm,
            "confidencePpm": line.sampling.confidence_ppm,
            "samples": line.sampling.samples,
            "seed": line.sampling.seed,
        }
    validation: dict[str, Any] = {"result": "not-performed"}
    if line.validator is not None:
        validation = {
            "result": "effective",
            "by": line.validator,
            "at": write_time(line.validated or line.verified),
            **_present(method=line.validation_method),
        }
    record: dict[str, Any] = {
        "medium": medium,
        **_present(method=line.level),
        "technique": line.technique,
        "evidenceClass": line.evidence_class,
        "tool": {"name": line.tool, "version": line.tool_version},
        "started": write_time(line.started),
        "ended": write_time(line.ended),
        "verification": verification,
        "validation": validation,
        "badBlocks": line.bad_blocks,
        "exclusions": list(line.exclusions),
        "operator": line.operator,
        **_present(
            confidentialityBefore=line.confidentiality_before,
            confidentialityAfter=line.confidentiality_after,
            destination=line.destination,
            removalEvent=line.removal_event,
            particleSizeMicrometres=line.particle_size_micrometres,
        ),
    }
    assessment = {
        "type": ["ConformityAssessment"],
        "id": assessment_id,
        "name": f"Sanitisation of {v.KIND_NAMES.get(line.kind, line.kind)} {line.serial}".strip(),
        "assessmentCriteria": [deepcopy(CRITERIA[line.level or "absent"])],
        "assessmentDate": write_time(line.verified)[:10],
        "assessedPerformance": [deepcopy(PERFORMANCE[line.evidence_class])],
        "assessedProduct": [
            {
                "type": ["ProductVerification"],
                "product": {
                    "type": ["Product"],
                    "id": line.medium_id or assessment_id,
                    "name": f"{line.manufacturer} {line.model}".strip() or v.KIND_NAMES.get(line.kind, line.kind),
                },
            }
        ],
        "conformityTopic": [deepcopy(TOPIC)],
        "conformance": True,
        "sanitisation": record,
    }
    if line.evidence:
        assessment["evidence"] = [
            {
                "linkURL": each.url,
                "linkName": each.name,
                "digestMultibase": each.digest_multibase,
                "mediaType": each.media_type,
            }
            for each in line.evidence
        ]
    return assessment


def _party(party_id: str, name: str) -> dict[str, Any]:
    return {"type": ["Party"], "id": party_id, "name": name}


def _issuer(issuer_did: str, name: str) -> dict[str, Any]:
    return {"type": ["CredentialIssuer"], "id": issuer_did, "name": name}


def _assessment_level(training: bool, level: str) -> str:
    """UNTP's word for who stands behind an assessor: behind practice stands nobody."""
    return "no-endorsement" if training else level


def _derived(certificate_id: str, part: str) -> str:
    """An id for a part of a document, made from the document's own id."""
    return uuid5(UUID(certificate_id.removeprefix("urn:uuid:")), part).urn


def _present(**members: Any) -> dict[str, Any]:
    """The members that say something."""
    return {name: value for name, value in members.items() if value is not None and value != ""}


# ---------------------------------------------------------------------------- reading back


_time = datetime.fromisoformat  # the spelling has been checked with the shape


def read_statement(certificate: Mapping[str, Any]) -> Statement:
    """What a certificate says. Its shape has been checked before."""
    wipe = certificate["wipe"]
    subject = certificate["credentialSubject"]
    endorsement = subject["authorisation"][0]["endorsementEvidence"]
    order, device, proof = wipe["workOrder"], wipe["device"], certificate["proof"]
    return Statement(
        certificate_id=certificate["id"],
        issuer_did=certificate["issuer"]["id"],
        issuer_name=certificate["issuer"]["name"],
        verification_method=proof["verificationMethod"],
        valid_from=_time(certificate["validFrom"]),
        created=_time(proof["created"]),
        training=wipe["training"],
        work_order_id=order["id"],
        work_order_digest=order["digestMultibase"],
        challenge=order["challenge"],
        accreditation_id=endorsement["linkURL"],
        accreditation_digest=endorsement["digestMultibase"],
        device_id=device["id"],
        device_code=device["code"],
        custody_cycle=wipe["custodyCycle"],
        supersedes=wipe.get("supersedes"),
        host_claimed=device["hostClaimed"],
        host_observed=device["hostObserved"],
        lines=[_line(assessment) for assessment in subject["conformityAssessment"]],
    )


def _line(assessment: Mapping[str, Any]) -> MediumLine:
    record = assessment["sanitisation"]
    medium, verification, validation = record["medium"], record["verification"], record["validation"]
    sampling = verification.get("sampling")
    validated = validation.get("at")
    return MediumLine(
        medium_id=medium.get("id"),
        kind=medium["kind"],
        model=medium["model"],
        serial=medium["serial"],
        wwn=medium.get("wwn"),
        size_bytes=medium["sizeBytes"],
        level=record.get("method"),
        technique=record["technique"],
        evidence_class=record["evidenceClass"],
        tool=record["tool"]["name"],
        tool_version=record["tool"]["version"],
        started=_time(record["started"]),
        ended=_time(record["ended"]),
        verified=_time(verification["at"]),
        exclusions=record["exclusions"],
        bad_blocks=record["badBlocks"],
        operator=record["operator"],
        validator=validation.get("by"),
        verification_method=verification.get("method", ""),
        bytes_read=verification["bytesRead"],
        bytes_unreadable=verification["bytesUnreadable"],
        sampling=None
        if sampling is None
        else Sampling(
            fraction_ppm=sampling["fractionPpm"],
            confidence_ppm=sampling["confidencePpm"],
            samples=sampling["samples"],
            seed=sampling["seed"],
        ),
        validated=None if validated is None else _time(validated),
        validation_method=validation.get("method", ""),
        manufacturer=medium.get("manufacturer", ""),
        property_number=medium.get("propertyNumber", ""),
        source=medium.get("source", ""),
        confidentiality_before=record.get("confidentialityBefore", ""),
        confidentiality_after=record.get("confidentialityAfter", ""),
        destination=record.get("destination", ""),
        removal_event=record.get("removalEvent"),
        particle_size_micrometres=record.get("particleSizeMicrometres"),
        evidence=tuple(
            Evidence(
                name=link["linkName"],
                url=link["linkURL"],
                digest_multibase=link["digestMultibase"],
                media_type=link["mediaType"],
            )
            for link in assessment.get("evidence", ())
        ),
    )
