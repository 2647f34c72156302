"""Many drives at once: what one of them meets is no other's business, and nobody loses what was done."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.wipe_agent.stand.conftest import GATED, Bench, until
from tests.wipe_agent.support import PASSPHRASE, ROOT, planted_left
from wipe_agent import jobs, keys
from wipe_agent.errors import BadUsage, OrderUnknown, TargetBusy, WrongSerial
from wipe_agent.journal import parse
from wipe_agent.stand import Job, Row, Stand, State

MIB = 1024 * 1024
Make = Callable[[int], Bench]


def story(bench: Bench, number: int = 1) -> jobs.MediumStory:
    order = jobs.load_order(bench.home, f"WO-{number}")
    path = jobs.journal_path(bench.home, order.code, order.media[0].id)
    return jobs.read_story(parse(path.read_bytes(), path.name)[0], path.name)


def begin(stand: Stand, *numbers: int) -> None:
    for number in numbers:
        stand.confirm(f"WO-{number}/DISK-{number}", f"DISK-{number}")


def test_three_drives_at_once_are_each_wiped_and_certified(make_bench: Make) -> None:
    bench = make_bench(3)
    stand = bench.stand()
    begin(stand, 1, 2, 3)
    until(stand, lambda: not stand.busy)
    assert [row.state for row in stand.rows.values()] == [State.WIPED] * 3
    for number, disk in enumerate(bench.disks, 1):
        assert planted_left(disk) == 0
        jobs.certify(bench.home, order_code=f"WO-{number}", open_key=lambda: keys.load_key(bench.home, PASSPHRASE))
    assert len(list(bench.home.outbox.iterdir())) == 3


def test_no_drive_begins_before_its_own_serial_is_typed(make_bench: Make) -> None:
    bench = make_bench(2)
    stand = bench.stand()
    before = [disk.read_bytes() for disk in bench.disks]
    with pytest.raises(WrongSerial):
        stand.confirm("WO-1/DISK-1", "DISK-2")
    with pytest.raises(BadUsage):
        stand.resume("WO-1/DISK-1")
    with pytest.raises(BadUsage):
        stand.pause("WO-1/DISK-1")
    assert not stand.busy
    assert [row.state for row in stand.rows.values()] == [State.WAITING] * 2
    assert [disk.read_bytes() for disk in bench.disks] == before


def test_a_pause_while_overwriting_ends_at_a_checkpoint_and_goes_on_there(make_bench: Make) -> None:
    bench = make_bench(1)
    stand = bench.stand("write 2097152")
    row = stand.rows["WO-1/DISK-1"]
    begin(stand, 1)
    until(stand, bench.reached.exists)
    stand.pause(row.key)
    assert row.state is State.PAUSING
    until(stand, lambda: not stand.busy)
    assert row.state is State.PAUSED
    assert row.message == "It goes on at the last checkpoint."
    assert story(bench).say() == f"broken off after {2 * MIB} bytes were overwritten"
    # Only the checkpoint it was in may have been finished: the mark of the control in the last block still stands.
    assert any(bench.disks[0].read_bytes()[-4096:])
    bench.open_gate()
    stand.resume(row.key)
    until(stand, lambda: not stand.busy)
    assert (row.state, row.resumed_at) == (State.WIPED, 2 * MIB)
    assert len(story(bench).attempts) == 1
    assert planted_left(bench.disks[0]) == 0


def test_a_pause_while_reading_back_holds_and_reads_nothing_twice(make_bench: Make) -> None:
    bench = make_bench(1)
    stand = bench.stand("read 1048576")
    row = stand.rows["WO-1/DISK-1"]
    begin(stand, 1)
    until(stand, bench.reached.exists)
    stand.pause(row.key)
    until(stand, lambda: row.holds)
    assert row.state is State.PAUSED
    assert stand.busy
    stand.resume(row.key)
    until(stand, lambda: not stand.busy)
    assert (row.state, row.resumed_at) == (State.WIPED, None)
    path = jobs.journal_path(bench.home, "WO-1", jobs.load_order(bench.home, "WO-1").media[0].id)
    assert path.read_text().count('"event":"checking"') == 1


def test_a_cancelled_drive_is_not_wiped_and_can_be_begun_again(make_bench: Make) -> None:
    bench = make_bench(2)
    stand = bench.stand("write 1048576")
    begin(stand, 1, 2)
    row = stand.rows["WO-1/DISK-1"]
    until(stand, bench.reached.exists)
    stand.cancel(row.key)
    until(stand, lambda: row.state is State.CANCELLED)
    assert row.message == "It is not wiped. Begun again, it goes on at the last checkpoint."
    stand.pause("WO-2/DISK-2")
    until(stand, lambda: stand.rows["WO-2/DISK-2"].state is State.PAUSED)
    stand.cancel("WO-2/DISK-2")
    until(stand, lambda: not stand.busy)
    assert [one.state for one in stand.rows.values()] == [State.CANCELLED] * 2
    assert not story(bench, 1).wiped
    bench.open_gate()
    begin(stand, 1, 2)
    until(stand, lambda: not stand.busy)
    assert [one.state for one in stand.rows.values()] == [State.WIPED] * 2


def test_a_killed_process_is_told_of_and_the_other_drive_ends_well(make_bench: Make) -> None:
    bench = make_bench(2)
    stand = bench.stand("write 2097152")
    begin(stand, 1)
    until(stand, bench.reached.exists)
    os.kill(int(bench.reached.read_text()), signal.SIGKILL)
    bench.open_gate()
    begin(stand, 2)
    until(stand, lambda: not stand.busy)
    first, second = stand.rows.values()
    assert (first.state, second.state) == (State.UNFINISHED, State.WIPED)
    assert first.message == "Its process ended without a word (signal 9). The journal stands."
    begin(stand, 1)
    until(stand, lambda: not stand.busy)
    assert (first.state, first.resumed_at) == (State.WIPED, 2 * MIB)


@pytest.mark.parametrize(
    ("happens", "words"),
    [("pulled", "has gone while it was being worked on"), ("swapped", "Another file lies at")],
)
def test_a_drive_pulled_or_swapped_at_work_fails_in_words_and_the_other_ends_well(
    make_bench: Make, tmp_path: Path, happens: str, words: str
) -> None:
    bench = make_bench(2)
    stand = bench.stand("write 2097152")
    begin(stand, 1)
    until(stand, bench.reached.exists)
    bench.disks[0].rename(tmp_path / "pulled.img")
    if happens == "swapped":
        bench.disks[0].write_bytes(b"somebody else's" * 4096)
    bench.gate.unlink()
    begin(stand, 2)
    stand._send("WO-1/DISK-1", "resume")  # Any word opens the gate.
    until(stand, lambda: not stand.busy)
    first, second = stand.rows.values()
    assert (first.state, second.state) == (State.FAILED, State.WIPED)
    assert words in first.message
    if happens == "swapped":
        assert bench.disks[0].read_bytes() == b"somebody else's" * 4096
    assert not story(bench, 1).wiped


def test_when_the_supervisor_dies_its_processes_end_and_a_new_one_finds_the_work(make_bench: Make) -> None:
    bench = make_bench(1)
    bench.gate.write_text("write 2097152")
    program = textwrap.dedent(f"""
        from pathlib import Path
        from wipe_agent import keys
        from wipe_agent.stand import Job, Row, Stand
        row = Row(name="disk 1", job=Job("WO-1", "DISK-1", {str(bench.disks[0])!r}, image=True), serial="DISK-1")
        stand = Stand(keys.Home(Path({str(bench.home.path)!r})), [row], operator="Ada",
                      program=({sys.executable!r}, {str(GATED)!r}, {str(bench.gate)!r}))
        stand.confirm("WO-1/DISK-1", "DISK-1")
        while True:
            stand.poll(60)
    """)
    supervisor = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT)
    follower = bench.stand()
    try:
        until(follower, bench.reached.exists)
    finally:
        supervisor.kill()
        supervisor.wait()
    bench.open_gate()
    begin(follower, 1)  # At once: it waits until the orphan has let go of the drive.
    until(follower, lambda: not follower.busy)
    row = follower.rows["WO-1/DISK-1"]
    assert (row.state, row.resumed_at) == (State.WIPED, 2 * MIB)
    assert len(story(bench).attempts) == 1
    assert planted_left(bench.disks[0]) == 0


def test_a_drive_at_work_is_not_begun_twice(make_bench: Make) -> None:
    bench = make_bench(1)
    stand = bench.stand("write 1048576")
    begin(stand, 1)
    with pytest.raises(TargetBusy):
        begin(stand, 1)
    until(stand, bench.reached.exists)
    stand.cancel("WO-1/DISK-1")
    until(stand, lambda: not stand.busy)


def test_an_order_that_does_not_mean_the_drive_is_refused_and_nothing_is_changed(make_bench: Make) -> None:
    bench = make_bench(2)
    row = Row(name="disk 1", job=Job("WO-2", "DISK-1", str(bench.disks[0]), image=True), serial="DISK-1")
    stand = Stand(bench.home, [row], operator="Ada")
    before = bench.disks[0].read_bytes()
    stand.confirm("WO-2/DISK-1", "DISK-1")
    until(stand, lambda: not stand.busy)
    assert row.state is State.REFUSED
    assert row.message == "Order WO-2 expects no medium 'DISK-1'."
    assert bench.disks[0].read_bytes() == before


def test_a_serial_that_is_not_here_is_said_so(make_bench: Make) -> None:
    stand = make_bench(1).stand()
    with pytest.raises(OrderUnknown, match="No drive here has the serial 'DISK-9'"):
        stand.find("DISK-9")
    assert stand.find(" DISK-1\n").name == "disk 1"
