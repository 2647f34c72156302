"""Grading: what the bench finds, the grade that follows, and the words the price formula gets."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ewaste.processing.checklist import CHECKLISTS, DEVICE_CLASSES, WEAR, BadFinding, answer_words, clean, items
from ewaste.processing.grading import from_json, grade, to_condition, to_json, without_drive
from ewaste.tradein import pricing


def perfect(device_class: str, *, tested: bool = False, **changes: object) -> dict[str, object]:
    """Findings of a flawless device before the offer; with `tested` after all function tests too."""
    found: dict[str, object] = {}
    for item in items(device_class):
        if item.stage == "before-offer" or tested:
            found[item.id] = 95 if item.number else item.answers[0].value
    if tested and "warranty" in found:
        found["warranty"] = "no"
    return {**found, **changes}


@pytest.mark.parametrize(
    ("changes", "cosmetic", "rule"),
    [
        ({}, "C6", "C6.wear"),
        ({"body_wear": "faint"}, "C5", "C5.wear"),
        ({"screen_wear": "visible", "body_wear": "faint"}, "C4", "C4.wear"),
        ({"body_wear": "heavy"}, "C3", "C3.wear"),
        ({"body_wear": "dented"}, "C2", "C2.wear"),
        ({"screen_crack": "yes"}, "C1", "C1.cracked"),
        ({"back_crack": "yes", "body_wear": "dented"}, "C1", "C1.cracked"),
        ({"used": "unused"}, "C8", "C8.unused"),
        ({"used": "unused", "body_wear": "faint"}, "C5", "C5.wear"),
        ({"warranty": "yes"}, "C7", "C7.certified"),
    ],
)
def test_the_looks_follow_the_most_worn_surface(changes, cosmetic, rule):
    result = grade("smartphone", perfect("smartphone", **changes))
    assert result.cosmetic == cosmetic
    assert rule in [hit.rule_id for hit in result.rules]


@pytest.mark.parametrize(
    ("device_class", "tested", "changes", "function"),
    [
        ("smartphone", False, {}, "F3"),
        ("smartphone", True, {"software": "licensed"}, "F5"),
        ("smartphone", True, {}, "F4"),
        ("laptop", True, {"software": "none"}, "F4"),
        ("laptop", True, {"software": "licensed"}, "F5"),
        ("laptop", True, {"software": "licensed", "keyboard": "fault"}, "F2"),
        ("laptop", True, {"software": "licensed", "cameras": "fault"}, "F3"),
        ("laptop", True, {"software": "licensed", "wireless": "not_tested"}, "F3"),
        ("laptop", True, {"storage": "missing"}, "F2"),
        ("laptop", False, {"firmware_lock": "locked"}, "F1"),
        ("smartphone", True, {"software": "licensed", "battery_soh": 59}, "F3"),
        ("smartphone", True, {"software": "licensed", "battery_soh": 60}, "F5"),
        ("smartphone", False, {"liquid": "yes"}, "F1"),
        ("smartphone", False, {"display": "none"}, "F2"),
        ("smartphone", False, {"display": "marks"}, "F3"),
        ("smartphone", False, {"battery_state": "damaged"}, "F1"),
        ("monitor", True, {}, "F5"),
        ("server", True, {"software": "none"}, "F4"),
    ],
)
def test_the_function_follows_what_was_tested_and_works(device_class, tested, changes, function):
    assert grade(device_class, perfect(device_class, tested=tested, **changes)).function == function


@pytest.mark.parametrize("device_class", ["laptop", "desktop", "server"])
def test_a_wiped_computer_without_software_is_at_most_f4(device_class):
    assert grade(device_class, perfect(device_class, tested=True, software="none")).function == "F4"
    assert "F4.no-software" in [hit.rule_id for hit in grade(device_class, perfect(device_class, tested=True)).rules]


def test_locks_a_wrong_item_and_a_damaged_battery_ask_for_a_hold():
    findings = perfect("smartphone", identity="differs", account_lock="locked", battery_state="damaged")
    result = grade("smartphone", findings)
    assert result.holds == ("wrong-item", "lock", "battery")
    assert result.locks == ("account_lock",)


def test_only_answers_against_the_device_want_evidence():
    assert grade("smartphone", perfect("smartphone")).evidence_wanted == ()
    result = grade("smartphone", perfect("smartphone", screen_crack="yes", battery_soh=72, charger="no"))
    assert result.evidence_wanted == ("screen_crack", "battery_soh", "charger")


DEAD = {"power": "off", "display": "not_tested", "account_lock": "not_tested", "network_lock": "not_tested"}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"screen_wear": "shabby"}, "screen_wear"),
        ({"screen_wear": None}, "screen_wear"),
        ({"charger": ""}, "charger"),
        ({"battery_soh": 111}, "battery_soh"),
        ({"battery_soh": -1}, "battery_soh"),
        ({"battery_soh": "eighty"}, "battery_soh"),
        ({"battery_soh": 80.5}, "battery_soh"),
        ({"battery_soh": True}, "battery_soh"),
        ({"battery_soh": "²"}, "battery_soh"),
        ({"battery_state": "missing"}, "battery_soh"),
        ({"haunted": "yes"}, "haunted"),
        ({"keyboard": "ok"}, "keyboard"),
        ({"screen_wear": ["flawless"]}, "screen_wear"),
        ({"power": "off"}, "display"),
        ({"power": "off", "display": "not_tested"}, "account_lock"),
        ({**DEAD, "touch": "ok"}, "touch"),
        ({**DEAD, "power": "not_tested"}, "power"),
    ],
)
def test_a_finding_that_cannot_be_taken_is_refused_by_the_name_of_its_item(changes, field):
    with pytest.raises(BadFinding) as refused:
        grade("smartphone", perfect("smartphone", **changes))
    assert refused.value.field == field
    assert refused.value.message.endswith(".")


def test_there_is_no_checklist_for_a_toaster():
    with pytest.raises(BadFinding) as refused:
        grade("toaster", {})
    assert refused.value.field == "device_class"


def test_numbers_may_come_from_a_form_as_text_and_may_be_left_out():
    assert clean("smartphone", perfect("smartphone", battery_soh=" 87 "))["battery_soh"] == 87
    assert "battery_soh" not in clean("smartphone", perfect("smartphone", battery_soh=""))


def test_a_damaged_battery_is_never_tried_on_power():
    findings = perfect("smartphone", **{**DEAD, "power": "not_tested"}, battery_state="damaged", battery_soh=None)
    assert grade("smartphone", findings).rules[-2].rule_id == "F1.battery-damaged"


def test_a_dead_phone_keeps_what_nobody_could_look_at_as_declared():
    declared = {"cosmetic": "like_new", "faults": ["account_locked", "camera_fault", "cracked_back"]}
    findings = perfect("smartphone", **DEAD, battery_soh=None, body_wear="faint")
    assert to_condition("smartphone", findings, declared) == {
        "cosmetic": "light_marks",
        "faults": ["account_locked", "camera_fault", "no_power"],
    }


@pytest.mark.parametrize(("soh", "faults"), [(79, ["battery_below_80"]), (80, []), (100, [])])
def test_a_measured_battery_replaces_what_was_declared_of_it(soh, faults):
    declared = {"cosmetic": "like_new", "faults": ["battery_below_80"]}
    assert to_condition("smartphone", perfect("smartphone", battery_soh=soh), declared)["faults"] == faults


def test_an_unread_battery_stays_as_declared():
    declared = {"cosmetic": "like_new", "faults": ["battery_below_80"]}
    findings = perfect("smartphone", battery_soh=None)
    assert to_condition("smartphone", findings, declared)["faults"] == ["battery_below_80"]
    assert to_condition("smartphone", findings)["faults"] == []


def test_function_tests_after_the_clearing_never_lower_the_price():
    broken = perfect("smartphone", tested=True, cameras="fault", touch="fault", sound="fault")
    assert to_condition("smartphone", broken) == {"cosmetic": "like_new", "faults": []}


def test_a_crack_counts_once_and_not_as_wear_too():
    cracked = to_condition("smartphone", perfect("smartphone", screen_crack="yes", back_crack="yes"))
    assert cracked == {"cosmetic": "like_new", "faults": ["cracked_back", "cracked_screen"]}


def test_a_firmware_lock_of_a_computer_is_a_lock_for_the_price():
    assert to_condition("laptop", perfect("laptop", firmware_lock="locked"))["faults"] == ["account_locked"]


def any_findings(device_class: str) -> st.SearchStrategy[dict[str, object]]:
    """Findings of a device that runs, with any answer to every item."""
    fields: dict[str, st.SearchStrategy[object]] = {}
    for item in items(device_class):
        if item.id == "power":
            fields[item.id] = st.just("on")
        elif item.number:
            fields[item.id] = st.integers(*item.number)
        elif item.id == "battery_state":
            fields[item.id] = st.sampled_from(["ok", "dead", "damaged"])
        else:
            fields[item.id] = st.sampled_from([answer.value for answer in item.answers])
    return st.fixed_dictionaries(fields)


@given(st.sampled_from(DEVICE_CLASSES).flatmap(lambda c: st.tuples(st.just(c), any_findings(c))))
def test_every_set_of_findings_has_a_grade_with_reasons_and_a_price(case):
    device_class, findings = case
    result = grade(device_class, findings)
    assert result.cosmetic in {f"C{n}" for n in range(1, 9)}
    assert result.function in {"F1", "F2", "F3", "F4", "F5"}
    assert {result.cosmetic, result.function} <= {hit.rule_id.split(".")[0] for hit in result.rules}
    assert from_json(json.loads(json.dumps(to_json(result)))) == result
    condition = pricing.Condition.from_json(to_condition(device_class, findings))
    known = pricing.load_price_table().faults[device_class]
    assert {fault.value for fault in condition.faults} <= set(known)
    assert len(list(answer_words(device_class, clean(device_class, findings)))) == len(findings)


@given(st.sampled_from(DEVICE_CLASSES).flatmap(lambda c: st.tuples(st.just(c), any_findings(c))), st.data())
def test_more_wear_never_improves_the_looks(case, data):
    device_class, findings = case
    order = [answer.value for answer in WEAR]
    worn = {**findings}
    for field in {"screen_wear", "body_wear"} & worn.keys():
        worn[field] = data.draw(st.sampled_from(order[order.index(str(worn[field])) :]))
    assert grade(device_class, worn).cosmetic <= grade(device_class, findings).cosmetic


@pytest.mark.parametrize("device_class", DEVICE_CLASSES)
def test_each_checklist_names_its_items_once_and_looks_at_the_battery_before_the_switch(device_class):
    ids = [item.id for item in CHECKLISTS[device_class]]
    assert len(ids) == len(set(ids))
    if "battery_state" in ids:
        assert ids.index("battery_state") < ids.index("power")
    for item in CHECKLISTS[device_class]:
        assert item.question.endswith("?")
        assert item.how
        assert bool(item.answers) != bool(item.number)


def test_the_bench_knows_the_same_device_classes_as_the_price():
    assert DEVICE_CLASSES == pricing.DEVICE_CLASSES


def test_a_laptop_whose_drive_was_destroyed_is_graded_as_one_without_a_drive():
    found = perfect("laptop", tested=True, software="licensed")
    without = without_drive("laptop", found)
    assert (grade("laptop", found).function, grade("laptop", without).function) == ("F5", "F2")
    assert to_condition("laptop", without, {"faults": []})["faults"] == ["no_storage"]
    assert found["storage"] == "present"


def test_a_phone_is_not_asked_for_a_drive():
    assert without_drive("smartphone", perfect("smartphone")) == perfect("smartphone")
