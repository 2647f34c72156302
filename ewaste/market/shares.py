"""How the price of a lot is shared out over its devices: pure, whole minor units, nothing lost and nothing made.

A bid is for the whole lot, so what one device of it cost is a matter of sharing: by what each was expected to bring,
as the manifest told every bidder. A device without an expected value counts as the average of the others, and one
that was worth nothing as one minor unit. Of cents left over each goes to the device whose share was cut the most.
"""

from __future__ import annotations

from collections.abc import Sequence


def shares(total_minor: int, expected_minor: Sequence[int | None]) -> list[int]:
    """The part of `total_minor` that falls on each device, in the order given; they sum to the total.

    Raises `ValueError` without a device or with a negative total.
    """
    if not expected_minor or total_minor < 0:
        raise ValueError("A price is shared over one device or more, and is not negative.")
    known = [max(value, 1) for value in expected_minor if value is not None]
    average = max(1, sum(known) // len(known)) if known else 1
    weights = [average if value is None else max(value, 1) for value in expected_minor]
    whole = sum(weights)
    parts = [total_minor * weight // whole for weight in weights]
    cut = [total_minor * weight % whole for weight in weights]
    left = total_minor - sum(parts)
    for index in sorted(range(len(parts)), key=lambda place: (-cut[place], place))[:left]:
        parts[index] += 1
    return parts


def refundable(paid_minor: int, share_minor: int, given_back: Sequence[int], given_back_of_device: int) -> int:
    """What may still be given back for a device: no more than its share, and never more than is left of the payment."""
    return max(0, min(share_minor - given_back_of_device, paid_minor - sum(given_back)))
