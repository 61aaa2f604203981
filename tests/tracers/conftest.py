"""Only where `TRACER` names one: the programs import it, and its patches would reach other tests."""

import os

collect_ignore_glob = ["[!t]*.py"] if os.environ.get("TRACER") else ["*.py"]
