"""Choose the best method that the drive can do and the policy admits, and say why, and why not each other.

Pure: facts, policy and levels in, a plan in sentences out. The rules, in order:

1. The best level comes first that the policy lists for the kind and the centre is accredited for.
2. Then the strongest evidence: what was read back goes before what a drive says of itself.
3. Then, where the centre may purge, the method that reaches most of the medium. Where it may not, an overwrite, because
   everything about it can be checked by looking.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from wipe_agent.errors import MethodRefused
from wipe_agent.media import Facts
from wipe_agent.methods.policies import Policy
from wipe_agent.methods.table import HIDDEN, METHODS, NAMESPACES, Method

_STRENGTH = {"full-read": 3, "sampled-read": 2, "device-reported": 1, "operator-witnessed": 0}
_LEVELS = {"clear": 1, "purge": 2}
_DONE = {
    "overwrite-zeros": "One pass of zeros",
    "overwrite-stream": "One pass of a random stream",
    "overwrite-three-passes": "Two passes of random streams and one of zeros",
}
_KNOWN = {
    "full-read": "every byte read back",
    "sampled-read": "samples read back",
    "device-reported": "known by the drive's own word",
    "operator-witnessed": "seen by two people",
}
CANNOT = "The drive does not say that it can."
"""Why most drive commands are ruled out; said once for all of them."""


@dataclass(frozen=True)
class Plan:
    """What will be done: method, level and evidence class. `settle` says that the drive's own command is followed by an
    overwrite that is read back in full. `why` and `why_not` (by method) are sentences.
    """

    kind: str
    method: Method
    level: str
    evidence_class: str
    settle: bool
    exclusions: tuple[str, ...]
    policy: str
    why: str
    why_not: dict[str, str]

    @property
    def technique(self) -> str:
        """The words for the certificate."""
        return f"{self.method.technique}, then overwrite-zeros" if self.settle else self.method.technique


def plan(
    facts: Facts,
    kind: str,
    policy: Policy,
    *,
    levels: Collection[str] = ("clear", "purge"),
    wanted: str | None = None,
) -> Plan:
    """The plan for a medium of `kind` (the certificate's word) on the drive of `facts`.

    `levels` are those the centre is accredited for, `wanted` is the method that the operator names instead of the best.
    Raises MethodRefused with the reasons when nothing is left but destruction, or the wanted one does not do.
    """
    if wanted is not None and wanted not in METHODS:
        raise MethodRefused(f"There is no method {wanted!r}.", next_step=f"Choose one of: {', '.join(METHODS)}.")
    if facts.hidden.size:
        raise MethodRefused(
            f"The drive hides a part of itself: {facts.hidden.says}. What is hidden would stay.",
            next_step="Run the wipe with --open-hidden, which opens it and changes the drive for good (by hand: "
            f"`hdparm -Np{(facts.size + facts.hidden.size) // 512} {facts.path}`, or `hdparm --dco-restore`). Then "
            "take the drive's power away for a moment, and begin again.",
        )
    why_not: dict[str, str] = {}
    possible: list[tuple[Method, str, str]] = []
    for method in METHODS.values():
        reason = _cannot(method, facts, kind, policy, levels)
        evidence = None if reason else _best_evidence(method, kind, policy)
        if reason or evidence is None:
            why_not[method.name] = reason or _not_admitted(method, kind, policy)
        else:
            possible.append((method, method.levels[kind], evidence))
    possible.sort(key=lambda one: _rank(*one, may_purge="purge" in levels), reverse=True)
    chosen = next((one for one in possible if wanted in (None, one[0].name)), None)
    if chosen is None:
        raise _nothing_left(kind, policy, wanted, why_not)
    method, level, evidence = chosen
    for other, other_level, other_evidence in possible:
        if other is not method:
            why_not[other.name] = _worse(other, other_level, other_evidence, method, level, evidence)
    return Plan(
        kind=kind,
        method=method,
        level=level,
        evidence_class=evidence,
        settle=method.how == "command" and evidence == "full-read",
        exclusions=_exclusions(method, facts, kind),
        policy=policy.name,
        why=_why(method, level, evidence, policy, levels, wanted=wanted is not None),
        why_not=why_not,
    )


def _cannot(method: Method, facts: Facts, kind: str, policy: Policy, levels: Collection[str]) -> str | None:
    """Why the drive, the centre or the policy rules the method out, as a sentence; None if nothing does."""
    if method.how == "destroy":
        return "It is what is left when nothing else counts."
    if kind not in method.levels:
        return f"It is not for a medium of kind {kind}."
    if method.how == "guided":
        return "It is done with the phone's own commands: wipe-agent reset."
    if reason := policy.refused.get(method.name):
        return reason
    if method.how == "command" and (reason := _drive_cannot(method, facts)):
        return reason
    if policy.passes.get(kind, 1) > 1 and method.passes < policy.passes[kind]:
        return f"The policy wants {policy.passes[kind]} passes on a medium of kind {kind}; this method makes fewer."
    if method.levels[kind] not in levels:
        return f"It is a {method.levels[kind]}, and this centre is not accredited for that."
    return None


def _drive_cannot(method: Method, facts: Facts) -> str | None:
    if method.name not in facts.can:
        return "A drive command is not sent through a USB bridge." if facts.bridge else CANNOT
    if method.name.startswith("ata-security") and facts.security.frozen:
        return "The drive's security is frozen. Put the machine to sleep and wake it, then plan again."
    if method.name.startswith("nvme") and len(facts.namespaces) > 1:
        return (
            f"The controller has {len(facts.namespaces)} namespaces, and the command would reach others than this one."
        )
    return None


def _best_evidence(method: Method, kind: str, policy: Policy) -> str | None:
    for evidence in method.evidence:
        if evidence != "sampled-read" and policy.admits(kind, method.levels[kind], evidence):
            return evidence
    return None


def _rank(method: Method, level: str, evidence: str, *, may_purge: bool) -> tuple[int, int, int, int]:
    looked_at = 0 if may_purge else int(method.how == "overwrite")
    return _LEVELS[level], _STRENGTH[evidence], looked_at, method.reach


def _exclusions(method: Method, facts: Facts, kind: str) -> tuple[str, ...]:
    """What is not reached, sharpened by what the drive told: nothing is listed that was seen not to be there."""
    found = []
    for one in method.leaves.get(kind, ()):
        if one == HIDDEN:
            if facts.hidden.says != "no hidden areas (HPA, DCO) seen":
                found.append(facts.hidden.says)
        elif one == NAMESPACES:
            if len(facts.namespaces) != 1:
                found.append(one)
        else:
            found.append(one)
    if method.crypto:
        found.append(
            "whether all data was encrypted since its first write, and no copy of the key exists, is not known"
        )
    if facts.bridge:
        found.append("the USB bridge answered for the drive; what it hides was not seen")
    return tuple(found)


def _why(
    method: Method, level: str, evidence: str, policy: Policy, levels: Collection[str], *, wanted: bool
) -> str:  # fmt: skip
    what = _DONE.get(method.name, f"The drive's own command ({method.name})")
    said = f"{what}, {_KNOWN[evidence]}. "
    said += f"That is a {level}, and {policy.title} accepts it for this kind of medium."
    if wanted:
        return f"{said} The operator asked for it."
    if level == "clear" and method.how == "overwrite" and "purge" not in levels:
        return f"{said} It can be checked by looking."
    if level == "clear":
        return f"{said} Nothing stronger is possible here."
    return f"{said} Of the ways to purge it, this one reaches most."


def _worse(other: Method, level: str, evidence: str, method: Method, best: str, strongest: str) -> str:
    if _LEVELS[level] != _LEVELS[best]:
        return f"It reaches {level}; {method.name} reaches {best}."
    if _STRENGTH[evidence] < _STRENGTH[strongest]:
        return f"Its evidence would be {evidence}; {method.name} yields {strongest}."
    if method.how == "overwrite" and other.how == "command":
        return "It rests on the drive's word where an overwrite can be checked by looking."
    if other.reach > method.reach:
        return f"It would do as well, and the operator asked for {method.name}."
    return f"It would do; {method.name} is preferred for this medium."


def _not_admitted(method: Method, kind: str, policy: Policy) -> str:
    level, evidence = method.levels[kind], " or ".join(method.evidence)
    return f"{policy.title} does not admit {level} by {evidence} for a medium of kind {kind}."


def _nothing_left(kind: str, policy: Policy, wanted: str | None, why_not: dict[str, str]) -> MethodRefused:
    if wanted is not None:
        return MethodRefused(
            f"{wanted} does not do for this medium. {why_not[wanted]}",
            next_step="Run wipe-agent plan without --method: it says what does.",
        )
    if any(kind in one.levels for one in METHODS.values() if one.how == "guided"):
        return MethodRefused(
            f"A medium of kind {kind} cannot be overwritten from outside: the phone resets it.",
            next_step="Run: wipe-agent reset --order CODE --witness NAME",
        )
    reasons = "; ".join(
        f"{name}: {reason.rstrip('.')}"
        for name, reason in why_not.items()
        if kind in METHODS[name].levels and name != "destroy"
    )
    what = reasons or f"A medium of kind {kind} cannot be overwritten block by block from outside."
    return MethodRefused(f"No method is left for this {kind} under {policy.title}. {what.rstrip('.')}.")
