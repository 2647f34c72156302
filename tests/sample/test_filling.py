"""When a market is filled, and what its pages say meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from ewaste.core import clock
from ewaste.core.config import Config, ConfigError
from ewaste.core.database import Database
from ewaste.core.refusals import Conflict
from ewaste.core.sample import SampleMarket
from ewaste.sample import plan
from ewaste.sample.steps import alone
from ewaste.tradein import questions
from ewaste.tradein.pricing import load_catalogue
from ewaste.web import sample

LIVE = {
    "EWASTE_MODE": "live",
    "EWASTE_PUBLIC_URL": "https://market.example",
    "STRIPE_API_KEY": "sk_live_x",
    "STRIPE_WEBHOOK_SECRET": "whsec_x",
    "EWASTE_SMTP_URL": "smtps://mail.example",
}


def config(tmp_path: Path, **settings: str) -> Config:
    return Config.from_env({"EWASTE_DATA": str(tmp_path), **settings})


def test_a_training_market_is_filled_unless_its_operator_says_otherwise(tmp_path: Path) -> None:
    assert config(tmp_path).sample == "full"
    assert config(tmp_path, EWASTE_SAMPLE="accounts").sample == "accounts"
    assert config(tmp_path, EWASTE_SAMPLE="none").sample == "none"


def test_a_live_market_has_no_samples_and_says_so_to_who_asks_for_them(tmp_path: Path) -> None:
    assert config(tmp_path, **LIVE).sample == "none"
    with pytest.raises(ConfigError, match="EWASTE_SAMPLE"):
        config(tmp_path, **LIVE, EWASTE_SAMPLE="accounts")


def test_a_word_that_is_none_of_the_three_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="none, accounts or full"):
        config(tmp_path, EWASTE_SAMPLE="some")


@pytest.fixture
def filling(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> sample.Filling:
    monkeypatch.setattr(sample, "LOOK_EVERY", 0.0)
    return sample.Filling(config(tmp_path, EWASTE_SAMPLE="full"), database)


def test_pages_say_how_far_the_filling_is_and_nothing_before_and_after(
    database: Database, filling: sample.Filling
) -> None:
    assert filling() is None
    with database.transaction() as session:
        session.add(SampleMarket(devices=23, of_devices=60, begun_at=clock.now()))
    assert filling() == (23, 60, False)
    with database.transaction() as session:
        session.execute(sa.update(SampleMarket).values(devices=60, finished_at=clock.now()))
    assert filling() is None
    database.close()
    asked: list[str] = []
    sa.event.listen(database.engine, "before_cursor_execute", lambda *_: asked.append("again"))
    assert filling() is None
    assert asked == []


def test_a_market_without_samples_is_never_asked(database: Database, tmp_path: Path) -> None:
    asked: list[str] = []
    sa.event.listen(database.engine, "before_cursor_execute", lambda *_: asked.append("once"))
    assert sample.Filling(config(tmp_path, EWASTE_SAMPLE="accounts"), database)() is None
    assert asked == []


def test_two_processes_do_not_fill_one_market(database: Database) -> None:
    with alone(database), pytest.raises(Conflict), alone(database):
        pass
    with alone(database):
        pass


def test_the_plan_has_sixty_devices_and_each_can_be_asked_for_and_inspected() -> None:
    devices = plan.devices()
    assert len(devices) == 60
    models = {model.id: model for model in load_catalogue()}
    for one in devices:
        model = models[one.model]
        assert one.storage_gb in model.storage_gb_options, one
        questions.condition_from_answers(model.device_class, plan.answers(model.device_class, one.told))
        assert one.end in plan.BEFORE_WIPE | plan.AFTER_WIPE or one.lot in {lot.name for lot in plan.LOTS}
    assert {lot.name for lot in plan.LOTS} == {one.lot for one in devices if one.lot}
