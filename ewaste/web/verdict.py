"""What a verified certificate comes to, in plain words: the headline, what it means, what failed and what to do.

The same words are handed to the check that runs in the browser (`for_scripts`), so both say the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from ewaste.certificates.registry import CENTRE_MAY, DAMAGED, Statement, Verified
from ewaste.core.money import NO_BREAK
from ewaste.devices.media import KIND_WORDS
from ewaste.web import filters


class Kind(NamedTuple):
    """How one kind of outcome looks and reads: no two share both a label and an icon. Green proves something."""

    tone: str
    symbol: str
    label: str
    headline: str
    means: tuple[str, ...]
    not_means: tuple[str, ...]


_SIGNED = (
    "An accredited test centre signed that the listed media were wiped or destroyed, and how it was checked.",
    "Nobody has changed the certificate since it was signed.",
)
_LIMITS = (
    "It says nothing of media that are not listed, of cloud accounts, or of what was stored later.",
    "It says nothing of the rest of the device: its battery, its screen, or whether it is locked.",
)
_NOT_PROOF_OF_DATA = (
    "This does not show that data is still there, only that this certificate does not prove that it is gone."
)
# Where there is a reason, it may be just that: something was found.
_REASON_SAYS = "By itself it does not show that data is still there. If something was found, the reason above says so."

KINDS: Mapping[str, Kind] = {
    "proves": Kind("safe", "shield-check", "Genuine certificate", "The data on this {what} is gone.", _SIGNED, _LIMITS),
    "late": Kind(
        "wait",
        "calendar-clock",
        "Genuine, seen late",
        "This certificate is genuine, but reached the public log late.",
        (
            *_SIGNED,
            "Witnesses saw it in the public log more than a day after it was signed, often for lack of a network.",
        ),
        (*_LIMITS, "That it was made on the day that it states is said by the test centre alone."),
    ),
    "since": Kind(
        "wait",
        "circle-alert",
        "Genuine, but not for all",
        "This certificate is genuine, for the media that it lists.",
        _SIGNED,
        ("It does not cover the storage that was found later. The device may still hold data.", *_LIMITS),
    ),
    "unknown": Kind(
        "work",
        "badge-check",
        "Genuine, not in our register",
        "This certificate is genuine.",
        _SIGNED,
        ("Whether it was withdrawn since, we cannot tell: we have not seen it before.", *_LIMITS),
    ),
    "alone": Kind(
        "work",
        "badge-check",
        "Genuine",
        "This certificate is genuine.",
        _SIGNED,
        ("Whether it was withdrawn since, the files alone do not show. Look it up where it was issued.", *_LIMITS),
    ),
    "training": Kind(
        "wait",
        "flask-conical",
        "Training",
        "This is a training certificate. It proves nothing.",
        ("The steps of a wipe were practised, and every check ran as for a real one.",),
        ("It does not show that any data is gone. Do not accept it as proof.",),
    ),
    "revoked": Kind(
        "bad",
        "ban",
        "Revoked",
        "This certificate has been revoked.",
        ("It was signed as it says, and was withdrawn since. It no longer counts.",),
        (_REASON_SAYS,),
    ),
    "doubt": Kind(
        "wait",
        "scan-search",
        "Being looked at",
        "This certificate is in doubt. We are looking at it again.",
        (
            "It was signed as it says, and we accepted it.",
            "It will stand, or be revoked. That is not decided yet.",
        ),
        ("For now it does not show that the data is gone.", "Nor does it show that data is still there."),
    ),
    "refused": Kind(
        "bad",
        "circle-x",
        "Refused by us",
        "We refused this certificate.",
        ("It is written and signed as it must be, but this market did not accept it.",),
        (_REASON_SAYS,),
    ),
    "another": Kind(
        "bad",
        "triangle-alert",
        "Another document",
        "This is not the certificate that your paper names.",
        ("We hold a certificate under this number, but the paper was made from another document.",),
        ("What follows is about the certificate that we hold, not about the paper.",),
    ),
    "unread": Kind(
        "quiet",
        "file-x-2",
        "Nothing checked",
        "We could not find a certificate in this file.",
        (),
        (),
    ),
    "missing": Kind(
        "quiet",
        "package-open",
        "Not complete",
        "Some files of the certificate are missing.",
        (),
        (),
    ),
    "untrusting": Kind(
        "quiet",
        "lock-open",
        "Not checked",
        "Your trust file cannot be used, so nothing was checked.",
        (),
        (),
    ),
    "fails": Kind(
        "bad",
        "octagon-alert",
        "Not valid",
        "This certificate is not valid.",
        ("Nothing that it says can be relied on.",),
        (_NOT_PROOF_OF_DATA,),
    ),
}

# The checks in the order in which a person asks for them.
GROUPS: Sequence[tuple[str, tuple[str, ...]]] = (
    ("Can it be read?", ("readable", "context", "type", "shape")),
    (
        "Who signed it, and were they allowed to?",
        (
            "trust", "accreditation-proof", "key", "certificate-proof", "work-order-proof", "accreditation",
            "accreditation-dates", "scope",
        ),
    ),
    ("Is it about this device, and about every medium in it?", ("work-order", "device", "host", "coverage")),
    ("Was the work done as it says?", ("evidence", "times", "duration")),
    ("Does it count today?", ("training", "clock", "envelope", "log", "status")),
)  # fmt: skip

# The name of a line that is no check of the certificate: what we know of the device ourselves.
OURS = "our-records"
OWN: Mapping[str, str] = {
    CENTRE_MAY: "May its centre certify at this moment?",
    OURS: "Does it fit what we know of the device?",
}
"""Lines that are no checks of the certificate itself, each with the question that it answers."""
# What a check that fails means for whoever holds the certificate. The exact cause, often a word to the test centre,
# stands among the checks.
REASONS: Mapping[str, str] = {
    "readable": "The file cannot be read from beginning to end. It may be damaged or incomplete.",
    "context": "It is not written in the words of a certificate, so it may mean anything.",
    "type": "It is another kind of document than a certificate.",
    "shape": "It is not written as a certificate must be.",
    "trust": "It rests on somebody whom nobody here trusts.",
    "accreditation-proof": "The accreditation that it rests on is not genuine.",
    "key": "It was not signed by an accredited test centre.",
    "certificate-proof": "It was changed after it was signed, or somebody else signed it.",
    "work-order-proof": "The order that it answers is not genuine.",
    "accreditation": "It does not belong to the accreditation that came with it.",
    "accreditation-dates": "The test centre was not accredited when the work was done.",
    "scope": "The test centre was not accredited for this kind of work.",
    "work-order": "It was made for another order than the one that came with it.",
    "device": "It was made for another device than the one that was to be wiped.",
    "host": "The storage was wiped in another machine, and nothing says how it came there.",
    "coverage": "It does not cover all the storage of the device.",
    "evidence": "It does not show what it claims about the work.",
    "times": "The times on it cannot be true.",
    "duration": "The work is said to have gone faster than is possible.",
    "training": "It mixes practice with real work, or is for practice alone.",
    "clock": "It is dated in the future.",
    "envelope": "It comes in two forms that do not say the same.",
    "log": "What came with it from the public log does not hold.",
    "status": "The list that came with it, and should tell whether it was revoked, was changed or is another one.",
}
_OWN_REASONS: Mapping[str, str] = {CENTRE_MAY: "Its centre or station could not certify for us when it came in."}
_NO_REASON = "One of the checks below does not hold."

_ONCE_YOURS = (
    "Do not rely on it. The device must be wiped and certified again. Was it yours, or did you buy it? Write to us."
)
WIPED_AGAIN = "Do not rely on it. The device was certified again since; that certificate counts in its place."
ADVICE: Mapping[str, str] = {
    "fails": (
        "Do not rely on it. Ask whoever gave it to you for the .zip as the test centre made it, or look the "
        "certificate up by its number or its device's code. If somebody offers it as proof, write to us."
    ),
    "revoked": _ONCE_YOURS,
    "refused": _ONCE_YOURS,
    "doubt": (
        "Do not rely on it until that is decided. Look it up here again. Did you sell the device, or buy it? We tell "
        "you by mail how it ends."
    ),
    "another": (
        "Do not rely on the paper. What counts is the certificate that we hold. If somebody offers you the paper as "
        "proof, write to us."
    ),
}
"""What to do, by kind; where there is nothing to do, none."""
CHOOSE_ZIP = "Choose the .zip as you downloaded it."
ANOTHER_TRUST = "Choose another, or remove it to go by ours."
WRITE_TO = "Whom to write to"
FILES_ALONE = "A check by the files alone calls it revoked already: it cannot see that this is not decided."
COMPARE = "Compare it with the device in your hand."
LOOK_AGAIN = "Whether it was revoked since, only a new look-up can say."

NOT_REACHED = "Not looked at, because an earlier check failed."

ALL_CHECKS = sum(len(names) for _, names in GROUPS)


def for_scripts(contact: str) -> dict[str, Any]:
    """The words for the check that runs in the browser: kinds, groups, reasons. `contact`: where it is told whom to
    write to, as a whole address."""
    return {
        "kinds": {name: kind._asdict() for name, kind in KINDS.items()},
        "groups": [{"title": title, "checks": names} for title, names in GROUPS],
        "reasons": dict(REASONS),
        "noReason": _NO_REASON,
        "advice": dict(ADVICE),
        "contact": contact,
        "writeTo": WRITE_TO,
        "chooseZip": CHOOSE_ZIP,
        "anotherTrust": ANOTHER_TRUST,
        "compare": COMPARE,
        "lookAgain": LOOK_AGAIN,
        "notReached": NOT_REACHED,
        "evidence": {name: word for name, (word, _) in filters.EVIDENCE.items()},
        "media": dict(KIND_WORDS),
        "levels": dict(filters.LEVELS),
        "techniques": dict(filters.TECHNIQUES),
    }


def reason(checks: Sequence[Mapping[str, Any]]) -> str | None:
    """What the first check that fails means, in words for whoever is no test centre; None when none fails."""
    failed = next((str(check["name"]) for check in checks if check["ok"] is False), None)
    return None if failed is None else REASONS.get(failed) or _OWN_REASONS.get(failed, _NO_REASON)


def counted(checks: Sequence[Mapping[str, Any]]) -> str:
    """How far the checks came: all passed, or where they stopped, as nothing is asked after the first that fails."""
    stopped = next((number for number, check in enumerate(checks, start=1) if check["ok"] is False), None)
    if stopped is not None and len(checks) < ALL_CHECKS and checks[stopped - 1]["name"] not in OWN:
        return f"Stopped at check {stopped} of {ALL_CHECKS}"
    return f"{sum(check['ok'] is True for check in checks)} of {len(checks)} checks passed"


def verdict(
    verified: Verified,
    standing: str,
    because: str | None,
    device_class: str | None,
    url: str | None,
    *,
    since: str | None = None,
    other_digest: bool = False,
    newer: tuple[str, datetime] | None = None,
) -> dict[str, Any]:
    """A verification as the page shows it.

    `standing`: live, accepted, doubt, revoked, refused or unknown, as our register says; `because` is why it is in
    doubt, revoked or refused; `device_class` is None where we do not know the device; `since` is what was found after
    the certificate; `other_digest` says that the paper in the reader's hand was made from other bytes than these;
    `newer` is the address of a certificate that took its place, and when it came.
    """
    statement = verified.statement
    standing = {"accepted": "live"}.get(standing, standing)
    ok = verified.refusal is None and statement is not None
    checks = with_standing(verified.checks, standing, because)
    name = _kind(verified, ok, standing)
    # Something found later, or another document, takes the place of what would have proven something, never of worse.
    since = since if name in ("proves", "late", "training") else None
    if since and name in ("proves", "late"):
        name = "since"
    if other_digest and name in ("proves", "late", "since", "unknown", "training"):
        name = "another"
    kind = KINDS[name]
    failed = next((check for check in verified.checks if check["ok"] is False), None)
    return {
        "kind": name,
        "ok": ok or name in ("revoked", "doubt"),  # what was revoked still says what it says
        "tone": kind.tone,
        "symbol": kind.symbol,
        "label": kind.label,
        "since": since,
        "headline": kind.headline.format(what=_what(device_class)),
        "sentence": _sentence(name, verified, because, device_class),
        "advice": WIPED_AGAIN if name == "revoked" and newer is not None else ADVICE.get(name),
        "newer": newer,
        "device": device(statement) if statement is not None and name not in ("fails", "missing", "another") else None,
        "as_of": as_of(verified.known_at) if ok and standing == "unknown" else None,
        # What our register alone knows: no other verifier can see it.
        "register": name if name == standing and (name == "doubt" or verified.withdrawn is None) else "",
        "means": kind.means,
        "not_means": kind.not_means,
        "failed": failed["text"] if failed and name == "fails" else None,
        "checks": checks,
        "groups": grouped(checks, evidence(verified)) if checks else [],
        "counted": counted(checks),
        # What a verifier without our register finds, to be compared with the browser's.
        "alone": {"ok": ok, "failed": failed["name"] if failed else ""},
        "statement": statement,
        "status": standing,
        "url": url,
    }


def device(statement: Statement) -> str:
    """Which device a certificate is about, to be held against the one in the reader's hand."""
    host = statement.host_claimed
    maker, model = host.get("manufacturer", ""), host.get("model", "")
    name = model if model.casefold().startswith(maker.casefold()) else f"{maker} {model}"
    serial = host.get("serial", "")
    return f"{name.strip() or 'Device'}, {f'serial {serial}' if serial else 'without a serial'}. {COMPARE}"


def as_of(known_at: datetime | None) -> str | None:
    """As of when a verifier without our register knows how a certificate stands; None where it knows nothing."""
    if known_at is None:
        return None
    return f"As known on {filters.date(known_at)}, {known_at:%H:%M} UTC. {LOOK_AGAIN}".replace(NO_BREAK, " ")


def gone(verified: Verified, device_class: str | None) -> str:
    """The sentence that a certificate proves: whose data is gone, who checked it and when, and how many media."""
    statement = verified.statement
    if statement is None:
        raise ValueError("Only a certificate that could be read says something.")
    media = filters.plural(len(statement.lines), "storage medium", "storage media").replace(NO_BREAK, " ")
    return (
        f"The data on this {_what(device_class)} is gone. Checked on {filters.date(statement.created)} by "
        f"{statement.issuer_name}: {media} covered, on device {statement.device_code}."
    )


def with_standing(checks: list[dict[str, Any]], standing: str, because: str | None) -> list[dict[str, Any]]:
    """The checks, with what our register says in the place of what a verifier without it has to leave open."""
    told = {
        "live": ("holds", "Our register was asked: it has not been revoked."),
        "accepted": ("holds", "Our register was asked: it has not been revoked."),
        "doubt": (
            "caution",
            f"Our register was asked: it is in doubt, and is looked at again. {because or ''}".rstrip(),
        ),
        "revoked": ("fails", f"Our register was asked: it has been revoked. {because or ''}".rstrip()),
        "refused": ("fails", f"Our register was asked: we refused it. {because or ''}".rstrip()),
    }.get(standing)
    if told is None:
        return checks
    level, text = told
    ours = {"level": level, "ok": level != "fails", "text": text, "code": "revoked" if standing == "revoked" else None}
    # What the signed list says stands: our register only settles what a caution leaves open, or says worse.
    return [{**check, **ours} if check["name"] == "status" and check["ok"] is not False else check for check in checks]


def with_refusal(checks: Sequence[Mapping[str, Any]], reason: str) -> list[Mapping[str, Any]]:
    """The checks of a certificate that we refused. Where each of them holds, the reason is a line that fails, first:
    what a certificate says of itself can all be true, and not be what we know of the device."""
    if any(check["ok"] is False for check in checks):
        return list(checks)
    return [{"name": OURS, "ok": False, "text": reason}, *checks]


def grouped(
    checks: Sequence[Mapping[str, Any]], evidence: Mapping[str, Sequence[tuple[str, str]]] | None = None
) -> list[dict[str, Any]]:
    """The checks under the questions that they answer: [{title, checks, held, failed, cautions}]. What is new is last.

    `evidence`: for the name of a check, what it was found by, as (what it is, its value).
    """
    named = {name for _, names in GROUPS for name in names}
    made = {check["name"] for check in checks}
    if len(made) < len(named) and any(check["ok"] is False and check["name"] not in OWN for check in checks):
        # A report ends where the next checks would mean nothing. They are named, so that nobody misses them.
        checks = [*checks, *({"name": name, "ok": None, "text": NOT_REACHED} for name in named - made)]
    rest = tuple(str(check["name"]) for check in checks if check["name"] not in {*named, *OWN})
    reached = {name: values for name, values in (evidence or {}).items() if name in made}
    shown = [{**check, "evidence": list(reached.get(check["name"], ()))} for check in checks]
    found = []
    for title, names in (*((question, (name,)) for name, question in OWN.items()), *GROUPS, ("Other checks", rest)):
        own = sorted((check for check in shown if check["name"] in names), key=lambda check: names.index(check["name"]))
        if own:
            found.append(
                {
                    "title": title,
                    "checks": own,
                    "held": sum(check["ok"] is True for check in own),
                    "failed": any(check["ok"] is False for check in own),
                    "cautions": sum(check.get("level") == "caution" for check in own),
                    "count": _group_count(own),
                }
            )
    return found


def evidence(verified: Verified) -> dict[str, list[tuple[str, str]]]:
    """What each check was found by, in the certificate's own exact values: [(what it is, its value)]."""
    said = verified.statement
    if said is None:
        return {}
    media = [
        (
            filters.medium_word(line.kind),
            " ".join(part for part in (line.manufacturer, line.model, line.serial) if part),
        )
        for line in said.lines
    ]
    times = [
        (
            line.serial or filters.medium_word(line.kind),
            (
                f"{filters.moment(line.started)} to {filters.moment(line.ended)}, "
                f"read back {filters.moment(line.verified)}"
            ),
        )
        for line in said.lines
    ]
    return {
        "key": [("Key", said.verification_method)],
        "certificate-proof": [("Signed", filters.moment(said.created)), ("Signer", said.issuer_did)],
        "accreditation": [("Accreditation", said.accreditation_id), ("Its digest", said.accreditation_digest)],
        "work-order": [
            ("Work order", said.work_order_id), ("Its digest", said.work_order_digest), ("Challenge", said.challenge),
        ],
        "device": [("Device", said.device_code), *((name.capitalize(), said.host_claimed[name]) for name in HOST)],
        "host": [(f"{name.capitalize()} seen", said.host_observed.get(name, "")) for name in HOST],
        "coverage": media,
        "evidence": [(kind, line.evidence_class) for (kind, _), line in zip(media, said.lines, strict=True)],
        "times": times,
        "clock": [("Dated", filters.moment(said.valid_from))],
    }  # fmt: skip


def _group_count(checks: Sequence[Mapping[str, Any]]) -> str:
    """How the checks of one question came out, in a few words. What was not looked at is not said to have failed."""
    failed = sum(check["ok"] is False for check in checks)
    unreached = sum(check["ok"] is None for check in checks)
    notes = sum(check.get("level") == "caution" for check in checks)
    if unreached == len(checks):
        return "not looked at"
    if not failed and not unreached:
        return f"{len(checks)} of {len(checks)} held" + (f", {notes} with a note" if notes else "")
    held = len(checks) - failed - unreached
    parts = ((failed, "failed"), (held, "held"), (unreached, "not looked at"))
    return ", ".join(f"{number} {word}" for number, word in parts if number)


HOST = ("manufacturer", "model", "serial")


def _what(device_class: str | None) -> str:
    return filters.class_word(device_class).lower() if device_class else "device"


def _kind(verified: Verified, ok: bool, standing: str) -> str:
    if standing == "doubt" and (ok or verified.withdrawn is not None):
        return "doubt"  # the lists tell that a key fell at once; whether this certificate falls is not decided yet
    if verified.withdrawn is not None:
        return "revoked"  # a signed list says so, whatever we know
    if not verified.checks and verified.statement is None:
        return "unread"  # nothing is said of a certificate: there was none to be seen
    if verified.missing:
        return "missing"
    if not ok:
        return "fails"
    if standing in ("revoked", "refused"):
        return standing
    if verified.statement is not None and verified.statement.training:
        return "training"
    known = any(check["name"] == "status" and check.get("level") == "holds" for check in verified.checks)
    if standing != "live" and not known:
        return "unknown"
    return "late" if any(check.get("code") == "late" for check in verified.checks) else "proves"


def _sentence(name: str, verified: Verified, because: str | None, device_class: str | None) -> str:
    if name == "unread":
        return verified.refusal if verified.refusal == DAMAGED else CHOOSE_ZIP
    if name == "missing":
        return f"Missing: {', '.join(verified.missing)}. {CHOOSE_ZIP}"
    if name == "fails":
        return reason(verified.checks) or verified.refusal or "It could not be read."
    if name == "revoked":
        told = next((check["text"] for check in verified.checks if check["name"] == "status" and not check["ok"]), "")
        return f"It no longer counts. {because or told}".rstrip()
    if name == "doubt":
        return f"{because} {FILES_ALONE}" if verified.withdrawn is not None else str(because)
    if name == "refused":
        return f"It verifies as a document, but this market did not accept it. {because}"
    if name == "another":
        return (
            "The number fits, but the contents of the paper and of the certificate that we hold are not the same. "
            "Somebody changed the paper, or a newer certificate took its place."
        )
    says = gone(verified, device_class)
    if name == "training":
        return f"It was made from practice media. Were it real, it would say: {says}"
    if name == "proves":
        return says.partition(". ")[2]
    return says
