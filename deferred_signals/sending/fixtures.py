"""Recognize the signals that `loaddata` sends while it loads fixtures.

The signals of models say so by ``raw``; ``m2m_changed`` does since Django 6.1. Before, its caller
is looked for on the stack: a `DeserializedObject` that saves the instance.
"""

from __future__ import annotations

import inspect
from typing import Any

import django
from django.core.serializers.base import DeserializedObject
from django.db.models.signals import m2m_changed

__all__ = ["is_from_fixture"]


def is_from_fixture(signal: Any, kwargs: dict[str, Any]) -> bool:
    """Return whether a signal of a model is sent while the model's instance is loaded from a fixture."""
    if "raw" in kwargs or signal is not m2m_changed or django.VERSION >= (6, 1):
        return bool(kwargs.get("raw"))
    frame = inspect.currentframe()
    while frame is not None:
        if frame.f_code is _SAVE and frame.f_locals["self"].object is kwargs.get("instance"):
            return True
        frame = frame.f_back
    return False


_SAVE = DeserializedObject.save.__code__
