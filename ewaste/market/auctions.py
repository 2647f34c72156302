"""The rules of an English auction with proxy bids: pure, whole minor units, aware times passed in.

A bidder names a maximum and is bid for up to it. The price is the second-highest maximum plus one increment, never
more than the leader's own maximum, and at least the reserve once the leader's maximum meets it. Of equal maxima the
earliest leads. A leader who raises the own maximum does not raise the price, unless that meets the reserve. A bid in
the last three minutes moves the end to three minutes after it, as often as that happens.

`Book` is all that the rules need to know, small enough for the columns of one row; the bids themselves are kept
beside it, append-only, under the sequence numbers that `place` gives out. Recomputing from all bids gives the same
book; the tests hold the two against each other. A bid that cannot be taken is answered with an `Outcome` that says
why in a sentence; nothing is raised and the book stays as it was.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from ewaste.core.money import in_words

AUCTION_RULES_VERSION = "english-proxy-1"
SOFT_CLOSE = timedelta(minutes=3)
MOST_MINOR = 10_000_000_000
"""The highest maximum we take, one hundred million: a slip of the finger, and kind to the column."""

# Up to, not including, the price on the left the next bid is at least the step on the right above it (minor units).
INCREMENTS = ((100_00, 1_00), (500_00, 5_00), (1_000_00, 10_00), (2_500_00, 25_00), (5_000_00, 50_00))
LAST_INCREMENT = 100_00


@dataclass(frozen=True)
class Bid:
    """What a bidder says: the most to pay, in minor units, and the server's time at which it arrived."""

    bidder: str
    max_minor: int
    at: datetime


@dataclass(frozen=True)
class Book:
    """An auction between two bids. Money in minor units of `currency`; `price_minor` is 0 until somebody bids.

    `second` is the best of the others, the one who is asked when the winner does not pay.
    """

    start_minor: int
    ends_at: datetime
    reserve_minor: int = 0
    currency: str = "EUR"
    price_minor: int = 0
    leader: str | None = None
    leader_max_minor: int = 0
    second: str | None = None
    second_max_minor: int = 0
    next_seq: int = 1

    def __post_init__(self) -> None:
        if self.start_minor < 1 or self.reserve_minor < 0:
            raise ValueError("An auction starts at one minor unit or more, and its reserve is not negative.")
        if self.ends_at.tzinfo is None:
            raise ValueError("The end of an auction is an aware time.")

    @property
    def reserve_met(self) -> bool:
        """True when somebody leads and would pay the reserve."""
        return self.leader is not None and self.leader_max_minor >= self.reserve_minor


@dataclass(frozen=True)
class Outcome:
    """The answer to a bid. Accepted bids carry their sequence number, also those that do not lead.

    Refused ones say why in `sentence`; `refusal` is "invalid" (the amount is) or "conflict", for the edge to pass on.
    """

    accepted: bool
    result: Literal["leading", "outbid", "raised", "refused"]
    sentence: str
    seq: int | None = None
    price_minor: int = 0
    extended: bool = False
    refusal: Literal["invalid", "conflict"] | None = None


@dataclass(frozen=True)
class Sale:
    """Who gets it, and for how much."""

    bidder: str
    price_minor: int


def increment(price_minor: int) -> int:
    """The smallest step above a price, in minor units."""
    return next((step for below, step in INCREMENTS if price_minor < below), LAST_INCREMENT)


def minimum_next_bid(book: Book, bidder: str | None = None) -> int:
    """The lowest maximum that the next bid may name: for the leader one minor unit above the own maximum."""
    if book.leader is None:
        return book.start_minor
    if bidder == book.leader:
        return book.leader_max_minor + 1
    return book.price_minor + increment(book.price_minor)


def place(book: Book, bid: Bid) -> tuple[Book, Outcome]:
    """The book after a bid, and the answer to the bidder. A refused bid leaves the book as it was."""
    if book.ends_at <= bid.at:
        closed = f"{book.ends_at.astimezone(UTC):%H:%M:%S} UTC on {book.ends_at.astimezone(UTC):%d %B %Y}"
        return _refuse(book, "conflict", f"This auction closed at {closed}. Your bid was not placed.")
    if type(bid.max_minor) is not int or bid.max_minor < 1:
        return _refuse(book, "invalid", "Give the most you would pay, as an amount above zero.")
    if bid.max_minor > MOST_MINOR:
        limit = _words(book, MOST_MINOR)
        return _refuse(book, "invalid", f"We take no bid above {limit}. Check the amount for a slip.")
    minimum = minimum_next_bid(book, bid.bidder)
    if bid.max_minor < minimum:
        if bid.bidder == book.leader:
            own = _words(book, book.leader_max_minor)
            why = f"You lead with a maximum of {own}. A new maximum must be higher; a bid cannot be taken back."
        else:
            why = f"The lowest bid now is {_words(book, minimum)}. Your bid was not placed."
        return _refuse(book, "invalid", why)

    result: Literal["leading", "outbid", "raised"]
    if bid.bidder == book.leader:
        after, result = replace(book, leader_max_minor=bid.max_minor), "raised"
        price = max(book.price_minor, _reserve(after))
    elif bid.max_minor > book.leader_max_minor:
        after = replace(
            book,
            leader=bid.bidder,
            leader_max_minor=bid.max_minor,
            second=book.leader,
            second_max_minor=book.leader_max_minor,
        )
        price, result = _contested_price(after), "leading"
    else:
        # An equal maximum came later than the leader's, so it does not lead. It is above the price and therefore
        # above every other maximum but the leader's, so it is the second one.
        after = replace(book, second=bid.bidder, second_max_minor=bid.max_minor)
        price, result = _contested_price(after), "outbid"
    ends_at = max(book.ends_at, bid.at + SOFT_CLOSE)
    after = replace(after, price_minor=price, ends_at=ends_at, next_seq=book.next_seq + 1)
    return after, _accept(after, result, book.next_seq, extended=ends_at > book.ends_at)


def winner(book: Book) -> Sale | None:
    """Who won a closed auction and the price; None without a bid, or with the reserve not met."""
    if book.leader is None or not book.reserve_met:
        return None
    return Sale(book.leader, book.price_minor)


def runner_up(book: Book) -> Sale | None:
    """Who is asked when the winner does not pay: the second bidder, at the own maximum, if that meets the reserve."""
    if book.second is None or book.second_max_minor < book.reserve_minor:
        return None
    return Sale(book.second, book.second_max_minor)


def _contested_price(book: Book) -> int:
    """The price that the two highest maxima and the reserve lead to."""
    price = max(book.start_minor, _reserve(book))
    if book.second is not None:
        price = max(price, book.second_max_minor + increment(book.second_max_minor))
    return min(price, book.leader_max_minor)


def _reserve(book: Book) -> int:
    """The reserve as soon as the leader's maximum meets it, else nothing."""
    return book.reserve_minor if book.reserve_met else 0


def _accept(book: Book, result: Literal["leading", "outbid", "raised"], seq: int, *, extended: bool) -> Outcome:
    price = _words(book, book.price_minor)
    if result == "outbid":
        lowest = _words(book, minimum_next_bid(book))
        sentences = [
            f"Your bid was placed, but another bidder's maximum is as high or higher. The price is {price}.",
            f"The lowest bid now is {lowest}.",
        ]
    elif result == "raised":
        sentences = [f"Your maximum is now {_words(book, book.leader_max_minor)}. You lead; the price is {price}."]
    else:
        sentences = [f"You lead. The price is {price}."]
    if result != "outbid" and not book.reserve_met:
        sentences.append("The reserve is not met yet.")
    if extended:
        sentences.append(f"The end moved to {book.ends_at.astimezone(UTC):%H:%M:%S} UTC.")
    return Outcome(True, result, " ".join(sentences), seq, book.price_minor, extended)


def _refuse(book: Book, refusal: Literal["invalid", "conflict"], why: str) -> tuple[Book, Outcome]:
    return book, Outcome(False, "refused", why, None, book.price_minor, False, refusal)


def _words(book: Book, minor: int) -> str:
    return in_words(minor, book.currency)
