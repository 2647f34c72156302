"""The verifier that runs in a browser says what the one in Python says: every check of every vector, word by word."""

from __future__ import annotations

import base64
import json
import random
import re
import shutil
import subprocess
from collections.abc import Sequence
from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from ewaste.certificates import registry
from ewaste.web import verdict
from tests.certificate import archives
from tests.certificate.scene import (
    AT,
    LOG,
    WITNESSES,
    Scene,
    at,
    trust_file,
    trust_with_end,
    trust_with_log,
    trust_with_new_keys,
    trusted_witness,
)
from tests.certificate.test_verify import JUNK
from wipe_agent.certificate import CHECKS, Bundle, Trust, Unreadable, canonical, read, verify
from wipe_agent.certificate.times import read_time, write_time

ROOT = Path(__file__).parents[2]
VECTORS = ROOT / "tests" / "vectors"
MODULES = ROOT / "static" / "verify"
MANIFEST: list[dict[str, Any]] = json.loads((VECTORS / "manifest.json").read_bytes())
CERTIFICATE = (VECTORS / "valid-one-drive" / "certificate.json").read_bytes()
TRUST = (VECTORS / "trust.json").read_bytes()

# What the one JSON decoder says of broken text, the other says in its own words.
DECODERS_WORDS = re.compile(r"(?<=is not JSON: ).*(?= at line)|(?<=is not UTF-8: ).*(?= cannot be read)")


def run(
    bundles: Sequence[dict[str, Any]] = (),
    documents: Sequence[bytes] = (),
    trusts: Sequence[bytes] = (),
    proofs: Sequence[dict[str, Any]] = (),
) -> dict[str, list[Any]]:
    """What the JavaScript says of bundles on disk, documents, trust files and log proofs, in one process of node."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is missing (Debian package nodejs), so the verifier of the page cannot be run here.")
    given = {
        "modules": str(MODULES),
        "bundles": bundles,
        "documents": [base64.b64encode(data).decode() for data in documents],
        "trusts": [base64.b64encode(data).decode() for data in trusts],
        "proofs": proofs,
    }
    told = subprocess.run(
        [node, str(Path(__file__).with_name("verifier.mjs"))],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    said: dict[str, list[Any]] = json.loads(told.stdout)
    return said


@lru_cache(maxsize=1)
def of_every_vector() -> dict[str, dict[str, Any]]:
    """Name of a vector → what the JavaScript says of it."""
    given = [
        {**vector, "path": str(VECTORS / vector["path"]), "trust": str(VECTORS / vector["trust"])}
        for vector in MANIFEST
    ]
    return dict(zip((vector["name"] for vector in MANIFEST), run(given)["reports"], strict=True))


@pytest.mark.parametrize("vector", MANIFEST, ids=lambda vector: vector["name"])
def test_the_browser_gives_the_verdict_and_the_first_failing_check_that_python_gives(vector: dict[str, Any]) -> None:
    told = of_every_vector()[vector["name"]]
    if vector["fails"] == "bundle":
        with pytest.raises(Unreadable):
            Bundle.load(VECTORS / vector["path"])
        assert told["unreadable"]
        return
    trust = Trust.parse((VECTORS / vector["trust"]).read_bytes())
    report = verify(
        Bundle.load(VECTORS / vector["path"]), trust, at=read_time(vector["at"]), training=vector["training"]
    )
    assert told["ok"] is report.ok is (vector["fails"] is None)
    assert (told["failed"]["name"] if told["failed"] else None) == vector["fails"], told["failed"]
    said = [
        (check["name"], check["level"], DECODERS_WORDS.sub("", check["text"]), check["code"])
        for check in told["checks"]
    ]
    assert said == [
        (check.name, check.level, DECODERS_WORDS.sub("", check.text), check.code) for check in report.checks
    ]


SPOILED = 60


def spoiled(dice: random.Random) -> dict[str, bytes]:
    """A bundle in which something stands somewhere where it should not, signed with the right keys all the same."""
    which = dice.choice(("change_accreditation", "change_order", "change_certificate", "change_signed_certificate"))

    def spoil(document: dict[str, Any]) -> None:
        place: Any = document
        while True:
            names = sorted(place) if isinstance(place, dict) else range(len(place))
            name = dice.choice([name for name in names if name != "@context"] or [None])
            if name is None:
                return
            if isinstance(place[name], dict | list) and place[name] and dice.randrange(8):
                place = place[name]
                continue
            if isinstance(place, dict) and dice.randrange(4) == 0:
                del place[name]
            else:
                place[name] = deepcopy(dice.choice(JUNK))
            return

    while True:
        try:
            change: dict[str, Any] = {which: spoil}
            return Scene(**change).files()
        except (KeyError, TypeError, AttributeError, IndexError, ValueError):
            continue  # Too broken to be signed at all.


def test_what_the_right_keys_sign_is_judged_alike_by_both(tmp_path: Path) -> None:
    dice = random.Random(SEED)
    given, python = [], []
    (tmp_path / "trust.json").write_bytes(trust_file())
    for number in range(SPOILED):
        files = spoiled(dice)
        folder = tmp_path / str(number)
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_bytes(content)
        given.append(
            {"path": str(folder), "trust": str(tmp_path / "trust.json"), "training": False, "at": write_time(AT)}
        )
        report = verify(Bundle.load(folder), Trust.parse(trust_file()), at=AT, training=False)
        python.append([list(check) for check in report.checks])
    browser = [
        [[check["name"], check["level"], check["text"], check["code"]] for check in report["checks"]]
        for report in run(given)["reports"]
    ]
    assert [pair for pair in zip(python, browser, strict=True) if pair[0] != pair[1]] == []
    assert {checks[-1][0] for checks in python} > {"shape", "status"}


def test_both_find_the_same_files_in_an_archive_or_refuse_it_in_the_same_words(tmp_path: Path) -> None:
    files = Scene().files()
    made = archives.two_ways(files, {**files, "certificate.json": b"{}"}) | archives.one_way(files)
    given, python = [], []
    for number, data in enumerate(made.values()):
        path = tmp_path / f"{number}.zip"
        path.write_bytes(data)
        given.append({"path": str(path), "trust": None, "training": False, "at": write_time(AT)})
        try:
            report = verify(Bundle.load(path), None, at=AT, training=False)
            python.append([check.text for check in report.checks])
        except Unreadable as reason:
            python.append([str(reason)])
    browser = [
        [report["unreadable"]] if "unreadable" in report else [check["text"] for check in report["checks"]]
        for report in run(given)["reports"]
    ]
    assert dict(zip(made, browser, strict=True)) == dict(zip(made, python, strict=True))


def test_the_browser_comes_to_the_outcome_that_the_site_comes_to_without_its_register() -> None:
    site, browser = {}, {}
    for vector in MANIFEST:
        if vector["fails"] == "bundle":
            continue
        files = Bundle.load(VECTORS / vector["path"]).files
        found = registry.verify_publicly(
            files,
            (VECTORS / vector["trust"]).read_bytes(),
            at=read_time(vector["at"]),
            training=vector["training"],
        )
        kind = verdict.verdict(found, "unknown", None, None, None)["kind"]
        site[vector["name"]] = "alone" if kind == "unknown" else kind
        browser[vector["name"]] = of_every_vector()[vector["name"]]["outcome"]
    assert browser == site
    assert [name for name, kind in site.items() if kind == "late"] == ["valid-late-witnessed"]
    assert [name for name, kind in site.items() if kind == "revoked"] == [
        "revoked",
        "revoked-without-a-word",
        "accreditation-revoked",
        "accreditation-revoked-since-before",
        "key-stolen-before",
        "key-retired-before",
        "key-stolen-and-not-witnessed",
        "backdated-with-a-stolen-key",
        "revoked-in-an-old-list",
    ]


def test_the_browser_makes_every_check_in_the_order_of_the_specification() -> None:
    for name in ("valid-one-drive", "other-device"):
        assert [check["name"] for check in of_every_vector()[name]["checks"]] == list(CHECKS)


def test_the_browser_trusts_nobody_without_a_trust_file() -> None:
    [told] = run([{**MANIFEST[0], "path": str(VECTORS / MANIFEST[0]["path"]), "trust": None}])["reports"]
    assert (told["ok"], told["failed"]["name"]) == (False, "trust")


ODD = (
    b'{"a":1}', b' {"a" : [ ] , "b":{ } }\n', b'{"a":"\x7f"}', b'{"a":"\\u007f"}', b'{"a":"\\u0000"}', b'{"a":01}',
    b'{"a":1.}', b'{"a":-}', b'{"a":-0}', b'{"a":1e0}', b'{"a":9007199254740991}', b'{"a":9007199254740992}',
    b'{"a":-9007199254740991}', b'{"a":99999999999999999999999}', b'{"a":NaN}', b'{"a":-Infinity}', b'{"a":nul}',
    b'{"a":"\\ud83d\\ude00"}', b'{"a":"\\ud83d"}', b'{"a":"\\ude00\\ud83d"}', b'{"a":"\\x41"}', b'{"a":"\t"}',
    b'{"a":"\\/\\b"}', b'{"a":"\\/"}', b'{"__proto__":1}', b'{"__proto__":1,"__proto__":1}', b'{"a":1,"\\u0061":1}',
    b'{"constructor":{"toString":[]},"2":0,"10":0,"1":0}', b'{"a":1,}', b"{'a':1}", b'{"a":[1,]}', b"[]", b"null",
    b"", b"{", b'{"a":1}x', b'{"a":1}\x00', b"\xef\xbb\xbf{}", b'{"a":"\xed\xa0\x80"}', b'{"a":"\xc0\xaf"}',
    b'{"a":"\xe2\x80\xae"}', b'{"a":"\xc2\x85"}',
    b'{"a":"\xf0\x9f\x98\x80 \xc3\xa9"}', b'{"\xc3\xa9":1}', b'{"a":\x0b1}',
    b'{"a":\xc2\xa01}', b'{"a":"\\uD83D\\uDE00","b":"\\u00e9"}', b'{"a":"\\u 041"}', b'{"a":"\\u+041"}',
    b'{"a":' * 16 + b"1" + b"}" * 16, b'{"a":' * 15 + b"[]" + b"}" * 15, b'{"a":' * 16 + b"[]" + b"}" * 16,
    b'{"a":' * 9000, b"[" * 60000, b'{"a":[' + b"1," * 4092 + b"1]}", b'{"a":[' + b"1," * 4093 + b"1]}",
    b'{"a":[' + b"1," * 4094 + b"1]}", b'{"a":"' + b"x" * 65_528 + b'"}', b'{"a":"' + b"x" * 65_529 + b'"}',
)  # fmt: skip
SEED, MUTANTS = 20261121, 500


def mutants() -> list[bytes]:
    """Certificates with some bytes changed, put in, taken out or said twice; most are still JSON."""
    dice, found = random.Random(SEED), []
    pieces = [
        b'"',
        b"\\",
        b"\\u0041",
        b"{",
        b"}",
        b",",
        b":",
        b" ",
        b"0",
        b"-",
        b".5",
        b"e9",
        b"\x7f",
        b"\xc3\xa9",
        b"\n",
    ]
    for _ in range(MUTANTS):
        data = bytearray(CERTIFICATE)
        for _ in range(dice.choice((1, 1, 1, 2, 3))):
            at = dice.randrange(len(data))
            match dice.randrange(4):
                case 0:
                    data[at] ^= 1 << dice.randrange(8)
                case 1:
                    data[at:at] = dice.choice(pieces)
                case 2:
                    del data[at : at + dice.choice((1, 1, 2, 40))]
                case _:
                    data[at:at] = data[at : at + dice.randrange(60)]
        found.append(bytes(data))
    return found


def form_of(data: bytes) -> str | None:
    """The canonical form in Python, or None when the strict reader refuses."""
    try:
        return base64.b64encode(canonical(read(data))).decode()
    except Unreadable:
        return None


def trusted(data: bytes) -> bool:
    """Whether Python takes a trust file."""
    try:
        return Trust.parse(data) is not None
    except Unreadable:
        return False


def test_both_strict_readers_take_the_same_documents_and_see_the_same_in_them() -> None:
    given = [*ODD, *mutants()]
    mine = [form_of(data) for data in given]
    told = run(documents=given)["documents"]
    assert [data for data, one, other in zip(given, mine, told, strict=True) if one != other] == []
    assert mine[0] == base64.b64encode(b'{"a":1}').decode()
    assert 100 < sum(form is not None for form in mine[len(ODD) :]) < MUTANTS - 100


def test_both_take_the_same_trust_files() -> None:
    document = json.loads(TRUST)
    given = [TRUST]
    for old, new in (
        (b'"version":1', b'"version":true'), (b'"version":1', b'"version":2'), (b'"training":false', b'"training":0'),
        (b'"roles":["accreditor"]', b'"roles":["centre"]'), (b"z6Mk", b"z6Mj"), (b'"parties"', b'"partys"'),
        (b'"updated":"2', b'"updated":"1'), (b'"type":"WipeTrust"', b'"type":"wipetrust"'),
    ):  # fmt: skip
        data = canonical(document).replace(old, new)
        assert data != canonical(document), old
        given.append(data)
    twice = {**document, "parties": document["parties"] + document["parties"][:1]}
    given.append(canonical(twice))
    accreditor, market = document["parties"]
    ends = {"until": "2026-03-02T16:00:00Z"}
    given += [
        canonical({**document, "parties": parties})
        for parties in (
            [accreditor | {"until": "2026-03-02"}, market],
            [accreditor, market | ends],
            [accreditor | {"roles": ["accreditor", "marketplace"]} | ends],
        )
    ]
    logged = trust_with_log()
    given += [
        canonical({**logged, "witnesses": [*logged["witnesses"], witness]})
        for witness in (trusted_witness("other.example", key=name) for name in (LOG, WITNESSES[0]))
    ]
    changed = trust_with_new_keys()
    own = changed["parties"][0]["keyEnds"][0]
    for key_ends in (
        [],
        [own, own],
        [{"id": own["id"]}],
        [own | {"until": "2026-03-02"}],
        [own | {"id": "did:web:accreditor.example#key-9"}],
        [own | {"compromisedSince": "2026-03-02"}],
        [own | {"reason": "It was lost."}],
    ):
        parties = [changed["parties"][0] | {"keyEnds": key_ends}, changed["parties"][1]]
        given.append(canonical(changed | {"parties": parties}))
    good = [trust_with_end(), logged, changed, trust_with_new_keys(lost=at(16))]
    given += map(canonical, good)
    told = run(trusts=given)["trusts"]
    assert [trusted(data) for data in given] == told
    assert told == [True] + [False] * (len(given) - len(good) - 1) + [True] * len(good)
