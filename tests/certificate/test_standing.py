"""What came after the signing: the log and its witnesses, withdrawals, fallen keys, and how fresh all that is."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.certificate import scene as s
from tests.certificate.scene import After, Scene
from wipe_agent import certificate as c
from wipe_agent.certificate import status
from wipe_agent.certificate.status import Withdrawn

LISTED = Scene(listed=True)
NEXT_DAY = s.at(16, 5) + timedelta(hours=24)


def report(
    after: After | None = None,
    *,
    scene: Scene = LISTED,
    at: datetime = s.AT,
    needed: int = 2,
    trust: dict[str, Any] | None = None,
    **files: bytes | None,
) -> c.Report:
    """What a verifier says of a bundle with what came after; `files` replaces members (None leaves one out)."""
    documents = scene.documents()
    bundle: dict[str, bytes] = {name: c.canonical(document) for name, document in documents.items()}
    bundle |= (after or After()).files(documents["certificate.json"])
    for name, content in files.items():
        file = {"log_proof": "log-proof.txt", "status": "status.json", "accreditation": "accreditation-status.json"}[
            name
        ]
        bundle.pop(file)
        if content is not None:
            bundle[file] = content
    trusted = c.Trust.of(trust or s.trust_with_log(needed=needed, training=scene.training))
    return c.verify(c.Bundle.from_files(bundle), trusted, at=at, training=scene.training)


def told(found: c.Report, name: str) -> tuple[str, str]:
    """Level and sentence of one check; everything else holds."""
    assert len(found.checks) == len(c.CHECKS)
    return next((check.level, check.text) for check in found.checks if check.name == name)


def test_a_certificate_that_was_witnessed_and_stands_passes_every_check_without_a_caution() -> None:
    found = report()
    assert found.ok
    assert found.cautions == []
    assert told(found, "log") == ("holds", "It is in the log, seen by 2 witnesses on 2026-03-02 17:10 UTC.")
    assert told(found, "status") == (
        "holds",
        "Not revoked as of 2026-03-03 12:00 UTC: not it, nor its accreditation, nor the station's key.",
    )


def test_a_certificate_as_the_station_made_it_verifies_with_two_cautions() -> None:
    found = report(log_proof=None, status=None, accreditation=None)
    assert found.ok
    assert [check.name for check in found.cautions] == ["log", "status"]
    assert told(found, "log")[1].startswith("It is not in the log yet")
    assert told(found, "status")[1] == (
        "No status list of the certificate is here: ask the marketplace whether it was withdrawn. "
        "No status list of the accreditation is here: ask the marketplace whether it was withdrawn."
    )


def test_a_certificate_from_before_there_were_lists_still_verifies_with_the_caution() -> None:
    found = report(scene=Scene())
    assert found.ok
    level, text = told(found, "status")
    assert (level, text.split(",")[0]) == ("caution", "The certificate names no status list")


# ---------------------------------------------------------------------------- the log


@pytest.mark.parametrize(
    ("times", "needed", "level", "words"),
    [
        ({"north.example": s.at(17)}, 1, "holds", "seen by 1 witness on 2026-03-02 17:00"),
        ({"north.example": s.at(17)}, 2, "caution", "seen there by 1 witness; your trust file asks for 2"),
        ({}, 2, "caution", "seen there by no witnesses; your trust file asks for 2"),
        ({}, 0, "holds", "asks for no outside witness, so when it came there, only the log says"),
        ({"stranger.example": s.at(17), "north.example": s.at(17)}, 2, "caution", "by 1 witness;"),
        # The second earliest counts: one witness that is early or late moves nothing.
        ({"north.example": s.at(17), "south.example": NEXT_DAY}, 2, "holds", "2026-03-03 16:05 UTC"),
        (
            {"north.example": s.at(17), "south.example": NEXT_DAY + timedelta(seconds=1)},
            2,
            "caution",
            "Late-witnessed: it is dated 2026-03-02 16:05 UTC, and was seen in the log by 2 witnesses only on",
        ),
        (
            {"north.example": s.at(17), "south.example": s.at(18), "west.example": NEXT_DAY + timedelta(days=9)},
            2,
            "holds",
            "seen by 3 witnesses on 2026-03-02 18:00",
        ),
        ({"north.example": s.at(16, 0), "south.example": s.at(16, 0)}, 2, "holds", "2026-03-02 16:00"),
        (
            {"north.example": s.at(15, 59, 59), "south.example": s.at(15, 59, 59)},
            2,
            "caution",
            "before the time that it is dated",
        ),
    ],
)
def test_the_time_at_which_enough_witnesses_had_seen_it_is_held_against_its_date(
    times: dict[str, datetime], needed: int, level: str, words: str
) -> None:
    found = report(After(witnessed=times), needed=needed)
    assert found.ok
    assert told(found, "log")[0] == level
    assert words in told(found, "log")[1]


def _proof(after: After, certificate: dict[str, Any] | None = None) -> bytes:
    return after.proof(certificate or LISTED.documents()["certificate.json"])


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(lambda: _proof(After(kind="wipe-started")), id="of another kind of leaf"),
        pytest.param(lambda: _proof(After(issuer=s.MARKET)), id="of another issuer's leaf"),
        pytest.param(lambda: _proof(After(), {**LISTED.documents()["certificate.json"], "id": "x"}), id="of another"),
        pytest.param(lambda: _proof(After()).replace(b"index 2", b"index 3"), id="at another place"),
        pytest.param(lambda: _proof(After()).replace(b"\n5\n", b"\n6\n"), id="of another size"),
        pytest.param(lambda: _proof(After())[:-9], id="cut off"),
        pytest.param(lambda: b"", id="empty"),
        pytest.param(lambda: b"\xff\xfe", id="not text"),
    ],
)
def test_a_proof_that_does_not_hold_refutes_the_certificate(data: Callable[[], bytes]) -> None:
    found = report(log_proof=data())
    assert not found.ok
    assert found.failed is not None
    assert found.failed.name == "log"
    assert found.failed.text.startswith("The proof that it is in the log does not hold.")


def test_a_witness_whose_signature_does_not_fit_spoils_the_proof() -> None:
    good = _proof(After()).decode().rstrip("\n").split("\n")
    name, _, value = good[-1].rpartition(" ")
    other = _proof(After(witnessed={"north.example": s.at(17), "south.example": s.at(17, 11)})).decode()
    swapped = "\n".join([*good[:-1], name + " " + value[:24] + other.rstrip("\n").rpartition(" ")[2][24:]]) + "\n"
    found = report(log_proof=swapped.encode())
    assert told(found, "log")[0] == "fails"
    assert "The signature of south.example does not fit" in told(found, "log")[1]


def test_a_log_that_the_trust_file_does_not_name_shows_nothing() -> None:
    plain = s.trust_document()
    assert told(report(trust=plain), "log")[0] == "caution"
    assert "names no log" in told(report(trust=plain), "log")[1]
    other = s.trust_with_log()
    other["logs"] = [
        {
            "origin": "other.example/log",
            "vkey": str(c.log.VerifierKey.of("other.example/log", c.log.ED25519, s.key("other").public_key())),
            "name": "Other",
        }
    ]
    assert "which your trust file does not name" in told(report(trust=other), "log")[1]
    assert report(trust=other).ok


# ---------------------------------------------------------------------------- withdrawal


def test_a_revoked_certificate_fails_with_the_day_and_the_reason() -> None:
    found = report(After(withdrawn=[Withdrawn(94_567, s.AT, "The drive was found unwiped.")]))
    assert not found.ok
    assert found.refusal == (
        "The certificate was revoked on 2026-03-03 12:00 UTC. The reason given: The drive was found unwiped."
    )


def test_the_place_next_to_it_is_somebody_elses() -> None:
    assert report(After(withdrawn=[Withdrawn(94_566, s.AT, "Another."), Withdrawn(94_568, s.AT, "Another.")])).ok


def test_a_place_that_is_set_without_a_word_fails_too() -> None:
    def silent(document: dict[str, Any]) -> None:
        document["credentialSubject"]["encodedList"] = status.encode([94_567])

    found = report(After(change_list=silent))
    assert told(found, "status") == (
        "fails",
        "The certificate was revoked. The list does not say when and why: ask the marketplace.",
    )


@pytest.mark.parametrize(
    ("since", "level"),
    [(None, "fails"), (s.at(17, 9, 59), "fails"), (s.at(17, 10), "holds"), (s.at(18), "holds")],
)
def test_an_accreditation_revoked_for_fraud_takes_along_what_was_not_witnessed_before(
    since: datetime | None, level: str
) -> None:
    after = After(accreditation_withdrawn=[Withdrawn(8, s.AT, "Fraud.", since)])
    assert told(report(after), "status")[0] == level
    assert (
        "The accreditation was revoked on 2026-03-03 12:00 UTC. The reason given: Fraud."
        in told(report(After(accreditation_withdrawn=[Withdrawn(8, s.AT, "Fraud.")])), "status")[1]
    )


def test_a_certificate_of_a_revoked_accreditation_that_nobody_witnessed_falls() -> None:
    after = After(accreditation_withdrawn=[Withdrawn(8, s.AT, "Fraud.", s.at(18))])
    assert told(report(after, log_proof=None), "status")[0] == "fails"
    assert told(report(replace(after, witnessed={"north.example": s.at(17)})), "status")[0] == "fails"


def test_the_date_of_a_compromise_spares_no_revoked_certificate() -> None:
    found = report(After(withdrawn=[Withdrawn(94_567, s.AT, "Never wiped.", s.at(18))]))
    assert told(found, "status")[0] == "fails"


@pytest.mark.parametrize(
    ("since", "level"), [(s.at(9), "fails"), (s.at(17, 9, 59), "fails"), (s.at(17, 10), "holds"), (s.at(20), "holds")]
)
def test_a_stolen_key_spares_only_what_was_witnessed_before(since: datetime, level: str) -> None:
    fallen = s.station_fallen("The station was stolen.", at=s.at(21), compromised_since=since)
    found = report(After(keys=[fallen]))
    assert told(found, "status")[0] == level
    assert told(report(After(keys=[fallen]), log_proof=None), "status")[0] == "fails"
    if level == "fails":
        assert found.refusal is not None
        assert found.refusal.startswith(
            "The test centre's signing key was stolen or lost: others may have had it since"
        )
        assert "The reason given: The station was stolen. Only what was seen in the log before that" in found.refusal
        assert found.refusal.endswith(f"The key is {s.STATION}. It was revoked on 2026-03-02 21:00 UTC.")


@pytest.mark.parametrize(
    ("retired", "level"),
    [(s.at(21), "holds"), (s.at(16, 5), "holds"), (s.at(16), "holds"), (s.at(15, 59, 59), "fails")],
)
def test_a_key_that_was_retired_signs_nothing_after_that_day(retired: datetime, level: str) -> None:
    found = report(After(keys=[s.station_fallen("The station was replaced.", at=retired)]))
    assert told(found, "status")[0] == level


# ---------------------------------------------------------------------------- how fresh, and whose


@pytest.mark.parametrize(
    ("age", "level"),
    [
        (timedelta(0), "holds"),
        (timedelta(days=7), "holds"),
        (timedelta(days=7, seconds=1), "caution"),
        (timedelta(days=400), "caution"),
        (timedelta(seconds=-300), "holds"),
        (timedelta(seconds=-301), "caution"),
    ],
)
def test_a_list_older_than_seven_days_says_valid_and_not_fresh(age: timedelta, level: str) -> None:
    found = report(at=s.AT + age)
    assert found.ok
    assert told(found, "status")[0] == level
    if age > timedelta(days=7):
        assert told(found, "status")[1].startswith(
            "Valid, but its status is not fresh: the list of the certificate is of 2026-03-03 12:00 UTC"
        )


@pytest.mark.parametrize(("listed_from", "level"), [(s.at(16, 0), "holds"), (s.at(15, 59, 59), "caution")])
def test_a_list_from_before_the_signature_cannot_know_of_the_certificate(listed_from: datetime, level: str) -> None:
    found = report(After(listed_from=listed_from))
    assert found.ok
    assert told(found, "status")[0] == level
    assert found.known_at == listed_from
    if level == "caution":
        assert told(found, "status")[1] == " ".join(
            f"The status list of the {name} is of 2026-03-02 15:59 UTC, and the certificate was signed only on "
            "2026-03-02 16:05 UTC: the list cannot know of it. Ask the marketplace for the bundle again."
            for name in ("certificate", "accreditation")
        )


def test_as_of_when_it_is_known_is_the_date_of_the_older_list() -> None:
    def earlier(document: dict[str, Any]) -> None:
        document["validFrom"], document["validUntil"] = "2026-03-03T11:00:00Z", "2026-03-10T11:00:00Z"

    assert report(After(change_accreditation_list=earlier)).known_at == s.AT - timedelta(hours=1)
    assert report(status=None, accreditation=None).known_at is None
    assert report(After(withdrawn=[Withdrawn(94_567, s.AT, "Unwiped.")])).known_at == s.AT


def test_a_revocation_in_an_old_list_still_counts() -> None:
    after = After(withdrawn=[Withdrawn(94_567, s.AT, "Unwiped.")])
    assert told(report(after, at=s.AT + timedelta(days=400)), "status")[0] == "fails"


def test_a_list_may_say_itself_that_it_is_fresh_for_less() -> None:
    def short(document: dict[str, Any]) -> None:
        document["validUntil"] = "2026-03-04T12:00:00Z"

    after = After(change_list=short)
    assert told(report(after, at=s.AT + timedelta(days=1)), "status")[0] == "holds"
    assert told(report(after, at=s.AT + timedelta(days=1, seconds=1)), "status")[0] == "caution"


def _other_list(document: dict[str, Any]) -> None:
    document["id"] = "https://market.example/status/certificates-2"


def _other_issuer(document: dict[str, Any]) -> None:
    document["issuer"]["id"] = s.ACCREDITOR


@pytest.mark.parametrize(
    ("after", "words"),
    [
        (After(change_list=_other_list), "another list than the one that the certificate names"),
        (After(change_list=_other_issuer), "It is by did:web:accreditor.example"),
        (After(list_key=("accreditor", s.ACCREDITOR + "#key-1")), "does not list for its issuer"),
        (After(list_key=("stranger", s.MARKET + "#key-1")), "was changed after it was signed"),
        (After(list_key=("market", s.MARKET + "#key-2")), "does not list for its issuer"),
        (After(training=True), "for practice"),
        (After(change_list=lambda d: d.update(note="x")), "unknown member"),
        (After(change_list=lambda d: d["@context"].append("https://example.org/")), "no status list of this format"),
        (After(change_list=lambda d: d["credentialSubject"].update(encodedList="uAAAA")), "not packed with GZIP"),
        (After(change_list=lambda d: d["credentialSubject"].update(statusPurpose="suspension")), "statusPurpose"),
    ],
)
def test_a_list_that_does_not_hold_refutes_the_certificate(after: After, words: str) -> None:
    found = report(after)
    assert found.failed is not None
    assert found.failed.name == "status"
    assert found.failed.text.startswith("The status.json does not hold.")
    assert words in found.failed.text


def test_neither_list_can_stand_for_the_other() -> None:
    swapped = report(status=After().accreditation_list(), accreditation=After().status_list())
    assert told(swapped, "status")[0] == "fails"


def test_a_place_beyond_the_list_cannot_be_judged() -> None:
    def beyond(order: dict[str, Any]) -> None:
        order["wipe"]["credentialStatus"] = status.entry(s.STATUS_LIST, 131_072)

    found = report(scene=Scene(listed=True, change_order=beyond))
    assert told(found, "status")[0] == "fails"
    assert "none with the number 131072" in told(found, "status")[1]


def test_a_centre_cannot_choose_its_place_in_the_list() -> None:
    def elsewhere(certificate: dict[str, Any]) -> None:
        certificate["credentialStatus"] = status.entry(s.STATUS_LIST, 1)

    for change in (elsewhere, lambda certificate: certificate.pop("credentialStatus")):
        found = report(scene=Scene(listed=True, change_certificate=change))
        assert found.failed is not None
        assert found.failed.name == "work-order"
        assert "the place in the status list that its work order gave" in found.failed.text


def test_practice_has_lists_of_its_own() -> None:
    scene = Scene(listed=True, training=True)
    assert told(report(After(training=True), scene=scene), "status")[0] == "holds"
    assert told(report(After(), scene=scene), "status")[0] == "fails"


# ---------------------------------------------------------------------------- the second form


def enveloped(data: bytes) -> c.Check:
    documents = LISTED.documents()
    files = {name: c.canonical(document) for name, document in documents.items()}
    bundle = c.Bundle.from_files({**files, "certificate.jwt": data})
    found = c.verify(bundle, c.Trust.parse(s.trust_file()), at=s.AT)
    return next(check for check in found.checks if check.name == "envelope")


def test_the_second_form_says_the_same_under_the_same_key() -> None:
    check = enveloped(s.envelope(LISTED.documents()["certificate.json"]))
    assert check == ("envelope", "holds", check.text, None)
    assert "says the same and is signed with the same key" in check.text


def _with_header(**changes: str) -> bytes:
    """The second form under a header of somebody's choice, signed with the right key."""
    good = s.envelope(LISTED.documents()["certificate.json"]).split(b".")
    header = {"alg": "Ed25519", "cty": "vc", "kid": s.STATION, "typ": "vc+jwt", **changes}
    signed = c.jwt._encode(json.dumps(header).encode()).encode() + b"." + good[1]
    return signed + b"." + c.jwt._encode(s.key("station").sign(signed)).encode()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (lambda: s.envelope({**LISTED.documents()["certificate.json"], "name": "Another"}), "says something else"),
        (lambda: s.envelope(LISTED.documents()["certificate.json"], name="stranger"), "was changed after"),
        (lambda: s.envelope(LISTED.documents()["certificate.json"])[:-6] + b"AAAAAA", "was changed after"),
        (lambda: _with_header(alg="none"), "another way than with Ed25519"),
        (lambda: _with_header(alg="EdDSA"), "another way than with Ed25519"),
        (lambda: _with_header(alg="HS256"), "another way than with Ed25519"),
        (lambda: _with_header(typ="jwt"), "another way than with Ed25519"),
        (lambda: _with_header(kid=s.CENTRE + "#station-2"), "names another key"),
        (lambda: _with_header(crit="exp"), "members in its header that are not known"),
        (lambda: _with_header(jku="https://evil.example/keys"), "members in its header that are not known"),
        (lambda: b"a.b", "three parts"),
        (lambda: b"", "three parts"),
        (lambda: b"!.!.!", "not base64url"),
        (lambda: b"e30=.e30.AAAA", "stray bits or padding"),
        (lambda: b"e31.e30.AAAA", "stray bits or padding"),
        (lambda: b"e30.e30.AAAA", "another way"),
        (lambda: b"W10.e30.AAAA", "not a JSON object"),
        (lambda: b"..", "cannot be read"),
    ],
)
def test_a_second_form_that_does_not_fit_refutes_the_certificate(data: Callable[[], bytes], words: str) -> None:
    check = enveloped(data())
    assert check.level == "fails"
    assert words in check.text
    assert check.text.startswith("The second form of the certificate, certificate.jwt, ")


def test_an_independent_library_reads_the_second_form() -> None:
    """joserfc is not ours; it knows the algorithm as RFC 9864 names it."""
    jwk, jws = pytest.importorskip("joserfc.jwk"), pytest.importorskip("joserfc.jws")
    document = LISTED.documents()["certificate.json"]
    raw = s.key("station").public_key().public_bytes_raw()
    key = jwk.OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": c.jwt._encode(raw)})
    found = jws.deserialize_compact(s.envelope(document), key, algorithms=["Ed25519"])
    assert found.protected == {"alg": "Ed25519", "cty": "vc", "kid": s.STATION, "typ": "vc+jwt"}
    assert json.loads(found.payload) == {name: value for name, value in document.items() if name != "proof"}
