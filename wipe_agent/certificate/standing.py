"""What came after the signing: was the certificate seen in the log in time, and does it still stand?

Both questions are answered from what the bundle brings, never from the network. What is missing or old is a caution:
a certificate that was made this morning is in no log yet. What is there and does not hold fails.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from wipe_agent.certificate import log, proof, shapes, vocabulary
from wipe_agent.certificate.shape import misshapen
from wipe_agent.certificate.statement import Statement
from wipe_agent.certificate.status import StatusList, read_status_list
from wipe_agent.certificate.strict import Unreadable, read_signed
from wipe_agent.certificate.times import CLOCK_TOLERANCE, read_time
from wipe_agent.certificate.trust import Trust

Level = Literal["holds", "caution", "fails"]
"""How a check came out. A caution does not refute the certificate; it says what could not be seen from here."""

Code = Literal["late", "revoked"]
"""What a program is told beside the sentence: witnessed late; withdrawn, by itself, its accreditation or its key."""

WITNESSED_WITHIN: Final = timedelta(hours=24)
"""How long after its `validFrom` a certificate may be witnessed without being called late."""
FRESH: Final = timedelta(days=7)
"""How old a status list may be, whatever it says of itself."""


class Answer(NamedTuple):
    """How a question came out, the sentence, and a code where programs go by more than the level."""

    level: Level
    text: str
    code: Code | None = None


def in_log(data: bytes | None, leaf: log.Leaf, statement: Statement, trust: Trust) -> tuple[Answer, datetime | None]:
    """Whether the proof shows the leaf in a log that counts, and when enough witnesses had seen it there.

    The time is None where that is not shown.
    """
    if not trust.logs:
        return _caution("Your trust file names no log, so only the centre says when this certificate was made."), None
    if data is None:
        return _caution(
            "It is not in the log yet, or its proof was left out: only the centre says when it was made. "
            "Ask the marketplace for the bundle again."
        ), None
    try:
        found = log.LogProof.parse(data)
        origin = found.checkpoint.partition(b"\n")[0].decode()
        if origin not in {one.origin for one in trust.logs}:
            return _caution(
                f"The proof is from the log {origin[:80]!r}, which your trust file does not name. It shows you nothing."
            ), None
        proven = log.verify_proof(
            found, leaf.data, [one.key for one in trust.logs], [one.key for one in trust.witnesses]
        )
    except (Unreadable, log.LogRefused) as problem:
        return _fails(f"The proof that it is in the log does not hold. {problem}"), None
    return _witnessed(proven, statement, trust)


def _witnessed(proven: log.Proven, statement: Statement, trust: Trust) -> tuple[Answer, datetime | None]:
    needed, seen = trust.witnesses_needed, len(proven.seen.witnesses)
    if not needed:
        # Who wrote the trust file chose that the log's own word is enough: then there is nothing more to be had.
        return Answer(
            "holds",
            "It is in the public log. Your trust file asks for no outside witness, so when it came there, only the log "
            "says.",
        ), None
    at = proven.witnessed(needed)
    if at is None:
        return _caution(
            f"It is in the log, but seen there by {_count(seen, 'witness', 'witnesses')}; your trust file asks for "
            f"{needed}. Ask the marketplace for the bundle again later."
        ), None
    witnesses = _count(seen, "witness", "witnesses")
    if at < statement.created - CLOCK_TOLERANCE:
        return _caution(
            f"{witnesses.capitalize()} saw it in the log by {_when(at)}, before the time that it is dated "
            f"({_when(statement.created)}). One of the clocks is wrong."
        ), at
    if at > statement.valid_from + WITNESSED_WITHIN:
        return Answer(
            "caution",
            f"Late-witnessed: it is dated {_when(statement.valid_from)}, and was seen in the log by {witnesses} only "
            f"on {_when(at)}. For the time between, there is only the centre's word.",
            "late",
        ), at
    return Answer("holds", f"It is in the log, seen by {witnesses} on {_when(at)}."), at


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A document whose status is asked, and the list that the bundle brings for it."""

    name: str
    """As people call it: certificate, accreditation."""
    entry: dict[str, Any] | None
    issuer: str
    """The DID of who may sign its list."""
    backing: str
    """What of this issuer the certificate stands on: the work order, or the accreditation."""
    backing_key: str
    """The key that signed that."""
    role: str
    file: str
    data: bytes | None


def still_stands(
    certificate: Listed,
    accreditation: Listed,
    key: Ed25519PublicKey,
    statement: Statement,
    trust: Trust,
    *,
    witnessed: datetime | None,
    training: bool,
    at: datetime,
) -> tuple[Answer, datetime | None]:
    """Whether the certificate, its accreditation and the station's `key` were withdrawn, as far as the lists tell.

    What fell with a `compromisedSince` spares a certificate that was witnessed before that. The time is that of the
    older list: as of when this is known. None where no list could be opened.
    """
    for listed in (accreditation, certificate):
        if (problem := _lost_key_problem(listed, trust, witnessed)) is not None:
            return _fails(problem), None
    cautions: list[str] = []
    oldest: datetime | None = None
    for listed in (certificate, accreditation):
        try:
            found = _open(listed, trust, training=training)
            if isinstance(found, str):
                cautions.append(found)
                continue
            problem = _withdrawn(listed, found, witnessed) or (
                _key_problem(found, key, statement, witnessed) if listed is accreditation else None
            )
        except Unreadable as reason:
            return _fails(f"The {listed.file} does not hold. {reason}"), None
        oldest = found.valid_from if oldest is None else min(oldest, found.valid_from)
        if problem is not None:
            return Answer("fails", problem, "revoked"), oldest
        if found.valid_from < statement.created - CLOCK_TOLERANCE:
            cautions.append(
                f"The status list of the {listed.name} is of {_when(found.valid_from)}, and the certificate was signed "
                f"only on {_when(statement.created)}: the list cannot know of it. Ask the marketplace for the bundle "
                "again."
            )
        elif at > found.valid_from + FRESH or at > found.valid_until:
            cautions.append(
                f"Valid, but its status is not fresh: the list of the {listed.name} is of {_when(found.valid_from)}, "
                f"older than {FRESH.days} days. Ask the marketplace for the bundle again."
            )
        elif found.valid_from - CLOCK_TOLERANCE > at:
            cautions.append(
                f"The status list of the {listed.name} is dated {_when(found.valid_from)}, in the future. One of the "
                "clocks is wrong, so whether it is fresh cannot be told."
            )
    if cautions:
        return _caution(" ".join(cautions)), oldest
    if oldest is None:  # pragma: no cover - without a list there is a caution
        raise AssertionError("A list was neither opened nor missed.")
    text = f"Not revoked as of {_when(oldest)}: not it, nor its accreditation, nor the station's key."
    return Answer("holds", text), oldest


def _open(listed: Listed, trust: Trust, *, training: bool) -> StatusList | str:
    """The list that a document's entry names, with its signature checked; or why there is none, for a caution."""
    if listed.entry is None:
        return (
            f"The {listed.name} names no status list, as before there were any: ask the marketplace whether it was "
            "withdrawn."
        )
    if listed.data is None:
        return f"No status list of the {listed.name} is here: ask the marketplace whether it was withdrawn."
    document, unsigned, _ = read_signed(listed.data, what="status list")
    if document.get("@context") != list(vocabulary.CONTEXT) or document.get("type") != list(
        vocabulary.STATUS_LIST_TYPE
    ):
        raise Unreadable("It is no status list of this format.")
    if (problem := shapes.STATUS_LIST(document)) is not None:
        raise Unreadable(misshapen("status list", problem))
    if document["id"] != listed.entry["statusListCredential"]:
        raise Unreadable(f"It is another list than the one that the {listed.name} names.")
    if document["issuer"]["id"] != listed.issuer:
        raise Unreadable(f"It is by {document['issuer']['id']}, not by {listed.issuer}.")
    try:
        options = proof.check_options(document["proof"], document["@context"])
        method = options["verificationMethod"]
        key = trust.key(method, listed.role) if method.partition("#")[0] == listed.issuer else None
        if key is None:
            raise Unreadable(f"It is signed with the key {method}, which the trust file does not list for its issuer.")
        proof.check_signature(options, unsigned, key)
        late = trust.signed_too_late(method, read_time(options["created"]))
    except proof.ProofRefused as refusal:
        raise Unreadable(f"The status list {refusal}") from None
    if late is not None:
        raise Unreadable(f"It is signed with {late}.")
    if (end := trust.key_end(method)) is not None and end.compromised_since is not None:
        # Who has the key can write any list, and date it as they like: it is as good as none.
        return (
            f"The status list of the {listed.name} is signed with the key {method}, which others may have had since "
            f"{_when(end.compromised_since)}: it says nothing. Ask the marketplace for the bundle again."
        )
    found = read_status_list(document)
    if found.training is not training:
        raise Unreadable("It is for practice, and the certificate for real, or the other way round.")
    return found


def _lost_key_problem(listed: Listed, trust: Trust, witnessed: datetime | None) -> str | None:
    """Whether the work order or the accreditation may be by somebody else, who had the key of its issuer.

    The certificate names both by their digests, so what witnesses saw of it, they saw of these.
    """
    end = trust.key_end(listed.backing_key)
    if end is None or end.compromised_since is None:
        return None
    if witnessed is not None and witnessed <= end.compromised_since:
        return None
    return (
        f"The {listed.backing} is signed with the key {listed.backing_key}, which others may have had since "
        f"{_when(end.compromised_since)}. Only what was seen in the log before that still stands, and this was not."
    )


def _withdrawn(listed: Listed, found: StatusList, witnessed: datetime | None) -> str | None:
    index = int(listed.entry["statusListIndex"]) if listed.entry else 0
    if not found.is_set(index):
        return None
    if (told := found.withdrawn.get(index)) is None:
        return f"The {listed.name} was revoked. The list does not say when and why: ask the marketplace."
    if told.compromised_since is not None and listed.role == vocabulary.ACCREDITOR:
        if witnessed is not None and witnessed <= told.compromised_since:
            return None
        return (
            f"The accreditation was revoked on {_when(told.at)}. The reason given: {_ended(told.reason)} Only what "
            f"was seen in the log before {_when(told.compromised_since)} still stands, and this was not."
        )
    return f"The {listed.name} was revoked on {_when(told.at)}. The reason given: {_ended(told.reason)}"


def _key_problem(
    found: StatusList, key: Ed25519PublicKey, statement: Statement, witnessed: datetime | None
) -> str | None:
    if (fallen := found.fallen(key)) is None:
        return None
    given, which = f"The reason given: {_ended(fallen.reason)}", f"The key is {statement.verification_method}."
    if fallen.compromised_since is None:
        # Nobody else had the key, so the time that the station wrote is believed.
        if statement.created <= fallen.at + CLOCK_TOLERANCE:
            return None
        return (
            f"The test centre's signing key was revoked on {_when(fallen.at)}. {given} This certificate was signed "
            f"with it after that. {which}"
        )
    if witnessed is not None and witnessed <= fallen.compromised_since:
        return None
    return (
        f"The test centre's signing key was stolen or lost: others may have had it since "
        f"{_when(fallen.compromised_since)}. {given} Only what was seen in the log before that still stands, and this "
        f"was not. {which} It was revoked on {_when(fallen.at)}."
    )


def _caution(text: str) -> Answer:
    return Answer("caution", text)


def _fails(text: str) -> Answer:
    return Answer("fails", text)


def _when(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M} UTC"


def _count(number: int, one: str, many: str) -> str:
    return f"{number or 'no'} {one if number == 1 else many}"


def _ended(reason: str) -> str:
    return reason if reason.endswith((".", "!", "?")) else reason + "."
