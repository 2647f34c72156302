"""The power of a machine is cut while it wipes, again and again; what the media hold afterwards is read from outside.

POWER_CUTS=30 bin/test-machines cuts thirty times at moments drawn from a seed (about eight minutes in emulation). After
each cut the drive's image is what a real drive would hold: all that was not flushed is lost (`tests.machines.power`).
An independent reader then looks at it under every certificate that exists, the guest comes back and goes on, and the
reader looks again. Each cut ends in a certificate or in a refusal in words.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.machines import guest, power
from tests.machines.power import Drives, Guest
from tests.wipe_agent.support import PASSPHRASE, World, enrolled, keep, medium
from wipe_agent.certificate import Bundle, Trust, canonical, verify

pytestmark = pytest.mark.campaign
CUTS = int(os.environ.get("POWER_CUTS", "0"))
SEED = 20_261_121
SERIAL, SIZE = "SCSI-1", 16 << 20
LONGEST = 30 * 60  # seconds


@dataclass
class Bench:
    """A guest that was put by, and what every cut begins with."""

    folder: Path
    world: World
    guest: Guest
    start_seconds: float

    def fresh(self, name: str) -> Drives:
        """A planted drive and a station with its order, as they were before anything was done."""
        place = self.folder / name
        place.mkdir()
        shutil.copy(self.folder / "state.img", place / "state.img")
        (place / "drive.img").write_bytes(planted())
        return Drives(place / "drive.img", place / "state.img")

    def certificates(self, drives: Drives, name: str) -> list[Path]:
        """The bundles in the outbox, as the state's disk holds them now. The disk itself is not touched."""
        copy, out = drives.state.with_name("copy.img"), drives.state.with_name(name)
        shutil.copy(drives.state, copy)
        out.mkdir()
        # As mounting does: what the file system's own journal holds is brought in first.
        checked = _tool("e2fsck", "-fy", str(copy))
        assert checked.returncode in (0, 1), checked.stdout
        assert _tool("debugfs", "-R", f"rdump /home/outbox {out}", str(copy)).returncode == 0
        return [path for path in (out / "outbox").iterdir() if not path.name.startswith(".")]


def planted() -> bytes:
    """Every sector says which one it is, from its first byte to its last."""
    return b"".join((b"SURVIVOR %07d " % sector) * 32 for sector in range(SIZE // 512))


def survivors(image: Path) -> int:
    """The independent reader: how many pieces of planted text stand on the raw image."""
    data = image.read_bytes()
    return data.count(b"SURVIVOR") + data.count(b"URVIVO")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    if not CUTS:
        pytest.skip("asked for by POWER_CUTS=30 bin/test-machines")
    if reason := guest.missing() or power.missing():
        pytest.skip(f"no power can be cut here: {reason}")
    folder = tmp_path_factory.mktemp("power")
    world = World()
    home = enrolled(folder / "files/home", world)
    world.order(medium(SERIAL, kind="hdd"))
    keep(home, world)
    made = _tool("mke2fs", "-q", "-F", "-t", "ext4", "-d", str(folder / "files"), str(folder / "state.img"), "32M")
    assert made.returncode == 0, made.stdout
    bench = Bench(folder, world, Guest(folder), 0)
    bench.start_seconds = bench.guest.start(bench.fresh("start"), SERIAL, PASSPHRASE, home.path)
    return bench


def test_what_was_not_flushed_is_lost_in_a_cut(bench: Bench) -> None:
    """The control: without it, a cut that loses nothing would show nothing."""
    for flush in (False, True):
        drives = bench.fresh(f"control-{flush}")
        with bench.guest.on(drives) as running:
            running.say(word="write", flush=flush)
            assert running.answer() == {"wrote": True}
            running.cut()
        lost = drives.drive.read_bytes() == planted()
        assert lost is not flush


def test_after_every_cut_the_agent_goes_on_or_says_why_not_and_no_certificate_lies(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    began = time.monotonic()
    whole = _uncut(bench)
    chosen = random.Random(SEED)
    results = []
    for number in range(CUTS):
        assert time.monotonic() - began < LONGEST, f"{number} cuts took too long"
        # The first share of the time goes by before anything is noted.
        results.append(_one_cut(bench, f"cut-{number}", chosen.uniform(0.15, 1) * whole))
    told = {
        "cuts": CUTS,
        "seed": SEED,
        "start_seconds": round(bench.start_seconds, 1),
        "uncut_seconds": round(whole, 1),
        "stages": dict(Counter(one["stage"] for one in results)),
        "resumed": sum(one["told"].get("resumed_at") is not None for one in results),
        "certified": sum("certificate" in one["told"] for one in results),
        "refused": [one["told"]["refused"] for one in results if "refused" in one["told"]],
        "lies": [lie for one in results for lie in one["lies"]],
        "seconds": round(time.monotonic() - began, 1),
    }
    with capsys.disabled():
        print("\n" + json.dumps(told, indent=1))
    assert told["lies"] == []
    assert told["certified"] + len(told["refused"]) == CUTS
    assert told["certified"] >= 0.9 * CUTS, told["refused"]


def _uncut(bench: Bench) -> float:
    """How long the work takes when nobody disturbs it, in seconds."""
    drives = bench.fresh("uncut")
    with bench.guest.on(drives) as running:
        began = time.monotonic()
        running.say(word="work")
        told = running.answer()
        took = time.monotonic() - began
        running.cut()
    assert told is not None
    assert "certificate" in told, told
    assert not any(drives.drive.read_bytes())
    assert _lies(bench, drives, "after") == []
    return took


def _one_cut(bench: Bench, name: str, moment: float) -> dict[str, Any]:
    """Cut the power so many seconds after the work began, look, switch on, let it go on, and look again."""
    drives = bench.fresh(name)
    with bench.guest.on(drives) as running:
        running.say(word="work")
        running.answer(moment)
        running.cut()
    lies = _lies(bench, drives, "cut")
    stage = _stage(drives)
    with bench.guest.on(drives) as running:
        running.say(word="work")
        told = running.answer()
        running.cut()
    assert told is not None, f"{name}: no answer after the cut at {moment:.2f} s"
    lies += _lies(bench, drives, "after")
    issued = len(list((drives.state.parent / "after/outbox").iterdir()))
    if issued != ("certificate" in told):
        lies.append(f"{name}: {issued} certificates, and it said {told}")
    shutil.rmtree(drives.state.parent)
    return {"told": told, "lies": lies, "stage": stage}


def _lies(bench: Bench, drives: Drives, name: str) -> list[str]:
    """What is wrong with the certificates that the media hold: nothing, if all is well."""
    found = []
    for bundle in bench.certificates(drives, name):
        trust = Trust.parse(canonical(bench.world.trust()))
        report = verify(Bundle.load(bundle), trust, at=datetime.now(UTC), training=True)
        if not report.ok:
            found.append(f"{drives.drive.parent.name} {name}: does not verify: {report.refusal}")
        if left := survivors(drives.drive):
            found.append(f"{drives.drive.parent.name} {name}: {left} pieces survive under a certificate")
    return found


def _stage(drives: Drives) -> str:
    """How far the journal on the disk had come when the power went: its last line."""
    copy, out = drives.state.with_name("copy.img"), drives.state.with_name("journals")
    out.mkdir()
    _tool("debugfs", "-R", f"rdump /home/journals {out}", str(copy))
    lines: list[str] = []
    for path in sorted(out.rglob("*.journal"), key=lambda one: one.name == "certificate.journal"):
        lines += [
            json.loads(line)["event"] for line in path.read_bytes().splitlines(keepends=True) if line[-1:] == b"\n"
        ]
    return lines[-1] if lines else "nothing noted"


def _tool(name: str, *words: str) -> subprocess.CompletedProcess[str]:
    program = guest.find(name)
    assert program is not None
    return subprocess.run([program, *words], capture_output=True, text=True, check=False)
