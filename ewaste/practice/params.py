"""Reading a request: Stripe's form encoding (`a[b]`, `a[0][b]`, `a[]`) into values, each checked once.

`Params` hands out each value by name and type. `finish` refuses whatever nobody asked for, as Stripe
does, so a misspelt parameter is noticed in training.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from ewaste.practice.errors import ApiError, wrong_parameter

LARGEST_AMOUNT = 99_999_999  # Stripe's limit: eight digits of minor units.
_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)\Z")
_CURRENCY = re.compile(r"[a-z]{3}\Z")
_INDEX = re.compile(r"[0-9]{1,4}\Z")
_URL = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+([/?#]\S*)?\Z")  # the host goes into a header, so it is plain


class Params:
    """The parameters of one request. `path` is the prefix that error messages name."""

    def __init__(self, values: dict[str, Any], path: str = "") -> None:
        self._values = dict(values)
        self._path = path

    @classmethod
    def decode(cls, pairs: Iterable[tuple[str, str]]) -> Params:
        """Raises ApiError when a name is malformed or used in two ways at once."""
        root: dict[str, Any] = {}
        for name, value in pairs:
            match = _NAME.match(name)
            if match is None or name.count("[") > 6:
                raise wrong_parameter(f"Invalid parameter name: {name[:80]}", name[:80])
            keys = [match[1], *re.findall(r"\[([^\[\]]*)\]", match[2])]
            here = root
            for key in keys[:-1]:
                here = here.setdefault(key, {})
                if not isinstance(here, dict):
                    raise wrong_parameter(f"Invalid object: {name}", name)
            last = keys[-1] or str(len(here))
            if last in here:
                raise wrong_parameter(f"Received {name} twice", name)
            here[last] = value
        return cls(root)

    def has(self, name: str) -> bool:
        """Whether the caller sent it."""
        return name in self._values

    def text(self, name: str, *, default: str | None = None, most: int = 5_000) -> str:
        """A string; required when there is no default."""
        value = self._values.pop(name, default)
        if value is None or (value == "" and default is None):
            raise wrong_parameter(f"Missing required param: {self._full(name)}.", self._full(name), "parameter_missing")
        if not isinstance(value, str):
            raise wrong_parameter(f"Invalid string: {self._full(name)}", self._full(name))
        if len(value) > most:
            raise wrong_parameter(
                f"Invalid string: {self._full(name)} is longer than {most} characters",
                self._full(name),
                "parameter_invalid_string",
            )
        return value

    def optional(self, name: str, *, most: int = 5_000) -> str | None:
        """A string, or None when it was not sent."""
        return self.text(name, most=most) if self.has(name) else None

    def one_of(self, name: str, allowed: tuple[str, ...], *, default: str | None = None) -> str:
        """One of a few words."""
        value = self.text(name, default=default)
        if value not in allowed:
            raise wrong_parameter(f"Invalid {self._full(name)}: must be one of {', '.join(allowed)}", self._full(name))
        return value

    def flag(self, name: str, *, default: bool = False) -> bool:
        """`true` or `false`."""
        return self.one_of(name, ("true", "false"), default="true" if default else "false") == "true"

    def integer(self, name: str, *, low: int, high: int, default: int | None = None) -> int:
        """A whole number between `low` and `high`."""
        if not self.has(name) and default is not None:
            return default
        value, full = self.text(name), self._full(name)
        if not re.fullmatch(r"-?[0-9]{1,18}", value):
            raise wrong_parameter(f"Invalid integer: {value[:40]}", full, "parameter_invalid_integer")
        number = int(value)
        if number < low:
            code = "amount_too_small" if "amount" in name and low > 1 else "parameter_invalid_integer"
            raise wrong_parameter(f"This value must be greater than or equal to {low}.", full, code)
        if number > high:
            code = "amount_too_large" if "amount" in name else "parameter_invalid_integer"
            raise wrong_parameter(f"{full} must be no more than {high}", full, code)
        return number

    def amount(self, name: str = "amount", *, low: int = 1) -> int:
        """An amount in minor units, bounded as Stripe bounds it."""
        return self.integer(name, low=low, high=LARGEST_AMOUNT)

    def currency(self, name: str = "currency") -> str:
        """Three small letters."""
        value = self.text(name).lower()
        if not _CURRENCY.match(value):
            raise wrong_parameter(f"Invalid currency: {value[:20]}", self._full(name))
        return value

    def url(self, name: str) -> str:
        """An absolute http or https address."""
        value = self.text(name)
        if not _URL.match(value):
            raise wrong_parameter("Not a valid URL", self._full(name), "url_invalid")
        return value

    def inner(self, name: str) -> Params:
        """The parameters under `name[...]`; empty when none was sent."""
        value = self._values.pop(name, {})
        if not isinstance(value, dict):
            raise wrong_parameter(f"Invalid object: {self._full(name)}", self._full(name))
        return Params(value, self._full(name))

    def items(self, name: str, *, most: int = 20) -> list[Params | str]:
        """The entries of a list, in order: each a string, or parameters of its own."""
        value, full = self._values.pop(name, {}), self._full(name)
        if not isinstance(value, dict) or not all(_INDEX.match(k) for k in value) or len(value) > most:
            raise wrong_parameter(f"Invalid array: {full}", full)
        ordered = [value[k] for k in sorted(value, key=int)]
        return [Params(v, f"{full}[{n}]") if isinstance(v, dict) else str(v) for n, v in enumerate(ordered)]

    def payment_methods(self) -> list[str]:
        """The kinds of payment method allowed; only cards are known here."""
        if self.has("payment_method_types"):
            # Gone since Stripe's version of September 2026.
            raise wrong_parameter(
                "payment_method_types is no longer supported; use allowed_payment_method_types.",
                self._full("payment_method_types"),
                "payment_method_types_no_longer_supported",
            )
        return ["card" for allowed in self.items("allowed_payment_method_types") if allowed == "card"] or ["card"]

    def metadata(self) -> dict[str, str]:
        """Up to 50 pairs; keys up to 40 characters, values up to 500."""
        value = self._values.pop("metadata", {})
        full = self._full("metadata")
        if value == "":
            return {}
        if not isinstance(value, dict) or len(value) > 50:
            raise wrong_parameter("Invalid metadata: at most 50 keys", full)
        for key, word in value.items():
            if not isinstance(word, str) or len(key) > 40 or len(word) > 500:
                raise wrong_parameter(f"Invalid metadata: {key[:40]}", full)
        return dict(value)

    def finish(self) -> None:
        """Refuses parameters that nobody asked for."""
        for name in self._values:
            full = self._full(name)
            raise ApiError(
                400,
                "invalid_request_error",
                f"Received unknown parameter: {full}",
                code="parameter_unknown",
                param=full,
            )

    def _full(self, name: str) -> str:
        return f"{self._path}[{name}]" if self._path else name
