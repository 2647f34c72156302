"""The published rules: price tables with their versions, and the other tables that decide, each with its source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from ewaste.accounts import policy
from ewaste.accounts.models import Actor, Person
from ewaste.accounts.policy import Action
from ewaste.certificates import policy as evidence
from ewaste.core.money import Money
from ewaste.core.refusals import NotFound
from ewaste.market import auctions, deadlines
from ewaste.processing import checklist, grading, routing
from ewaste.tradein import offers, price_changes, price_tables, pricing, quotes
from ewaste.tradein.models import PublishedTable, Quote, TableDecision
from ewaste.tradein.price_changes import Change, Figure


def prices(session: Session, actor: Actor, *, kind: str, device_class: str, now: datetime) -> dict[str, Any]:
    """Every version of the price table, and the lines of the one that counts today."""
    policy.require(actor, Action.SEE_DESK)
    now_ = price_tables.current(session, now.date()).version
    versions = _versions(session, now_, now)
    content = session.scalars(sa.select(PublishedTable.content).where(PublishedTable.version == now_)).one()
    lines = price_changes.figures(content, pricing.load_catalogue())
    shown = kind if kind in price_changes.KIND_WORDS else "grade"
    chosen = device_class if device_class in pricing.DEVICE_CLASSES else ""
    return {
        "versions": versions,
        "current": next(version for version in versions if version["version"] == now_),
        "waiting": next((version for version in versions if version["status"] == "proposed"), None),
        "lines": [_line(line) for line in lines if line.kind == shown and (not chosen or line.device_class == chosen)],
        "kinds": price_changes.KIND_WORDS,
        "kind": shown,
        "classes": list(pricing.DEVICE_CLASSES),
        "device_class": chosen,
        "may": {"propose"} if policy.allows(actor, Action.PUBLISH_PRICES) else set(),
    }


def price_table(session: Session, actor: Actor, version: str, *, now: datetime) -> dict[str, Any]:
    """One version: what it changed, what that does to sample quotes, who proposed and who published it.

    Raises `NotFound`.
    """
    policy.require(actor, Action.SEE_DESK)
    found = session.get(PublishedTable, version)
    if found is None:
        raise NotFound("There is no price table of this version.")
    current = price_tables.current(session, now.date()).version
    told = next(row for row in _versions(session, current, now) if row["version"] == version)
    catalogue = pricing.load_catalogue()
    changes: list[Change] = []
    effects: list[dict[str, Any]] = []
    if found.based_on is not None:
        before = session.get_one(PublishedTable, found.based_on)
        changes = price_changes.differences(
            price_changes.figures(before.content, catalogue), price_changes.figures(found.content, catalogue)
        )
        old, new = (pricing.PriceTable.from_json(row.content) for row in (before, found))
        effects = [
            {
                "model": effect.model,
                "words": effect.words,
                "before": Money(effect.before_minor, effect.currency),
                "after": Money(effect.after_minor, effect.currency),
                "delta": Money(effect.after_minor - effect.before_minor, effect.currency),
            }
            for effect in price_changes.effects(old, new, catalogue, found.valid_from)
        ]
    may = set()
    if told["status"] == "proposed" and policy.allows(actor, Action.PUBLISH_PRICES):
        may = {"withdraw"} if found.proposed_by == actor.id else {"withdraw", "publish"}
    return {
        "table": told,
        "digest": found.digest,
        "based_on": found.based_on,
        "changes": [{"old": _line(change.old), "new": _line(change.new)} for change in changes],
        "effects": effects,
        "quotes": int(
            session.scalar(sa.select(sa.func.count()).select_from(Quote).where(Quote.table_version == version)) or 0
        ),
        "mine": found.proposed_by is not None and found.proposed_by == actor.id,
        "may": may,
    }


def price_rows(session: Session, actor: Actor, version: str) -> list[dict[str, Any]]:
    """The lines of a version for a file. Raises `NotFound`."""
    policy.require(actor, Action.SEE_DESK)
    content = session.scalar(sa.select(PublishedTable.content).where(PublishedTable.version == version))
    if content is None:
        raise NotFound("There is no price table of this version.")
    return price_changes.to_rows(price_changes.figures(content, pricing.load_catalogue()))


def to_propose(session: Session, actor: Actor) -> dict[str, Any]:
    """What a proposal begins from: the newest published table, and its factors to edit."""
    policy.require(actor, Action.PUBLISH_PRICES)
    base = price_tables.newest(session)
    lines = price_changes.figures(base.content, pricing.load_catalogue())
    return {"base": base.version, "least_day": base.valid_from, "figures": [_line(line) for line in lines]}


def rules(actor: Actor) -> list[dict[str, Any]]:
    """The other tables that decide, each with its version, the day from which it counts, and where it comes from."""
    policy.require(actor, Action.SEE_DESK)
    return [
        {key: table[key] for key in ("name", "title", "version", "valid_from", "text", "source")}
        for table in _published()
    ]


def rule(actor: Actor, name: str) -> dict[str, Any]:
    """One of them with its content as tables. Raises `NotFound`."""
    policy.require(actor, Action.SEE_DESK)
    for table in _published():
        if table["name"] == name:
            return table
    raise NotFound("There is no such table of rules.")


def _versions(session: Session, current: str, now: datetime) -> list[dict[str, Any]]:
    """Every version, the newest first, with how it stands."""
    proposer, decider = aliased(Person), aliased(Person)
    rows = session.execute(
        sa.select(
            PublishedTable.version,
            PublishedTable.number,
            PublishedTable.valid_from,
            PublishedTable.reason,
            PublishedTable.proposed_at,
            PublishedTable.proposed_by,
            TableDecision.published,
            TableDecision.at.label("decided_at"),
            proposer.name.label("proposer"),
            decider.name.label("decider"),
        )
        .outerjoin(TableDecision, TableDecision.version == PublishedTable.version)
        .outerjoin(proposer, proposer.id == PublishedTable.proposed_by)
        .outerjoin(decider, decider.id == TableDecision.decided_by)
        .order_by(PublishedTable.number.desc())
        .limit(200)
    )
    return [
        {
            "version": row.version,
            "number": row.number,
            "valid_from": row.valid_from,
            "reason": row.reason,
            "proposed_at": row.proposed_at,
            "proposed_by": row.proposer,
            "decided_at": row.decided_at,
            "decided_by": row.decider,
            "status": _status(row, current, now),
        }
        for row in rows
    ]


def _status(row: Any, current: str, now: datetime) -> str:
    if row.version == current:
        return "current"
    if row.proposed_by is not None and row.published is None:
        return "proposed"
    if row.published is False:
        return "withdrawn"
    return "coming" if row.valid_from > now.date() else "past"


def _line(line: Figure) -> dict[str, Any]:
    return {
        "kind": line.kind,
        "kind_word": price_changes.KIND_WORDS[line.kind],
        "device_class": line.device_class,
        "name": line.name,
        "label": line.label,
        "value": None if line.value is None else format(line.value, "f"),
        "estimate": line.estimate,
        "basis": line.basis,
        "source": line.source,
        "seen_on": line.seen_on,
        "seen_count": line.seen_count,
        "field": ":".join(line.key),
    }


def _published() -> list[dict[str, Any]]:
    return [_routing(), _grading(), _checklist(), _evidence(), _auctions(), _terms()]


def _table(caption: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
    return {"caption": caption, "columns": list(columns), "rows": [[str(cell) for cell in row] for row in rows]}


def _routing() -> dict[str, Any]:
    form = routing.load_routing_table().data
    figures: list[tuple[str, str, str, str]] = []

    def walk(path: str, value: Any) -> None:
        if isinstance(value, Mapping):
            amount = value.get("value", value.get("amount_minor"))
            if amount is not None and not isinstance(amount, Mapping):
                shown = f"{Money(int(amount), form['currency'])}" if "amount_minor" in value else str(amount)
                figures.append((path, shown, str(value.get("basis", "")), str(value.get("source", ""))))
                return
            for name, inner in value.items():
                walk(f"{path} {name}".replace("_", " ").strip(), inner)

    for part in ("selling_fee", "warranty_reserve", "classes"):
        walk("" if part == "classes" else part.replace("_", " "), form[part])
    battery = form["battery"]
    return {
        "name": "routing",
        "title": "Ways and their costs",
        "version": f"{routing.ROUTING_RULES_VERSION}, {form['version']}",
        "valid_from": form["valid_from"],
        "text": form["note"],
        "source": "each line names its own",
        "tables": [
            _table(
                "Batteries by what they still hold",
                ("Fate", "At least", "Basis", "Source"),
                [
                    ("kept", f"{battery['keep_soh']} %", battery["basis"], battery["source"]),
                    ("second life", f"{battery['second_life_soh']} %", battery["basis"], battery["source"]),
                    ("recycled", "less than that", battery["basis"], battery["source"]),
                ],
            ),
            _table("What each way is expected to bring and to cost", ("Figure", "Value", "Basis", "Source"), figures),
        ],
    }


def _grading() -> dict[str, Any]:
    return {
        "name": "grading",
        "title": "Grades",
        "version": grading.GRADING_VERSION,
        "valid_from": "2026-11-01",
        "text": "Looks follow from the most worn surface, function from what was tested and works. The two are "
        "independent. C9 and F6 are never given: the bench cannot prove them.",
        "source": "the REC scale for looks and function",
        "tables": [
            _table(
                "Looks",
                ("Grade", "When"),
                [
                    ("C8", "never used and without a mark"),
                    ("C7", "no blemishes, fully tested, sold with a warranty"),
                    ("C6", "flawless"),
                    ("C5", "faint marks"),
                    ("C4", "visible wear"),
                    ("C3", "heavy wear"),
                    ("C2", "dented"),
                    ("C1", "cracked screen or back"),
                ],
            ),
            _table(
                "Function",
                ("Grade", "When"),
                [
                    ("F5", "all hardware works and its software is licensed"),
                    ("F4", "all hardware works, without software"),
                    ("F3", "key functions work; something else does not, or was not tested"),
                    ("F2", "a key function failed, no picture, or no storage"),
                    ("F1", "does not turn on, was wet inside, is locked, or its battery is damaged"),
                ],
            ),
            _table(
                "Batteries",
                ("Rule", "At least"),
                [
                    ("usable", f"{grading.USABLE_SOH} % of its capacity"),
                    ("key functions count as working", f"{grading.RECYCLE_SOH} %"),
                ],
            ),
        ],
    }


def _checklist() -> dict[str, Any]:
    return {
        "name": "checklist",
        "title": "What the bench looks at",
        "version": checklist.CHECKLIST_VERSION,
        "valid_from": "2026-11-01",
        "text": "The questions of an inspection, for each class of device. What needs the data gone is asked after it.",
        "source": "own list of the project",
        "tables": [
            _table(
                device_class,
                ("Question", "How", "Evidence"),
                [(item.question, item.how, item.evidence) for item in checklist.items(device_class)],
            )
            for device_class in checklist.DEVICE_CLASSES
        ],
    }


def _evidence() -> dict[str, Any]:
    return {
        "name": "evidence",
        "title": "What clears a medium",
        "version": evidence.POLICY,
        "valid_from": "2026-11-21",
        "text": "Which evidence, at which level, the gate admits for which kind of medium. The database holds the same "
        "table and lets nothing else through.",
        "source": "NIST SP 800-88 Rev. 2 with IEEE 2883-2022; for phones also R2v3",
        "tables": [_table("Admitted", ("Medium", "Evidence", "Level", "Why"), evidence.explained())],
    }


def _auctions() -> dict[str, Any]:
    least, steps = 0, []
    for below, step in auctions.INCREMENTS:
        steps.append((f"from {Money(least, 'EUR')} to below {Money(below, 'EUR')}", Money(step, "EUR")))
        least = below
    steps.append((f"from {Money(least, 'EUR')}", Money(auctions.LAST_INCREMENT, "EUR")))
    return {
        "name": "auctions",
        "title": "Auctions",
        "version": auctions.AUCTION_RULES_VERSION,
        "valid_from": "2026-11-01",
        "text": "An English auction with standing maxima. The price is one step above the second-highest maximum. A "
        f"bid in the last {auctions.SOFT_CLOSE.seconds // 60} minutes moves the end to as long after it.",
        "source": "own rules of the project",
        "tables": [_table("Steps", ("Price", "Step"), steps)],
    }


def _terms() -> dict[str, Any]:
    return {
        "name": "terms",
        "title": "Times",
        "version": "terms-1",
        "valid_from": "2026-11-01",
        "text": "How long each side has. Business days are Monday to Friday.",
        "source": "own rules of the project",
        "tables": [
            _table(
                "Times",
                ("What", "How long"),
                [
                    ("A quote is good for", f"{quotes.LOCK.days} days"),
                    ("An offer waits for its answer", f"{offers.ANSWER_WITHIN.days} days"),
                    ("We pay within", f"{offers.PAY_WITHIN_BUSINESS_DAYS} business days of the confirmed offer"),
                    ("A buyer may complain for", f"{deadlines.DISPUTE_DAYS} days"),
                    ("A device is sent back within", f"{deadlines.RETURN_DAYS} days"),
                    ("A second offer waits for", f"{deadlines.SECOND_OFFER.total_seconds() / 3600:.0f} hours"),
                ],
            )
        ],
    }
