"""A drive told to sanitise itself: what it says is noted, and what it did is looked at."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.wipe_agent.conftest import SERIAL, Station
from tests.wipe_agent.support import keep, medium, planted_left
from wipe_agent import jobs
from wipe_agent.certificate import Bundle, Trust, canonical, verify
from wipe_agent.certificate.times import read_time
from wipe_agent.errors import MethodRefused, NotComplete, NotWiped, TargetBusy, WrongSerial
from wipe_agent.jobs import planning
from wipe_agent.media import Facts, Hidden, Ran, Replay
from wipe_agent.methods import answers

CAN = frozenset({"nvme-sanitize-block", "nvme-format-user-data"})
LOG = "0000: {} 00 00" + " 00" * 11 + ' "................"\n'


class Drive:
    """A runner that stands for a drive whose blocks are the image. `obeys` says whether it does what it is told."""

    rehearsal = False

    def __init__(self, image: Path, *, obeys: bool = True) -> None:
        self.image, self.obeys = image, obeys
        self.log = ["ff ff 01"]
        self.asked: list[str] = []
        self.dies_at: str | None = None

    def __call__(self, command: Sequence[str], *, timeout: float = 30) -> Ran:
        words = " ".join(command)
        self.asked.append(words)
        if words.startswith(("nvme sanitize", "nvme format")) and self.obeys:
            size = self.image.stat().st_size
            with self.image.open("r+b") as blocks:
                blocks.write(bytes(size))
        if self.dies_at and words.startswith(self.dies_at):
            self.dies_at = None
            raise KeyboardInterrupt
        if words.startswith("nvme get-log"):
            now = self.log.pop(0) if len(self.log) > 1 else self.log[0]
            return Ran(tuple(command), 0, LOG.format(now))
        if words.startswith("nvme id-ns"):
            return Ran(tuple(command), 0, json.dumps({"nsze": 8192, "flbas": 0}))
        return Ran(tuple(command), 0, "")


@pytest.fixture
def bench(make_station: Callable[..., Station], monkeypatch: pytest.MonkeyPatch) -> Station:
    """A station whose image passes for an NVMe drive that can sanitise itself."""
    station = make_station(medium(SERIAL, kind="nvme"))

    def look(path: Path, identity: Any, run: Any) -> Facts:
        return Facts(
            "/dev/nvme0n1",
            "nvme",
            "nvme",
            identity.size,
            can=CAN,
            namespaces=(1,),
            hidden=Hidden(0, "NVMe has no HPA or DCO"),
            rehearsal=run.rehearsal,
        )

    monkeypatch.setattr(planning, "look", look)
    monkeypatch.setattr(answers, "LOOK_EVERY", 0.0)
    return station


def events(station: Station) -> list[str]:
    return [json.loads(line)["event"] for line in station.journal().read_text().splitlines()]


def policy(folder: Path) -> str:
    rules = {"name": "word", "title": "the drive's word", "admitted": {"nvme": [["purge", "device-reported"]]}}
    (folder / "word.json").write_text(json.dumps(rules))
    return str(folder / "word.json")


def certified(station: Station) -> Any:
    bundle = Bundle.load(station.certify().bundle)
    created = read_time(json.loads(bundle.files["certificate.json"])["validFrom"])
    report = verify(bundle, Trust.parse(canonical(station.world.trust())), at=created, training=True)
    assert report.ok, report.refusal
    assert report.statement is not None
    return report.statement.lines[0]


def test_a_drive_that_purges_itself_is_overwritten_after_it_and_read_in_full(bench: Station) -> None:
    drive = Drive(bench.image)
    done = bench.wipe(run=drive)
    assert (done.technique, done.level, done.evidence_class) == (
        "nvme-sanitize-block, then overwrite-zeros",
        "purge",
        "full-read",
    )
    assert drive.asked.count("nvme sanitize /dev/nvme0 --sanact=2") == 1
    line = certified(bench)
    assert (line.level, line.evidence_class, line.bytes_read) == ("purge", "full-read", 4 << 20)
    assert (
        "what the drive's own command reached beyond the readable blocks rests on the drive's word" in line.exclusions
    )


def test_a_command_alone_is_certified_as_the_drives_word_and_no_more(bench: Station) -> None:
    bench.wipe(run=Drive(bench.image), wish=jobs.Wish(policy=policy(bench.image.parent)))
    line = certified(bench)
    assert (line.technique, line.level, line.evidence_class) == ("nvme-sanitize-block", "purge", "device-reported")
    assert "progress" not in events(bench)


class Scrambling(Drive):
    """Throws its key away: what can be read afterwards is noise. `leaves` is a file that it does not reach."""

    leaves = b""

    def __call__(self, command: Sequence[str], *, timeout: float = 30) -> Ran:
        done = super().__call__(command, timeout=timeout)
        if command[:2] == ["nvme", "sanitize"]:
            noise = random.Random(1).randbytes(self.image.stat().st_size)
            self.image.write_bytes(noise[:8192] + self.leaves + noise[8192 + len(self.leaves) :])
        return done


def test_key_destruction_alone_leaves_noise_which_is_compared_with_nothing(
    bench: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = planning.look
    crypto = frozenset({"nvme-sanitize-crypto"})
    monkeypatch.setattr(planning, "look", lambda *words: replace(real(*words), can=crypto))
    wish = jobs.Wish(policy=policy(bench.image.parent))
    careless = Scrambling(bench.image)
    careless.leaves = (b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0\xff\xdb\0\x43\0" + b"\2" * 5000)[:4096]
    with pytest.raises(NotWiped, match="A file system or file was still recognised"):
        bench.wipe(run=careless, wish=wish)
    assert bench.bundles() == []
    bench.wipe(run=Scrambling(bench.image), wish=replace(wish, method="nvme-sanitize-crypto"), start_over=True)
    line = certified(bench)
    assert (line.technique, line.level, line.evidence_class) == ("nvme-sanitize-crypto", "purge", "device-reported")
    assert "not compared, for only the drive knows what its command leaves" in line.verification_method
    assert "zero" not in line.verification_method
    assert any("was encrypted since its first write" in one for one in line.exclusions)


def test_a_policy_that_the_gate_does_not_share_is_said_to_the_operator(bench: Station) -> None:
    notes: list[str] = []
    wish = jobs.Wish(policy=policy(bench.image.parent))
    bench.wipe(run=Drive(bench.image), wish=wish, progress=jobs.Progress(note=notes.append))
    assert "will not be cleared by it" in notes[1]


def test_a_centre_that_may_not_purge_overwrites_as_before(bench: Station) -> None:
    bench.world.methods = ("clear", "destroy")
    for kept in (bench.home.orders / "accreditations").iterdir():
        kept.unlink()
    keep(bench.home, bench.world)
    drive = Drive(bench.image)
    done = bench.wipe(run=drive)
    assert (done.technique, done.level, drive.asked) == ("overwrite-zeros", "clear", [])
    with pytest.raises(MethodRefused, match="not accredited for that"):
        bench.wipe(run=drive, start_over=True, wish=jobs.Wish(method="nvme-sanitize-block"))


@pytest.mark.parametrize("method", ["nvme-sanitize-block", "nvme-format-user-data"])
def test_a_drive_that_says_done_and_did_nothing_is_caught_and_certifies_nothing(bench: Station, method: str) -> None:
    liar = Drive(bench.image, obeys=False)
    with pytest.raises(NotWiped, match=r"1024 of 1024 places still hold .* It did not\."):
        bench.wipe(run=liar, wish=jobs.Wish(method=method))
    with pytest.raises(NotComplete, match="It did not"):
        bench.certify()
    assert bench.bundles() == []


def test_after_a_lie_the_next_attempt_takes_another_method(bench: Station) -> None:
    with pytest.raises(NotWiped):
        bench.wipe(run=Drive(bench.image, obeys=False))
    with pytest.raises(NotWiped, match="was not wiped by the last attempt"):
        bench.wipe(run=Drive(bench.image))
    done = bench.wipe(run=Drive(bench.image, obeys=False), start_over=True, wish=jobs.Wish(method="overwrite-zeros"))
    assert (done.technique, done.level) == ("overwrite-zeros", "clear")
    assert not any(bench.image.read_bytes())


def test_a_drive_that_leaves_one_block_is_not_wiped(bench: Station) -> None:
    class Careless(Drive):
        def __call__(self, command: Sequence[str], *, timeout: float = 30) -> Ran:
            with self.image.open("rb") as blocks:
                blocks.seek(40 * 4096)
                kept = blocks.read(512)
            done = super().__call__(command, timeout=timeout)
            if command[:2] == ["nvme", "sanitize"]:
                with self.image.open("r+b") as blocks:
                    blocks.seek(40 * 4096)
                    blocks.write(kept)
            return done

    with pytest.raises(NotWiped, match="1 of 1024 places"):
        bench.wipe(run=Careless(bench.image))


def test_a_rehearsal_comes_to_its_end_and_never_to_a_certificate(bench: Station) -> None:
    sanitised = [
        Ran(("nvme", "sanitize", "/dev/nvme0", "--sanact=2"), 0, ""),
        Ran(("nvme", "get-log", "/dev/nvme0", "--log-id=0x81", "--log-len=32"), 0, LOG.format("ff ff 01")),
    ]
    with pytest.raises(NotWiped, match="It was a rehearsal"):
        bench.wipe(run=Replay(sanitised))
    with pytest.raises(NotComplete, match="It was a rehearsal"):
        bench.certify()
    assert bench.bundles() == []


def test_a_rehearsed_overwrite_is_no_wipe_either(station: Station) -> None:
    with pytest.raises(NotWiped, match="It was a rehearsal"):
        station.wipe(run=Replay([]))
    with pytest.raises(NotComplete, match="It was a rehearsal"):
        station.certify()


def test_answers_replayed_into_a_real_attempt_spoil_it(bench: Station) -> None:
    drive = Drive(bench.image)
    drive.dies_at = "nvme sanitize"
    with pytest.raises(KeyboardInterrupt):
        bench.wipe(run=drive)
    log = ("nvme", "get-log", "/dev/nvme0", "--log-id=0x81", "--log-len=32")
    running, done = Ran(log, 0, LOG.format("00 40 02")), Ran(log, 0, LOG.format("ff ff 01"))
    with pytest.raises(NotWiped, match="It was a rehearsal"):
        bench.wipe(run=Replay([running, done]))


def test_a_sanitise_that_goes_on_after_a_power_cut_is_picked_up_and_not_given_again(bench: Station) -> None:
    drive = Drive(bench.image)
    drive.dies_at = "nvme get-log"
    with pytest.raises(KeyboardInterrupt):
        bench.wipe(run=drive)
    assert events(bench)[-1] == "commanded"
    drive.log = ["00 40 02", "00 80 02", "ff ff 01"]
    drive.asked.clear()
    bench.wipe(run=drive)
    assert not any(words.startswith("nvme sanitize") for words in drive.asked)
    assert certified(bench).level == "purge"


def test_a_command_whose_end_nobody_saw_is_given_again(bench: Station) -> None:
    drive = Drive(bench.image, obeys=False)
    drive.dies_at = "nvme sanitize"
    with pytest.raises(KeyboardInterrupt):
        bench.wipe(run=drive)
    drive.obeys = True
    drive.asked.clear()
    bench.wipe(run=drive)
    assert drive.asked.count("nvme sanitize /dev/nvme0 --sanact=2") == 1
    assert planted_left(bench.image) == 0


def test_a_sanitise_that_does_not_come_further_waits_and_is_picked_up_later(
    bench: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "PATIENCE", -1.0)
    drive = Drive(bench.image)
    drive.log = ["00 40 02"]
    with pytest.raises(TargetBusy, match="cannot be stopped"):
        bench.wipe(run=drive)
    with pytest.raises(NotComplete):
        bench.certify()
    drive.log = ["00 80 02", "ff ff 01"]
    monkeypatch.setattr(answers, "PATIENCE", 3600.0)
    bench.wipe(run=drive)
    assert drive.asked.count("nvme sanitize /dev/nvme0 --sanact=2") == 1


def test_a_refused_command_ends_in_words_and_the_next_run_takes_the_next_best(bench: Station) -> None:
    class Refusing(Drive):
        def __call__(self, command: Sequence[str], *, timeout: float = 30) -> Ran:
            if command[:2] == ["nvme", "sanitize"]:
                return Ran(tuple(command), 1, "", "NVMe status: Operation Denied(0x4015)\n")
            return super().__call__(command, timeout=timeout)

    with pytest.raises(MethodRefused, match="Operation Denied"):
        bench.wipe(run=Refusing(bench.image))
    done = bench.wipe(run=Refusing(bench.image))
    assert (done.technique, done.level) == ("nvme-format-user-data, then overwrite-zeros", "clear")


def test_the_psid_of_a_label_is_in_no_journal(bench: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    real = planning.look
    monkeypatch.setattr(
        planning, "look", lambda *words: Facts(**{**vars(real(*words)), "can": frozenset({"tcg-psid-revert"})})
    )

    class Opal(Drive):
        def __call__(self, command: Sequence[str], *, timeout: float = 30) -> Ran:
            super().__call__(["nvme", "format"] if "TOPSECRETPSID" in command else command)
            said = "revertTper completed successfully" if "TOPSECRETPSID" in command else "LockingEnabled = N"
            return Ran(tuple(command), 0, said)

    wish = jobs.Wish(policy="nist", method="tcg-psid-revert", psid="TOPSECRETPSID")
    bench.wipe(run=Opal(bench.image), wish=wish)
    assert b"TOPSECRETPSID" not in bench.journal().read_bytes()
    assert any("was encrypted since its first write" in one for one in certified(bench).exclusions)


@pytest.mark.parametrize(
    ("serial", "bus", "in_device", "expected"),
    [
        ("HOST-1", "nvme", False, {"model": "Laptop 14", "serial": "HOST-1"}),
        ("HOST-1", "usb", True, {}),
        ("BENCH-9", "nvme", False, {}),
        (None, "nvme", True, {"model": "Laptop 14"}),
        ("BENCH-9", "nvme", True, WrongSerial),
    ],
)
def test_this_machine_is_the_device_only_where_that_is_known(
    station: Station,
    monkeypatch: pytest.MonkeyPatch,
    serial: str | None,
    bus: str,
    in_device: bool,
    expected: dict[str, str] | type[Exception],
) -> None:
    seen = {"model": "Laptop 14", **({"serial": serial} if serial else {})}
    monkeypatch.setattr(planning.media, "observe", lambda: seen)
    order, facts = jobs.load_order(station.home, "WO-1"), Facts("/dev/x", bus, "nvme", 1)
    if isinstance(expected, dict):
        assert planning.host_of(order, facts, in_device=in_device) == expected
    else:
        with pytest.raises(expected, match="order WO-1 means the one with HOST-1"):
            planning.host_of(order, facts, in_device=in_device)


def test_an_agent_in_another_machine_changes_nothing(bench: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning.media, "observe", lambda: {"serial": "BENCH-9"})
    before = bench.image.read_bytes()
    with pytest.raises(WrongSerial):
        bench.wipe(run=Drive(bench.image), wish=jobs.Wish(in_device=True))
    assert bench.image.read_bytes() == before
    assert events(bench) == []
