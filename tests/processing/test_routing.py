"""Routing: the way by expected net value, and the ways that the rules close."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ewaste.processing.routing import (
    BadRouteInput,
    RouteInputs,
    load_routing_table,
    repairable,
    route,
    to_json,
)
from ewaste.tradein import pricing

TABLE = load_routing_table("routing-2026-11")
GOOD_PHONE = RouteInputs("smartphone", "F5", 16_580, 16_580, 174, battery_state="ok", battery_soh=91, has_software=True)
LAPTOP = RouteInputs("laptop", "F4", 14_714, 14_714, 1_400, battery_state="ok", battery_soh=84)


def way(found, name):
    return next(w for w in found.ways if w.name == name)


def test_a_working_phone_goes_to_resale_by_the_sum_of_its_lines():
    found = route(GOOD_PHONE, TABLE)
    resale = way(found, "for_resale")
    assert [(line.rule, line.amount_minor) for line in resale.lines] == [
        ("sale", 15_254),  # 165.80 x 0.92
        ("selling_fee", -1_525),
        ("warranty", -610),
        ("refurbish", -1_200),
        ("unsold", 102),  # 12.72 x 0.08
    ]
    assert (found.chosen, resale.expected_net_minor, found.battery) == ("for_resale", 12_021, "keep")
    assert found.explanation == (
        "Expected after all costs (estimate): resale €120.21, dismantling €12.72.",
        "Remanufacture is not open: There is nothing on it that we know how to repair.",
        "Resale is chosen: the most of the ways that are open, €120.21.",
        "The battery stays in the device.",
    )


def test_a_good_phone_with_a_cracked_screen_is_remanufactured():
    cracked = replace(GOOD_PHONE, as_is_minor=17_000, repaired_minor=34_000, faults=frozenset({"cracked_screen"}))
    cracked = replace(cracked, battery_soh=72)
    found = route(cracked, TABLE)
    assert (found.chosen, found.battery) == ("for_remanufacture", "second-life")
    rules = [line.rule for line in way(found, "for_remanufacture").lines]
    assert rules[:2] == ["repair.cracked screen", "repair.new battery"]


def test_a_drowned_old_phone_is_dismantled():
    drowned = replace(
        GOOD_PHONE, function="F1", as_is_minor=1_000, faults=frozenset({"water_damage"}), battery_state="dead"
    )
    found = route(drowned, TABLE)
    assert (found.chosen, found.battery) == ("for_dismantling", "recycle")


def test_a_stuck_medium_that_failed_its_wipe_leaves_only_dismantling():
    found = route(replace(GOOD_PHONE, stuck_medium=True), TABLE)
    assert [w.name for w in found.ways if w.allowed] == ["for_dismantling"]
    assert "failed its wipe" in way(found, "for_resale").why
    assert "failed its wipe" in way(found, "for_dismantling").why
    assert "parts" not in [line.rule for line in way(found, "for_dismantling").lines]
    assert found.explanation[-2].startswith("Dismantling is chosen: the only way that is open")


def test_a_locked_device_is_sold_in_no_form():
    found = route(replace(GOOD_PHONE, locked=True, faults=frozenset({"cracked_screen"})), TABLE)
    assert [w.name for w in found.ways if w.allowed] == ["for_dismantling"]


@pytest.mark.parametrize(
    ("state", "soh", "resale", "fate"),
    [
        ("ok", 80, True, "keep"),
        ("ok", 79, False, "second-life"),
        ("ok", 60, False, "second-life"),
        ("ok", 59, False, "recycle"),
        ("ok", None, False, "recycle"),
        ("dead", None, False, "recycle"),
        ("damaged", 95, False, "recycle"),
        ("missing", None, False, "none"),
    ],
)
def test_the_battery_decides_over_resale_and_has_a_way_of_its_own(state, soh, resale, fate):
    found = route(replace(GOOD_PHONE, battery_state=state, battery_soh=soh), TABLE)
    assert way(found, "for_resale").allowed == resale
    assert found.battery == fate


@pytest.mark.parametrize(
    ("function", "resale"), [("F1", False), ("F2", False), ("F3", True), ("F4", True), ("F5", True)]
)
def test_only_devices_with_their_key_functions_are_sold_as_they_are(function, resale):
    assert way(route(replace(LAPTOP, function=function), TABLE), "for_resale").allowed == resale


def test_a_desktop_needs_no_battery_to_be_sold():
    found = route(RouteInputs("desktop", "F4", 8_530, 8_530, 4_600), TABLE)
    assert (found.chosen, found.battery) == ("for_resale", "none")


def test_a_fault_nobody_can_repair_does_not_open_remanufacture():
    found = route(replace(LAPTOP, function="F1", as_is_minor=3_000), TABLE)
    assert not way(found, "for_remanufacture").allowed
    aged = replace(LAPTOP, function="F2", battery_soh=50)
    assert "no fault that we can repair" in way(route(aged, TABLE), "for_remanufacture").why


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"device_class": "toaster"}, "device_class"),
        ({"as_is_minor": -1}, "as_is_minor"),
        ({"repaired_minor": 5}, "repaired_minor"),
        ({"mass_g": 0}, "mass_g"),
        ({"function": "F9"}, "function"),
        ({"battery_state": "angry"}, "battery_state"),
        ({"battery_soh": 111}, "battery_soh"),
    ],
)
def test_values_that_make_no_sense_are_refused_by_name(changes, field):
    with pytest.raises(BadRouteInput) as refused:
        route(replace(GOOD_PHONE, **changes), TABLE)
    assert refused.value.field == field


@st.composite
def route_inputs(draw):
    device_class = draw(st.sampled_from(sorted(TABLE.data["classes"])))
    as_is = draw(st.integers(0, 200_000))
    has_battery = TABLE.data["classes"][device_class]["has_battery"]
    return RouteInputs(
        device_class=device_class,
        function=draw(st.sampled_from(["F1", "F2", "F3", "F4", "F5"])),
        as_is_minor=as_is,
        repaired_minor=as_is + draw(st.integers(0, 100_000)),
        mass_g=draw(st.integers(100, 30_000)),
        faults=draw(st.frozensets(st.sampled_from(sorted(pricing.FAULT_WORDS)))),
        locked=draw(st.booleans()),
        stuck_medium=draw(st.booleans()),
        battery_state=draw(st.sampled_from(["ok", "dead", "damaged", "missing"])) if has_battery else "none",
        battery_soh=draw(st.none() | st.integers(0, 110)) if has_battery else None,
        has_software=draw(st.booleans()),
    )


@given(route_inputs())
def test_the_chosen_way_is_open_and_none_that_is_open_brings_more(inputs):
    found = route(inputs, TABLE)
    assert [w.name for w in found.ways] == ["for_resale", "for_remanufacture", "for_dismantling"]
    chosen = way(found, found.chosen)
    assert chosen.allowed
    assert all(chosen.expected_net_minor >= w.expected_net_minor for w in found.ways if w.allowed)
    assert way(found, "for_dismantling").allowed
    for each in found.ways:
        assert each.expected_net_minor == sum(line.amount_minor for line in each.lines)
        assert each.why.endswith(".")
        assert all(line.basis and line.source and line.estimate for line in each.lines)
    if inputs.stuck_medium or inputs.locked:
        assert found.chosen == "for_dismantling"


@given(route_inputs())
def test_a_route_can_be_replayed_from_what_was_stored(inputs):
    stored = json.loads(json.dumps(to_json(route(inputs, TABLE))))
    assert to_json(route(RouteInputs.from_json(stored["inputs"]), TABLE)) == stored


@given(route_inputs(), st.integers(1, 50_000))
def test_a_higher_selling_price_makes_resale_no_worse_but_for_the_rounding_of_its_lines(inputs, more):
    dearer = replace(inputs, as_is_minor=inputs.as_is_minor + more, repaired_minor=inputs.repaired_minor + more)
    before, after = way(route(inputs, TABLE), "for_resale"), way(route(dearer, TABLE), "for_resale")
    # Price, fees and warranty are each rounded half up by themselves: three errors below one minor unit each.
    assert after.expected_net_minor >= before.expected_net_minor - 2
    assert after.allowed == before.allowed


@pytest.mark.parametrize("device_class", pricing.DEVICE_CLASSES)
def test_both_tables_agree_on_materials_and_on_the_names_of_faults(device_class):
    price_table = pricing.load_price_table("prices-2026-11")
    ours = TABLE.data["classes"][device_class]
    net = sum(s * ours[k]["amount_minor"] for s, k in ((1, "materials"), (-1, "dismantling_labour"), (-1, "treatment")))
    assert max(net, 0) == price_table.material[device_class].amount_minor
    assert ours["typical_mass_g"] == price_table.material[device_class].typical_mass_g
    assert repairable(device_class, TABLE) <= {fault.value for fault in pricing.Fault}


def test_only_published_tables_can_be_loaded():
    for name in ("routing-1999-01", "../routing", ""):
        with pytest.raises(LookupError):
            load_routing_table(name)
