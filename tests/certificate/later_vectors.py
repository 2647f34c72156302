"""The vectors of what comes after the signing: log and witnesses, status lists, the second form."""

import base64
import gzip
import hmac
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from typing import Any

from tests.certificate import scene as s
from tests.certificate.scene import After, Scene
from tests.certificate.vector import Vector
from wipe_agent import certificate as c
from wipe_agent.certificate import status
from wipe_agent.certificate.status import Withdrawn

TRUST = "trust-log.json"
ENDED = "trust-ended.json"
CHANGED = "trust-keys-changed.json"
LOST = "trust-keys-lost.json"
_SCENE = Scene(listed=True, lines=s.lines()[:1], change_order=lambda order: order["credentialSubject"]["media"].pop())
_STOLEN = "The station was stolen from the hall."


def later() -> Iterator[Vector]:
    """Every vector about what came after the signing, in the order of the manifest."""
    yield from _valid()
    yield from _in_the_log()
    yield from _withdrawn()
    yield from _lists()
    yield from _second_forms()
    yield from _ended()
    yield from _keys_changed()
    yield from _keys_lost()


def _vector(
    name: str,
    reason: str,
    fails: str | None,
    after: After | None = None,
    *,
    scene: Scene = _SCENE,
    without: tuple[str, ...] = (),
    cautions: tuple[str, ...] = (),
    at: str = "2026-03-03T12:00:00Z",
    more: Mapping[str, bytes] | None = None,
    trust: str = TRUST,
) -> Vector:
    """A bundle with proof, lists and second form, but for what it is `without`; `more` takes the place of files."""
    documents = scene.documents()
    certificate = documents["certificate.json"]
    files = {
        **{file: c.canonical(document) for file, document in documents.items()},
        "certificate.jwt": s.envelope(certificate),
        **(after or After()).files(certificate),
        **(more or {}),
    }
    kept = {file: content for file, content in files.items() if file not in without}
    return Vector(name, reason, fails, kept, trust=trust, at=at, cautions=cautions if fails is None else None)


def _valid() -> Iterator[Vector]:
    lists = ("status.json", "accreditation-status.json")
    yield _vector("valid-witnessed", "In the log, witnessed in time, not revoked; with its second form.", None)
    yield _vector(
        "valid-not-in-the-log-yet",
        "As the station made it: what comes later is missing, and that refutes nothing.",
        None,
        without=("log-proof.txt", *lists),
        cautions=("log", "status"),
    )
    yield _vector(
        "valid-without-lists", "Whether it was revoked cannot be told.", None, without=lists, cautions=("status",)
    )
    yield _vector(
        "valid-late-witnessed",
        "The second witness saw it a second later than 24 hours after its date.",
        None,
        After(witnessed={"north.example": s.at(17), "south.example": s.at(16, 5, 1) + timedelta(days=1)}),
        cautions=("log",),
    )
    yield _vector(
        "valid-too-few-witnesses",
        "One witness of two saw it; a second signature is of somebody whom the trust file does not name.",
        None,
        After(witnessed={"north.example": s.at(17), "stranger.example": s.at(17)}),
        cautions=("log",),
    )
    yield _vector(
        "valid-status-not-fresh",
        "The lists are older than seven days.",
        None,
        at="2026-03-10T12:00:01Z",
        cautions=("status",),
    )
    yield _vector(
        "valid-lists-from-before-it",
        "The lists are more than 300 seconds older than its signature, so they cannot know of it.",
        None,
        After(listed_from=s.at(15, 59, 59)),
        cautions=("status",),
    )
    yield _vector(
        "valid-list-within-the-tolerance",
        "The lists are 300 seconds older than its signature, as much as clocks may differ.",
        None,
        After(listed_from=s.at(16, 0)),
    )
    yield _vector(
        "valid-witnessed-before-the-key-was-stolen",
        "The station's key was stolen after witnesses had seen the certificate.",
        None,
        After(keys=[s.station_fallen(_STOLEN, at=s.at(21), compromised_since=s.at(18))]),
    )
    yield _vector(
        "valid-key-retired-later",
        "The station was retired in good order after the certificate was signed.",
        None,
        After(keys=[s.station_fallen("The station was replaced.", at=s.at(21))]),
    )
    yield _vector(
        "valid-witnessed-before-the-fraud",
        "The accreditation was revoked for fraud that began after witnesses had seen the certificate.",
        None,
        After(accreditation_withdrawn=[Withdrawn(8, s.AT, "Certificates without wipes.", s.at(18))]),
    )


def _in_the_log() -> Iterator[Vector]:
    other = Scene(listed=True).documents()["certificate.json"]
    own = _SCENE.documents()["certificate.json"]
    good = After().proof(own)
    for name, reason, proof in (
        ("log-proof-of-another", "The proof is of another certificate.", After().proof(other)),
        ("log-proof-of-another-kind", "The leaf says that a wipe began.", After(kind="wipe-started").proof(own)),
        ("log-proof-of-another-issuer", "The leaf is in another centre's name.", After(issuer=s.MARKET).proof(own)),
        ("log-proof-at-another-place", "The proof names the place next to it.", good.replace(b"index 2", b"index 3")),
        ("log-proof-of-another-size", "The size in the checkpoint was changed.", good.replace(b"\n5\n", b"\n6\n")),
        ("log-proof-cut-off", "The last signature is cut off.", good[:-9]),
        ("log-proof-without-the-log", "The log itself did not sign the checkpoint.", _without_signature(good)),
        ("log-proof-witness-forged", "A witness's time was changed.", _time_changed(own)),
    ):
        yield _vector(name, reason, "log", more={"log-proof.txt": proof})


def _withdrawn() -> Iterator[Vector]:
    def silent(document: dict[str, Any]) -> None:
        document["credentialSubject"]["encodedList"] = status.encode([94_567])

    for name, reason, after in (
        (
            "revoked",
            "The market's list says since when and why.",
            After(withdrawn=[Withdrawn(94_567, s.AT, "The drive was found unwiped.")]),
        ),
        ("revoked-without-a-word", "The place is set, and no reason is told.", After(change_list=silent)),
        (
            "accreditation-revoked",
            "The accreditation was revoked; nothing under it stands.",
            After(accreditation_withdrawn=[Withdrawn(8, s.AT, "Certificates without wipes.")]),
        ),
        (
            "accreditation-revoked-since-before",
            "The fraud began a second before enough witnesses had seen the certificate.",
            After(accreditation_withdrawn=[Withdrawn(8, s.AT, "Certificates without wipes.", s.at(17, 9, 59))]),
        ),
        (
            "key-stolen-before",
            "The key was stolen a second before enough witnesses had seen the certificate.",
            After(keys=[s.station_fallen(_STOLEN, at=s.at(21), compromised_since=s.at(17, 9, 59))]),
        ),
        (
            "key-retired-before",
            "The certificate was signed after the key had been retired.",
            After(keys=[s.station_fallen("The station was replaced.", at=s.at(15, 59, 59))]),
        ),
    ):
        yield _vector(name, reason, "status", after)
    stolen = After(keys=[s.station_fallen(_STOLEN, at=s.at(21), compromised_since=s.at(18))])
    yield _vector("key-stolen-and-not-witnessed", "Nobody saw it before.", "status", stolen, without=("log-proof.txt",))
    yield _vector(
        "backdated-with-a-stolen-key",
        "It is dated before the theft; the witnesses saw it after.",
        "status",
        replace(stolen, witnessed={"north.example": s.at(17), "south.example": s.at(19)}),
    )
    old = After(withdrawn=[Withdrawn(94_567, s.AT, "The drive was found unwiped.")])
    yield _vector("revoked-in-an-old-list", "An old list still counts.", "status", old, at="2026-04-30T12:00:00Z")


def _lists() -> Iterator[Vector]:
    for name, reason, after in (
        (
            "list-of-another-name",
            "It is another list of the same market.",
            After(change_list=lambda d: d.update(id=s.STATUS_LIST[:-1] + "2")),
        ),
        (
            "list-by-the-accreditor",
            "Another trusted party signed it.",
            After(list_key=("accreditor", s.ACCREDITOR + "#key-1")),
        ),
        (
            "list-by-stranger",
            "It is signed with a key that nobody trusts.",
            After(list_key=("stranger", s.MARKET + "#key-1")),
        ),
        ("list-for-practice", "The list is for training.", After(training=True)),
        (
            "list-with-more-context",
            "A context was appended, so its words may mean anything.",
            After(change_list=lambda d: d["@context"].append("https://example.org/")),
        ),
        ("list-too-short", "It has fewer places than W3C asks for.", _encoded(gzip.compress(bytes(16_383), mtime=0))),
        ("list-bomb", "It inflates to 32 MiB.", _encoded(gzip.compress(bytes(2**25), mtime=0))),
        ("list-cut-off", "The packed bits are cut off.", _encoded(gzip.compress(bytes(16_384), mtime=0)[:-8])),
        (
            "list-with-a-tail",
            "Something follows the packed bits.",
            _encoded(gzip.compress(bytes(16_384), mtime=0) + b"more"),
        ),
        (
            "list-for-a-month",
            "It says that it is fresh for longer than seven days.",
            After(change_list=lambda d: d.update(validUntil="2026-04-03T12:00:00Z")),
        ),
    ):
        yield _vector(name, reason, "status", after)
    good = After().status_list()
    yield _vector(
        "list-changed",
        "A bit was cleared after it was signed.",
        "status",
        more={"status.json": good.replace(b'"Status of', b'"status of')},
    )
    yield _vector(
        "lists-swapped",
        "Each list stands in the other's file.",
        "status",
        more={"status.json": After().accreditation_list(), "accreditation-status.json": good},
    )
    beyond = replace(_SCENE, change_order=_place(131_072))
    yield _vector("list-without-this-place", "The place lies beyond the end of the list.", "status", scene=beyond)
    yield _vector(
        "status-place-chosen-by-the-centre",
        "The certificate names another place than its work order gave.",
        "work-order",
        scene=replace(_SCENE, change_certificate=lambda d: d.update(credentialStatus=status.entry(s.STATUS_LIST, 1))),
    )
    yield _vector(
        "status-place-left-out",
        "The certificate leaves out the place that its work order gave.",
        "work-order",
        scene=replace(_SCENE, change_certificate=lambda d: d.pop("credentialStatus")),
    )


def _second_forms() -> Iterator[Vector]:
    certificate = _SCENE.documents()["certificate.json"]
    good = s.envelope(certificate)
    for name, reason, data in (
        ("jwt-says-another", "The second form says something else.", s.envelope({**certificate, "name": "Another"})),
        ("jwt-of-another-key", "A stranger signed the second form.", s.envelope(certificate, name="stranger")),
        ("jwt-unsigned", "The second form says that it needs no signature.", _jwt(good, {"alg": "none"}, b"")),
        (
            "jwt-by-hmac",
            "The second form is 'signed' with the public key as a shared secret.",
            _jwt(good, {"alg": "HS256"}, s.key("station").public_key().public_bytes_raw()),
        ),
        (
            "jwt-with-key-of-its-own",
            "The second form says where its key is.",
            _jwt(good, {"jku": "https://stranger.example/keys"}),
        ),
        ("jwt-in-two-parts", "The second form has no signature part.", good.rpartition(b".")[0]),
    ):
        yield _vector(name, reason, "envelope", more={"certificate.jwt": data})
    for name, file, most in (
        ("log-proof-too-large", "log-proof.txt", 65_536),
        ("jwt-too-large", "certificate.jwt", 131_072),
    ):
        yield _vector(name, f"{file} has more than {most} bytes.", "bundle", more={file: b"a" * (most + 1)})


def _ended() -> Iterator[Vector]:
    second = timedelta(seconds=1)
    for name, reason, fails, scene in (
        ("valid-accreditor-ended", "Signed as the accreditor ended; two clocks may differ.", None, Scene()),
        (
            "accreditor-ended-before",
            "Signed a second later than two clocks may differ after the accreditor ended.",
            "accreditation-dates",
            Scene(created=s.SIGNED + second),
        ),
        (
            "accredited-after-the-end",
            "The accreditation was signed after the accreditor had ended.",
            "accreditation-dates",
            Scene(accredited=s.SIGNED + second),
        ),
    ):
        files = {file: c.canonical(document) for file, document in scene.documents().items()}
        yield Vector(name, reason, fails, files, trust=ENDED)


_NEW = After(
    list_key=("market 2", f"{s.MARKET}#key-2"), accreditation_list_key=("accreditor 2", f"{s.ACCREDITOR}#key-2")
)
"""What came after the signing, with lists under the new keys."""


def _keys_changed() -> Iterator[Vector]:
    second = timedelta(seconds=1)
    new_keys = replace(
        _SCENE, accreditation_key=_NEW.accreditation_list_key, order_key=_NEW.list_key, accredited=s.SIGNED + second
    )
    for name, reason, fails, scene, after in (
        ("valid-keys-changed", "Accredited and ordered before the keys changed.", None, _SCENE, _NEW),
        ("valid-under-new-keys", "Accredited and ordered with the new keys.", None, new_keys, _NEW),
        (
            "valid-accredited-as-the-key-ended",
            "Accredited as the key ended; two clocks may differ.",
            None,
            replace(_SCENE, accredited=s.SIGNED),
            _NEW,
        ),
        (
            "accredited-with-an-ended-key",
            "Accredited with the old key, a second later than two clocks may differ.",
            "accreditation-proof",
            replace(_SCENE, accredited=s.SIGNED + second),
            _NEW,
        ),
        (
            "ordered-with-an-ended-key",
            "Ordered with the old key, a second later than two clocks may differ.",
            "work-order-proof",
            replace(_SCENE, ordered=s.SIGNED + second),
            _NEW,
        ),
        (
            "list-by-an-ended-key",
            "The list of the accreditations is signed with the old key, a day after its end.",
            "status",
            _SCENE,
            replace(_NEW, accreditation_list_key=After().accreditation_list_key),
        ),
    ):
        yield _vector(name, reason, fails, after, scene=scene, trust=CHANGED)


def _keys_lost() -> Iterator[Vector]:
    later = {"north.example": s.at(17), "south.example": s.at(18, 0, 1)}
    just = {"north.example": s.at(17), "south.example": s.at(18)}
    new_accreditor = replace(_SCENE, accreditation_key=_NEW.accreditation_list_key)
    for name, reason, fails, scene, after, cautions in (
        (
            "valid-witnessed-before-the-keys-were-lost",
            "The second witness saw the certificate just as others may have got the keys that it stands on.",
            None,
            _SCENE,
            replace(_NEW, witnessed=just),
            (),
        ),
        (
            "accredited-with-a-lost-key",
            "The second witness saw it a second after others may have had the accreditor's key.",
            "status",
            _SCENE,
            replace(_NEW, witnessed=later),
            (),
        ),
        (
            "ordered-with-a-lost-key",
            "The accreditation is under a new key, the order is not, and one witness of two saw the certificate.",
            "status",
            new_accreditor,
            replace(_NEW, witnessed={"north.example": s.at(17)}),
            (),
        ),
        (
            "valid-list-by-a-lost-key",
            "The marketplace's list is from before its key was lost, and whoever has the key can date one so.",
            None,
            _SCENE,
            replace(_NEW, list_key=After().list_key, listed_from=s.at(17)),
            ("status",),
        ),
    ):
        yield _vector(name, reason, fails, after, scene=scene, cautions=cautions, trust=LOST)


# ---------------------------------------------------------------------------- how things are spoilt


def _place(index: int) -> s.Change:
    def change(order: dict[str, Any]) -> None:
        order["credentialSubject"]["media"].pop()
        order["wipe"]["credentialStatus"] = status.entry(s.STATUS_LIST, index)

    return change


def _encoded(packed: bytes) -> After:
    text = "u" + base64.urlsafe_b64encode(packed).rstrip(b"=").decode()
    return After(change_list=lambda document: document["credentialSubject"].update(encodedList=text))


def _without_signature(proof: bytes) -> bytes:
    lines = proof.decode().split("\n")
    return "\n".join(line for line in lines if not line.startswith(f"— {s.LOG} ")).encode()


def _time_changed(certificate: Mapping[str, Any]) -> bytes:
    """The proof in which the last witness's line has the signature of one time and says another."""
    lines = After().proof(certificate).decode().rstrip("\n").split("\n")
    name, _, value = lines[-1].rpartition(" ")
    data = bytearray(base64.b64decode(value))
    data[11] -= 60
    return "\n".join([*lines[:-1], f"{name} {base64.b64encode(bytes(data)).decode()}", ""]).encode()


def _jwt(good: bytes, header: Mapping[str, str], secret: bytes | None = None) -> bytes:
    """The second form under another header: signed with the station's key, with a shared secret, or not at all."""
    said = {"alg": "Ed25519", "cty": "vc", "kid": s.STATION, "typ": "vc+jwt", **header}
    signed = _part(c.canonical(said)) + b"." + good.split(b".")[1]
    if secret is None:
        signature = s.key("station").sign(signed)
    else:
        signature = hmac.digest(secret, signed, sha256) if secret else b""
    return signed + b"." + _part(signature)


def _part(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def trust_bytes() -> bytes:
    """The trust file of these vectors."""
    return json.dumps(s.trust_with_log(), indent=2, ensure_ascii=False).encode() + b"\n"
