"""The guide's examples, run as they stand; its tables, held against the code."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from ewaste.accounts.tokens import SCOPES_OF
from ewaste.web.api import limits
from ewaste.web.api.problems import KINDS
from tests.api.conftest import Program, token_for
from tests.world import World

GUIDE = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
EXAMPLES = dict(re.findall(r"<!-- example: (\S+) -->\n```sh\n(.*?)```", GUIDE, re.DOTALL))


def curl(site: Flask, command: str, **names: str) -> TestResponse:
    """What this command line of curl gets; `names` are the variables of its shell."""
    for name, value in {"SITE": "", **names}.items():
        command = command.replace(f"${name.upper()}", value)
    words = shlex.split(command.replace("\\\n", " "))
    assert words.pop(0) == "curl"
    address = words.pop(0)
    options = list(zip(words[::2], words[1::2], strict=True))
    headers = dict(value.split(": ", 1) for option, value in options if option == "-H")
    body = next((value for option, value in options if option == "-d"), None)
    assert {option for option, _ in options} <= {"-H", "-d"}
    return site.test_client(use_cookies=False).open(
        address, method="POST" if body else "GET", headers=headers, data=body
    )


def test_every_example_of_the_guide_is_tried() -> None:
    assert set(EXAMPLES) == {"lots", "quote", "my-lots", "bid"}
    assert GUIDE.count("\ncurl ") == len(EXAMPLES)


def test_lots_are_read_as_the_guide_says(site: Flask, world: World) -> None:
    lot, _ = world.listed_lot()
    answer = curl(site, EXAMPLES["lots"])
    assert (answer.status_code, [item["code"] for item in answer.json["items"]]) == (200, [lot])


def test_a_quote_is_made_as_the_guide_says(site: Flask) -> None:
    answer = curl(site, EXAMPLES["quote"])
    assert (answer.status_code, answer.json["state"], answer.json["total"]["currency"]) == (201, "open", "EUR")


def test_a_bid_is_placed_as_the_guide_says_and_once(site: Flask, world: World) -> None:
    lot, _ = world.listed_lot()
    token = token_for(world, "rita")
    said = re.search(r'```json\n(\{"sequence".*?\})\n```', GUIDE)
    assert said
    answers = [curl(site, EXAMPLES["bid"], token=token, lot=lot) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json == answers[1].json
    assert set(re.findall(r'"(\w+)":', said[1])) == {*answers[0].json, "amount", "currency"}
    mine = curl(site, EXAMPLES["my-lots"], token=token).json
    assert [(one["code"], one["my_maximum"]["amount"], one["bids"]) for one in mine["bidding"]] == [(lot, 5000, 1)]


@pytest.mark.parametrize("kind", KINDS)
def test_the_guide_tells_every_kind_of_problem_with_its_status(kind: str) -> None:
    assert re.search(rf"^\| `{kind}` \| {KINDS[kind].status} \|", GUIDE, re.MULTILINE)


def test_the_guide_tells_every_scope_and_the_limits() -> None:
    for scopes in SCOPES_OF.values():
        for scope in scopes:
            assert f"| `{scope.value}` |" in GUIDE
    numbers = [limit.split(" ")[0] for limit in (limits.READ, limits.CHANGE, limits.READ_UNKNOWN, limits.COSTLY)]
    assert "read {} times and change {} things a minute; without one, an address may read {} times".format(
        *numbers[:3]
    ) in " ".join(GUIDE.split())
    assert f"{numbers[3]} a minute each" in GUIDE


def test_the_site_links_to_both_descriptions(program: Callable[..., Program]) -> None:
    page = program(None).get("/api").text
    assert 'href="/api/openapi.json"' in page
    assert 'href="/account/tokens"' in page
