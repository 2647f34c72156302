"""The wipe agent: erases storage media, checks the result, and certifies what it saw."""

__version__ = "0.1.0"
