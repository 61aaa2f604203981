"""Collects these tests only where `TRACER` names a tracer, as its patches would affect other tests."""

import os
from pathlib import Path

from tests.support.own_redis import broker_url

__all__ = ["broker_url"]

collect_ignore_glob = ["[!t]*.py"] if os.environ.get("TRACER") else ["*.py"]

#: The checkout, where programs are started.
ROOT = Path(__file__).resolve().parents[2]
