"""Emulated machines with real command sets: the agent works inside them, and is judged outside."""
