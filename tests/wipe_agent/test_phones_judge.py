"""What a reset amounts to, as a table: facts before and after, and what people saw. No phone, no tool."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wipe_agent.phones import SCREENS, PhoneFacts, android, bus, is_imei, judge, why_not_begin

BEFORE = PhoneFacts(
    system="android",
    connection="R58N30ABCDE",
    training_reason=None,
    serial="R58N30ABCDE",
    imei="490154203237518",
    encrypted=True,
    encryption="file",
    accounts=0,
    reset_lock=False,
    managed_by="",
    set_up=True,
    verified_boot="green",
    bootloader_locked=True,
    battery_level=80,
    user_data_mark="a1",
    file_system_mark="f1",
)
AFTER = replace(BEFORE, set_up=False, user_data_mark="a2", file_system_mark="f2")
APPLE = replace(BEFORE, system="ios", accounts=None, user_data_mark=None, file_system_mark=None)


def verdict(
    before: PhoneFacts = BEFORE, after: PhoneFacts | None = AFTER, **more: Any
) -> tuple[str | None, str | None]:
    said = judge(before, after, **{"marker_left": False, "screen": "setup", "witnesses": 2, **more})
    return said.evidence_class, said.level


NOT_WIPED = (None, None)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"encrypted": False}, "not encrypted"),
        ({"encrypted": None}, "does not say whether its storage is encrypted"),
        ({"accounts": 1}, "1 account"),
        ({"reset_lock": True}, "Its reset lock is on"),
        ({"reset_lock": None}, "does not say whether it is locked"),
        ({"accounts": None}, "does not say whether it is locked"),
        ({"managed_by": "com.example.mdm"}, "A firm manages"),
        ({"managed_by": None}, "does not say whether it is locked"),
        ({"serial": None}, "no serial number"),
        ({"bootloader_locked": False}, "not the maker's"),
        ({"verified_boot": "orange"}, "not the maker's"),
        ({"verified_boot": "red"}, "not the maker's"),
        ({"verified_boot": None, "bootloader_locked": None}, "does not say whether its system is the maker's"),
        ({"battery_level": 19}, "at 19 %"),
    ],
)
def test_what_is_refused_before_is_never_a_wipe_afterwards(change: dict[str, Any], why: str) -> None:
    before = replace(BEFORE, **change)
    assert why in str(why_not_begin(before))
    assert verdict(before, replace(AFTER, **{name: value for name, value in change.items() if name == "serial"})) == (
        NOT_WIPED
    )


@pytest.mark.parametrize(
    ("after", "more", "expected"),
    [
        (AFTER, {}, ("device-reported", "clear")),
        (AFTER, {"marker_left": None}, ("device-reported", "clear")),
        (replace(AFTER, user_data_mark=None), {}, ("device-reported", "clear")),
        (replace(AFTER, user_data_mark=None), {"marker_left": None}, NOT_WIPED),
        (replace(AFTER, user_data_mark="a1"), {}, NOT_WIPED),
        (AFTER, {"marker_left": True}, NOT_WIPED),
        (replace(AFTER, set_up=True), {}, ("device-reported", "clear")),
        (replace(AFTER, set_up=True), {"marker_left": None}, NOT_WIPED),
        (replace(AFTER, set_up=None, user_data_mark=None), {}, NOT_WIPED),
        (replace(AFTER, serial="OTHER"), {}, NOT_WIPED),
        (replace(AFTER, imei="356938035643809"), {}, NOT_WIPED),
        (replace(AFTER, imei=None), {}, ("device-reported", "clear")),
        (replace(AFTER, encrypted=False), {}, NOT_WIPED),
        (replace(AFTER, encrypted=None), {}, NOT_WIPED),
        (replace(AFTER, accounts=1), {}, NOT_WIPED),
        (replace(AFTER, reset_lock=True), {}, NOT_WIPED),
        (replace(AFTER, training_reason="an emulated phone"), {}, NOT_WIPED),
        (AFTER, {"witnesses": 1}, NOT_WIPED),
        (AFTER, {"screen": "home"}, NOT_WIPED),
        (None, {}, ("operator-witnessed", "clear")),
        (None, {"screen": "account"}, NOT_WIPED),
        (None, {"screen": None}, NOT_WIPED),
        (None, {"witnesses": 1}, NOT_WIPED),
    ],
)
def test_what_an_android_phone_shows_decides(after: PhoneFacts | None, more: dict[str, Any], expected: object) -> None:
    assert verdict(after=after, **more) == expected


def test_an_iphone_is_purged_only_where_it_says_itself_that_it_is_not_activated() -> None:
    fresh = replace(APPLE, set_up=False)
    assert verdict(APPLE, fresh, marker_left=None) == ("device-reported", "purge")
    assert verdict(APPLE, replace(fresh, set_up=True), marker_left=None) == NOT_WIPED
    assert verdict(APPLE, replace(fresh, set_up=None), marker_left=None) == NOT_WIPED
    assert verdict(APPLE, None, marker_left=None) == ("operator-witnessed", "clear")


_truths = st.sampled_from([None, False, True])
_looks = st.builds(
    PhoneFacts,
    system=st.sampled_from(["android", "ios"]),
    connection=st.just("X"),
    training_reason=st.sampled_from([None, "an emulated phone"]),
    serial=st.sampled_from([None, "A", "B"]),
    imei=st.sampled_from([None, "490154203237518", "356938035643809"]),
    encrypted=_truths,
    accounts=st.sampled_from([None, 0, 1]),
    reset_lock=_truths,
    managed_by=st.sampled_from([None, "", "com.example"]),
    set_up=_truths,
    verified_boot=st.sampled_from([None, "green", "orange"]),
    bootloader_locked=_truths,
    battery_level=st.sampled_from([None, 5, 90]),
    user_data_mark=st.sampled_from([None, "a1", "a2"]),
)


@given(_looks, st.none() | _looks, _truths, st.sampled_from([None, *SCREENS]), st.integers(0, 2))
def test_whatever_is_seen_a_wipe_needs_encryption_two_people_and_the_same_phone(
    before: PhoneFacts, after: PhoneFacts | None, marker_left: bool | None, screen: str | None, witnesses: int
) -> None:
    said = judge(before, after, marker_left=marker_left, screen=screen, witnesses=witnesses)
    assert bool(said.reason) is not said.wiped
    if not said.wiped:
        return
    assert (before.encrypted, before.managed_by, bool(before.accounts), before.reset_lock) == (True, "", False, False)
    assert witnesses == 2
    if after is None:
        assert (said.evidence_class, said.level, screen) == ("operator-witnessed", "clear", "setup")
        return
    assert (said.evidence_class, after.serial, after.encrypted) == ("device-reported", before.serial, True)
    assert marker_left is not True
    assert (said.level == "purge") is (before.system == "ios" and after.set_up is False)


# ------------------------------------------------------------------------------------------ reading


@pytest.mark.parametrize(
    ("text", "expected"),
    [("490154203237518", True), ("490154203237519", False), ("49015420323751", False), ("٤٩٠١٥٤٢٠٣٢٣٧٥١٨", False)],
)
def test_an_imei_has_fifteen_digits_and_the_right_last_one(text: str, *, expected: bool) -> None:
    assert is_imei(text) is expected


def test_only_a_phone_on_this_machines_usb_bus_is_the_real_thing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "1-4"
    place.mkdir()
    (place / "serial").write_text("R58N30ABCDE\n")
    monkeypatch.setattr(bus, "USB", tmp_path)
    said = {"ro.serialno": "R58N30ABCDE"}
    reasons = {
        connection: android.from_properties(connection, more).training_reason
        for connection, more in {
            "R58N30ABCDE": said,
            "127.0.0.1:5555": said,
            "emulator-5554": said,
            "OTHER": {"ro.serialno": "OTHER"},
        }.items()
    }
    assert reasons == {
        "R58N30ABCDE": None,
        "127.0.0.1:5555": "a phone over the network",
        "emulator-5554": "an emulated phone",
        "OTHER": "a phone that this machine does not see on its USB bus",
    }
    emulated = android.from_properties("R58N30ABCDE", said | {"ro.boot.qemu": "1"})
    assert emulated.training_reason == "an emulated phone"
    mixed_up = android.from_properties("R58N30ABCDE", {"ro.serialno": "ANOTHER"})
    assert mixed_up.training_reason == "a phone that this machine does not see on its USB bus"


def test_what_the_phones_services_do_not_answer_is_not_known() -> None:
    bare = android.with_answers(android.from_properties("X", {}), dict.fromkeys(android.QUESTIONS))
    unknown = ("accounts", "reset_lock", "managed_by", "set_up", "encrypted", "imei", "battery_level", "size_bytes")
    assert {name: getattr(bare, name) for name in unknown} == dict.fromkeys(unknown)


def test_an_ordinary_admin_is_no_owner_and_an_owner_is() -> None:
    nobody = "Current Device Policy Manager state:\n  Enabled Device Admins (User 0):\n    com.example/.Admin:\n"
    owner = "Current Device Policy Manager state:\n  Device Owner: \n    admin=ComponentInfo{com.mdm/com.mdm.Admin}\n"
    profile = owner.replace("Device Owner: ", "Profile Owner (User 10): ")
    far = "Current Device Policy Manager state:\n  Device Owner: none\n\n\n\n  x=ComponentInfo{com.late/x}\n"
    said = dict.fromkeys(android.QUESTIONS, "")
    facts = android.from_properties("X", {})
    found = [android.with_answers(facts, said | {"policy": text}).managed_by for text in (nobody, owner, profile, far)]
    assert found == ["", "com.mdm", "com.mdm", ""]


def test_an_account_named_like_one_of_androids_own_is_still_an_account() -> None:
    said: dict[str, str | None] = dict.fromkeys(android.QUESTIONS, "")
    facts = android.from_properties("X", {})
    for name, counted in (("a@example.org", 1), ("a, type=com.android.contacts}", 1)):
        told = f"User UserInfo{{0:Owner:c13}}:\n  Accounts: 1\n    Account {{name={name}, type=com.google}}\n"
        assert android.with_answers(facts, said | {"accounts": told}).accounts == counted
    own = "  Accounts: 1\n    Account {name=Phone, type=com.android.localphone}\n"
    assert android.with_answers(facts, said | {"accounts": own}).accounts == 0


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("accounts", "Accounts:" + "Account {name=" * 70_000),
        ("policy", "Device Policy Manager" + "\n" * 1_000_000),
        ("policy", "Device Policy Manager\nDevice Owner" + ":" * 1_000_000 + "\nx\nx"),
        ("battery", "\n" * 1_000_000),
        ("battery", f"  level: {'9' * 5_000}"),
        ("room", f"\nx {'9' * 5_000} x"),
        ("cycles", "²"),
    ],
    ids=["accounts", "lines", "colons", "battery", "level", "room", "cycles"],
)
def test_a_phone_that_says_much_does_not_keep_the_station_busy(question: str, answer: str) -> None:
    said: dict[str, str | None] = {**dict.fromkeys(android.QUESTIONS, ""), question: answer}
    facts = android.with_answers(android.from_properties("X", {}), said)
    assert (facts.accounts or 0, facts.managed_by or "", facts.battery_level, facts.size_bytes) == (0, "", None, None)
    assert facts.battery_cycles is None


@given(st.dictionaries(st.sampled_from([*android.QUESTIONS]), st.text(max_size=200)))
def test_no_answer_however_odd_breaks_the_reading(said: dict[str, str]) -> None:
    facts = android.from_properties("X", android.properties(said.get("policy", "")))
    asked: dict[str, str | None] = {name: said.get(name) for name in android.QUESTIONS}
    assert android.with_answers(facts, asked).connection == "X"
