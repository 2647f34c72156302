"""The price formula: examples by hand, and what must hold for every model, condition and day."""

import json
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ewaste.tradein.pricing import (
    DEVICE_CLASSES,
    BadAnswer,
    CannotReplay,
    CatalogueModel,
    Condition,
    Cosmetic,
    Fault,
    PriceTable,
    add_up,
    compare,
    from_json,
    load_catalogue,
    load_price_table,
    price,
    replay,
    to_json,
)
from ewaste.tradein.questions import QUESTIONS, condition_from_answers

TABLE = load_price_table("prices-2026-11")
MODELS = {model.id: model for model in load_catalogue()}
DAY = date(2026, 11, 20)
BEST_TO_WORST = list(Cosmetic)


def sizes(model: CatalogueModel) -> list[int]:
    return list(model.storage_gb_options) or [0]


@st.composite
def priced_things(draw: st.DrawFn) -> tuple[CatalogueModel, int, Condition, date]:
    model = draw(st.sampled_from(list(MODELS.values())))
    faults = draw(st.frozensets(st.sampled_from([Fault(f) for f in TABLE.faults[model.device_class]])))
    condition = Condition(draw(st.sampled_from(BEST_TO_WORST)), faults)
    day = draw(st.dates(max(model.launch, date(2025, 5, 1)), date(2036, 1, 1)))
    return model, draw(st.sampled_from(sizes(model))), condition, day


def test_an_iphone_13_is_priced_line_by_line_as_with_a_calculator():
    found = price(
        MODELS["apple-iphone-13"], 256, Condition(Cosmetic.LIGHT_MARKS, frozenset({Fault.BATTERY_BELOW_80})), DAY, TABLE
    )
    assert [(line.rule, format(line.value, "f"), line.amount_minor_after) for line in found.lines] == [
        ("base.observed", "26700", 26700),  # 267.00 US dollars
        ("fx", "0.850268", 22702),
        ("retention", "0.730350", 16580),  # 0.811 ^ (18/12): 18 whole months since 2025-04-21
        ("storage", "1.060000", 17575),  # one doubling above 128 GB
        ("grade.light_marks", "1.06", 18630),
        ("fault.battery_below_80", "0.88", 16394),
        ("buyback", "0.7", 11476),
        ("floor.material", "164", 11476),  # 170 x 174 g / 180 g
    ]
    assert (found.amount_minor, found.currency, found.market_value_minor) == (11476, "EUR", 16394)


def test_a_model_without_observed_prices_starts_from_its_launch_price():
    found = price(MODELS["apple-macbook-air-13-m1-2020"], 256, Condition(Cosmetic.VISIBLE_WEAR), DAY, TABLE)
    assert [(line.rule, line.amount_minor_after) for line in found.lines][:3] == [
        ("base.launch", 99900),
        ("fx", 84942),
        ("retention", 19367),  # 0.75 x 0.82 ^ 6
    ]
    assert found.amount_minor == 13557


def test_a_price_that_stands_on_an_estimate_says_so_and_names_its_basis():
    found = price(MODELS["apple-iphone-13"], 128, Condition(Cosmetic.LIKE_NEW), DAY, TABLE)
    by_rule = {line.rule: line for line in found.lines}
    assert found.estimate
    assert not by_rule["base.observed"].estimate
    assert not by_rule["grade.like_new"].estimate
    assert by_rule["buyback"].estimate
    assert by_rule["fx"].estimate
    assert all(line.basis and line.source for line in found.lines)


def test_a_curve_outside_the_ages_it_was_fitted_on_is_an_estimate():
    young, fitted = (
        price(MODELS[name], 128, Condition(Cosmetic.VISIBLE_WEAR), DAY, TABLE)
        for name in ("google-pixel-9", "apple-iphone-16")
    )
    old = price(MODELS["apple-iphone-16"], 128, Condition(Cosmetic.VISIBLE_WEAR), date(2032, 1, 1), TABLE)
    assert not {line.rule: line for line in young.lines}["retention"].estimate
    assert not {line.rule: line for line in fitted.lines}["retention"].estimate
    assert "outside the ages" in {line.rule: line for line in old.lines}["retention"].basis


def test_a_weak_and_a_dead_battery_are_taken_off_once():
    laptop = MODELS["dell-latitude-5420"]
    both = Condition(Cosmetic.VISIBLE_WEAR, frozenset({Fault.BATTERY_BELOW_80, Fault.BATTERY_DEAD}))
    dead = Condition(Cosmetic.VISIBLE_WEAR, frozenset({Fault.BATTERY_DEAD}))
    assert price(laptop, 256, both, DAY, TABLE).lines == price(laptop, 256, dead, DAY, TABLE).lines


def test_storage_counts_for_three_doublings_at_most():
    tablet, looks = MODELS["apple-ipad-pro-11-4th-gen"], Condition(Cosmetic.VISIBLE_WEAR)
    factors = [
        next((line.value for line in price(tablet, size, looks, DAY, TABLE).lines if line.rule == "storage"), None)
        for size in (128, 256, 1024, 2048)
    ]
    assert factors == [None, Decimal("1.06"), Decimal("1.191016"), Decimal("1.191016")]


def test_a_wreck_still_brings_what_its_materials_are_worth():
    wreck = Condition(Cosmetic.DAMAGED, frozenset({Fault.ACCOUNT_LOCKED, Fault.CRACKED_SCREEN, Fault.CRACKED_BACK}))
    found = price(MODELS["samsung-galaxy-s20-fe"], 128, wreck, DAY, TABLE)
    assert found.lines[-2].amount_minor_after < found.lines[-1].amount_minor_after == found.amount_minor == 170


@pytest.mark.parametrize(
    ("model", "storage", "faults", "day", "field"),
    [
        ("apple-iphone-13", 64, [], DAY, "storage_gb"),
        ("dell-p2422h", 128, [], DAY, "storage_gb"),
        ("apple-iphone-13", 128, [Fault.KEYBOARD_FAULT], DAY, "faults"),
        ("apple-iphone-13", 128, [], date(2020, 1, 1), "model"),
    ],
)
def test_what_cannot_be_priced_is_refused_by_the_name_of_its_field(model, storage, faults, day, field):
    with pytest.raises(BadAnswer) as refused:
        price(MODELS[model], storage, Condition(Cosmetic.LIKE_NEW, frozenset(faults)), day, TABLE)
    assert refused.value.field == field
    assert refused.value.message.endswith(".")


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({}, "cosmetic"),
        ({"cosmetic": "shiny"}, "cosmetic"),
        ({"cosmetic": ["like_new"]}, "cosmetic"),
        ({"cosmetic": "like_new", "faults": "no_power"}, "faults"),
        ({"cosmetic": "like_new", "faults": ["haunted"]}, "faults"),
        ({"cosmetic": "like_new", "faults": [["no_power"]]}, "faults"),
    ],
)
def test_a_condition_in_unknown_words_is_refused(data, field):
    with pytest.raises(BadAnswer) as refused:
        Condition.from_json(data)
    assert refused.value.field == field


@given(priced_things())
def test_every_price_can_be_replayed_from_what_was_stored(thing):
    found = price(*thing, TABLE)
    stored = json.loads(json.dumps(to_json(found)))
    assert from_json(stored) == found
    assert replay(stored["inputs"], TABLE) == found


@given(priced_things())
def test_the_lines_alone_add_up_to_the_price(thing):
    found = price(*thing, TABLE)
    assert add_up(found.lines) == found.amount_minor
    for before, after in pairwise(found.lines):
        if after.kind == "factor":
            exact = before.amount_minor_after * after.value
            assert after.amount_minor_after == int(exact.quantize(Decimal(1), ROUND_HALF_UP))


@given(priced_things())
def test_a_price_is_never_below_its_materials_nor_above_the_market(thing):
    found = price(*thing, TABLE)
    floor = next(int(line.value) for line in found.lines if line.rule == "floor.material")
    assert found.amount_minor >= floor >= 0
    assert found.amount_minor <= max(found.market_value_minor, floor)


@given(priced_things(), st.data())
def test_a_worse_condition_never_raises_the_price(thing, data):
    model, storage, condition, day = thing
    worse_looks = data.draw(st.sampled_from(BEST_TO_WORST[BEST_TO_WORST.index(condition.cosmetic) :]))
    more = data.draw(st.frozensets(st.sampled_from([Fault(f) for f in TABLE.faults[model.device_class]])))
    worse = Condition(worse_looks, condition.faults | more)
    older = day + timedelta(days=data.draw(st.integers(0, 2000)))
    smaller = data.draw(st.sampled_from([size for size in sizes(model) if size <= storage]))
    assert (
        price(model, smaller, worse, older, TABLE).amount_minor
        <= price(model, storage, condition, day, TABLE).amount_minor
    )


@given(priced_things(), st.data())
def test_the_differences_add_up_to_offer_minus_quote(thing, data):
    model, _, _, day = thing
    others = [m for m in MODELS.values() if m.launch <= day and m.device_class == model.device_class]
    found_model = data.draw(st.sampled_from(others))
    faults = data.draw(st.frozensets(st.sampled_from([Fault(f) for f in TABLE.faults[model.device_class]])))
    found_condition = Condition(data.draw(st.sampled_from(BEST_TO_WORST)), faults)
    quote = price(*thing, TABLE)
    offer = price(found_model, data.draw(st.sampled_from(sizes(found_model))), found_condition, day, TABLE)
    differences = compare(quote, offer, TABLE)
    assert sum(d.delta_minor for d in differences) == offer.amount_minor - quote.amount_minor
    assert bool(differences) == (quote.inputs != offer.inputs)


def test_a_found_crack_is_one_difference_and_a_better_battery_raises_the_offer():
    phone = MODELS["apple-iphone-13"]
    declared = Condition(Cosmetic.LIGHT_MARKS, frozenset({Fault.BATTERY_BELOW_80}))
    found = Condition(Cosmetic.LIGHT_MARKS, frozenset({Fault.CRACKED_SCREEN}))
    quote, offer = price(phone, 128, declared, DAY, TABLE), price(phone, 128, found, DAY, TABLE)
    crack, battery = compare(quote, offer, TABLE)
    assert (crack.field, crack.rule_id, crack.declared) == ("cracked_screen", "fault.cracked_screen", "not declared")
    assert crack.delta_minor < 0 < battery.delta_minor
    assert (battery.field, battery.declared, battery.found) == (
        "battery_below_80",
        "battery holds less than 80 %",
        "not found",
    )


def test_another_kind_of_device_is_one_single_difference():
    quote = price(MODELS["apple-iphone-13"], 128, Condition(Cosmetic.LIKE_NEW), DAY, TABLE)
    offer = price(MODELS["dell-p2422h"], 0, Condition(Cosmetic.LIKE_NEW), DAY, TABLE)
    (only,) = compare(quote, offer, TABLE)
    assert (only.field, only.delta_minor) == ("model", offer.amount_minor - quote.amount_minor)


def test_an_offer_of_another_day_is_not_compared_with_the_quote():
    phone, condition = MODELS["apple-iphone-13"], Condition(Cosmetic.LIKE_NEW)
    quote = price(phone, 128, condition, DAY, TABLE)
    later = price(phone, 128, condition, DAY + timedelta(days=40), TABLE)
    with pytest.raises(ValueError, match="day of its quote"):
        compare(quote, later, TABLE)


def test_a_table_that_was_changed_afterwards_cannot_replay_a_quote(price_data):
    quote = price(MODELS["apple-iphone-13"], 128, Condition(Cosmetic.LIKE_NEW), DAY, TABLE)
    price_data["buyback"]["value"] = "0.6"
    with pytest.raises(CannotReplay):
        replay(quote.inputs, PriceTable.from_json(price_data))
    with pytest.raises(CannotReplay):
        replay({**quote.inputs, "rules_version": "pricing-0"}, TABLE)


def test_the_published_table_is_the_one_that_quotes_were_made_with():
    # A quote replays only with the very text of its table, so a published table never changes: publish a new one.
    assert TABLE.digest == "f673337b0e7849ff7085256ba31c895e2790a58e0dd1b79fc9cab85187113833"


def test_only_published_tables_can_be_loaded():
    for name in ("prices-1999-01", "../pricing", "catalogue", ""):
        with pytest.raises(LookupError):
            load_price_table(name)


def test_the_catalogue_has_real_models_of_every_class_with_their_basis():
    assert len(MODELS) == 57
    assert {model.device_class for model in MODELS.values()} == set(DEVICE_CLASSES)
    for model in MODELS.values():
        assert model.launch_price_usd_minor > 0
        assert model.curve in TABLE.curves
        assert model.bases["specs"]
        assert model.bases["launch_price_usd"]
        assert model.is_estimate("launch_price_usd")
        assert (model.observed_price_usd_minor is None) == (model.observed_on is None)
        assert model.pcf_total_kgco2e is None or model.sources["pcf_total_kgco2e"]
    assert not MODELS["apple-iphone-13"].is_estimate("observed_price_usd")
    assert MODELS["dell-latitude-5420"].is_estimate("observed_price_usd")
    assert MODELS["apple-iphone-15"].is_estimate("pcf_total_kgco2e")


def test_the_tables_multipliers_are_ordered_and_inside_their_published_range():
    for device_class in DEVICE_CLASSES:
        looks = [TABLE.grades[device_class][cosmetic].value for cosmetic in Cosmetic]
        assert looks == sorted(looks, reverse=True)
        for figure in [*TABLE.grades[device_class].values(), *TABLE.faults[device_class].values()]:
            assert figure.low is not None
            assert figure.high is not None
            assert figure.low <= figure.value <= figure.high
            assert figure.basis
            assert figure.source
        assert all(figure.value <= 1 for figure in TABLE.faults[device_class].values())


def test_the_material_value_is_the_sum_of_its_published_lines():
    for material in TABLE.material.values():
        total = 0
        for line in material.lines:
            usd_cents = Decimal(line["grams"]) * Decimal(line["usd_per_gram"]) * Decimal(line["share_recovered"]) * 100
            eur_cents = usd_cents * TABLE.usd_to_eur.value
            assert line["amount_minor"] == int(eur_cents.quantize(Decimal(1), ROUND_HALF_UP))
            assert line["basis"]
            assert line["source"]
            total += line["amount_minor"]
        assert material.amount_minor == max(total, 0)


@pytest.mark.parametrize("device_class", DEVICE_CLASSES)
def test_the_questions_reach_every_fault_of_the_class_and_no_other(device_class):
    asked = {fault for question in QUESTIONS[device_class] for choice in question.choices for fault in choice.faults}
    assert {fault.value for fault in asked} == set(TABLE.faults[device_class])


@pytest.mark.parametrize("device_class", DEVICE_CLASSES)
def test_the_first_answer_to_each_question_declares_a_device_like_new(device_class):
    answers = {question.field: question.choices[0].value for question in QUESTIONS[device_class]}
    assert condition_from_answers(device_class, answers) == Condition(Cosmetic.LIKE_NEW)


def test_open_unknown_or_foreign_answers_are_refused_by_name():
    answers = {question.field: question.choices[0].value for question in QUESTIONS["smartphone"]}
    for field, changed in (
        ("battery", {**answers, "battery": ""}),
        ("battery", {**answers, "battery": "great"}),
        ("keyboard", {**answers, "keyboard": "yes"}),
        ("cosmetic", {k: v for k, v in answers.items() if k != "cosmetic"}),
    ):
        with pytest.raises(BadAnswer) as refused:
            condition_from_answers("smartphone", changed)
        assert refused.value.field == field
    with pytest.raises(BadAnswer, match="toaster"):
        condition_from_answers("toaster", answers)


def test_who_cannot_turn_the_phone_on_need_not_know_its_battery():
    answers = {"power": "no", "cosmetic": "visible_wear", "screen": "whole", "back": "whole", "liquid": "no"}
    condition = condition_from_answers("smartphone", {**answers, "charger": "yes"})
    assert condition == Condition(Cosmetic.VISIBLE_WEAR, frozenset({Fault.NO_POWER}))


def test_who_does_not_know_the_battery_is_quoted_for_the_weak_one():
    answers = {question.field: question.choices[0].value for question in QUESTIONS["smartphone"]}
    condition = condition_from_answers("smartphone", {**answers, "battery": "unknown"})
    assert condition.faults == {Fault.BATTERY_BELOW_80}


@pytest.fixture
def price_data():
    from importlib import resources

    return json.loads((resources.files("ewaste.tradein") / "catalogue_data/prices-2026-11.json").read_text("utf-8"))
