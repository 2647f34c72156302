"""The audit's checklist: published points, each with its sources, and what a set of answers comes to. Pure.

A version never changes once it was published; an audit keeps the version and the digest of the one it went by. A
point that is a `must` cannot be left out as not applicable.
"""

from __future__ import annotations

import enum
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

VERSIONS = ("audit-1",)
CURRENT = VERSIONS[-1]
EVIDENCE = 1_000
"""The most characters of a note on evidence."""


class Found(enum.StrEnum):
    """What the auditor found of one point."""

    MET = "met"
    NOT_MET = "not-met"
    NOT_APPLICABLE = "not-applicable"


@dataclass(frozen=True)
class Source:
    """Where a point comes from: a standard by its key, and which part of it in our own words."""

    standard: str
    about: str


@dataclass(frozen=True)
class Point:
    """One thing to look at, and what to look for. `must`: it applies to every centre."""

    id: str
    group: str
    must: bool
    point: str
    look_for: str
    sources: tuple[Source, ...]


@dataclass(frozen=True)
class Checklist:
    """One published version. `standards` maps a key to its name and a note; `groups` an id to a heading, in order."""

    version: str
    published: str
    title: str
    standards: Mapping[str, Mapping[str, str]]
    groups: Mapping[str, str]
    points: tuple[Point, ...]
    digest: str

    def point(self, point_id: str) -> Point | None:
        """The point of this id; None when there is none."""
        return next((point for point in self.points if point.id == point_id), None)


@dataclass(frozen=True)
class Progress:
    """How far an audit has come: points answered of all, and the ids of those that are missing or not met."""

    answered: int
    total: int
    missing: tuple[str, ...]
    not_met: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether every point has an answer."""
        return not self.missing

    @property
    def passed(self) -> bool:
        """Whether every point has an answer and none is a `not-met`."""
        return self.complete and not self.not_met


def form(version: str = CURRENT) -> dict[str, Any]:
    """A version as it is published. Raises `LookupError` for one that there never was."""
    if version not in VERSIONS:
        raise LookupError(f"There is no checklist {version}.")
    content: dict[str, Any] = json.loads(_text(version))
    return content


@cache
def load(version: str = CURRENT) -> Checklist:
    """A published version, read. Raises `LookupError` for one that there never was."""
    content = form(version)
    points = tuple(
        Point(
            each["id"],
            each["group"],
            each["must"],
            each["point"],
            each["look_for"],
            tuple(Source(source["standard"], source["about"]) for source in each["sources"]),
        )
        for each in content["points"]
    )
    return Checklist(
        version=content["version"],
        published=content["published"],
        title=content["title"],
        standards=content["standards"],
        groups={group["id"]: group["name"] for group in content["groups"]},
        points=points,
        digest=hashlib.sha256(_text(version).encode()).hexdigest(),
    )


def problem(checklist: Checklist, point_id: str, found: str, evidence: str) -> tuple[str, str] | None:
    """Why an answer cannot be taken, as (`point`, `found` or `evidence`, a sentence); None when it can."""
    point = checklist.point(point_id)
    if point is None:
        return "point", "There is no such point in this checklist."
    if found not in set(Found):
        return "found", "Say whether it is met, not met, or does not apply."
    if found == Found.NOT_APPLICABLE and point.must:
        return "found", "This point applies to every centre. Say whether it is met."
    if not 3 <= len(evidence.strip()) <= EVIDENCE:
        return "evidence", f"Say what you saw, in 3 to {EVIDENCE:,} characters."
    return None


def progress(checklist: Checklist, answers: Mapping[str, str]) -> Progress:
    """How far answers (point id → what was found) have come."""
    missing = tuple(point.id for point in checklist.points if point.id not in answers)
    not_met = tuple(point.id for point in checklist.points if answers.get(point.id) == Found.NOT_MET)
    return Progress(len(checklist.points) - len(missing), len(checklist.points), missing, not_met)


def _text(version: str) -> str:
    return (resources.files("ewaste.centres") / "data" / f"{version}.json").read_text(encoding="utf-8")
