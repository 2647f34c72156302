"""Benchmarks in pairs: ours and something to compare it with, in alternation, on the same machine at the same time."""
