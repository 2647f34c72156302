"""Price tables: proposed by one, published by another; what was quoted before comes out the same for ever."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import pytest
import sqlalchemy as sa

from ewaste.core.refusals import Conflict, Invalid, NotAllowed
from ewaste.journey import bench, publishing, trade_in
from ewaste.tradein import price_changes, price_tables, pricing, quotes
from ewaste.tradein.models import Offer, PublishedTable, Quote
from ewaste.tradein.price_changes import Change, Figure
from ewaste.views import audit
from ewaste.web.lists import csv_text
from tests.world import GOOD_ANSWERS, LAPTOP, SERIAL, World, good_findings

FORM = pricing.built_in_form()
CATALOGUE = pricing.load_catalogue()
LINES = price_changes.figures(FORM, CATALOGUE)
HEAD = "kind,device_class,name,value,estimate,seen_on,seen_count,source\r\n"
CHEAPER = HEAD + "grade,laptop,light_marks,1.1,no,,,our own sales of November\r\n"
SEEN = HEAD + f"base,laptop,{LAPTOP},99.50,no,2026-11-19,12,our own sales of November\r\n"


def propose(world: World, text: str = CHEAPER, *, who: str = "stefan", on: date | None = None) -> str:
    def read(lines: Sequence[Figure]) -> list[Change]:
        return price_changes.read_csv(text, lines)

    with world.transaction() as session:
        return publishing.propose_table(
            session,
            world.actor(who),
            read=read,
            valid_from=on or world.now.date(),
            reason="Laptops sell for less.",
            now=world.now,
        ).version


def publish(world: World, version: str, *, who: str = "sara") -> None:
    with world.transaction() as session:
        publishing.publish_table(session, world.actor(who), version, now=world.now)


def quote(world: World) -> Quote:
    with world.transaction() as session:
        return trade_in.quote(
            session, world.cora, model_code=LAPTOP, storage_gb=256, answers=GOOD_ANSWERS, now=world.now
        )


def wrong(world: World) -> list[str]:
    with world.transaction() as session:
        return audit.everything(session, issuers=world.issuers, now=world.now).wrong


def test_the_lines_of_a_table_go_out_and_come_back_unchanged() -> None:
    text = csv_text(price_changes.COLUMNS, price_changes.to_rows(LINES))
    assert price_changes.read_csv(text, LINES) == []
    assert {line.kind for line in LINES} == set(price_changes.KIND_WORDS)


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("grade,laptop,shiny,1,no,,,somewhere", "Row 2: the table has no line grade laptop shiny"),
        ("grade,laptop,damaged,0,no,,,somewhere", "the value is a number above zero"),
        ("grade,laptop,damaged,-1,no,,,somewhere", "the value is a number above zero"),
        ("grade,laptop,damaged,1e3,no,,,somewhere", "the value is a number above zero"),
        ("fault,laptop,no_power,1.1,no,,,somewhere", "lies between 0 and 1"),
        ("grade,laptop,damaged,0.8,no,,,", "it needs its own source"),
        (f"base,laptop,{LAPTOP},120,no,,12,somewhere", "on which day"),
        (f"base,laptop,{LAPTOP},120,no,2026-11-19,0,somewhere", "how many prices"),
        (f"base,laptop,{LAPTOP},120.555,no,2026-11-19,3,somewhere", "at most two decimals"),
        ("grade,laptop,damaged,0.8,no,,,our sales\r\ngrade,laptop,damaged,0.7,no,,,our sales", "stands twice"),
    ],
)
def test_a_line_that_cannot_be_taken_is_named(row: str, why: str) -> None:
    with pytest.raises(Invalid) as refused:
        price_changes.read_csv(HEAD + row + "\r\n", LINES)
    assert why in refused.value.message
    assert refused.value.field == "lines"


def test_a_worse_look_never_brings_more() -> None:
    changes = price_changes.read_csv(HEAD + "grade,laptop,damaged,1.2,no,,,somewhere\r\n", LINES)
    with pytest.raises(Invalid, match="a worse look would bring more"):
        price_changes.apply(FORM, changes, valid_from=date(2026, 11, 21))


def test_a_number_that_nobody_vouches_for_is_an_estimate() -> None:
    (change,) = price_changes.read_csv(HEAD + "grade,laptop,damaged,0.8,,,,a guess\r\n", LINES)
    assert (change.new.estimate, change.new.basis) == (True, "estimate: stated by a guess")


def test_ten_sample_quotes_show_what_changes_first() -> None:
    changed = price_changes.apply(FORM, price_changes.read_csv(CHEAPER, LINES), valid_from=date(2026, 11, 21))
    old, new = pricing.PriceTable.from_json(FORM), pricing.PriceTable.from_json(changed)
    effects = price_changes.effects(old, new, CATALOGUE, date(2026, 11, 21))
    assert len(effects) == 10
    assert all(effect.after_minor < effect.before_minor for effect in effects)
    assert all("light marks" in effect.words for effect in effects)


def test_what_was_quoted_before_comes_out_the_same_after_a_new_table(world: World) -> None:
    before = quote(world)
    device_id = world.received()
    publish(world, propose(world))
    publish(world, propose(world, SEEN))
    after = quote(world)
    assert (before.table_version, after.table_version) == ("prices-2026-11", "prices-2026-11-3")
    assert after.amount_minor != before.amount_minor
    assert after.inputs["model"]["observed"]["price_usd_minor"] == 9_950
    with world.transaction() as session:
        assert quotes.priced(session, before).amount_minor == before.amount_minor
        assert quotes.priced(session, after).amount_minor == after.amount_minor
    with world.transaction() as session:
        bench.inspect(
            session, world.olga, device_id, findings=good_findings(), observed_serial=SERIAL, mass_g=1_580,
            now=world.now,
        )  # fmt: skip
    with world.transaction() as session:
        offer = session.scalars(sa.select(Offer)).one()
    assert (offer.table_version, offer.amount_minor, offer.differences) == ("prices-2026-11", before.amount_minor, [])
    assert wrong(world) == []


def test_a_table_counts_from_its_day_on(world: World) -> None:
    tomorrow = world.now.date() + timedelta(days=1)
    version = propose(world, on=tomorrow)
    publish(world, version)
    assert quote(world).table_version == "prices-2026-11"
    world.later(days=1)
    assert quote(world).table_version == version


def test_nobody_publishes_what_they_proposed(world: World) -> None:
    version = propose(world)
    with world.nothing_changes(), pytest.raises(Conflict, match="You proposed this table"):
        publish(world, version, who="stefan")
    with world.nothing_changes(), pytest.raises(NotAllowed):
        publish(world, version, who="ada")
    alone = (
        "insert into price_table_decisions (version, proposed_by, published, decided_by, at)"
        " select version, proposed_by, true, proposed_by, now() from price_tables where number = 2"
    )
    assert "four_eyes" in world.refused_by_database(alone)
    publish(world, version)
    with world.nothing_changes(), pytest.raises(Conflict, match="decided on already"):
        publish(world, version)


def test_one_proposal_waits_at_a_time_and_a_withdrawn_one_counts_for_nothing(world: World) -> None:
    version = propose(world)
    with pytest.raises(Conflict, match=f"Table {version} waits to be confirmed"):
        propose(world, who="sara")
    with world.transaction() as session:
        publishing.withdraw_table(session, world.stefan, version, now=world.now)
    assert quote(world).table_version == "prices-2026-11"
    assert propose(world) == "prices-2026-11-3"


def test_a_table_is_not_published_after_its_day(world: World) -> None:
    version = propose(world)
    world.later(days=1)
    with world.nothing_changes(), pytest.raises(Conflict, match="that day has passed"):
        publish(world, version)
    with pytest.raises(Invalid, match="from today on"):
        propose(world, on=world.now.date() - timedelta(days=1))


def test_no_table_slips_in_as_one_that_came_with_the_program(world: World) -> None:
    slipped = (
        "insert into price_tables (version, number, content, digest, valid_from, reason, proposed_at)"
        " select 'prices-2026-11-x', 2, content, digest, valid_from, reason, proposed_at from price_tables"
    )
    assert "ck_price_tables_proposed" in world.refused_by_database(slipped)


def test_nothing_that_was_published_is_rewritten(world: World) -> None:
    publish(world, propose(world))
    for sql in (
        "update price_tables set content = '{}'",
        "delete from price_tables",
        "update price_table_decisions set published = false",
        "delete from price_table_decisions",
    ):
        assert world.refused_by_database(sql).startswith("42501"), sql


def test_a_table_whose_text_is_not_the_published_one_prices_nothing(world: World) -> None:
    version = propose(world)
    with world.transaction() as session:
        stored = session.get_one(PublishedTable, version)
        assert pricing.digest(stored.content) == stored.digest
        copy = PublishedTable(
            version="prices-2026-11-9",
            number=9,
            based_on=version,
            content=dict(stored.content, note="Changed."),
            digest="0" * 64,
            valid_from=world.now.date(),
            reason="Forged.",
            proposed_by=world.stefan.id,
            proposed_at=world.now,
        )
        session.add(copy)
    with world.transaction() as session, pytest.raises(LookupError, match="not the one that was published"):
        price_tables.find(session, "prices-2026-11-9")
