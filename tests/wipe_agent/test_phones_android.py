"""Android over the real `adb` client, against a stand-in adbd over TCP: each kind of phone is told apart."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.wipe_agent import killer
from tests.wipe_agent.adbd import IMEI, SERIAL, Adbd, StandInPhone
from tests.wipe_agent.conftest import Station
from tests.wipe_agent.support import PASSPHRASE, World, agent, enrolled, keep, medium, moment
from wipe_agent import jobs, keys, phones
from wipe_agent.certificate import Bundle, verify
from wipe_agent.errors import (
    NotComplete,
    NotWiped,
    OrderRefused,
    PhoneNotReady,
    PhoneRefused,
    TrainingTarget,
    TwoPeopleNeeded,
    WrongSerial,
)
from wipe_agent.journal import Journal
from wipe_agent.phones import tools

pytestmark = pytest.mark.skipif(shutil.which("adb") is None, reason="adb is not installed (apt install adb)")

MakeStation = Callable[..., Station]


@pytest.fixture(scope="module")
def adb_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A server of our own, with a key of its own, that ends with the tests."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    home = str(tmp_path_factory.mktemp("adb"))
    settings = {"ANDROID_ADB_SERVER_PORT": str(port), "HOME": home, "ADB_MDNS": "0"}
    subprocess.run(["adb", "start-server"], env={**os.environ, **settings}, capture_output=True, check=True, timeout=60)
    yield settings
    subprocess.run(["adb", "kill-server"], env={**os.environ, **settings}, capture_output=True, check=True, timeout=60)


@pytest.fixture(autouse=True)
def our_server(adb_server: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in adb_server.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def connect() -> Iterator[Callable[[StandInPhone], str]]:
    doors: list[Adbd] = []

    def connected(phone: StandInPhone) -> str:
        doors.append(Adbd(phone))
        return doors[-1].address

    yield connected
    for door in doors:
        subprocess.run(["adb", "disconnect", door.address], capture_output=True, check=False, timeout=60)
        door.close()


@pytest.fixture
def bench(make_station: MakeStation) -> Station:
    return make_station(medium("", kind="phone-storage"), host=SERIAL)


Connect = Callable[[StandInPhone], str]


def reset(station: Station, address: str, *, screen: str | None = "setup", **more: Any) -> jobs.Reset:
    people = jobs.People(
        operator=more.pop("operator", "Ada"),
        witness=more.pop("witness", "Grace"),
        typed=more.pop("typed", lambda question: IMEI if "IMEI" in question else SERIAL),
        screen=lambda: screen,
    )
    words: dict[str, Any] = {"order_code": "WO-1", "medium_named": None, "connection": address, "people": people}
    return jobs.reset_phone(station.home, **words, **more)


def look(address: str) -> phones.PhoneFacts:
    return phones.open_phone(address).look()


def statement(station: Station, done: jobs.Certified) -> Any:
    report = verify(Bundle.load(done.bundle), keys.load_trust(station.home), training=True, at=moment())
    assert report.ok, report.refusal
    return report.statement


def events(station: Station) -> list[str]:
    path = station.journal()
    return [line.split('"event":"')[1].split('"')[0] for line in path.read_text().splitlines()] if path.exists() else []


# ------------------------------------------------------------------------------------------ what a phone says


def test_an_unlocked_encrypted_phone_says_who_it_is(connect: Connect) -> None:
    facts = look(connect(StandInPhone()))
    assert (facts.serial, facts.imei, facts.manufacturer, facts.model) == (SERIAL, IMEI, "Sample", "Phone 5")
    assert (facts.encrypted, facts.encryption, facts.verified_boot, facts.bootloader_locked) == (
        True,
        "file",
        "green",
        True,
    )
    assert (facts.accounts, facts.reset_lock, facts.managed_by, facts.set_up, facts.screen_locked) == (
        0,
        False,
        "",
        True,
        False,
    )
    assert (facts.battery_level, facts.battery_health, facts.battery_cycles, facts.temperature) == (
        81,
        "good",
        212,
        271,
    )
    assert facts.size_bytes == 115_898_368 * 1024
    assert phones.why_not_begin(facts) is None
    assert facts.training_reason == "a phone over the network"


def test_an_old_phone_that_loses_exit_statuses_says_the_same(connect: Connect) -> None:
    new, old = StandInPhone(), StandInPhone(shell_v2=False)
    old.android_id, old.file_system = new.android_id, new.file_system
    first, second = look(connect(new)), look(connect(old))
    assert replace(second, connection=first.connection) == first


def test_a_locked_phone_does_not_answer_before_somebody_allows_the_station(connect: Connect) -> None:
    address = connect(StandInPhone(trusts=False))
    with pytest.raises(PhoneNotReady, match=r"unlock it and allow USB debugging|failed to authenticate"):
        look(address)


def test_a_phone_with_its_screen_locked_says_so(connect: Connect) -> None:
    assert look(connect(StandInPhone(screen_locked="1"))).screen_locked is True


def test_nothing_at_an_address_is_no_phone() -> None:
    with socket.create_server(("127.0.0.1", 0)) as found:
        address = f"127.0.0.1:{found.getsockname()[1]}"
    with pytest.raises(PhoneNotReady, match="does not reach"):
        look(address)


def test_an_answer_that_breaks_off_is_no_answer(connect: Connect) -> None:
    with pytest.raises(PhoneNotReady, match="broke off its answer"):
        look(connect(StandInPhone(breaks_off=True)))


REFUSED = [
    (StandInPhone(crypto=("unencrypted", "")), "not encrypted"),
    (StandInPhone(crypto=("", "")), "does not say whether its storage is encrypted"),
    (StandInPhone(accounts=("com.google",)), "1 account"),
    (StandInPhone(frp="1"), "Its reset lock is on"),
    (StandInPhone(owner="com.example.mdm"), r"manages this phone \(com.example.mdm\)"),
    (StandInPhone(bootloader="unlocked", verified_boot="orange"), "not the maker's"),
    (StandInPhone(battery=5), "battery is at 5 %"),
]


@pytest.mark.parametrize(
    ("phone", "why"), REFUSED, ids=["unencrypted", "unsaid", "account", "frp", "mdm", "unlocked", "empty"]
)
def test_what_stands_in_the_way_is_said_and_nothing_changes(
    bench: Station, connect: Connect, phone: StandInPhone, why: str
) -> None:
    files = dict(phone.files)
    with pytest.raises(PhoneRefused, match=why):
        reset(bench, connect(phone))
    assert (phone.files, phone.rebooted) == (files, [])
    assert events(bench) == []
    with pytest.raises(NotComplete):
        bench.certify()


# ------------------------------------------------------------------------------------------ the reset


def test_an_encrypted_phone_that_erases_is_reported_by_itself(bench: Station, connect: Connect) -> None:
    phone = StandInPhone()
    done = reset(bench, connect(phone))
    assert (done.evidence_class, done.level, done.waiting) == ("device-reported", "clear", False)
    assert done.seen == (
        "encryption seen before and after the reset",
        "its set-up is new",
        "a file written before is gone",
        "its user data has a new mark",
        "its file system has a new mark",
    )
    assert (phone.rebooted, phone.files) == (["recovery"], {})
    assert events(bench) == ["opened", "phone-planned", "phone-begun", "phone-ended", "phone-finished"]


def test_its_certificate_says_what_was_seen_and_no_more(bench: Station, connect: Connect) -> None:
    reset(bench, connect(StandInPhone()))
    said = statement(bench, bench.certify())
    (line,) = said.lines
    assert said.training is True
    assert said.host_observed == {"manufacturer": "Sample", "model": "Phone 5", "serial": SERIAL}
    assert (line.evidence_class, line.level, line.technique) == ("device-reported", "clear", "android-recovery-reset")
    assert (line.operator, line.validator, line.serial, line.bytes_read) == ("Ada", "Grace", SERIAL, 0)
    assert "practice: the medium was a phone over the network" in line.exclusions
    assert "nothing was read back: a phone gives no raw access" in line.exclusions


def test_a_phone_that_reports_success_without_erasing_is_caught(bench: Station, connect: Connect) -> None:
    phone = StandInPhone(resets="lies")
    address = connect(phone)
    with pytest.raises(NotWiped, match="still there: nothing was erased"):
        reset(bench, address)
    assert "/sdcard/DCIM/1.jpg" in phone.files
    with pytest.raises(NotComplete, match="not wiped"):
        bench.certify()
    with pytest.raises(NotWiped, match="by the last reset"):
        reset(bench, address)
    assert phone.rebooted == ["recovery"]


def test_a_liar_that_also_loses_the_marker_is_caught_by_its_old_mark(bench: Station, connect: Connect) -> None:
    class Cleaner(StandInPhone):
        def factory_reset(self) -> None:
            super().factory_reset()
            self.files = {name: text for name, text in self.files.items() if "clearhand" not in name}

    with pytest.raises(NotWiped, match="mark of its user data is the old one"):
        reset(bench, connect(Cleaner(resets="lies")))


def test_a_phone_that_was_not_reset_at_all_is_caught_although_both_say_it_was(bench: Station, connect: Connect) -> None:
    with pytest.raises(NotWiped, match="nothing was erased"):
        reset(bench, connect(StandInPhone(resets="nothing")))


def test_a_phone_that_is_silent_afterwards_rests_on_what_two_people_saw(bench: Station, connect: Connect) -> None:
    done = reset(bench, connect(StandInPhone(silent_after=True)))
    assert (done.evidence_class, done.level) == ("operator-witnessed", "clear")
    (line,) = statement(bench, bench.certify()).lines
    assert (line.evidence_class, line.operator, line.validator) == ("operator-witnessed", "Ada", "Grace")
    assert "its set-up is new" not in line.verification_method


@pytest.mark.parametrize("screen", ["home", "account", "other"])
def test_any_other_screen_than_the_set_up_is_no_wipe(bench: Station, connect: Connect, screen: str) -> None:
    with pytest.raises(NotWiped, match="After the reset it showed"):
        reset(bench, connect(StandInPhone(silent_after=True)), screen=screen)


def test_a_phone_set_up_anew_to_be_asked_is_told_from_one_that_never_was_reset(
    bench: Station, connect: Connect
) -> None:
    done = reset(bench, connect(StandInPhone(resets="sets up again")))
    assert done.evidence_class == "device-reported"
    assert "set up anew, without an account" in done.seen


def test_another_phone_in_the_cradle_is_refused_before_and_after(bench: Station, connect: Connect) -> None:
    other = StandInPhone(serial="OTHER-1", imei=None)
    with pytest.raises(WrongSerial, match="order WO-1 means the one with R58N30ABCDE"):
        reset(bench, connect(other))
    assert other.rebooted == []
    waiting = reset(bench, connect(StandInPhone()), screen=None)
    assert waiting.waiting
    with pytest.raises(NotWiped, match="Another phone answers"):
        reset(bench, connect(other))


def test_an_imei_that_the_phone_does_not_tell_is_typed_from_its_screen(
    make_station: MakeStation, connect: Connect
) -> None:
    station = make_station(medium("", kind="phone-storage"), host=IMEI)
    address = connect(StandInPhone(imei=None))
    with pytest.raises(WrongSerial, match="not the IMEI"):
        reset(station, address, typed=lambda question: "490154203237519")
    reset(station, address)
    assert statement(station, station.certify()).host_observed["serial"] == IMEI


def test_the_wrong_serial_typed_changes_nothing(bench: Station, connect: Connect) -> None:
    phone = StandInPhone()
    with pytest.raises(WrongSerial, match="not the serial number of this phone"):
        reset(bench, connect(phone), typed=lambda question: "R58N30ABCDF")
    assert (phone.rebooted, events(bench)) == ([], [])


def test_one_person_alone_resets_no_phone(bench: Station, connect: Connect) -> None:
    phone = StandInPhone()
    with pytest.raises(TwoPeopleNeeded):
        reset(bench, connect(phone), witness="  ADA ")
    assert (phone.rebooted, phone.commands) == ([], [])


def test_a_stand_in_never_leads_to_a_live_certificate(tmp_path: Path, connect: Connect) -> None:
    world = World(training=False)
    home = enrolled(tmp_path / "live", world)
    world.order(medium("", kind="phone-storage"), host=SERIAL)
    keep(home, world)
    station = Station(home, world, tmp_path / "none")
    phone = StandInPhone()
    with pytest.raises(TrainingTarget, match="a phone over the network"):
        reset(station, connect(phone))
    assert (phone.rebooted, events(station)) == ([], [])


# ------------------------------------------------------------------------------------------ killed and resumed


def test_killed_before_the_phone_got_the_word_it_is_sent_there_again(
    bench: Station, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone = StandInPhone()
    address = connect(phone)
    with monkeypatch.context() as patched:
        patched.setattr("wipe_agent.phones.android.AndroidPhone.begin_reset", _die)
        with pytest.raises(KeyboardInterrupt):
            reset(bench, address)
    assert phone.rebooted == []
    assert reset(bench, address, screen=None).waiting
    assert phone.rebooted == ["recovery"]
    assert reset(bench, address).level == "clear"
    assert events(bench).count("phone-begun") == 2


def test_killed_after_the_reset_it_goes_on_with_looking(bench: Station, connect: Connect) -> None:
    phone = StandInPhone()
    address = connect(phone)
    with pytest.raises(KeyboardInterrupt):
        jobs.reset_phone(
            bench.home,
            order_code="WO-1",
            medium_named=None,
            connection=address,
            people=jobs.People("Ada", "Grace", lambda question: SERIAL, _die),
        )
    with pytest.raises(NotComplete, match="sent to its reset"):
        bench.certify()
    assert reset(bench, address, screen=None).waiting
    done = reset(bench, address)
    assert (done.evidence_class, phone.rebooted) == ("device-reported", ["recovery"])


def test_the_second_half_belongs_to_the_same_two_people(bench: Station, connect: Connect) -> None:
    address = connect(StandInPhone())
    assert reset(bench, address, screen=None).waiting
    with pytest.raises(TwoPeopleNeeded, match="begun by Ada before Grace"):
        reset(bench, address, witness="Mary")


def test_once_judged_the_phone_is_not_looked_at_again(bench: Station, connect: Connect) -> None:
    phone = StandInPhone()
    address = connect(phone)
    reset(bench, address)
    asked = len(phone.commands)
    assert reset(bench, address).again
    assert len(phone.commands) == asked
    bench.certify()
    with pytest.raises(OrderRefused, match="certified already"):
        reset(bench, address, start_over=True)


def test_a_journal_that_says_wiped_where_the_facts_do_not_is_not_certified(bench: Station, connect: Connect) -> None:
    """The certificate is judged from the facts once more, so a word in the journal is not enough."""
    with pytest.raises(NotWiped):
        reset(bench, connect(StandInPhone(resets="lies")))
    path = bench.journal()
    with Journal.open(path) as journal:
        lines = [{k: v for k, v in line.items() if k not in ("n", "prev", "sum", "at")} for line in journal.lines]
    path.unlink()
    lines[-1] |= {"result": "wiped", "reason": "", "evidence_class": "device-reported", "level": "clear"}
    with Journal.open(path) as journal:
        for line in lines:
            journal.append(**line)
    with pytest.raises(NotComplete):
        bench.certify()


def test_a_reset_that_failed_ends_in_destruction(bench: Station, connect: Connect) -> None:
    with pytest.raises(NotWiped):
        reset(bench, connect(StandInPhone(resets="lies")))
    bench.destroy(jobs.load_order(bench.home, "WO-1").media[0].id)
    assert statement(bench, bench.certify()).lines[0].evidence_class == "destroyed"


# ------------------------------------------------------------------------------------------ the command line


def test_the_commands_tell_the_phone_and_its_way(bench: Station, connect: Connect, adb_server: dict[str, str]) -> None:
    phone = StandInPhone()
    address = connect(phone)
    listed = agent("phones", "--phone", address, home=bench.home.path, check=True)
    assert "Sample Phone 5 (serial R58N30ABCDE)" in listed.stdout
    assert "a phone over the network: TRAINING only" in listed.stdout
    words = ["reset", "--order", "WO-1", "--phone", address, "--operator", "Ada", "--confirm-serial", SERIAL]
    alone = agent(*words, home=bench.home.path)
    assert (alone.returncode, phone.rebooted) == (30, [])
    first = agent(*words, "--witness", "Grace", home=bench.home.path, check=True)
    assert "Wipe data/factory reset" in first.stderr
    assert "run the same command with --screen" in first.stdout
    second = agent(*words, "--witness", "Grace", "--screen", "setup", home=bench.home.path, check=True)
    assert "level clear, evidence device-reported" in second.stdout
    certified = agent("certify", "--order", "WO-1", home=bench.home.path, check=True)
    assert "Training certificate" in certified.stdout


def test_a_tool_that_hangs_is_ended_and_named(tmp_path: Path) -> None:
    slow = tmp_path / "slow"
    slow.write_text("#!/bin/sh\nexec tail -f /dev/null\n")
    slow.chmod(0o700)
    with pytest.raises(PhoneNotReady, match="did not end within"):
        tools.run([str(slow)], seconds=0.2)


def test_adb_is_never_led_to_a_server_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADB_SERVER_SOCKET", "tcp:192.0.2.1:5037")
    monkeypatch.setenv("ANDROID_SERIAL", "SOMEBODY-ELSES")
    _, text, _ = tools.run(["env"])
    assert "ADB_SERVER_SOCKET" not in text
    assert "ANDROID_SERIAL" not in text


def _die(*_: Any) -> Any:
    raise KeyboardInterrupt


# ------------------------------------------------------------------------------------------ killed for good


@pytest.mark.campaign
@pytest.mark.parametrize("half", [0, 1], ids=["sent to its reset", "looked at after it"])
def test_killed_at_any_write_the_same_commands_end_in_a_certificate(
    bench: Station, connect: Connect, tmp_path: Path, half: int
) -> None:
    """SIGKILL at calls spread over the command. The phone is erased once or sent again, and never believed early."""
    kept = tmp_path / "kept"
    shutil.copytree(bench.home.path, kept)

    def killed_at(point: int) -> killer.Ended:
        """How the command that was killed ended; afterwards both commands run, and certify."""

        def run(*words: str, point: int = 0) -> killer.Ended:
            state = {"WIPE_AGENT_HOME": str(home), "WIPE_AGENT_PASSPHRASE": PASSPHRASE}
            return killer.run(list(words), point=point, folder=home, **state)

        home = tmp_path / f"home-{point}"
        shutil.copytree(kept, home)
        phone = StandInPhone()
        first = ["reset", "--order", "WO-1", "--operator", "Ada", "--witness", "Grace", "--confirm-serial", SERIAL]
        first += ["--phone", connect(phone)]
        halves = [first, [*first, "--screen", "setup"]]
        if half == 1:
            assert run(*first).code == 0
        ended = run(*halves[half], point=point)
        assert [run(*words).code for words in halves] == [0, 0]
        assert "Training certificate" in run("certify", "--order", "WO-1").said
        assert phone.files == {}
        assert phone.rebooted in (["recovery"], ["recovery"] * 2)
        return ended

    whole = killed_at(0)
    assert whole.code == 0, whole.said
    calls = len(whole.calls)
    assert calls >= 5
    most = 5 if os.environ.get("FAULTS") == "full" else 2
    points = sorted({1 + number * (calls - 1) // most for number in range(most + 1)})
    assert [killed_at(point).code for point in points] == [-signal.SIGKILL] * len(points)
