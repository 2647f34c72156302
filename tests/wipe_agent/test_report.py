"""Paper: only what verifies is printed, the code on it leads to the certificate, and every name can be read."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import zipfile
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wipe_agent.conftest import SERIAL, Station
from tests.wipe_agent.support import ROOT, agent
from wipe_agent import evidence, report
from wipe_agent.certificate import Trust, fingerprint
from wipe_agent.report import letters, wording
from wipe_agent.report.proven import address_of_did
from wipe_agent.report.summary import COLUMNS

VECTORS = ROOT / "tests/vectors"
AT = datetime(2026, 3, 3, 12, tzinfo=UTC)
TRUST = (VECTORS / "trust.json").read_bytes()
NUMBER = "d935ae32-8c1e-5950-83c4-cafd969b5540"


def judged(name: str) -> report.Judged:
    training = "training" in name
    trust = (VECTORS / "trust-training.json").read_bytes() if training else TRUST
    return report.judge(VECTORS / name, Trust.parse(trust), fingerprint(trust), at=AT, training=training)


def proven(name: str) -> report.Proven:
    found = judged(name)
    assert found.proven is not None, found.refusal
    return found.proven


def text_of(pdf: bytes, tmp_path: Path) -> str:
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext (Debian: poppler-utils) is not installed")
    place = tmp_path / "page.pdf"
    place.write_bytes(pdf)
    done = subprocess.run(["pdftotext", "-layout", str(place), "-"], capture_output=True, text=True, check=True)
    return " ".join(done.stdout.split())


def codes_on(pdf: bytes, tmp_path: Path, page: int = 1) -> list[str]:
    """Every QR code on a page of the PDF, read from its picture by a decoder that is none of ours."""
    if shutil.which("pdftoppm") is None:
        pytest.skip("pdftoppm (Debian: poppler-utils) is not installed")
    import zxingcpp
    from PIL import Image

    place = tmp_path / "page.pdf"
    place.write_bytes(pdf)
    subprocess.run(
        ["pdftoppm", "-r", "200", "-f", str(page), "-singlefile", "-png", str(place), str(tmp_path / "seen")],
        check=True,
    )
    with Image.open(tmp_path / "seen.png") as picture:
        return [one.text for one in zxingcpp.read_barcodes(picture)]


def test_the_page_says_what_which_how_who_when_and_what_not(tmp_path: Path) -> None:
    said = text_of(report.certificate_page(proven("valid-two-drives")), tmp_path)
    for words in (
        "Device LT-7K2F", "Dell Latitude 5400, serial 8XK2Q13", "Test Centre North, 2026-03-02 16:05 UTC", NUMBER,
        "What was done: 2 media", "NVMe drive, serial S4GXNF0M700001", "hard disk, serial WL1ABCDE, 1 TB",
        "NIST SP 800-88 Rev. 2 calls this Clear.", "Every byte was read back after the wipe.", "over-provisioned area",
        "By A. Weaver, 2026-03-02 09:30 to 12:30 UTC; checked 2026-03-02 15:40 UTC", "Second person: B. Stone",
        "It says nothing of media that are not listed, of cloud accounts, or of later use.",
        "It proves nothing by itself", fingerprint(TRUST), "Page 1 of 1",
    ):  # fmt: skip
        assert words in said, words
    assert "TRAINING" not in said
    assert "Training" not in said


def test_the_code_on_the_page_leads_to_the_certificate_and_names_its_digest(tmp_path: Path) -> None:
    one = proven("valid-one-drive")
    address = f"https://market.example/verify?code={NUMBER}&digest={one.digest}"
    assert one.verify_address == address
    assert codes_on(report.certificate_page(one), tmp_path) == [address]


def test_practice_is_written_across_the_page_and_its_code_can_still_be_read(tmp_path: Path) -> None:
    one = proven("valid-training")
    page = report.certificate_page(one)
    said = text_of(page, tmp_path)
    assert "It was made for practice and proves nothing about a real device." in said
    assert "TRAINING" in subprocess.run(
        ["pdftotext", "-raw", str(tmp_path / "page.pdf"), "-"], capture_output=True, text=True, check=True
    ).stdout.replace("\n", "")
    assert codes_on(page, tmp_path) == [one.verify_address]


def test_the_same_certificate_gives_the_same_bytes_in_another_process_at_another_time(tmp_path: Path) -> None:
    words = ["report", str(VECTORS / "valid-indented"), "--trust", str(VECTORS / "trust.json")]
    pages = []
    for number, seed in enumerate(("1", "2")):
        place = tmp_path / f"{number}.pdf"
        at = f"2026-0{number + 4}-03T12:00:00Z"
        environment = {"PYTHONHASHSEED": seed, "TZ": ("UTC", "Asia/Tokyo")[number]}
        agent(*words, "--at", at, "--output", str(place), home=tmp_path / "none", check=True, **environment)
        pages.append(place.read_bytes())
    assert pages[0] == pages[1]


@pytest.mark.parametrize("name", ["changed-after-signing", "no-work-order", "medium-missing", "accreditation-expired"])
def test_what_does_not_verify_gets_no_page_and_the_reason_is_said(name: str, tmp_path: Path) -> None:
    words = ("report", str(VECTORS / name), "--trust", str(VECTORS / "trust.json"), "--at", "2026-03-03T12:00:00Z")
    done = agent(*words, "--output", str(tmp_path / "out"), "--json", home=tmp_path / "none")
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert found["written"] == []
    assert found["refused"][0]["reason"] == judged(name).refusal
    assert not (tmp_path / "out").exists()


def test_without_anybody_to_trust_there_is_no_page(tmp_path: Path) -> None:
    done = agent("report", str(VECTORS / "valid-one-drive"), "--output", str(tmp_path), home=tmp_path / "none")
    assert done.returncode == 1
    assert "no page" in done.stdout
    assert list(tmp_path.glob("*.pdf")) == []


def test_a_certificate_that_the_market_refused_gets_no_page(station: Station, tmp_path: Path) -> None:
    station.wipe()
    done = station.certify()
    number = done.certificate_id.removeprefix("urn:uuid:")
    receipt = {"outcome": "refused", "reason": "A medium is missing."}
    (station.home.receipts / f"{number}.json").write_text(json.dumps(receipt))
    said = agent("report", "--order", "WO-1", "--training", "--output", str(tmp_path / "out"), home=station.home.path)
    assert said.returncode == 1
    assert "The marketplace refused it: A medium is missing." in said.stdout
    assert not (tmp_path / "out").exists()


def test_the_evidence_lies_beside_the_certificate_named_by_its_digest(station: Station, tmp_path: Path) -> None:
    station.wipe()
    station.certify()
    raw = b'{"smart_status": {"passed": true}}'
    evidence.keep(station.home, "WO-1", name="smartctl.json", data=raw, media_type="application/json", about="health")
    page = tmp_path / "one.pdf"
    words = ("report", "--order", "WO-1", "--training", "--evidence", "--output", str(page))
    agent(*words, home=station.home.path, check=True)
    with zipfile.ZipFile(tmp_path / "one-evidence.zip") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(members["manifest.json"])
    assert members["certificate.pdf"] == page.read_bytes()
    assert [(one["name"], one["bytes"]) for one in manifest["files"]] == [
        (station.journal().name, station.journal().stat().st_size),
        ("smartctl.json", len(raw)),
    ]
    for one in manifest["files"]:
        assert one["file"].startswith(f"evidence/sha256-{one['sha256']}")
        assert sha256(members[one["file"]]).hexdigest() == one["sha256"]
        assert one["namedByCertificate"] is False
    assert {"certificate/certificate.json", "certificate/work-order.json"} <= set(members)


def test_evidence_that_the_certificate_names_and_that_is_missing_is_listed_as_missing() -> None:
    one = proven("valid-absent-card")
    named = [entry for line in one.statement.lines for entry in line.evidence]
    archive = zipfile.ZipFile(io.BytesIO(report.evidence_archive(one, b"%PDF", [])))
    missing = json.loads(archive.read("manifest.json"))["namedByCertificateAndNotHere"]
    assert [entry["digestMultibase"] for entry in missing] == [entry.digest_multibase for entry in named]


def test_evidence_that_was_changed_on_disk_is_not_handed_out(station: Station) -> None:
    kept = evidence.keep(station.home, "WO-1", name="a.txt", data=b"as it was", media_type="text/plain", about="a note")
    again = evidence.keep(station.home, "WO-1", name="b.txt", data=b"as it was", media_type="text/plain", about="twice")
    assert again == kept
    place = station.home.path / "evidence" / "WO-1" / kept.file
    place.write_bytes(b"as it is")
    with pytest.raises(evidence.StateUnusable, match="was changed"):
        evidence.read_kept(station.home, "WO-1", kept)


def test_names_in_every_script_are_written_and_none_is_dropped(station: Station, tmp_path: Path) -> None:
    station.wipe(operator="Łukasz 张伟 محمد سلام")
    station.certify()
    place = tmp_path / "one.pdf"
    agent("report", "--order", "WO-1", "--training", "--output", str(place), home=station.home.path, check=True)
    said = text_of(place.read_bytes(), tmp_path)
    assert "Łukasz" in said
    assert "[U+5F20][U+4F1F]" in said
    assert "Letters that this page's font lacks are written as code points" in said


def test_arabic_letters_are_joined_and_right_to_left_runs_are_turned() -> None:
    assert letters.join_arabic("محمد") == "\ufee3\ufea4\ufee4\ufeaa"
    assert letters.join_arabic("سلام") == "\ufeb3\ufefc\ufee1"
    assert letters.visual("שלום") == "םולש"
    assert letters.visual(f"By {letters.isolated('שלום')}, 12") == "By םולש, 12"
    assert letters.right_to_left("12 שלום abc")
    assert not letters.right_to_left("By שלום")


@settings(max_examples=150, deadline=None)
@given(
    st.text(
        st.one_of(st.characters(exclude_categories=("Cs", "Cc")), st.sampled_from("שלוםمحمدلا()[]12., ـ")), max_size=40
    )
)
def test_no_text_upsets_the_page_and_no_character_is_lost_by_breaking_it(text: str) -> None:
    assert not set(letters.visual(text)) & set("\u2068\u2069")
    for width in (1, 5):
        assert "".join("".join(letters.break_lines(text, width, len)).split()) == "".join(text.split())


def test_a_long_word_is_broken_and_nothing_of_it_is_lost() -> None:
    lines = letters.break_lines("short " + "x" * 25, 10, len)
    assert lines == ["short", "x" * 10, "x" * 10, "x" * 5]
    assert letters.break_lines("", 10, len) == [""]


def test_a_sampled_read_says_how_sure_it_is_and_what_it_can_miss() -> None:
    line = next(one for one in proven("valid-sampled").statement.lines if one.sampling)
    said = wording.evidence(line)
    assert "places chosen at random were read back" in said
    assert "Smaller rests can have been missed." in said
    assert not said.startswith("Every byte")


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, "0 bytes"), (999, "999 bytes"), (4_194_304, "4.19 MB"), (256_060_514_304, "256 GB"), (10**12, "1 TB")],
)
def test_sizes_are_said_as_on_the_drives_label(count: int, said: str) -> None:
    assert wording.size(count) == said


def test_a_device_with_many_media_gets_further_pages_and_each_medium_once(tmp_path: Path) -> None:
    from dataclasses import replace

    one = proven("valid-one-drive")
    lines = [replace(one.statement.lines[0], serial=f"SERIAL-{n:03d}") for n in range(17)]
    page = report.certificate_page(replace(one, statement=replace(one.statement, lines=lines)))
    said = text_of(page, tmp_path)
    assert [said.count(f"serial SERIAL-{n:03d}") for n in range(17)] == [1] * 17
    assert "Page 1 of 4" in said
    assert "Page 4 of 4" in said


def test_a_batch_counts_certified_refused_and_open_apart(tmp_path: Path) -> None:
    found = [judged("valid-two-drives"), judged("changed-after-signing"), judged("valid-two-drives")]
    still_open = [report.OpenOrder("WO-9", "D-9", "hdd", "X1", "not begun")]
    said = text_of(report.summary_page(found, still_open, made=AT), tmp_path)
    assert "2 media certified in 1 device. 1 bundle does not verify. 1 medium is still open." in said
    assert "By result: 2 clear. By evidence: 2 full-read." in said
    line = found[0].proven.statement if found[0].proven else pytest.fail("it verifies")
    assert f"Test centre: {line.issuer_name}. Wiped by: {line.lines[0].operator}." in said
    assert "changed-after-signing does not verify: The certificate was changed" in said
    assert "D-9 hard disk X1 open: order WO-9: not begun" in said
    table = list(csv.DictReader(io.StringIO(report.summary_csv(found, still_open).decode("utf-8-sig"))))
    assert [row["result"] for row in table] == ["certified", "certified", "refused", "open"]
    assert (table[1]["serial"], table[1]["size_bytes"], table[1]["started"]) == (
        "WL1ABCDE", "1000204886016", "2026-03-02T09:30:00Z",
    )  # fmt: skip
    assert tuple(table[0]) == COLUMNS


def test_the_code_on_a_batch_leads_to_its_one_certificate_or_to_where_each_device_is_asked_about(
    tmp_path: Path,
) -> None:
    one, other = judged("valid-one-drive"), judged("valid-two-drives")
    still_open = [report.OpenOrder("WO-9", "D-9", "hdd", "X1", "not begun")]
    page = report.summary_page([one, one, judged("changed-after-signing")], still_open, made=AT)
    assert codes_on(page, tmp_path) == [proven("valid-one-drive").verify_address]
    assert "Scan to verify" in text_of(page, tmp_path)
    several = report.summary_page([one, other], made=AT)
    assert codes_on(several, tmp_path) == ["https://market.example/verify"]
    assert "Scan, then type a device of the list" in text_of(several, tmp_path)


def test_a_batch_without_a_page_to_ask_at_has_no_code(tmp_path: Path) -> None:
    trust = Trust.parse(TRUST)
    two = [
        report.judge(VECTORS / name, trust, fingerprint(TRUST), at=AT, training=False, market=market)
        for name, market in (("valid-one-drive", "https://one.example"), ("valid-two-drives", "https://two.example"))
    ]
    assert codes_on(report.summary_page(two, made=AT), tmp_path) == []
    assert codes_on(report.summary_page([judged("changed-after-signing")], made=AT), tmp_path) == []


def test_a_batch_of_hundreds_stays_on_one_page_and_says_how_many_lines_had_no_room(tmp_path: Path) -> None:
    still_open = [report.OpenOrder(f"WO-{n}", f"D-{n}", "hdd", f"X{n}", "not begun") for n in range(300)]
    page = report.summary_page([judged("changed-after-signing")], still_open, made=AT)
    said = text_of(page, tmp_path)
    assert page.count(b"/Type /Page\n") == 1
    assert "And 269 more lines, all in the CSV." in said
    assert "changed-after-signing does not verify" in said
    assert len(report.summary_csv([], still_open).splitlines()) == 301


def test_a_serial_number_that_looks_like_a_formula_is_no_formula_in_the_csv() -> None:
    still_open = [report.OpenOrder("WO-1", "D-1", "usb", '=HYPERLINK("http://x")', "not begun")]
    assert b"\"'=HYPERLINK(" in report.summary_csv([], still_open)


def test_the_station_summarises_what_lies_on_it(station: Station, tmp_path: Path) -> None:
    words = ("summary", "--station", "--training", "--csv", str(tmp_path / "b.csv"), "--pdf", str(tmp_path / "b.pdf"))
    before = json.loads(agent(*words, "--json", home=station.home.path, check=True).stdout)
    assert before == {"certificates": 0, "media": 0, "open": 1, "refused": []}
    station.wipe()
    station.certify()
    after = json.loads(agent(*words, "--json", home=station.home.path, check=True).stdout)
    assert after == {"certificates": 1, "media": 1, "open": 0, "refused": []}
    assert SERIAL in (tmp_path / "b.csv").read_text()


def test_every_label_has_its_code_and_practice_says_so(tmp_path: Path) -> None:
    one = proven("valid-training")
    labels = report.labels_of(one)
    assert [label.heading for label in labels] == ["LT-7K2F", "S4GXNF0M700001", "WL1ABCDE"]
    sheet = report.label_sheet(labels, made=AT, first=23)
    assert codes_on(sheet, tmp_path) == [one.verify_address] * 2
    assert codes_on(sheet, tmp_path, page=2) == [one.verify_address]
    assert text_of(sheet, tmp_path).count("TRAINING") == 3
    single = report.label_sheet(labels, made=AT, single=True)
    assert [codes_on(single, tmp_path, page=number) for number in (1, 2, 3)] == [[one.verify_address]] * 3
    with pytest.raises(ValueError, match="places 1 to 24"):
        report.label_sheet(labels, made=AT, first=25)


def test_labels_before_the_wipe_carry_what_the_bench_is_told_and_no_promise(station: Station, tmp_path: Path) -> None:
    place = tmp_path / "labels.pdf"
    agent("labels", "--order", "WO-1", "--output", str(place), home=station.home.path, check=True)
    assert sorted(codes_on(place.read_bytes(), tmp_path)) == [SERIAL, "WO-1"]
    said = text_of(place.read_bytes(), tmp_path)
    assert said.count("Not wiped yet") == 2
    assert "Certificate" not in said


def test_a_page_is_not_written_through_a_link_that_somebody_laid(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"keep me")
    (tmp_path / "page.pdf").symlink_to(precious)
    words = ("report", str(VECTORS / "valid-one-drive"), "--trust", str(VECTORS / "trust.json"))
    agent(
        *words, "--at", "2026-03-03T12:00:00Z", "--output", str(tmp_path / "page.pdf"), home=tmp_path / "h", check=True
    )
    assert precious.read_bytes() == b"keep me"
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
    assert not (tmp_path / "page.pdf").is_symlink()


@pytest.mark.parametrize(
    ("did", "address"),
    [
        ("did:web:market.example", "https://market.example"),
        ("did:web:market.example:centres:north", "https://market.example"),
        ("did:web:localhost%3A8000", "http://localhost:8000"),
    ],
)
def test_the_address_comes_from_the_markets_own_name(did: str, address: str) -> None:
    assert address_of_did(did) == address


def test_a_font_that_is_none_is_refused_in_a_sentence(tmp_path: Path) -> None:
    font = tmp_path / "font.ttf"
    font.write_bytes(b"not a font")
    words = ("report", str(VECTORS / "valid-one-drive"), "--trust", str(VECTORS / "trust.json"), "--font", str(font))
    done = agent(*words, "--at", "2026-03-03T12:00:00Z", "--output", str(tmp_path), home=tmp_path / "h")
    assert done.returncode == 64
    assert f"The font {font} cannot be used" in done.stderr
    assert list(tmp_path.iterdir()) == [font]
