"""What a verified certificate comes to, in plain words: the headline, what it rests on, what failed and what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ewaste.certificates.registry import Verified
from ewaste.web import filters

# How a certificate looks at first sight: tone and icon. Green is kept for what proves something.
LOOKS = {
    "proves": ("safe", "shield-check"),
    "training": ("wait", "flask-conical"),
    "unknown": ("work", "shield-check"),
    "revoked": ("bad", "octagon-alert"),
    "refused": ("bad", "octagon-alert"),
    "fails": ("bad", "octagon-alert"),
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

DO_NOT_RELY = (
    "Do not rely on it. Ask whoever gave it to you for the bundle as the test centre sent it, or look the certificate "
    "up by its number or its device's code. If somebody offers it as proof, tell us."
)


ALL_CHECKS = sum(len(names) for _, names in GROUPS)


def counted(checks: Sequence[Mapping[str, Any]]) -> str:
    """How far the checks came: all passed, or where they stopped, as nothing is asked after the first that fails."""
    stopped = next((number for number, check in enumerate(checks, start=1) if check["ok"] is False), None)
    if stopped is not None and len(checks) < ALL_CHECKS:
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
) -> dict[str, Any]:
    """A verification as the page shows it.

    `standing`: live, accepted, revoked, refused or unknown, as our register says; `because` is why it is revoked or
    refused; `device_class` is None where we do not know the device; `since` is what was found after the certificate.
    """
    statement = verified.statement
    standing = {"accepted": "live"}.get(standing, standing)
    ok = (verified.refusal is None or verified.withdrawn is not None) and statement is not None
    if verified.withdrawn is not None and standing in ("live", "unknown"):
        standing, because = "revoked", verified.withdrawn
    kind = _kind(ok, standing, statement is not None and statement.training)
    headline, sentence = _words(kind, verified, because, device_class)
    tone, symbol = LOOKS[kind]
    since = since if kind in ("proves", "training") else None
    if since and kind == "proves":
        # It still holds for what it lists; the device is another matter.
        tone, symbol = "wait", "circle-alert"
        headline, sentence = "This certificate verifies, for the media that it lists.", gone(verified, device_class)
    checks = with_standing(verified.checks, standing, because)
    return {
        "kind": kind,
        "ok": ok,
        "tone": tone,
        "symbol": symbol,
        "since": since,
        "headline": headline,
        "sentence": sentence,
        "advice": DO_NOT_RELY if kind in ("fails", "refused") else None,
        "failed": next((check["text"] for check in checks if check["ok"] is False), None) if kind == "fails" else None,
        "checks": checks,
        "groups": grouped(checks),
        "counted": counted(checks),
        "statement": statement,
        "status": standing,
        "url": url,
    }


def gone(verified: Verified, device_class: str | None) -> str:
    """The sentence that a certificate proves: whose data is gone, who checked it and when, and how many media."""
    statement = verified.statement
    if statement is None:
        raise ValueError("Only a certificate that could be read says something.")
    what = filters.class_word(device_class).lower() if device_class else "device"
    media = filters.plural(len(statement.lines), "storage medium", "storage media").replace(filters.NO_BREAK, " ")
    return (
        f"The data on this {what} is gone. Checked on {filters.date(statement.created)} by {statement.issuer_name}: "
        f"{media} covered, on device {statement.device_code}."
    )


def with_standing(checks: list[dict[str, Any]], standing: str, because: str | None) -> list[dict[str, Any]]:
    """The checks, with what our register says in the place of what a verifier without it has to leave open."""
    told = {
        "live": ("holds", "Our register was asked: it has not been revoked."),
        "accepted": ("holds", "Our register was asked: it has not been revoked."),
        "revoked": ("fails", f"Our register was asked: it has been revoked. {because or ''}".rstrip()),
        "refused": ("fails", f"Our register was asked: we refused it. {because or ''}".rstrip()),
    }.get(standing)
    if told is None:
        return checks
    level, text = told
    ours = {"level": level, "ok": level != "fails", "text": text}
    # What the signed list says stands: our register only settles what a caution leaves open, or says worse.
    return [{**check, **ours} if check["name"] == "status" and check["ok"] is not False else check for check in checks]


def grouped(checks: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The checks under the questions that they answer: [{title, checks, held, failed}]. What is new stands last."""
    named = {name for _, names in GROUPS for name in names}
    rest = tuple(str(check["name"]) for check in checks if check["name"] not in named)
    found = []
    for title, names in (*GROUPS, ("Other checks", rest)):
        own = [check for check in checks if check["name"] in names]
        if own:
            held = sum(check["ok"] is True for check in own)
            found.append(
                {"title": title, "checks": own, "held": held, "failed": any(check["ok"] is False for check in own)}
            )
    return found


def _kind(ok: bool, standing: str, training: bool) -> str:
    if not ok:
        return "fails"
    if standing in ("revoked", "refused"):
        return standing
    if training:
        return "training"
    return "proves" if standing == "live" else "unknown"


def _words(kind: str, verified: Verified, because: str | None, device_class: str | None) -> tuple[str, str]:
    if kind == "fails":
        return "This certificate does not verify.", verified.refusal or "It could not be read."
    if kind == "revoked":
        return (
            "This certificate has been revoked.",
            f"It was signed as it says, but it no longer counts: {because} Do not rely on it.",
        )
    if kind == "refused":
        return (
            "We refused this certificate.",
            f"It verifies as a document, but this market did not accept it. {because}",
        )
    says = gone(verified, device_class)
    if kind == "training":
        return (
            "This is a training certificate. It proves nothing.",
            f"It was made from practice media. Every check ran as for a real one; were it real, it would say: {says}",
        )
    if kind == "unknown":
        return (
            "This certificate verifies.",
            f"{says} It is not in our register, so whether it was revoked we cannot tell.",
        )
    headline, _, rest = says.partition(". ")
    return f"{headline}.", rest
