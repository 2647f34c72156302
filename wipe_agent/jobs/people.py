"""The names of people, as they go into journals and certificates.

A name is looked at before anything is done: one that no certificate can carry, or that shows on a screen as something
other than it is, would be found out only after hours of work.
"""

from __future__ import annotations

import unicodedata

from wipe_agent.errors import BadUsage

MOST_CHARACTERS = 120


def person(name: str, role: str) -> str:
    """The name with single blanks. `role` is the option that gave it. Raises BadUsage with a sentence."""
    plain = " ".join(name.split())
    if not plain:
        problem = "is empty"
    elif len(plain) > MOST_CHARACTERS:
        problem = f"has {len(plain)} characters; at most {MOST_CHARACTERS} go on a certificate"
    # Not printable are control characters, those that turn the direction of writing, and broken bytes.
    elif not plain.isprintable():
        problem = "has characters that cannot be seen"
    else:
        return plain
    raise BadUsage(
        f"The name of the {role} {problem}.",
        next_step=f"Give it with --{role} NAME, in 1 to {MOST_CHARACTERS} printable characters.",
    )


def same_person(one: str, other: str) -> bool:
    """Whether two names differ in nothing but case, blanks or the way their characters are composed."""
    return _folded(one) == _folded(other)


def _folded(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())
