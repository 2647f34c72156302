"""Erasure reports of other programs: understood within bounds, kept as evidence, and never made into a certificate."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wipe_agent.conftest import SERIAL, Station
from tests.wipe_agent.support import ROOT, agent
from wipe_agent import errors, evidence
from wipe_agent.errors import SnapshotRefused
from wipe_agent.foreign import Erasure, careful, import_erasure_report, read_erasure_report

REAL = Path(os.environ.get("SHARED_DATA") or ROOT.parent / "shared/data") / "workbench"
STARS = "*" * 80
NWIPE_LOG = f"""[2026/03/02 09:30:00]    info: nwipe 0.36
[2026/03/02 09:30:00]  notice: Found /dev/sda, ATA, Sample disk, 160 GB, S/N={SERIAL}

******************************** Error Summary *********************************
!   Device | Pass Errors | Verifications Errors | Fdatasync I\\O Errors
{"-" * 80}
       sda |           0 |                    0 |                    0
!      sdb |          12 |                    0 |                    0
{STARS}

********************************* Drive Status *********************************
!   Device | Status | Thru-put | HH:MM:SS | Model/Serial Number
{"-" * 80}
       sda | Erased |  120MB/s | 01:25:04 | Sample A/B disk/{SERIAL}
!      sdb |-FAILED-|  118MB/s | 01:22:01 | Sample disk/DISK-0002
{STARS}
[2026/03/02 10:55:04]  Total Throughput 238MB/s, DoD Short, 1R+NB+VLP
""".encode()
NWIPE_JSON = json.dumps(
    {
        "report_metadata": {"generated_at": "2026-03-02_10-55-04", "software": "nwipe", "version": "0.40"},
        "organization": {"business_name": "A workshop"},
        "device": {"name": "/dev/sda", "model": "Sample disk", "serial_no": SERIAL, "size_bytes": 160_042_000_000},
        "wipe_result": {"status": "success", "rounds_requested": 1, "pass_errors": 0, "verify_errors": 0},
    }
).encode()
SNAPSHOT = (Path(__file__).parent / "snapshots" / "v11.json").read_bytes().replace(b"DISK-0001", SERIAL.encode())
BLANCCO = f"""<?xml version="1.0" encoding="UTF-8"?>
<root><report><blancco_data>
  <description><document_log><log_entry><author>
    <product_name id="51">Blancco Drive Eraser</product_name><product_version>7.16.0</product_version>
  </author></log_entry></document_log></description>
  <blancco_hardware_report><entries name="disks"><entries name="disk"><entry name="serial" type="string">OTHER</entry>
  </entries></entries></blancco_hardware_report>
  <blancco_erasure_report><entries name="erasures"><entries name="erasure">
    <entry name="timestamp" type="string">2026-03-02T10:55:04+0000</entry>
    <entry name="state" type="string">Successful</entry>
    <entry name="erasure_standard_name" type="string">NIST 800-88 Clear</entry>
    <entries name="target"><entry name="model" type="string">Sample disk</entry>
      <entry name="serial" type="string">{SERIAL}</entry></entries>
  </entries></entries></blancco_erasure_report>
</blancco_data></report></root>""".encode()
ALL = {"nwipe.log": NWIPE_LOG, "nwipe.json": NWIPE_JSON, "snapshot.json": SNAPSHOT, "report.xml": BLANCCO}


def test_the_log_of_nwipe_says_each_drive_with_its_own_word() -> None:
    said = read_erasure_report(NWIPE_LOG)
    assert (said.format, said.software) == ("nwipe-log", "nwipe 0.36")
    assert said.erasures == (
        Erasure("Sample A/B disk", SERIAL, "Erased", True, "", ""),
        Erasure("Sample disk", "DISK-0002", "-FAILED-", False, "", ""),
    )
    assert said.erasures[1].say() == "Sample disk, serial DISK-0002, it says '-FAILED-'"


def test_a_row_with_its_mark_of_trouble_is_no_success_whatever_it_says() -> None:
    troubled = NWIPE_LOG.replace(b"       sda | Erased", b"!      sda | Erased")
    assert [one.succeeded for one in read_erasure_report(troubled).erasures] == [False, False]


def test_the_json_of_nwipe_succeeds_only_without_errors() -> None:
    said = read_erasure_report(NWIPE_JSON)
    assert (said.format, said.software) == ("nwipe-json", "nwipe 0.40")
    assert said.erasures == (Erasure("Sample disk", SERIAL, "success", True, "", "2026-03-02_10-55-04"),)
    for old, new in ((b'"pass_errors": 0', b'"pass_errors": 3'), (b'"success"', b'"failure"')):
        assert [one.succeeded for one in read_erasure_report(NWIPE_JSON.replace(old, new)).erasures] == [False]


def test_a_snapshot_that_speaks_of_an_erasure_is_read_as_a_report() -> None:
    said = read_erasure_report(SNAPSHOT)
    assert (said.format, said.software) == ("workbench", "Workbench 11.0b9")
    assert said.erasures == (Erasure("Sample disk", SERIAL, "Info", True, "EraseBasic StepRandom", ""),)


@pytest.mark.skipif(not REAL.is_dir(), reason="the shared sample data is not here (SHARED_DATA names its folder)")
def test_a_real_snapshot_of_an_erased_computer_is_understood() -> None:
    said = read_erasure_report((REAL / "v11-erased-acer.json").read_bytes())
    assert [(one.method, one.ended) for one in said.erasures] == [
        ("EraseBasic StepRandom", "2019-09-10T11:37:07.459940+00:00")
    ]
    with pytest.raises(SnapshotRefused, match="speaks of no erasure"):
        read_erasure_report((REAL / "v11-e5530.json").read_bytes())


def test_the_xml_of_blancco_names_the_drive_that_was_erased_and_no_other() -> None:
    said = read_erasure_report(BLANCCO)
    assert (said.format, said.software) == ("blancco-xml", "Blancco Drive Eraser 7.16.0")
    assert said.erasures == (
        Erasure("Sample disk", SERIAL, "Successful", True, "NIST 800-88 Clear", "2026-03-02T10:55:04+0000"),
    )
    failed = read_erasure_report(BLANCCO.replace(b"Successful", b"Successful with exceptions"))
    assert [one.succeeded for one in failed.erasures] == [False]


LAUGHS = (
    b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + level, b"&%c;" % (97 + level) * 10) for level in range(9))
    + b"]><l>&j;</l>"
)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no erasure report that is known"),
        (b"{}", "no erasure report that is known"),
        (b'{"a": 1, "a": 2}', "a member twice"),
        (b'{"report_metadata": {"software": "nwipe"}, "device": {}}', "no erasure report that is known"),
        (b'{"type": "Snapshot", "components": []}', "speaks of no erasure"),
        (b"<a/>", "no erasure report that is known"),
        (b"<a>", "is not XML"),
        (b"<blancco_erasure_report/>", "speaks of no erasure"),
        (b"<r><blancco_erasure_report/></r>", "speaks of no erasure"),
        (LAUGHS, "declares types or entities of its own"),
        (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "declares types or entities of its own"),
        (b'<?xml version="1.0" encoding="none-such"?><a/>', "is not XML"),
        (b"<a>" * 100 + b"</a>" * 100, "nested too deep"),
        (b"<r>" + b"<a/>" * 50_000 + b"</r>", "too many elements"),
        (b"<r><blancco_erasure_report>" + b"<erasure/>" * 300 + b"</blancco_erasure_report></r>", "more than 256"),
        (b"\xff" * 10, "is not UTF-8"),
        (b"\n" * 100_001, "more than 100000 lines"),
        (b" " * (careful.MOST_BYTES + 1), "are not read"),
        (NWIPE_LOG.split(b"*** Drive Status")[0], "no erasure report that is known"),
    ],
    ids=range(19),
)
def test_what_is_none_or_goes_beyond_the_bounds_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(SnapshotRefused, match=reason):
        read_erasure_report(data)


@given(st.sampled_from(sorted(ALL)), st.data())
def test_no_bytes_make_the_reader_fail_otherwise_or_print_what_drives_a_terminal(
    name: str, data: st.DataObject
) -> None:
    content = bytearray(ALL[name])
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    try:
        said = read_erasure_report(bytes(content))
    except SnapshotRefused:
        return
    assert all(one.say().isprintable() for one in said.erasures)


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_foreign_report_is_kept_as_evidence_and_never_makes_a_certificate(
    station: Station, tmp_path: Path, name: str
) -> None:
    """It says that the drive of the order was erased. The order stays unanswered; only evidence is new."""
    before = {path for path in station.home.path.rglob("*") if path.is_file()}
    report = tmp_path / name
    report.write_bytes(ALL[name])
    done = import_erasure_report(station.home, order_code="WO-1", path=report)
    assert SERIAL in {one.serial for one in done.report.erasures if one.succeeded}
    assert [evidence.read_kept(station.home, "WO-1", one) for one in evidence.kept(station.home, "WO-1")] == [ALL[name]]
    assert "a claim by that program, no proof" in done.kept.about
    after = {path for path in station.home.path.rglob("*") if path.is_file()}
    assert {path.relative_to(station.home.path).parts[0] for path in after - before} == {"evidence"}
    with pytest.raises(errors.NotComplete):
        station.certify()
    assert station.bundles() == []
    assert import_erasure_report(station.home, order_code="WO-1", path=report).kept == done.kept


def test_the_command_says_that_it_proves_nothing(station: Station, tmp_path: Path) -> None:
    report = tmp_path / "nwipe.log"
    report.write_bytes(NWIPE_LOG)
    done = agent("import-erasure", str(report), "--order", "WO-1", home=station.home.path)
    assert done.returncode == 0, done.stderr
    assert "it says '-FAILED-'" in done.stdout
    assert "it speaks of DISK-0002, which the order does not list." in done.stdout
    assert "it does not say that DISK-0002 was erased." in done.stdout
    assert "It proves no wipe: wipe these drives here, under this order." in done.stdout


def test_a_report_of_other_drives_is_refused_and_not_kept(station: Station, tmp_path: Path) -> None:
    report = tmp_path / "other.log"
    report.write_bytes(NWIPE_LOG.replace(SERIAL.encode(), b"DISK-0009"))
    with pytest.raises(SnapshotRefused, match="speaks of none of the drives of order WO-1"):
        import_erasure_report(station.home, order_code="WO-1", path=report)
    with pytest.raises(errors.OrderUnknown):
        import_erasure_report(station.home, order_code="WO-9", path=report)
    with pytest.raises(SnapshotRefused, match="not an ordinary file"):
        import_erasure_report(station.home, order_code="WO-1", path=Path("/dev/zero"))
    assert evidence.kept(station.home, "WO-1") == []
