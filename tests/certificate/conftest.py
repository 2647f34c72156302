"""Hypothesis times each example; on a busy machine that says nothing about the format."""

from hypothesis import settings

settings.register_profile("steady", deadline=None)
settings.load_profile("steady")
