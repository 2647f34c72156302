"""Every page of every role asks the database the same number of questions, however many rows there are."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from ewaste.core import embedded
from tests.bulk import multiply
from tests.web.matrix import Column, Row, rows
from tests.web.stage import Rehearsal, Stage
from tests.web.test_matrix import outcome, send

pytestmark = pytest.mark.campaign

MANY = 40  # clones of each row: more than a thousand devices
MOST = 25  # statements that a page may cost
# More questions than that, and why they are needed.
DEARER = {
    f"GET /staff/devices/<code> as {who} with own": 30  # all that is known of one device, for who decides about it
    for who in ("stefan", "ada")
}
# They are no pages, or read nothing at all.
NO_PAGES = frozenset({"/livez", "/favicon.ico"})
PAGES = [row for row in rows() if row.method == "GET" and row.rule not in NO_PAGES]
_NO_QUESTION = re.compile(r"\s*(savepoint|release|rollback|set )", re.IGNORECASE)


class Counted:
    """How many statements the site made since it was last asked."""

    def __init__(self, engine: sa.Engine) -> None:
        self.statements: list[str] = []
        sa.event.listen(engine, "before_cursor_execute", self._note)

    def _note(self, _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if not _NO_QUESTION.match(statement):
            self.statements.append(statement)

    def take(self) -> list[str]:
        taken, self.statements = self.statements, []
        return taken


@pytest.fixture(scope="module")
def costs(stage: Stage, cluster: embedded.Server) -> Iterator[Callable[[bool], dict[str, list[str]]]]:
    """The statements of every page, by `page as column`: with the few rows of the stage, or with thousands."""
    database = stage.rehearse.engine.url.database
    engine = sa.create_engine(make_url(cluster.admin_url).set(database=database), pool_size=1)
    counted = Counted(engine)
    taken: dict[bool, dict[str, list[str]]] = {}

    def measure(many: bool) -> dict[str, list[str]]:
        if many not in taken:
            with _another_database(stage, Rehearsal(engine)) as rehearsal, rehearsal():
                if many:
                    with rehearsal.transaction() as session:
                        multiply(session.connection(), MANY)
                        assert session.scalar(sa.text("select count(*) from devices")) > 1_000
                taken[many] = {
                    f"{row.name} as {column}": _visit(stage, row, column, counted)
                    for row in PAGES
                    for column in _who(row)
                }
        return taken[many]

    yield measure
    engine.dispose()


@contextmanager
def _another_database(stage: Stage, rehearsal: Rehearsal) -> Iterator[Rehearsal]:
    runtime = stage.site.extensions["ewaste"]
    stage.site.extensions["ewaste"] = dataclasses.replace(runtime, database=rehearsal)
    try:
        yield rehearsal
    finally:
        stage.site.extensions["ewaste"] = runtime


def _who(row: Row) -> list[Column]:
    return [column for column, word in row.expected.items() if word == "in" and column.whose == "own"]


def _visit(stage: Stage, row: Row, column: Column, counted: Counted) -> list[str]:
    for _ in range(2):  # The first visit of a process may fill a cache.
        counted.take()
        answer = send(stage, row, column)
        assert outcome(answer, column) == "in", f"{row.name} as {column}: {answer.status_code}"
    return counted.take()


def test_no_page_asks_more_when_there_is_more(costs: Callable[[bool], dict[str, list[str]]]) -> None:
    few, many = costs(False), costs(True)
    grown = [
        f"{page}: {len(few[page])} statements with few rows, {len(many[page])} with many\n    "
        + "\n    ".join(sorted({" ".join(s.split())[:160] for s in many[page] if many[page].count(s) > 1}))
        for page in few
        if len(few[page]) != len(many[page])
    ]
    assert not grown, "\n".join(grown)


def test_no_page_asks_too_much(costs: Callable[[bool], dict[str, list[str]]]) -> None:
    dear = {page: len(asked) for page, asked in costs(False).items() if len(asked) > DEARER.get(page, MOST)}
    assert not dear


def test_every_page_of_the_site_is_counted(stage: Stage) -> None:
    rules = stage.site.url_map.iter_rules()
    known = {rule.rule for rule in rules if "GET" in (rule.methods or ()) and rule.endpoint != "static"}
    assert {row.rule for row in PAGES} | NO_PAGES == known
