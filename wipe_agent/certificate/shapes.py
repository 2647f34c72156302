"""What each signed document must look like: certificate, accreditation, work order, DID document, trust file.

Fixed parts, which UNTP asks for and which say the same on every certificate, are compared whole.
"""

from collections.abc import Mapping
from typing import Any, Final

from wipe_agent.certificate import vocabulary as v
from wipe_agent.certificate.shape import (
    Test,
    code,
    day,
    did,
    did_url,
    digest,
    exactly,
    flag,
    moment,
    one_of,
    pattern,
    several,
    text,
    thing,
    uri,
    urn,
    whole,
    yes,
)
from wipe_agent.certificate.statement import ADMITTED, CRITERIA, PERFORMANCE, SCHEME, SCOPE_SENTENCE, TOPIC
from wipe_agent.certificate.strict import MAX_BYTES

_name = text(most=200)
_maybe_empty = text(most=200, empty=True)
_kind = one_of(*v.MEDIUM_KINDS)
_level = one_of(*v.LEVELS)
_challenge = pattern(r"z[1-9A-HJ-NP-Za-km-z]{22,88}", "16 or more random bytes in multibase base58btc")
_key = pattern(r"z6Mk[1-9A-HJ-NP-Za-km-z]{44}", "an Ed25519 public key in multibase")
_party = thing({"type": exactly(("Party",)), "id": did, "name": _name})
_issuer = thing({"type": exactly(("CredentialIssuer",)), "id": did, "name": _name})


def _any(_: Any) -> str | None:
    """Checked elsewhere: the context and the proof have checks of their own."""
    return None


_method = thing({"id": did_url, "type": exactly("Multikey"), "controller": did, "publicKeyMultibase": _key})

# ---------------------------------------------------------------------------- certificate

_medium = thing(
    {"kind": _kind, "model": _maybe_empty, "serial": _maybe_empty, "sizeBytes": whole()},
    {"id": urn, "manufacturer": _name, "wwn": _name, "propertyNumber": _name, "source": _name},
)
_sampling = thing(
    {
        "fractionPpm": whole(least=1),
        "confidencePpm": whole(least=1),
        "samples": whole(least=1),
        "seed": text(most=100),
    }
)
_verification = thing(
    {"result": exactly("completed"), "at": moment, "bytesRead": whole(), "bytesUnreadable": whole()},
    {"method": text(), "sampling": _sampling},
)
_not_validated = thing({"result": exactly("not-performed")})
_validated = thing({"result": exactly("effective"), "by": _name, "at": moment}, {"method": text()})


def _validation(value: Any) -> str | None:
    if type(value) is dict and value.get("result") == "not-performed":
        return _not_validated(value)
    return _validated(value)


_sanitisation = thing(
    {
        "medium": _medium,
        "technique": _name,
        "evidenceClass": one_of(*v.EVIDENCE_CLASSES),
        "tool": thing({"name": _name, "version": _name}),
        "started": moment,
        "ended": moment,
        "verification": _verification,
        "validation": _validation,
        "badBlocks": whole(),
        "exclusions": several(text(), most=32),
        "operator": _name,
    },
    {
        "method": _level,
        "confidentialityBefore": _name,
        "confidentialityAfter": _name,
        "destination": _name,
        "removalEvent": uri,
        "particleSizeMicrometres": whole(least=1),
    },
)
_product = thing(
    {
        "type": exactly(("ProductVerification",)),
        "product": thing({"type": exactly(("Product",)), "id": urn, "name": text(most=401)}),
    }
)
_link = thing({"linkURL": uri, "linkName": _name, "digestMultibase": digest, "mediaType": text(most=100)})
_assessment_members = thing(
    {
        "type": exactly(("ConformityAssessment",)),
        "id": urn,
        "name": text(),
        "assessmentCriteria": _any,
        "assessmentDate": day,
        "assessedPerformance": _any,
        "assessedProduct": several(_product, least=1, most=1),
        "conformityTopic": exactly([TOPIC]),
        "conformance": yes,
        "sanitisation": _sanitisation,
    },
    {"evidence": several(_link, least=1, most=16)},
)


def _assessment(value: Any) -> str | None:
    """One medium; what UNTP readers see must say the same as the record."""
    if (problem := _assessment_members(value)) is not None:
        return problem
    record = value["sanitisation"]
    if value["assessmentCriteria"] != [CRITERIA[record.get("method", "absent")]]:
        return ".assessmentCriteria does not name the method of the record"
    if value["assessedPerformance"] != [PERFORMANCE[record["evidenceClass"]]]:
        return ".assessedPerformance does not name the evidence class of the record"
    if value["assessedProduct"][0]["product"]["id"] != record["medium"].get("id", value["id"]):
        return ".assessedProduct does not name the medium of the record"
    if value["assessmentDate"] != record["verification"]["at"][:10]:
        return ".assessmentDate is not the day of the verification"
    return None


_host = {"manufacturer": _maybe_empty, "model": _maybe_empty, "serial": _maybe_empty}
_certificate_wipe = thing(
    {
        "training": flag,
        "workOrder": thing({"id": urn, "digestMultibase": text(most=64), "challenge": text(most=100)}),
        "device": thing({"id": urn, "code": code, "hostClaimed": thing(_host), "hostObserved": thing({}, _host)}),
        "custodyCycle": whole(least=1),
        "scope": exactly(SCOPE_SENTENCE),
    },
    {"supersedes": urn, "location": text(), "contact": text()},
)
_endorsement = thing(
    {
        "type": exactly(("Endorsement",)),
        "name": text(),
        "issuingAuthority": _party,
        "endorsementEvidence": thing(
            {
                "linkURL": urn,
                "linkName": exactly(v.ACCREDITATION_FILE),
                "digestMultibase": text(most=64),
                "mediaType": exactly("application/vc"),
            }
        ),
    }
)
_place = pattern(r"0|[1-9][0-9]{0,8}", "a number in digits")
_status = thing(
    {
        "type": exactly("BitstringStatusListEntry"),
        "statusPurpose": exactly("revocation"),
        "statusListIndex": _place,
        "statusListCredential": uri,
    },
    {"id": uri},
)


def _credential(type_: tuple[str, ...], subject: Test, wipe: Test, *, until: bool, listed: bool = True) -> Test:
    return thing(
        {
            "@context": _any,
            "id": urn,
            "type": exactly(type_),
            "issuer": _issuer,
            "validFrom": moment,
            "name": text(),
            "wipe": wipe,
            "credentialSubject": subject,
            "proof": _any,
            **({"validUntil": moment} if until else {}),
        },
        {"credentialStatus": _status} if listed else {},
    )


def _attestation(levels: tuple[str, ...], more: dict[str, Test], assessment: Test, *, most: int) -> Test:
    return thing(
        {
            "type": exactly(("ConformityAttestation",)),
            "id": urn,
            "name": text(),
            "assessorLevel": exactly("3rdParty"),
            "assessmentLevel": one_of(*levels, "no-endorsement"),
            "attestationType": exactly("certification"),
            "issuedToParty": _party,
            "referenceScheme": exactly(SCHEME),
            "conformityAssessment": several(assessment, least=1, most=most),
            **more,
        }
    )


CERTIFICATE: Final = _credential(
    v.CERTIFICATE_TYPE,
    _attestation(("scheme-cab",), {"authorisation": several(_endorsement, least=1, most=1)}, _assessment, most=64),
    _certificate_wipe,
    until=False,
)

# ---------------------------------------------------------------------------- accreditation

_training = thing({"training": flag})
_scope = thing(
    {
        "methods": several(_level, least=1, most=len(v.LEVELS)),
        "mediaKinds": several(_kind, least=1, most=len(v.MEDIUM_KINDS)),
        "keys": several(_method, least=1, most=64),
    }
)
_accreditation_members = _credential(
    v.ACCREDITATION_TYPE,
    _attestation(
        ("scheme-self",),
        {},
        thing(
            {
                "type": exactly(("ConformityAssessment",)),
                "id": urn,
                "name": text(),
                "assessmentCriteria": exactly([CRITERIA["accreditation"]]),
                "assessmentDate": day,
                "assessedPerformance": exactly([ADMITTED]),
                "conformityTopic": exactly([TOPIC]),
                "conformance": yes,
                "accreditationScope": _scope,
            }
        ),
        most=1,
    ),
    _training,
    until=True,
)


def ACCREDITATION(value: Any) -> str | None:  # noqa: N802 - a shape beside CERTIFICATE and WORK_ORDER
    """An accreditation; its keys belong to the centre, and each is listed once."""
    if (problem := _accreditation_members(value)) is not None:
        return problem
    subject = value["credentialSubject"]
    keys = subject["conformityAssessment"][0]["accreditationScope"]["keys"]
    return _own_keys(keys, subject["issuedToParty"]["id"])


def _own_keys(keys: list[dict[str, Any]], owner: str) -> str | None:
    if len({key["id"] for key in keys}) != len(keys):
        return " lists a key's id twice"
    if len({key["publicKeyMultibase"] for key in keys}) != len(keys):
        return " lists a key twice"
    for key in keys:
        if key["controller"] != owner or not key["id"].startswith(owner + "#"):
            return f" lists the key {key['id']}, which belongs to somebody else"
    return None


# ---------------------------------------------------------------------------- work order

_ordered_medium = thing(
    {"id": urn, "kind": _kind, "model": _maybe_empty, "serial": _maybe_empty},
    {"manufacturer": _maybe_empty, "wwn": _name, "sizeBytes": whole()},
)
_work_order_members = _credential(
    v.WORK_ORDER_TYPE,
    thing(
        {
            "type": exactly(("WipeWorkOrder",)),
            "device": thing(
                {
                    "id": urn,
                    "code": code,
                    "manufacturer": _maybe_empty,
                    "model": _maybe_empty,
                    "serial": _maybe_empty,
                }
            ),
            "custodyCycle": whole(least=1),
            "centre": _party,
            "media": several(_ordered_medium, least=1, most=64),
            "challenge": _challenge,
            "policy": _name,
        },
        {"supersedes": urn},
    ),
    thing({"training": flag}, {"credentialStatus": _status}),
    until=True,
    listed=False,
)


def WORK_ORDER(value: Any) -> str | None:  # noqa: N802
    """A work order; each medium is expected once."""
    if (problem := _work_order_members(value)) is not None:
        return problem
    media = value["credentialSubject"]["media"]
    if len({medium["id"] for medium in media}) != len(media):
        return " expects the same medium twice"
    return None


# ---------------------------------------------------------------------------- status list

_since = {"compromisedSince": moment}
STATUS_LIST: Final = thing(
    {
        "@context": _any,
        "id": uri,
        "type": exactly(v.STATUS_LIST_TYPE),
        "issuer": _issuer,
        "validFrom": moment,
        "validUntil": moment,
        "name": text(),
        "wipe": thing(
            {
                "training": flag,
                "revocations": several(
                    thing({"statusListIndex": _place, "at": moment, "reason": text(most=500)}, _since), most=1024
                ),
                "revokedKeys": several(
                    thing(
                        {
                            "verificationMethod": did_url,
                            "publicKeyMultibase": _key,
                            "at": moment,
                            "reason": text(most=500),
                        },
                        _since,
                    ),
                    most=1024,
                ),
            }
        ),
        "credentialSubject": thing(
            {
                "id": uri,
                "type": exactly("BitstringStatusList"),
                "statusPurpose": exactly("revocation"),
                "encodedList": text(most=MAX_BYTES),
            }
        ),
        "proof": _any,
    }
)

# ---------------------------------------------------------------------------- keys

_did_document_members = thing(
    {
        "@context": exactly(v.DID_CONTEXT),
        "id": did,
        "verificationMethod": several(_method, least=1, most=64),
        "assertionMethod": several(did_url, most=64),
    }
)


def DID_DOCUMENT(value: Any) -> str | None:  # noqa: N802
    """A DID document with Ed25519 keys of its own."""
    if (problem := _did_document_members(value)) is not None:
        return problem
    return _own_keys(value["verificationMethod"], value["id"])


# A verifier key of C2SP signed-note: name, key id, and the type of key with the key. Read in full by `log.note`.
_vkey = pattern(r"[!-*,-~]{1,200}\+[0-9a-f]{8}\+[A-Za-z0-9+/]{8,2800}={0,2}", "a verifier key (name+id+key)")
_origin = pattern(r"[!-*,-~]{1,200}", "the origin of a log")

_key_end = thing({"id": did_url, "until": moment}, _since)

_trust_members = thing(
    {
        "type": exactly("WipeTrust"),
        "version": exactly(1),
        "training": flag,
        "updated": moment,
        "parties": several(
            thing(
                {
                    "name": _name,
                    "roles": several(one_of(*v.ROLES), least=1, most=len(v.ROLES)),
                    "didDocument": DID_DOCUMENT,
                },
                {"until": moment, "keyEnds": several(_key_end, least=1, most=64)},
            )
        ),
    },
    {
        "logs": several(thing({"origin": _origin, "vkey": _vkey, "name": _name}), least=1, most=16),
        "witnesses": several(thing({"vkey": _vkey, "name": _name}), most=64),
        "witnessesNeeded": whole(),
    },
)


def TRUST(value: Any) -> str | None:  # noqa: N802
    """A trust file; it asks for no more witnesses than it names, names none without a log, and only accreditors end."""
    if (problem := _trust_members(value)) is not None:
        return problem
    for party in value["parties"]:
        if "until" in party and party["roles"] != [v.ACCREDITOR]:
            return f" ends {party['name']}, which is not an accreditor alone"
        if (problem := _key_ends_problem(party)) is not None:
            return problem
    named = [name for name in ("logs", "witnesses", "witnessesNeeded") if name in value]
    if named and len(named) != 3:
        return f" has {' and '.join(named)} but not all of logs, witnesses and witnessesNeeded"
    if named and value["witnessesNeeded"] > len(value["witnesses"]):
        return f" asks for {value['witnessesNeeded']} witnesses but names {len(value['witnesses'])}"
    return None


def _key_ends_problem(party: Mapping[str, Any]) -> str | None:
    """Ends are of the party's own keys, one for each."""
    ended = [end["id"] for end in party.get("keyEnds", ())]
    listed = {method["id"] for method in party["didDocument"]["verificationMethod"]}
    if len(set(ended)) != len(ended) or not listed.issuperset(ended):
        return f" ends a key twice, or one that {party['name']} does not have"
    return None
