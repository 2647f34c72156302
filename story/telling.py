"""How the story is told: numbered steps, and claims that hold or end it."""

from __future__ import annotations

import sys
import time


class Broken(Exception):
    """A claim that does not hold. The story ends there."""

    def __init__(self, step: str, claim: str, seen: str) -> None:
        super().__init__(f"{step}: the claim “{claim}” does not hold. Seen: {seen}")
        self.step = step
        self.claim = claim


class Telling:
    """Prints each step with the time it began, and each claim with what was seen."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._number = 0
        self._step = "before the first step"
        self.claims = 0

    def step(self, title: str) -> None:
        """Begin a step."""
        self._number += 1
        self._step = f"step {self._number}, {title[0].lower()}{title[1:]}"
        print(f"\n{self._number:2}. {title}  ({time.monotonic() - self._began:.1f} s)", flush=True)

    def say(self, text: str) -> None:
        """Something to know."""
        print(f"      {text}", flush=True)

    def claim(self, claim: str, holds: bool, seen: object = "") -> None:
        """Something that must hold. Raises `Broken` when it does not."""
        if not holds:
            raise Broken(self._step, claim, str(seen) or "nothing of the kind")
        self.claims += 1
        print(f"    ✓ {claim}" + (f": {seen}" if seen != "" else ""), flush=True)

    def end(self) -> None:
        """The last line."""
        print(f"\nAll {self.claims} claims held, in {time.monotonic() - self._began:.1f} s.", flush=True)

    def broken(self, error: Broken) -> None:
        """The last line, when a claim did not hold."""
        print(f"\n    ✗ {error}", file=sys.stderr, flush=True)
