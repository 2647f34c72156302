"""The audit trail: who did what, when, across all histories that are kept. Reads only, newest first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.accounts import policy
from ewaste.accounts.models import Actor
from ewaste.accounts.policy import Action
from ewaste.views import shapes

MOST_ROWS = 50_000
KINDS = {
    "custody": "Custody",
    "hold": "Holds",
    "standing": "Standing of firms",
    "application": "Applications",
    "decision": "Proposals and audits",
    "key": "Keys and certificates in doubt",
    "certificate": "Revocations",
    "lot": "Lots",
    "payment": "Refunds and payments written anew",
    "dispute": "Disputes",
    "prices": "Price tables",
    "incident": "Incidents",
}


@dataclass(frozen=True)
class Narrowed:
    """What the trail is narrowed to: words in the name of who did it, a kind, words in the action, days in UTC."""

    who: str = ""
    kind: str = ""
    action: str = ""
    first: date | None = None
    last: date | None = None


def trail(session: Session, actor: Actor, chosen: Narrowed, *, page: int) -> dict[str, Any]:
    """What was done, 50 a page."""
    policy.require(actor, Action.SEE_DESK)
    chosen = _clean(chosen)
    bound = _bound(chosen)
    found = session.execute(_ROWS, bound | {"most": shapes.PAGE_SIZE, "skip": (page - 1) * shapes.PAGE_SIZE})
    return {
        "rows": [_row(row) for row in found],
        "kinds": KINDS,
        "chosen": chosen,
        "total": int(session.scalar(_COUNT, bound) or 0),
    }


def rows(session: Session, actor: Actor, chosen: Narrowed) -> list[dict[str, Any]]:
    """All of it for a file, newest first; at most 50,000 rows."""
    policy.require(actor, Action.SEE_DESK)
    return [_row(row) for row in session.execute(_ROWS, _bound(_clean(chosen)) | {"most": MOST_ROWS, "skip": 0})]


def _row(row: Any) -> dict[str, Any]:
    return {
        "at": row.at,
        "kind": row.kind,
        "action": row.action.replace(".", " ").replace("-", " "),
        "who": row.who,
        "about": row.about,
        "text": row.text,
    }


def _clean(chosen: Narrowed) -> Narrowed:
    return Narrowed(
        " ".join(chosen.who.split()),
        chosen.kind if chosen.kind in KINDS else "",
        " ".join(chosen.action.split()),
        chosen.first,
        chosen.last,
    )


def _bound(chosen: Narrowed) -> dict[str, Any]:
    last = chosen.last + timedelta(days=1) if chosen.last is not None and chosen.last < date.max else None
    return {
        "kind": chosen.kind,
        "who": shapes.like(chosen.who),
        "action": shapes.like(chosen.action).replace(" ", "_"),
        "first": datetime.combine(chosen.first, time(), UTC) if chosen.first else None,
        "last": datetime.combine(last, time(), UTC) if last else None,
    }


# Each history as (at, kind, action, who, about, text). Holds and revocations stand in the chain of custody.
_HISTORIES = """
    select e.at, case when e.kind like 'hold.%' then 'hold' when e.kind like 'certificate.%' then 'certificate'
           else 'custody' end as kind, e.kind as action, e.actor_name as who, d.code as about,
           coalesce(e.evidence ->> 'reason', e.evidence ->> 'note', e.evidence ->> 'because', '') as text
      from custody_events e join devices d on d.id = e.device_id
    union all
    select s.at, 'standing', s.kind, s.by_name, o.name,
           coalesce(nullif(s.reason, ''), 'Licences seen: ' ||
             (select string_agg(l.word, ', ') from jsonb_array_elements_text(s.detail -> 'licences') l(word)), '')
      from standing_changes s join organisations o on o.id = s.organisation_id
    union all
    select a.applied_at, 'application', 'application.sent', m.name, o.name, ''
      from applications a join organisations o on o.id = a.organisation_id join people m on m.id = a.applied_by
    union all
    select a.decided_at, 'application', 'application.' || a.outcome, coalesce(m.name, 'the program'), o.name,
           coalesce(a.reason, '')
      from applications a join organisations o on o.id = a.organisation_id left join people m on m.id = a.decided_by
     where a.decided_at is not null
    union all
    select l.formed_at, 'lot', 'lot.formed', m.name, l.code, l.title
      from lots l join people m on m.id = l.formed_by
    union all
    select p.written_at, 'payment',
           case p.kind when 'refund' then 'refund.written' else 'payout.written' end || case when p.again then '-anew'
           else '' end, coalesce(p.written_name, 'not noted'), coalesce(b.code, r.code, d.code, ''), p.description
      from (select p.*, exists (select from payment_instructions e where e.kind = p.kind
                    and e.subject_id = p.subject_id and e.state = 'failed' and e.id <> p.id
                    and (e.written_at, e.id) < (p.written_at, p.id)) as again
              from payment_instructions p where p.kind in ('refund', 'pay-out')) p
      left join orders b on b.id = p.subject_id left join disputes r on r.id = p.subject_id
      left join devices d on d.id = p.subject_id
     where p.kind = 'refund' or p.again
    union all
    select p.proposed_at, 'decision', p.kind || '.proposed', p.proposed_name, o.name, p.reason
      from accreditation_decisions p join organisations o on o.id = p.centre_id
    union all
    select p.decided_at, 'decision', p.kind || '.' || p.outcome, p.decided_name, o.name,
           'proposed by ' || p.proposed_name
      from accreditation_decisions p join organisations o on o.id = p.centre_id where p.outcome is not null
    union all
    select u.started_at, 'decision', 'audit.begun', u.started_name, o.name, u.checklist
      from audits u join organisations o on o.id = u.centre_id
    union all
    select u.concluded_at, 'decision', case when u.passed then 'audit.passed' else 'audit.not-passed' end,
           u.concluded_name, o.name, u.checklist
      from audits u join organisations o on o.id = u.centre_id where u.concluded_at is not null
    union all
    select w.at, 'decision', 'point.' || w.found, w.by_name, o.name, w.point || ': ' || w.evidence
      from audit_answers w join audits u on u.id = w.audit_id join organisations o on o.id = u.centre_id
    union all
    select a.named_at, 'decision', 'accreditor.named', a.named_name, a.name, a.reason from accreditors a
    union all
    select a.confirmed_at, 'decision', 'accreditor.admitted', a.confirmed_name, a.name, 'named by ' || a.named_name
      from accreditors a where a.confirmed_at is not null
    union all
    select a.undone_at, 'decision', 'accreditor.undone', a.undone_name, a.name, '' from accreditors a
     where a.undone_at is not null
    union all
    select a.ended_at, 'decision', 'accreditor.ended', a.ended_name, a.name, a.ended_because from accreditors a
     where a.ended_at is not null
    union all
    select k.proposed_at, 'key', 'recheck.' || k.outcome || '.proposed', k.proposed_name, d.code, k.note
      from certificate_rechecks k join certificates c on c.id = k.certificate_id join devices d on d.id = c.device_id
     where k.outcome is not null
    union all
    select k.settled_at, 'key', 'recheck.' || k.outcome, k.settled_name, d.code, 'proposed by ' || k.proposed_name
      from certificate_rechecks k join certificates c on c.id = k.certificate_id join devices d on d.id = c.device_id
     where k.settled_at is not null
    union all
    select c.withdrawn_at, 'key', 'enrolment-code.withdrawn', c.withdrawn_name, o.name, 'made by ' || m.name
      from enrolment_codes c join organisations o on o.id = c.centre_id join people m on m.id = c.made_by
     where c.withdrawn_at is not null
    union all
    select h.proposed_at, 'key', 'accreditor-key.proposed', h.proposed_name, a.name, h.reason
      from accreditor_key_changes h join accreditors a on a.id = h.accreditor_id
    union all
    select h.decided_at, 'key', 'accreditor-key.' || h.outcome, h.decided_name, a.name,
           'proposed by ' || h.proposed_name
      from accreditor_key_changes h join accreditors a on a.id = h.accreditor_id where h.outcome is not null
    union all
    select l.at, 'key', 'status-list.handed-in', l.by_name, a.name, l.note
      from kept_status_lists l join accreditors a on a.id = l.accreditor_id
    union all
    select t.proposed_at, 'prices', 'table.proposed', m.name, t.version, t.reason
      from price_tables t join people m on m.id = t.proposed_by
    union all
    select c.at, 'prices', case when c.published then 'table.published' else 'table.withdrawn' end, m.name,
           c.version, ''
      from price_table_decisions c join people m on m.id = c.decided_by
    union all
    select n.at, 'incident', 'incident.' || n.kind, n.by_name, i.code, n.text
      from incident_notes n join incidents i on i.id = n.incident_id
    union all
    select v.at, 'dispute', 'dispute.' || v.step, coalesce(m.name, 'the program'), r.code, v.text
      from dispute_events v join disputes r on r.id = v.dispute_id left join people m on m.id = v.by
"""
_FITTING = f"""
    from ({_HISTORIES}) h
    where (:kind = '' or h.kind = :kind) and h.who ilike :who
      and (replace(replace(h.action, '.', ' '), '-', ' ') ilike :action or h.about ilike :action)
      and (cast(:first as timestamptz) is null or h.at >= :first)
      and (cast(:last as timestamptz) is null or h.at < :last)
"""
_ROWS = sa.text(f"select h.* {_FITTING} order by h.at desc, h.about, h.action limit :most offset :skip")
_COUNT = sa.text(f"select count(*) {_FITTING}")
