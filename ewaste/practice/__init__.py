"""Practice money: a payment provider for training, in a program of its own.

It answers the part of Stripe's HTTP interface that the marketplace uses, over loopback, so that the
real Stripe SDK can be pointed at it. No money moves, ever: every object says `livemode: false`, every
page says PRACTICE MONEY, and live keys are refused. It keeps its books in its own SQLite file, imports
nothing of the marketplace, and the marketplace imports nothing of it. `docs/practice-money.md` says
where it differs from Stripe.
"""
