"""Selling what was cleared: lots, auctions, orders.

The rules of an auction are in `auctions`, pure. A bid that was acknowledged keeps its sequence number for ever.
"""
