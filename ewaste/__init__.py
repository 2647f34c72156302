"""The marketplace: from a quote to a next life, with proof that the data is gone."""

__version__ = "0.1.0"
