"""Payments: money written down, money moved, and the two compared.

The domain promises that nobody is paid twice and that every currency of the ledger sums to zero.

- `gateway` is the port: what the marketplace needs of a payment provider, in its own words.
- `stripe_gateway` is the one adapter, over the real Stripe SDK. In training it talks to the practice
  provider (`docs/practice-money.md`), in live operation to Stripe; the code is the same.

An instruction is committed before the provider is asked, and its id is the idempotency key for ever. The
provider is asked by the worker, outside any transaction. An event of the provider is only a hint: its id is
stored with its effect, and the effect comes from re-reading the object.
"""
