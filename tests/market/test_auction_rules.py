"""The rules of an auction: examples, and a slow oracle that works the book out from all bids again."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ewaste.market.auctions import (
    MOST_MINOR,
    SOFT_CLOSE,
    Bid,
    Book,
    Sale,
    increment,
    minimum_next_bid,
    place,
    runner_up,
    winner,
)

END = datetime(2026, 11, 20, 18, 0, tzinfo=UTC)
EARLY = END - timedelta(hours=5)


def play(book: Book, *bids: tuple[str, int]) -> Book:
    for bidder, euros in bids:
        book, outcome = place(book, Bid(bidder, euros * 100, EARLY))
        assert outcome.accepted, outcome.sentence
    return book


@pytest.mark.parametrize(
    ("price", "step"),
    [
        (0, 1_00), (99_99, 1_00), (100_00, 5_00), (499_99, 5_00), (500_00, 10_00), (999_99, 10_00), (1_000_00, 25_00),
        (2_499_99, 25_00), (2_500_00, 50_00), (4_999_99, 50_00), (5_000_00, 100_00), (90_000_00, 100_00),
    ],
)  # fmt: skip
def test_the_step_grows_with_the_price(price, step):
    assert increment(price) == step


@pytest.mark.parametrize(
    ("reserve", "bids", "price", "leader", "won"),
    [
        (0, [("ann", 80)], 50, "ann", True),
        (0, [("ann", 80), ("bob", 60)], 61, "ann", True),
        (0, [("ann", 80), ("bob", 90)], 81, "bob", True),
        (0, [("ann", 120), ("bob", 110)], 115, "ann", True),
        # capped at the winner's own maximum
        (0, [("ann", 112), ("bob", 110)], 112, "ann", True),
        # equal maxima: the earliest leads, at that maximum
        (0, [("ann", 80), ("bob", 80)], 80, "ann", True),
        # a leader who raises the own maximum does not raise the price
        (0, [("ann", 80), ("bob", 60), ("ann", 500)], 61, "ann", True),
        (0, [("ann", 80), ("bob", 80), ("ann", 500)], 80, "ann", True),
        # the reserve
        (100, [("ann", 80)], 50, "ann", False),
        (100, [("ann", 80), ("bob", 70)], 71, "ann", False),
        (100, [("ann", 100)], 100, "ann", True),
        (100, [("ann", 300)], 100, "ann", True),
        (100, [("ann", 80), ("ann", 150)], 100, "ann", True),
        (100, [("ann", 80), ("bob", 150)], 100, "bob", True),
        (100, [("ann", 200), ("bob", 150)], 155, "ann", True),
        # three bidders
        (0, [("ann", 80), ("bob", 90), ("cy", 85)], 86, "bob", True),
        (0, [("ann", 80), ("bob", 90), ("ann", 95)], 91, "ann", True),
    ],
)
def test_the_price_is_the_second_maximum_and_one_step(reserve, bids, price, leader, won):
    book = play(Book(50_00, END, reserve * 100), *bids)
    assert (book.price_minor, book.leader) == (price * 100, leader)
    assert winner(book) == (Sale(leader, price * 100) if won else None)
    assert book.next_seq == len(bids) + 1


@pytest.mark.parametrize(
    ("bids", "expected"),
    [
        ([("ann", 80)], None),
        ([("ann", 80), ("bob", 60)], Sale("bob", 60_00)),
        ([("ann", 80), ("bob", 90)], Sale("ann", 80_00)),
        ([("ann", 80), ("bob", 90), ("cy", 85)], Sale("cy", 85_00)),
        ([("ann", 80), ("bob", 90), ("ann", 95), ("ann", 99)], Sale("bob", 90_00)),
    ],
)
def test_the_runner_up_is_asked_at_the_own_maximum(bids, expected):
    assert runner_up(play(Book(50_00, END), *bids)) == expected


def test_a_runner_up_below_the_reserve_is_not_asked():
    book = play(Book(50_00, END, 100_00), ("ann", 200), ("bob", 130))
    assert runner_up(book) == Sale("bob", 130_00)
    assert runner_up(play(Book(50_00, END, 100_00), ("bob", 80), ("ann", 200))) is None


def test_an_auction_without_bids_has_no_winner():
    assert (winner(Book(50_00, END)), runner_up(Book(50_00, END))) == (None, None)


@pytest.mark.parametrize(
    ("bidder", "minor", "refusal", "words"),
    [
        ("cy", 61_99, "invalid", "The lowest bid now is €62.00"),
        ("ann", 80_00, "invalid", "A new maximum must be higher"),
        ("ann", 10_00, "invalid", "A new maximum must be higher"),
        ("cy", 0, "invalid", "above zero"),
        ("cy", -5, "invalid", "above zero"),
        ("cy", True, "invalid", "above zero"),
        ("cy", 80.5, "invalid", "above zero"),
        ("cy", MOST_MINOR + 1, "invalid", "We take no bid above €100,000,000.00"),
    ],
)
def test_a_bid_that_cannot_be_taken_changes_nothing_and_says_why(bidder, minor, refusal, words):
    book = play(Book(50_00, END), ("ann", 80), ("bob", 60))
    after, outcome = place(book, Bid(bidder, minor, EARLY))
    assert after == book
    assert (outcome.accepted, outcome.result, outcome.seq) == (False, "refused", None)
    assert outcome.refusal == refusal
    assert words in outcome.sentence


def test_the_first_bid_is_at_least_the_start():
    _, outcome = place(Book(50_00, END), Bid("ann", 49_99, EARLY))
    assert (outcome.accepted, outcome.sentence) == (False, "The lowest bid now is €50.00. Your bid was not placed.")


@pytest.mark.parametrize("late", [timedelta(0), timedelta(microseconds=1), timedelta(days=9)])
def test_a_bid_at_or_after_the_end_was_not_placed(late):
    book = play(Book(50_00, END), ("ann", 80))
    after, outcome = place(book, Bid("bob", 500_00, END + late))
    assert after == book
    assert outcome.refusal == "conflict"
    assert outcome.sentence == "This auction closed at 18:00:00 UTC on 20 November 2026. Your bid was not placed."


def test_the_end_is_told_in_utc_whatever_the_zone_of_the_book():
    book = Book(50_00, END.astimezone(timezone(timedelta(hours=2))))
    _, outcome = place(book, Bid("bob", 500_00, END))
    assert "18:00:00 UTC" in outcome.sentence


@pytest.mark.parametrize(
    ("before_end", "end", "extended"),
    [
        (timedelta(minutes=4), END, False),
        (timedelta(minutes=3), END, False),
        (timedelta(minutes=2, seconds=59), END + timedelta(seconds=1), True),
        (timedelta(microseconds=1), END - timedelta(microseconds=1) + SOFT_CLOSE, True),
    ],
)
def test_a_late_bid_moves_the_end_to_three_minutes_after_it(before_end, end, extended):
    book, outcome = place(Book(50_00, END), Bid("ann", 80_00, END - before_end))
    assert (book.ends_at, outcome.extended) == (end, extended)


def test_a_refused_late_bid_does_not_move_the_end():
    book, outcome = place(Book(50_00, END), Bid("ann", 1_00, END - timedelta(seconds=1)))
    assert (book.ends_at, outcome.accepted) == (END, False)


def test_bids_may_move_the_end_again_and_again():
    book, at = Book(1_00, END), END - timedelta(seconds=1)
    for n in range(1, 101):
        book, outcome = place(book, Bid("ann" if n % 2 else "bob", n * 1_000_00, at))
        assert outcome.extended
        at = book.ends_at - timedelta(seconds=1)
    assert book.ends_at > END + timedelta(hours=4)


def test_every_accepted_bid_has_the_next_sequence_number_also_when_it_does_not_lead():
    book, first = place(Book(50_00, END), Bid("ann", 80_00, EARLY))
    book, refused = place(book, Bid("bob", 1_00, EARLY))
    book, second = place(book, Bid("bob", 60_00, EARLY))
    book, third = place(book, Bid("ann", 99_00, EARLY))
    assert [first.seq, refused.seq, second.seq, third.seq] == [1, None, 2, 3]
    assert [first.result, second.result, third.result] == ["leading", "outbid", "raised"]


def test_a_book_without_a_start_or_an_aware_end_is_refused():
    with pytest.raises(ValueError, match="starts at"):
        Book(0, END)
    with pytest.raises(ValueError, match="aware"):
        Book(1, END.replace(tzinfo=None))


# The oracle: it keeps nothing but the accepted bids, and works everything out from them, slowly.


def standing(bids: list[Bid]) -> list[tuple[int, int, str]]:
    """Each bidder's highest maximum and the place at which it was first named, best first."""
    best: dict[str, tuple[int, int, str]] = {}
    for seq, bid in enumerate(bids, 1):
        if bid.bidder not in best or bid.max_minor > -best[bid.bidder][0]:
            best[bid.bidder] = (-bid.max_minor, seq, bid.bidder)
    return [(-maximum, seq, bidder) for maximum, seq, bidder in sorted(best.values())]


def steps(price: int) -> int:
    for below, step in ((100, 1), (500, 5), (1_000, 10), (2_500, 25), (5_000, 50)):
        if price < below * 100:
            return step * 100
    return 100_00


def oracle_price(start: int, reserve: int, bids: list[Bid]) -> int:
    if not bids:
        return 0
    leader_now = standing(bids)[0]
    # The leader's own raises after the last contested bid leave the price alone.
    contested = list(bids)
    while len(contested) > 1 and standing(contested[:-1])[0][2] == contested[-1].bidder:
        contested.pop()
    ranks = standing(contested)
    price = start
    if len(ranks) > 1:
        price = max(price, ranks[1][0] + steps(ranks[1][0]))
    if ranks[0][0] >= reserve:
        price = max(price, reserve)
    price = min(price, ranks[0][0])
    return max(price, reserve) if leader_now[0] >= reserve else price


def oracle_accepts(start: int, reserve: int, bids: list[Bid], bid: Bid) -> bool:
    if not bids:
        return bid.max_minor >= start
    leader = standing(bids)[0]
    if bid.bidder == leader[2]:
        return bid.max_minor > leader[0]
    price = oracle_price(start, reserve, bids)
    return bid.max_minor >= price + steps(price)


amounts = st.integers(1, 40).map(lambda n: n * 50) | st.integers(1, 700_000) | st.sampled_from([99_00, 100_00, 105_00])


@settings(max_examples=400)
@given(
    start=st.integers(1, 20_000),
    reserve=st.just(0) | st.integers(1, 400_000),
    offers=st.lists(st.tuples(st.sampled_from("abcd"), amounts, st.integers(0, 240)), max_size=25),
)
def test_the_book_agrees_with_an_oracle_that_reads_all_bids_again(start, reserve, offers):
    book, kept, at, end = Book(start, END, reserve), [], END - timedelta(minutes=20), END
    for bidder, maximum, wait in offers:
        at += timedelta(seconds=wait)
        bid, before = Bid(bidder, maximum, at), book
        book, outcome = place(book, bid)
        assert outcome.accepted == (at < end and oracle_accepts(start, reserve, kept, bid))
        if not outcome.accepted:
            assert book == before
            continue
        kept.append(bid)
        end = max(end, at + timedelta(minutes=3))
        ranks = standing(kept)
        assert (outcome.seq, book.next_seq) == (len(kept), len(kept) + 1)
        assert (book.leader, book.leader_max_minor) == (ranks[0][2], ranks[0][0])
        assert (book.second, book.second_max_minor) == ((ranks[1][2], ranks[1][0]) if len(ranks) > 1 else (None, 0))
        assert book.price_minor == outcome.price_minor == oracle_price(start, reserve, kept)
        assert book.ends_at == end
        assert before.price_minor <= book.price_minor <= book.leader_max_minor
        assert outcome.result == (
            "raised" if before.leader == bidder else "leading" if book.leader == bidder else "outbid"
        )


@given(maximum=st.integers(1, 600_000), more=st.integers(1, 600_000), reserve=st.integers(0, 800_000))
def test_raising_the_own_maximum_moves_the_price_only_to_meet_the_reserve(maximum, more, reserve):
    book, _ = place(Book(1, END, reserve), Bid("ann", maximum, EARLY))
    raised, _ = place(book, Bid("ann", maximum + more, EARLY))
    newly_met = not book.reserve_met and raised.reserve_met
    assert raised.price_minor == (reserve if newly_met else book.price_minor)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 200_000)), max_size=12))
def test_a_bid_of_the_named_minimum_is_taken_and_one_cent_less_is_not(offers):
    book = Book(10_00, END)
    for bidder, maximum in offers:
        least = minimum_next_bid(book, bidder)
        assert not place(book, Bid(bidder, least - 1, EARLY))[1].accepted
        assert place(book, Bid(bidder, least, EARLY))[1].accepted
        book, _ = place(book, Bid(bidder, maximum, EARLY))
    assert replace(book) == book


@given(
    reserve=st.just(0) | st.integers(1, 150_000),
    offers=st.lists(st.tuples(st.sampled_from("abcd"), st.integers(1, 200_000)), max_size=20),
)
def test_whoever_is_asked_second_named_that_price_and_never_pays_more_than_the_winner_would_have(reserve, offers):
    book, taken = Book(10_00, END, reserve), []
    for bidder, maximum in offers:
        book, outcome = place(book, Bid(bidder, maximum, EARLY))
        if outcome.accepted:
            taken.append((bidder, maximum))
    second = runner_up(book)
    others = [maximum for bidder, maximum in taken if bidder != book.leader]
    if second is None:
        assert not others or max(others) < reserve
        return
    assert second.bidder != book.leader
    assert second.price_minor == max(maximum for bidder, maximum in taken if bidder == second.bidder) == max(others)
    assert max(reserve, 1) <= second.price_minor <= book.price_minor <= book.leader_max_minor
