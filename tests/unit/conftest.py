"""Fixtures of the unit tests."""

from .made import make

__all__ = ["make"]
