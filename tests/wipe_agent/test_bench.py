"""The bench screen, driven as by a scanner and a keyboard: what begins, what is asked, what is shown."""

from __future__ import annotations

import asyncio
import json
import textwrap
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Static

from tests.wipe_agent.support import PASSPHRASE, World, agent, enrolled, keep, medium, planted_image, planted_left
from wipe_agent import errors, jobs, keys
from wipe_agent.screen.bench import Bench
from wipe_agent.screen.lettering import card, large, lines
from wipe_agent.stand import Job, Row, Stand, State, certify_ready, read_plan

NOTHING_BEGINS = (str(Path("/bin/false")),)


class Practice:
    """A station with two practice drives on its bench."""

    def __init__(self, folder: Path) -> None:
        world = World()
        self.home = enrolled(folder / "home", world)
        self.disks = []
        for number in (1, 2):
            world.order(medium(f"DISK-{number}"), code=f"WO-{number}")
            self.disks.append(planted_image(folder / f"disk{number}.img"))
        keep(self.home, world)

    def rows(self) -> list[Row]:
        return [
            Row(
                name=str(disk),
                job=Job(f"WO-{number}", f"DISK-{number}", str(disk), image=True),
                serial=f"DISK-{number}",
                size=4 << 20,
            )
            for number, disk in enumerate(self.disks, 1)
        ]

    def plan(self) -> Path:
        """A plan file of the two drives."""
        path = self.disks[0].parent / "plan.json"
        drives = [
            {"order": f"WO-{number}", "target": str(disk), "image": True} for number, disk in enumerate(self.disks, 1)
        ]
        path.write_text(json.dumps({"drives": drives}))
        return path

    def stand(self, **more: Any) -> Stand:
        return Stand(self.home, self.rows(), operator="Ada", **more)

    def bench(self, stand: Stand, **more: Any) -> Bench:
        def certify(secret: str) -> list[str]:
            return certify_ready(self.home, stand.rows.values(), keys.load_key(self.home, secret))

        return Bench(stand, self.rows, station="Sample centre (training)", certify=certify, **more)


@pytest.fixture
def practice(tmp_path: Path) -> Practice:
    return Practice(tmp_path)


def play(bench: Bench, story: Callable[[Pilot[None]], Awaitable[None]], size: tuple[int, int] = (80, 24)) -> None:
    async def run() -> None:
        async with bench.run_test(size=size) as pilot:
            await story(pilot)

    asyncio.run(run())


async def scan(pilot: Pilot[None], text: str) -> None:
    """As a barcode scanner types: quickly, and Enter at the end."""
    await pilot.press(*text, "enter")


def told(pilot: Pilot[None]) -> str:
    return str(pilot.app.query_one("#told", Static).render())


def head(pilot: Pilot[None]) -> str:
    return str(pilot.app.query_one("#head", Static).render())


def shown(pilot: Pilot[None]) -> str:
    return "\n".join(str(one.render()) for one in pilot.app.query_one("#drives").query(Static))


async def until(pilot: Pilot[None], true: Callable[[], bool]) -> None:
    for _ in range(600):
        if true():
            return
        await pilot.pause(0.1)
    pytest.fail(shown(pilot))


def test_two_scanned_drives_are_wiped_and_certified_without_a_keyboard(practice: Practice) -> None:
    stand = practice.stand()

    async def story(pilot: Pilot[None]) -> None:
        for serial in ("DISK-2", "DISK-1"):
            await scan(pilot, serial)
            assert "ALL DATA ON" in told(pilot)
            assert not any(row.name.endswith(f"{serial[-1]}.img") and row.typed for row in stand.rows.values())
            await scan(pilot, "START")
        await until(pilot, lambda: not stand.busy)
        assert [row.state for row in stand.rows.values()] == [State.WIPED, State.WIPED]
        await scan(pilot, "certify")
        assert pilot.app.query_one("#scan", Input).password
        await scan(pilot, PASSPHRASE)
        assert "Training certificate of order WO-1" in told(pilot)
        assert not pilot.app.query_one("#scan", Input).password

    play(practice.bench(stand), story)
    assert [planted_left(disk) for disk in practice.disks] == [0, 0]
    assert len(list(practice.home.outbox.iterdir())) == 2


def test_a_key_alone_begins_nothing_and_another_drives_serial_does_not_count(practice: Practice) -> None:
    stand = practice.stand(program=NOTHING_BEGINS)

    async def story(pilot: Pilot[None]) -> None:
        await pilot.press("f2")
        assert "Scan or type its serial first." in told(pilot)
        await scan(pilot, "DISK-2")
        await pilot.press("up", "f2")
        assert "Scan or type its serial first." in told(pilot)
        await scan(pilot, "DISK-1")
        await pilot.press("escape", "f2")
        assert "Scan or type its serial first." in told(pilot)
        await scan(pilot, "DISK-9")
        assert "No drive here has the serial 'DISK-9'" in told(pilot)
        assert not stand.busy
        assert [row.state for row in stand.rows.values()] == [State.WAITING, State.WAITING]

    play(practice.bench(stand), story)


def test_a_scanner_that_ends_with_a_line_feed_is_understood(practice: Practice) -> None:
    stand = practice.stand(program=NOTHING_BEGINS)

    async def story(pilot: Pilot[None]) -> None:
        await pilot.press(*"DISK-2", "ctrl+j")
        assert "ALL DATA ON" in told(pilot)
        await pilot.press("ctrl+j")  # The line feed after a carriage return.
        assert not stand.busy
        assert "ALL DATA ON" in told(pilot)

    play(practice.bench(stand), story)


def test_cancel_asks_once_more_and_escape_takes_it_back(practice: Practice) -> None:
    stand = practice.stand()
    row = stand.rows["WO-1/DISK-1"]
    row.state, row.typed, row.stage, row.stage_size = State.PAUSED, "DISK-1", "overwriting with zeros", 100

    async def story(pilot: Pilot[None]) -> None:
        await pilot.press("f4")
        assert "Cancel DISK-1? It is not wiped then." in told(pilot)
        assert row.state is State.PAUSED
        await pilot.press("escape", "f4")
        assert row.state is State.PAUSED
        await pilot.press("f4")
        assert row.state is State.CANCELLED

    play(practice.bench(stand), story)


def test_the_field_keeps_the_focus_whatever_is_pressed(practice: Practice) -> None:
    stand = practice.stand(program=NOTHING_BEGINS)

    async def story(pilot: Pilot[None]) -> None:
        for key in ("tab", "shift+tab", "down", "escape", "f5", "f3", "f8"):
            await pilot.press(key)
            assert pilot.app.focused is pilot.app.query_one("#scan")
        await pilot.click("#drives")
        await scan(pilot, "DISK-2")
        assert "DISK-2" in told(pilot)

    play(practice.bench(stand), story)


@pytest.mark.parametrize(("size", "wall"), [((80, 24), False), ((200, 50), False), ((80, 24), True), ((200, 50), True)])
def test_every_state_is_a_word_at_every_size(practice: Practice, size: tuple[int, int], wall: bool) -> None:
    rows = []
    for number, state in enumerate(State):
        row = Row(f"/dev/sd{number}", Job("WO-1", f"S-{number}", f"/dev/sd{number}"), state, serial=f"S-{number}")
        row.moved_at = 1e12
        rows.append(row)
    stand = Stand(practice.home, rows, operator="Ada")

    async def story(pilot: Pilot[None]) -> None:
        text = shown(pilot)
        for _ in rows if wall else ():  # The wall shows whole drives, page after page.
            await pilot.press("down")
            text += shown(pilot)
        for state in State:
            if not (wall and state is State.RUNNING):
                assert str(state) in text
        screen = [str(line) for line in pilot.app.export_screenshot().split("\n")]
        assert any("Sample" in line for line in screen)
        await pilot.press("f10")

    play(practice.bench(stand, wall=wall), story, size)


def test_a_last_tick_on_a_screen_that_is_taken_down_draws_nothing(
    practice: Practice, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [Row(f"/dev/sd{number}", Job("WO-1", f"S-{number}", f"/dev/sd{number}")) for number in range(3)]
    stand = Stand(practice.home, rows, operator="Ada")

    async def story(pilot: Pilot[None]) -> None:
        drives = pilot.app.query_one("#drives")
        monkeypatch.setattr(drives, "mount", lambda *_: asyncio.sleep(0))  # It takes no new line any more.
        stand.rows["late"] = Row("/dev/sdx", Job("WO-1", "S-9", "/dev/sdx"))
        await pilot.app._redraw()  # type: ignore[attr-defined]
        assert len(drives.query(Static)) == 3
        monkeypatch.undo()
        await pilot.press("f10")

    play(practice.bench(stand), story)


def wipe_the_first(practice: Practice, *, typed: str) -> None:
    """The first drive, wiped by the command alone, with its serial as somebody typed it."""
    jobs.wipe(
        practice.home,
        order_code="WO-1",
        target_path=practice.disks[0],
        medium_named=None,
        typed=lambda _: typed,
        operator="Ada",
        image=True,
    )


def test_a_drive_that_was_wiped_before_is_done_and_is_not_begun_again(practice: Practice) -> None:
    wipe_the_first(practice, typed="disk-1 ")
    before = practice.disks[0].read_bytes()
    practice.disks[1].write_bytes(before)  # As if the other drive were wiped; its journal does not say so.
    stand = Stand(practice.home, read_plan(practice.plan(), practice.home), operator="Ada", program=NOTHING_BEGINS)

    async def story(pilot: Pilot[None]) -> None:
        assert "1 of 2 done, 1 to scan" in head(pilot)
        await scan(pilot, "disk-1")
        assert "DISK-1" in told(pilot)
        assert "WIPED" in told(pilot)
        assert "Wiped and read back at" in told(pilot)
        assert "F6 certifies." in told(pilot)
        await pilot.press("f2")
        assert "Nothing was begun." in told(pilot)
        assert not stand.busy
        await pilot.press("f6")
        await scan(pilot, PASSPHRASE)
        assert [row.state for row in stand.rows.values()] == [State.CERTIFIED, State.WAITING]

    play(practice.bench(stand), story)
    again = read_plan(practice.plan(), practice.home)
    assert [row.state for row in again] == [State.CERTIFIED, State.WAITING]
    assert again[0].message.endswith("certificate issued. Wiping it anew needs a new order.")


def test_another_drive_in_the_place_of_a_wiped_one_does_not_pass_as_wiped(practice: Practice) -> None:
    wipe_the_first(practice, typed="DISK-1")
    practice.disks[0].write_bytes(bytes(8 << 20))
    row = read_plan(practice.plan(), practice.home)[0]
    assert row.state is State.HELD
    assert row.message.startswith("This is not the drive that was wiped under order WO-1")


def test_an_order_whose_certificate_was_refused_says_so_and_is_no_work(practice: Practice) -> None:
    wipe_the_first(practice, typed="DISK-1")
    done = jobs.certify(practice.home, order_code="WO-1", open_key=lambda: keys.load_key(practice.home, PASSPHRASE))
    done.bundle.rename(practice.home.refused / done.bundle.name)
    receipt = practice.home.receipts / f"{done.bundle.name}.json"
    receipt.write_text('{"certificate_id": "x", "outcome": "refused", "reason": "The device has 2 media."}')
    row = read_plan(practice.plan(), practice.home)[0]
    assert (row.state, row.advice) == (State.HELD, "Ask for a new work order.")
    assert row.message == "The marketplace refused the certificate of order WO-1: The device has 2 media."
    orders = agent("orders", "--offline", home=practice.home.path).stdout
    assert "certificate refused: The device has 2 media." in orders
    assert "Ask for a new work order." in orders


def test_the_wall_shows_whole_drives_and_turns_its_pages_when_nobody_touches_it(practice: Practice) -> None:
    rows = [Row(f"/dev/sd{n}", Job("WO-1", f"S-{n}", f"/dev/sd{n}"), serial=f"S-{n}") for n in range(3)]
    now = [100.0]
    bench = practice.bench(Stand(practice.home, rows, operator="Ada"), wall=True, clock=lambda: now[0])

    async def story(pilot: Pilot[None]) -> None:
        assert "page 1 of 2" in head(pilot)
        assert ("S-1" in shown(pilot), "S-2" in shown(pilot)) == (True, False)
        drives = pilot.app.query_one("#drives")
        assert all(one.region.bottom <= drives.region.bottom for one in drives.query(Static))
        now[0] += 31
        await bench._redraw()
        assert ("S-1" in shown(pilot), "S-2" in shown(pilot)) == (False, True)
        await pilot.press("down")
        assert "page 1 of 2" in head(pilot)

    play(bench, story)


def test_what_to_do_next_is_whole_at_80_columns_and_can_be_done_with_keys(practice: Practice) -> None:
    stand = practice.stand(program=NOTHING_BEGINS)
    row = stand.rows["WO-1/DISK-1"]
    row.model = "Samsung SSD 870 EVO 1TB"
    for kind in errors.kinds():
        row.take(
            {"event": "error", "kind": kind.__name__, "message": "Word " * 20 + "end.", "next": kind.next_step}, 0.0
        )
        first, _, rest = practice.bench(stand)._told().partition("\n")
        lines_needed = len(textwrap.wrap(first, 78)) + len(textwrap.wrap(rest, 78))
        assert lines_needed <= 5, (kind, rest)


def test_a_line_fits_its_width_and_says_rate_time_and_temperature() -> None:
    row = Row("/dev/sdb", Job("W-4F7K-2M9T", "WD-WCC4N1XK2917", "/dev/sdb"), serial="WD-WCC4N1XK2917", size=10**12)
    row.begin(0.0)
    row.take({"event": "stage", "name": "overwriting with zeros", "size": 10**12}, 0.0)
    for second in range(11):
        row.take({"event": "alive", "done": second * 150_000_000, "temperature": 38}, float(second))
    narrow = lines(row, 80, chosen=True, silent=False).plain
    assert narrow.startswith("> WD-WCC4N1XK2917")
    assert "150 MB/s  1.8 h left  38 °C  overwriting with zeros" in narrow
    assert max(len(line) for line in narrow.split("\n")) <= 80
    assert len(lines(row, 200, chosen=False, silent=False).plain) <= 200
    assert "DOES NOT MOVE" in lines(row, 80, chosen=False, silent=True).plain
    assert large("0%")[0].startswith("██")
    assert "150 MB/s" in card(row, 80, chosen=False, silent=False).plain


def test_a_drive_of_a_device_with_several_says_which_it_is_at_every_width() -> None:
    row = Row("/dev/sdb", Job("W-4F7K-2M9T", "WD-WCC4N1XK2917", "/dev/sdb"), serial="WD-WCC4N1XK2917", size=10**12)
    row.part = "1 of 2"
    row.begin(0.0)
    row.take({"event": "stage", "name": "overwriting with zeros", "size": 10**12}, 0.0)
    row.take({"event": "alive", "done": 500_000_000_000, "temperature": 38}, 10.0)
    narrow = lines(row, 80, chosen=True, silent=True).plain
    assert "W-4F7K-2M9T 1 of 2 DOES NOT MOVE" in narrow
    assert max(len(line) for line in narrow.split("\n")) <= 80
    wide = lines(row, 120, chosen=False, silent=False).plain
    assert "W-4F7K-2M9T 1 of 2 at work" in wide
    assert wide.index("50.0 %") + len("50.0 %") <= 120
    assert "W-4F7K-2M9T 1 of 2" in card(row, 80, chosen=False, silent=False).plain


def test_large_type_has_every_letter_of_every_state() -> None:
    for state in State:
        for letter in str(state).replace(" ", ""):
            assert any(mark != " " for line in large(letter) for mark in line), letter
    assert large("I") == ["▀▀██▀▀  ", "  ██    ", "▀▀▀▀▀▀  "]
