"""Buying from people: what a device is worth, why, and for how long we stand by it.

The price is a public formula (`pricing`), with a published table of numbers beside it. A quote keeps the inputs
it was made from, so it can be worked out again, line by line, by anybody.
"""
