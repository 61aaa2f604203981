"""Collects these tests only where `TRACER` names a tracer, as its patches would affect other tests."""

import os

collect_ignore_glob = ["[!t]*.py"] if os.environ.get("TRACER") else ["*.py"]
