"""Which evidence counts at which level for which medium: policies as data, an organisation's own among them.

A policy file is a JSON object such as

    {"name": "acme-2026", "title": "ACME rules",
     "admitted": {"nvme": [["purge", "device-reported"], ["clear", "full-read"]]},
     "refused": {"nvme-format-crypto": "ACME does not count key destruction."},
     "passes": {"hdd": 3}}

`admitted` lists, for each kind of medium, the pairs of level and evidence class that count, the best first. `refused`
names methods that never count, with the reason. `passes` says how often
a kind is overwritten at least. Destruction always counts and need not be named.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from wipe_agent.certificate import vocabulary
from wipe_agent.errors import BadUsage
from wipe_agent.methods.table import METHODS

Pair = tuple[str, str]
_PURGED = (("purge", "full-read"), ("purge", "device-reported"))
_CLEARED = (("clear", "full-read"), ("clear", "sampled-read"), ("clear", "device-reported"))
_GATE_DRIVE = (("purge", "full-read"), ("clear", "full-read"))
_GATE_STICK = (("clear", "full-read"),)
_NO_KEYS = "Key destruction and resets do not count before the text of GB 46864-2025 has been mapped to them."


@dataclass(frozen=True)
class Policy:
    """`admitted` gives the pairs (level, evidence class) by kind, the best first; `refused` the reason by method."""

    name: str
    title: str
    admitted: dict[str, tuple[Pair, ...]]
    refused: dict[str, str] = field(default_factory=dict)
    passes: dict[str, int] = field(default_factory=dict)

    def admits(self, kind: str, level: str, evidence: str) -> bool:
        """Whether this evidence at this level counts for this kind of medium. Destruction always does."""
        return level == "destroy" or (level, evidence) in self.admitted.get(kind, ())


POLICIES: dict[str, Policy] = {
    one.name: one
    for one in (
        Policy(
            "market",
            "the marketplace's gate (ewaste-clear-2026-11-2)",
            {
                **dict.fromkeys(("hdd", "ssd", "nvme", "emmc", "ufs"), _GATE_DRIVE),
                **dict.fromkeys(("sd", "usb"), _GATE_STICK),
                "phone-storage": (
                    ("purge", "device-reported"),
                    ("clear", "device-reported"),
                    ("clear", "operator-witnessed"),
                ),
            },
        ),
        Policy(
            "nist",
            "NIST SP 800-88 Rev. 2 with IEEE 2883-2022",
            {
                **dict.fromkeys(("hdd", "ssd", "nvme", "emmc", "ufs"), (*_PURGED, *_CLEARED)),
                **dict.fromkeys(("sd", "usb"), _CLEARED),
                "phone-storage": (("purge", "device-reported"), ("clear", "device-reported")),
            },
            refused={"block-discard": "IEEE 2883 does not name a discard alone as a technique."},
        ),
        Policy(
            "r2v3",
            "R2v3, Appendix B",
            {
                **dict.fromkeys(("hdd", "ssd", "nvme", "emmc", "ufs"), (*_PURGED, ("clear", "full-read"))),
                **dict.fromkeys(("sd", "usb"), _GATE_STICK),
                "phone-storage": (("purge", "device-reported"), ("clear", "device-reported")),
            },
            refused={"block-discard": "R2v3 asks for all user-addressable places; a discard shows none of them."},
        ),
        Policy(
            "gb46864",
            "GB 46864-2025",
            dict.fromkeys(("hdd", "ssd", "nvme", "emmc", "ufs", "sd", "usb"), _GATE_DRIVE),
            refused={
                **{one.name: _NO_KEYS for one in METHODS.values() if one.crypto},
                "block-discard": "GB 46864-2025 asks for an overwrite or a block erase.",
            },
            # As the press reports the text: three passes on magnetic media, one on semiconductors.
            passes={"hdd": 3},
        ),
    )
}


def named(name: str) -> Policy:
    """A policy by its name, or from a file. Raises BadUsage saying what is wrong with it."""
    if name in POLICIES:
        return POLICIES[name]
    path = Path(name)
    if not path.is_file():
        raise BadUsage(
            f"There is no policy {name!r}.", next_step=f"Choose {', '.join(POLICIES)}, or name a policy file."
        )
    try:
        whole = json.loads(path.read_bytes())
        admitted = {
            str(kind): tuple((str(level), str(evidence)) for level, evidence in pairs)
            for kind, pairs in whole["admitted"].items()
        }
        refused = {str(method): str(reason) for method, reason in whole.get("refused", {}).items()}
        passes = {str(kind): int(number) for kind, number in whole.get("passes", {}).items()}
        policy = Policy(str(whole["name"]), str(whole["title"]), admitted, refused, passes)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadUsage(f"The policy file {name} cannot be read ({error}).") from error
    _require_known_words(policy, name)
    return policy


def _require_known_words(policy: Policy, name: str) -> None:
    """A misspelt word would silently admit or refuse nothing."""
    for kind, pairs in policy.admitted.items():
        if kind not in vocabulary.MEDIUM_KINDS:
            raise BadUsage(f"The policy file {name} speaks of a kind of medium that there is not: {kind!r}.")
        for level, evidence in pairs:
            if level not in vocabulary.LEVELS or evidence not in vocabulary.EVIDENCE_CLASSES:
                raise BadUsage(f"The policy file {name} admits what there is not: {level!r} with {evidence!r}.")
    most = max(method.passes for method in METHODS.values())
    for kind, number in policy.passes.items():
        if kind not in vocabulary.MEDIUM_KINDS or not 1 <= number <= most:
            raise BadUsage(f"The policy file {name} wants {number} passes for {kind!r}; 1 to {most} can be made.")
    for method in policy.refused:
        if method not in METHODS:
            raise BadUsage(f"The policy file {name} refuses a method that there is not: {method!r}.")
