"""iPhone and iPad through a stand-in program that answers as pymobiledevice3 does: JSON on standard output.

It is a rehearsal and marked as such: no USB bus of this machine knows its UDID, so it is training by construction.
"""

from __future__ import annotations

import json
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.wipe_agent.conftest import Station
from tests.wipe_agent.support import medium, moment
from wipe_agent import jobs, keys, phones
from wipe_agent.certificate import Bundle, verify
from wipe_agent.errors import NotWiped, PhoneNotReady, PhoneRefused
from wipe_agent.phones import bus, ios

UDID, SERIAL = "00008030-001A2B3C4D5E002E", "F2LXSAMPLE01"

PROGRAM = """#!{python}
import json, pathlib, sys
place = pathlib.Path({place!r})
phone = json.loads(place.read_text())
phone["asked"].append(sys.argv[1:])
words = [word for word in sys.argv[1:] if word not in ("--udid", phone["info"]["UniqueDeviceID"])]
answer = None
if words == ["usbmux", "list"]:
    answer = [{{"Identifier": phone["info"]["UniqueDeviceID"], "ConnectionType": "USB"}}]
elif words == ["lockdown", "info"]:
    answer = phone["info"]
elif words[:2] == ["lockdown", "get"]:
    answer = phone["values"].get(" ".join(words[2:]))
elif words == ["diagnostics", "battery", "single"]:
    answer = {{"CurrentCapacity": 64, "CycleCount": 310, "Temperature": 2890}}
elif words == ["profile", "erase-device"]:
    if phone["erase"] == "refuses":
        sys.exit("The device does not take the erase: it is not supervised")
    if phone["erase"] == "erases":
        phone["info"] |= {{"ActivationState": "Unactivated", "PasswordProtected": False}}
if phone["breaks"]:
    print("Traceback: no JSON here")
elif answer is not None:
    print(json.dumps(answer))
place.write_text(json.dumps(phone))
sys.exit(0 if answer is not None or words[0] == "profile" else 1)
"""


class Apple:
    """The stand-in's state, in a file that its program reads and writes."""

    def __init__(self, folder: Path) -> None:
        self.place, self.program = folder / "phone.json", folder / "pymobiledevice3"
        self.tell(
            erase="erases",
            breaks=False,
            asked=[],
            info={
                "UniqueDeviceID": UDID,
                "SerialNumber": SERIAL,
                "ProductType": "iPhone12,1",
                "ProductVersion": "17.5",
                "InternationalMobileEquipmentIdentity": "490154203237518",
                "ActivationState": "Activated",
                "PasswordProtected": False,
            },
            values={
                "com.apple.fmip IsAssociated": False,
                "com.apple.mobile.chaperone DeviceIsChaperoned": False,
                "com.apple.disk_usage TotalDataCapacity": 118_000_000_000,
            },
        )
        self.program.write_text(PROGRAM.format(python=sys.executable, place=str(self.place)))
        self.program.chmod(stat.S_IRWXU)

    def now(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.place.read_text())
        return found

    def tell(self, **facts: Any) -> None:
        known = self.now() if self.place.exists() else {}
        self.place.write_text(json.dumps(known | facts))

    def value(self, name: str, value: Any) -> None:
        self.tell(values=self.now()["values"] | {name: value})

    @property
    def erased(self) -> bool:
        return any("erase-device" in words for words in self.now()["asked"])


@pytest.fixture
def apple(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Apple:
    made = Apple(tmp_path)
    monkeypatch.setenv(ios.SETTING, str(made.program))
    return made


@pytest.fixture
def bench(make_station: Callable[..., Station]) -> Station:
    return make_station(medium("", kind="phone-storage"), host=SERIAL)


def reset(station: Station, screen: str | None = "setup") -> jobs.Reset:
    people = jobs.People("Ada", "Grace", lambda question: SERIAL, lambda: screen)
    return jobs.reset_phone(
        station.home,
        order_code="WO-1",
        medium_named=None,
        connection=UDID,
        people=people,
        open_phone=lambda connection: ios.ApplePhone(connection or UDID),
    )


def test_it_says_who_it_is_and_how_it_is(apple: Apple) -> None:
    facts = ios.ApplePhone(UDID).look()
    assert (facts.serial, facts.model, facts.imei) == (SERIAL, "iPhone12,1", "490154203237518")
    assert (facts.reset_lock, facts.managed_by, facts.set_up, facts.encrypted) == (False, "", True, True)
    assert (facts.battery_level, facts.battery_cycles, facts.temperature) == (64, 310, 289)
    assert facts.training_reason == "a device that this machine does not see on its USB bus"
    assert ios.listed() == [phones.Seen("ios", UDID, "ready")]


def test_only_a_device_on_this_machines_usb_bus_is_the_real_thing(
    apple: Apple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "usb" / "1-1"
    place.mkdir(parents=True)
    (place / "serial").write_text("00008030001A2B3C4D5E002E\n")
    monkeypatch.setattr(bus, "USB", tmp_path / "usb")
    assert ios.ApplePhone(UDID).look().training_reason is None
    assert bus.on_usb("R58N30ABCDE") is False
    assert bus.on_usb("") is False


def test_the_erase_destroys_the_key_and_is_purge(apple: Apple, bench: Station) -> None:
    done = reset(bench)
    assert (done.evidence_class, done.level) == ("device-reported", "purge")
    report = verify(Bundle.load(bench.certify().bundle), keys.load_trust(bench.home), training=True, at=moment())
    assert report.ok
    assert report.statement is not None
    (line,) = report.statement.lines
    assert (line.technique, line.level, line.validator) == ("ios-erase-all-content", "purge", "Grace")
    assert "no restore of the system: that needs the maker's signing server" in line.exclusions
    assert report.statement.training is True


def test_a_device_that_reports_success_without_erasing_is_caught(apple: Apple, bench: Station) -> None:
    apple.tell(erase="lies")
    with pytest.raises(NotWiped, match="It is activated"):
        reset(bench)


def test_a_device_that_refuses_the_erase_is_erased_by_hand_and_judged_then(apple: Apple, bench: Station) -> None:
    apple.tell(erase="refuses")
    with pytest.raises(PhoneNotReady, match="not supervised") as refusal:
        reset(bench)
    assert "Erase All Content and Settings" in refusal.value.advice
    apple.tell(info=apple.now()["info"] | {"ActivationState": "Unactivated"})
    assert reset(bench).level == "purge"


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("com.apple.fmip IsAssociated", True, "Its reset lock is on"),
        ("com.apple.fmip IsAssociated", None, "does not say whether it is locked"),
        ("com.apple.mobile.chaperone DeviceIsChaperoned", True, "A firm manages"),
        ("com.apple.mobile.chaperone DeviceIsChaperoned", "no", "does not say whether it is locked"),
    ],
)
def test_a_lock_or_a_firm_stands_in_the_way(apple: Apple, bench: Station, name: str, value: Any, why: str) -> None:
    apple.value(name, value)
    with pytest.raises(PhoneRefused, match=why):
        reset(bench)
    assert apple.erased is False


def test_an_answer_that_is_no_json_is_no_answer(apple: Apple) -> None:
    apple.tell(breaks=True)
    with pytest.raises(PhoneNotReady, match="did not answer with JSON"):
        ios.ApplePhone(UDID).look()


def test_without_the_setting_only_android_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ios.SETTING, raising=False)
    assert ios.listed() == []
    with pytest.raises(PhoneNotReady, match="WIPE_AGENT_PYMOBILEDEVICE3 is not set"):
        ios.ApplePhone(UDID).look()
