"""The board's rules: what a word from a drive's process makes of its row, and which drive an order means."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest

from wipe_agent import jobs, keys
from wipe_agent.errors import BadUsage, Stopped
from wipe_agent.media import Drive, Identity
from wipe_agent.stand import Job, Row, Stand, State, rows_from
from wipe_agent.stand.board import Stop, stop_in
from wipe_agent.stand.drive import Control
from wipe_agent.stand.plan import absent_rows
from wipe_agent.stand.temperature import sensor, smart

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def running(stage: str = "overwriting with zeros", size: int = 1000) -> Row:
    row = Row(name="/dev/sdb", job=Job("WO-1", "DISK-1", "/dev/sdb"))
    row.begin(0.0)
    row.take({"event": "stage", "name": stage, "size": size}, 0.0)
    return row


def drive(path: str, serial: str | None, *refusals: str) -> Drive:
    identity = Identity("block", "Model", serial, None, 1000, "sata", None, None)
    return Drive(path, "disk", identity, refusals)


def order(code: str, *serials: str) -> jobs.Order:
    media = tuple(jobs.OrderMedium(uuid.uuid4().urn, "ssd", "Model", serial, None, None, "") for serial in serials)
    return jobs.Order(code, f"D-{code}", "id", False, NOW, NOW, media, {}, "")


def error(kind: str) -> dict[str, object]:
    return {"event": "error", "kind": kind, "exit_code": 1, "message": "Why.", "next": "Do this."}


def test_the_rate_is_that_of_the_last_ten_seconds_and_gives_the_time_left() -> None:
    row = running(size=10_000)
    for second in range(31):
        row.take({"event": "alive", "done": second * (5 if second < 20 else 10), "temperature": 41}, float(second))
    assert (row.share, row.rate, row.temperature) == (3.0, 10.0, 41)
    assert row.seconds_left == 970.0


def test_a_drive_that_does_not_move_for_two_minutes_is_silent() -> None:
    row = running()
    row.take({"event": "alive", "done": 5}, 10.0)
    for second in (60.0, 130.0):
        row.take({"event": "alive", "done": 5}, second)
    assert not row.silent(130.0)
    assert row.silent(131.0)
    assert row.rate is None


@pytest.mark.parametrize(
    ("kind", "asked", "state"),
    [
        ("NotWiped", None, State.NOT_WIPED),
        ("DeviceChanged", None, State.FAILED),
        ("WriteFailed", "pause", State.FAILED),
        ("Stopped", "pause", State.PAUSED),
        ("Stopped", "cancel", State.CANCELLED),
        ("Stopped", "eject", State.UNFINISHED),
        ("Stopped", None, State.UNFINISHED),
    ],
)
def test_the_last_word_of_a_process_is_the_state_of_its_drive(kind: str, asked: str | None, state: State) -> None:
    row = running()
    row.asked = asked
    row.take(error(kind), 1.0)
    assert row.state is state
    row.take({"event": "gone", "code": 1, "spoke": True}, 2.0)
    assert row.state is state


def test_an_error_before_the_first_stage_is_a_refusal() -> None:
    row = Row(name="/dev/sdb", job=Job("WO-1", "DISK-1", "/dev/sdb"))
    row.begin(0.0)
    row.take(error("WrongSerial"), 1.0)
    assert (row.state, row.message, row.advice) == (State.REFUSED, "Why.", "Do this.")


def test_a_process_that_ends_without_a_word_never_looks_like_an_end() -> None:
    row = running()
    row.take({"event": "gone", "code": 0, "spoke": False}, 1.0)
    assert row.state is State.UNFINISHED
    assert "exit code 0" in row.message


def test_what_stopping_means_depends_on_the_stage() -> None:
    assert stop_in("overwriting with zeros") is Stop.ENDS
    assert stop_in("reading everything back") is Stop.HOLDS
    assert stop_in("the drive sanitises itself (NVMe Sanitize, block erase)") is Stop.WAITS


def test_a_drive_that_works_by_itself_is_not_cancelled_it_waits_and_may_be_left() -> None:
    said: list[dict[str, object]] = []
    control = Control(said.append)
    control.step("the drive sanitises itself", 100)
    for word in ("cancel", "pause"):
        control.ask(word)
        control.at(10)
        control.at(20)
    assert [event["event"] for event in said] == ["stage", "cannot stop", "cannot stop"]
    control.ask("eject")
    with pytest.raises(Stopped):
        control.at(30)
    row = running("the drive sanitises itself")
    row.asked, row.state = "cancel", State.STOPPING
    row.take({"event": "cannot stop"}, 1.0)
    assert row.state is State.RUNNING
    assert row.message == "The drive works by itself now; nobody can stop it. It waits until the drive is done."


def test_a_drive_is_matched_with_the_one_order_that_names_its_serial() -> None:
    rows = rows_from(
        [
            drive("/dev/sda", "SYSTEM", "it holds the running system"),
            drive("/dev/sdb", "DISK-1"),
            drive("/dev/sdc", "DISK-2"),
            drive("/dev/sdd", "DISK-9"),
            drive("/dev/sde", None),
        ],
        [order("WO-1", "DISK-1", "DISK-7"), order("WO-2", "DISK-2"), order("WO-3", "DISK-2", "SYSTEM")],
    )
    assert [(row.name, row.state, row.job) for row in rows] == [
        ("/dev/sda", State.HELD, None),
        ("/dev/sdb", State.WAITING, Job("WO-1", "DISK-1", "/dev/sdb")),
        ("/dev/sdc", State.HELD, None),
        ("/dev/sdd", State.HELD, None),
        ("/dev/sde", State.HELD, None),
    ]
    assert [rows[number].message for number in (0, 2, 3)] == [
        "It holds the running system.",
        "Orders WO-2 and WO-3 both name this serial. Ask the marketplace which one holds.",
        "No open order here names this serial.",
    ]
    assert rows[4].message.startswith("It reports no serial")
    assert [row.part for row in rows] == ["", "1 of 2", "", "", ""]


def test_the_other_drive_of_an_order_is_missed_by_name_and_other_orders_are_not() -> None:
    orders = [order("WO-1", "DISK-1", "DISK-7"), order("WO-2", "DISK-2")]
    rows = rows_from([drive("/dev/sdb", "DISK-1")], orders)
    absent = [row for row, _, _ in absent_rows(rows, orders)]
    assert [(row.serial, row.state, row.message) for row in absent] == [
        ("DISK-7", State.ABSENT, "Order WO-1 means this ssd too. Without it there is no certificate.")
    ]
    assert [row.part for row in rows + absent] == ["1 of 2", "2 of 2"]
    stand = Stand(keys.Home(Path("/nowhere")), rows + absent, operator="Ada")
    with pytest.raises(BadUsage, match="Without it there is no certificate"):
        stand.confirm("WO-1/DISK-7", "DISK-7")
    assert not stand.busy


def test_a_temperature_comes_from_the_kernel_or_smartctl_or_nobody_knows(tmp_path: Path) -> None:
    place = tmp_path / "class/block/nvme0n1/device/hwmon2"
    place.mkdir(parents=True)
    (place / "temp1_input").write_text("38850\n")
    assert sensor("nvme0n1", tmp_path) == 39
    assert sensor("sda", tmp_path) is None
    assert smart(Path("/dev/sda"), lambda command: '{"temperature": {"current": 44}}') == 44
    assert smart(Path("/dev/sda"), lambda command: '{"smartctl": {"exit_status": 2}}') is None
    assert smart(Path("/dev/sda"), lambda command: "smartctl: no such device") is None
