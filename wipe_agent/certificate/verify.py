"""What a verifier checks, in order: one sentence for each check.

`verify` reads the three documents, believes none of them before its signature holds under a key
that the pinned trust file leads to, and then compares them. It never raises on bad content. When a
document cannot be believed, the report ends there: what it says is not worth comparing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from wipe_agent.certificate import jwt, proof, shapes, vocabulary
from wipe_agent.certificate.bundle import Bundle
from wipe_agent.certificate.comparison import NOT_IN_TRAINING, QUESTIONS, Case, Question, scope_of
from wipe_agent.certificate.log import Leaf
from wipe_agent.certificate.multibase import digest_of, public_key_from_multibase
from wipe_agent.certificate.shape import Test, misshapen
from wipe_agent.certificate.standing import Answer, Code, Level, Listed, in_log, still_stands
from wipe_agent.certificate.statement import Statement, read_statement
from wipe_agent.certificate.strict import Unreadable, read_signed
from wipe_agent.certificate.times import read_time
from wipe_agent.certificate.trust import Trust

CHECKS: Final = (
    "readable",
    "context",
    "type",
    "shape",
    "trust",
    "accreditation-proof",
    "key",
    "certificate-proof",
    "work-order-proof",
    *(name for name, _, _ in QUESTIONS),
    "envelope",
    "log",
    "status",
)
"""The names of the checks, in the order in which a report lists them."""


class Check(NamedTuple):
    """One line of a report: what was checked, how it came out, a sentence for people, and a code for programs."""

    name: str
    level: Level
    text: str
    code: Code | None = None
    """Where the level alone does not tell enough: `late` or `revoked`."""

    @property
    def ok(self) -> bool:
        """Whether the certificate may stand: the check does not fail."""
        return self.level != "fails"


@dataclass
class Report:
    """The checks that were made. It ends at a check without which the next ones mean nothing."""

    checks: list[Check] = field(default_factory=list)
    statement: Statement | None = None
    """What the certificate says, as soon as its shape is known. Believe it only when `ok`."""
    digest: str | None = None
    """The digest of the certificate whole, as soon as its shape is known: two of one number are told apart by it."""
    missing: tuple[str, ...] = ()
    """The files without which nothing can be checked, and which the bundle lacks."""
    known_at: datetime | None = None
    """The date of the older status list: as of when it is known how the certificate stands. None without a list."""

    @property
    def ok(self) -> bool:
        """Whether the certificate verifies: every check was made, and none fails."""
        return len(self.checks) == len(CHECKS) and all(check.ok for check in self.checks)

    @property
    def cautions(self) -> list[Check]:
        """What a reader should know although nothing fails."""
        return [check for check in self.checks if check.level == "caution"]

    @property
    def readable(self) -> bool:
        """Whether the documents could be read at all."""
        return bool(self.checks) and self.checks[0].ok

    @property
    def failed(self) -> Check | None:
        """The first check that does not hold."""
        return next((check for check in self.checks if not check.ok), None)

    @property
    def refusal(self) -> str | None:
        """The sentence of the first check that does not hold."""
        return None if (failed := self.failed) is None else failed.text


def verify(bundle: Bundle, trust: Trust | None, *, at: datetime, training: bool = False) -> Report:
    """Check a bundle against a pinned trust file, as of the aware time `at`.

    `training` admits certificates made for practice. Bad content never raises; it fails a check.
    """
    report = Report()
    try:
        _verify(bundle, trust, at, training, report)
    except _Fails as failure:
        report.checks.append(failure.check)
    return report


def problem_with(document: Mapping[str, Any]) -> str | None:
    """What is wrong with the context or form of one document of any of the four kinds, as a sentence."""
    if document.get("@context") != _CONTEXT:
        return "The document does not carry exactly this format's @context."
    for kind in (*_KINDS, _LIST):
        if document.get("type") == kind.type_:
            return None if (problem := kind.shape(document)) is None else misshapen(kind.name, problem)
    return "The document is no certificate, accreditation, work order or status list."


def read_certificate(data: bytes, key: Ed25519PublicKey) -> Statement:
    """Read one certificate and check its shape and its own proof under `key`, and nothing around it.

    Raises Unreadable or ProofRefused.
    """
    document, unsigned, _ = read_signed(data, what="certificate")
    if (problem := problem_with(document)) is not None or document["type"] != list(vocabulary.CERTIFICATE_TYPE):
        raise Unreadable(problem or "The document is not a certificate.")
    proof.check_signature(proof.check_options(document["proof"], _CONTEXT), unsigned, key)
    return read_statement(document)


class _Fails(Exception):
    """Ends a report with a check that does not hold."""

    def __init__(self, name: str, text: str) -> None:
        self.check = Check(name, "fails", text)


def _compared(case: Case, name: str, question: Question, fine: str) -> Check:
    if case.statement.training and name in NOT_IN_TRAINING:
        return Check(name, "caution", NOT_IN_TRAINING[name])
    problem = question(case)
    return Check(name, "holds", fine) if problem is None else Check(name, "fails", problem)


def _verify(bundle: Bundle, trust: Trust | None, at: datetime, training: bool, report: Report) -> None:
    def holds(name: str, text: str) -> None:
        report.checks.append(Check(name, "holds", text))

    def answered(name: str, answer: Answer) -> None:
        report.checks.append(Check(name, *answer))

    report.missing = tuple(kind.file for kind in _KINDS if kind.file not in bundle.files)
    certificate, accreditation, order = (_read(kind, bundle) for kind in _KINDS)
    holds("readable", _what_was_read(bundle))
    for signed in (certificate, accreditation, order):
        if signed.document.get("@context") != _CONTEXT:
            raise _Fails(
                "context",
                f"{signed.kind.the} does not carry exactly this format's @context, so its words may mean anything.",
            )
    holds("context", "All three are written in the words of this format, and in no others.")
    for signed in (certificate, accreditation, order):
        if signed.document.get("type") != signed.kind.type_:
            raise _Fails(
                "type", f"{signed.kind.the} is not of the type {signed.kind.type_[-1]}. Is it in the wrong file?"
            )
    holds("type", "Each is the kind of document that its file name says.")
    for signed in (certificate, accreditation, order):
        if (problem := signed.kind.shape(signed.document)) is not None:
            raise _Fails("shape", misshapen(signed.kind.name, problem))
        try:
            # The signature comes later, under a key that is trusted; what is signed with must be known now.
            proof.check_options(signed.document["proof"], _CONTEXT)
        except proof.ProofRefused as refusal:
            raise _Fails(signed.kind.proof_check, f"{signed.kind.the} {refusal}") from None
    holds("shape", "All three have the form of their kind, and nothing besides.")
    statement = report.statement = read_statement(certificate.document)
    digest = report.digest = digest_of(certificate.form)

    if trust is None:
        raise _Fails("trust", "There is no trusted issuer. Give a trust file, or enrol this station to pin one.")
    accreditor = _trusted_issuer(accreditation, trust, vocabulary.ACCREDITOR)
    marketplace = _trusted_issuer(order, trust, vocabulary.MARKETPLACE)
    holds("trust", f"The trust file lists {accreditor} as an accreditor and {marketplace} as a marketplace.")
    _require_issuers_proof(accreditation, trust, vocabulary.ACCREDITOR)
    holds("accreditation-proof", f"{accreditor} signed the accreditation.")
    centre_key = _accredited_key(statement, accreditation.document)
    holds("key", f"The accreditation lists the key {statement.verification_method}.")
    _require_proof(certificate, centre_key)
    holds("certificate-proof", f"{statement.issuer_name} signed the certificate, and nothing in it was changed.")
    _require_issuers_proof(order, trust, vocabulary.MARKETPLACE)
    holds("work-order-proof", f"{marketplace} signed the work order.")

    # From here on all three documents are authentic. They are compared, and every comparison is reported.
    case = Case(
        statement=statement,
        certificate=certificate.document,
        accreditation=accreditation.document,
        accreditation_digest=digest_of(accreditation.form),
        order=order.document,
        order_digest=digest_of(order.form),
        accreditor_until=trust.until(accreditation.document["issuer"]["id"]),
        trust_is_training=trust.training,
        training_admitted=training,
        at=at,
    )
    report.checks += (_compared(case, name, question, fine) for name, question, fine in QUESTIONS)
    answered("envelope", _envelope(bundle, certificate, centre_key))
    leaf = Leaf("wipe-certificate", statement.issuer_did, digest)
    seen, witnessed = in_log(bundle.files.get(vocabulary.LOG_PROOF_FILE), leaf, statement, trust)
    answered("log", seen)
    stands, report.known_at = still_stands(
        _listed(certificate, order, vocabulary.MARKETPLACE, vocabulary.STATUS_FILE, bundle),
        _listed(accreditation, accreditation, vocabulary.ACCREDITOR, vocabulary.ACCREDITATION_STATUS_FILE, bundle),
        centre_key,
        statement,
        trust,
        witnessed=witnessed,
        training=statement.training,
        at=at,
    )
    answered("status", stands)


@dataclass(frozen=True)
class _Kind:
    """One of the three kinds of document in a bundle."""

    file: str
    name: str
    type_: list[str]
    shape: Test
    proof_check: str

    @property
    def the(self) -> str:
        return f"The {self.name}"


class _Signed(NamedTuple):
    """A document, its canonical form without the proof, and whole."""

    kind: _Kind
    document: dict[str, Any]
    unsigned: bytes
    form: bytes


_CONTEXT: Final = list(vocabulary.CONTEXT)
_KINDS: Final = (
    _Kind(
        vocabulary.CERTIFICATE_FILE,
        "certificate",
        list(vocabulary.CERTIFICATE_TYPE),
        shapes.CERTIFICATE,
        "certificate-proof",
    ),
    _Kind(
        vocabulary.ACCREDITATION_FILE,
        "accreditation",
        list(vocabulary.ACCREDITATION_TYPE),
        shapes.ACCREDITATION,
        "accreditation-proof",
    ),
    _Kind(
        vocabulary.WORK_ORDER_FILE,
        "work order",
        list(vocabulary.WORK_ORDER_TYPE),
        shapes.WORK_ORDER,
        "work-order-proof",
    ),
)
_LIST: Final = _Kind("", "status list", list(vocabulary.STATUS_LIST_TYPE), shapes.STATUS_LIST, "status")


def _envelope(bundle: Bundle, certificate: _Signed, key: Ed25519PublicKey) -> Answer:
    data = bundle.files.get(vocabulary.JWT_FILE)
    if data is None:
        return Answer("holds", "There is no second form of the certificate. One signature is enough.")
    method = certificate.document["proof"]["verificationMethod"]
    try:
        jwt.check(data, certificate.unsigned, key, verification_method=method)
    except (Unreadable, proof.ProofRefused) as problem:
        return Answer("fails", f"The second form of the certificate, {vocabulary.JWT_FILE}, {problem}")
    return Answer("holds", f"Its second form, {vocabulary.JWT_FILE}, says the same and is signed with the same key.")


def _listed(signed: _Signed, lister: _Signed, role: str, file: str, bundle: Bundle) -> Listed:
    return Listed(
        name=signed.kind.name,
        entry=signed.document.get("credentialStatus"),
        issuer=lister.document["issuer"]["id"],
        backing=lister.kind.name,
        backing_key=lister.document["proof"]["verificationMethod"],
        role=role,
        file=file,
        data=bundle.files.get(file),
    )


def _read(kind: _Kind, bundle: Bundle) -> _Signed:
    if (data := bundle.files.get(kind.file)) is None:
        raise _Fails("readable", f"The bundle has no {kind.file}. Without the {kind.name} nothing can be checked.")
    try:
        return _Signed(kind, *read_signed(data, what=kind.name))
    except Unreadable as reason:
        raise _Fails("readable", str(reason)) from None


def _what_was_read(bundle: Bundle) -> str:
    text = "The certificate, the accreditation and the work order can be read."
    if vocabulary.DIDS_FILE in bundle.files:
        # Whoever made the bundle wrote it: keys come from the trust file alone.
        text += f" {vocabulary.DIDS_FILE} is not used in this check."
    if not bundle.ignored:
        return text
    # Quoted, because anybody can choose the names of files.
    left = [repr(name[:60]) for name in sorted(bundle.ignored)]
    return f"{text} Not examined: {', '.join(left[:5])}{' and more' if len(left) > 5 else ''}."


def _trusted_issuer(signed: _Signed, trust: Trust, role: str) -> str:
    """The name that the trust file gives to a document's issuer."""
    issuer = signed.document["issuer"]
    if not trust.knows(issuer["id"], role):
        raise _Fails(
            "trust",
            f"{signed.kind.the} is by {issuer['name']} ({issuer['id']}), whom the trust file does not list as "
            f"{'an' if role == vocabulary.ACCREDITOR else 'a'} {role}. So it proves nothing to you.",
        )
    return trust.names[issuer["id"]]


def _issuers_key(signed: _Signed, trust: Trust, role: str) -> Ed25519PublicKey:
    issuer, method = signed.document["issuer"]["id"], signed.document["proof"]["verificationMethod"]
    key = trust.key(method, role) if method.partition("#")[0] == issuer else None
    if key is None:
        raise _Fails(
            signed.kind.proof_check,
            f"{signed.kind.the} is signed with the key {method}, which the trust file does not list for {issuer}.",
        )
    return key


def _require_issuers_proof(signed: _Signed, trust: Trust, role: str) -> None:
    """The document is signed with its issuer's key, as the trust file lists it, and not after the end of that key."""
    _require_proof(signed, _issuers_key(signed, trust, role))
    options = signed.document["proof"]
    late = trust.signed_too_late(options["verificationMethod"], read_time(options["created"]))
    if late is not None:
        raise _Fails(signed.kind.proof_check, f"{signed.kind.the} is signed with {late}.")


def _require_proof(signed: _Signed, key: Ed25519PublicKey) -> None:
    try:
        proof.check_signature(signed.document["proof"], signed.unsigned, key)
    except proof.ProofRefused as refusal:
        raise _Fails(signed.kind.proof_check, f"{signed.kind.the} {refusal}") from None


def _accredited_key(statement: Statement, accreditation: dict[str, Any]) -> Ed25519PublicKey:
    centre = accreditation["credentialSubject"]["issuedToParty"]
    if statement.issuer_did != centre["id"]:
        raise _Fails(
            "key",
            f"The certificate is by {statement.issuer_name} ({statement.issuer_did}), but the accreditation "
            f"was given to {centre['name']} ({centre['id']}).",
        )
    for listed in scope_of(accreditation)["keys"]:
        if listed["id"] == statement.verification_method:
            try:
                return public_key_from_multibase(listed["publicKeyMultibase"])
            except ValueError as error:
                raise _Fails("key", f"The accreditation lists a bad key, {listed['id']}. {error}") from None
    raise _Fails(
        "key",
        f"The certificate is signed with the key {statement.verification_method}, which the accreditation of "
        f"{centre['name']} does not list. Ask the centre for a certificate by an accredited station.",
    )
