"""How the story is told: numbered steps, and claims that hold or end it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


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
        self._quietly = ""
        self.claims = 0

    def step(self, title: str) -> None:
        """Begin a step."""
        if self._quietly:
            self._step = f"{self._quietly}, {title[0].lower()}{title[1:]}"
            return
        self._number += 1
        self._step = f"step {self._number}, {title[0].lower()}{title[1:]}"
        print(f"\n{self._number:2}. {title}  ({time.monotonic() - self._began:.1f} s)", flush=True)

    def say(self, text: str) -> None:
        """Something to know."""
        if not self._quietly:
            print(f"      {text}", flush=True)

    def claim(self, claim: str, holds: bool, seen: object = "") -> None:
        """Something that must hold. Raises `Broken` when it does not."""
        if not holds:
            raise Broken(self._step, claim, str(seen) or "nothing of the kind")
        if self._quietly:
            return
        self.claims += 1
        print(f"    ✓ {claim}" + (f": {seen}" if seen != "" else ""), flush=True)

    @contextmanager
    def quiet(self, part: str) -> Iterator[None]:
        """What was told once is done again, as `part`: nothing is printed or counted, but every claim must hold."""
        step, self._step, self._quietly = self._step, part, part
        try:
            yield
        finally:
            self._quietly = ""
        self._step = step

    def end(self) -> None:
        """The last line."""
        print(f"\nAll {self.claims} claims held, in {time.monotonic() - self._began:.1f} s.", flush=True)

    def broken(self, error: Broken) -> None:
        """The last line, when a claim did not hold."""
        print(f"\n    ✗ {error}", file=sys.stderr, flush=True)
