"""`make chaos`: do to real processes all that the tests of faults do, in full, and write docs/faults.md.

`SOAK` is for how many seconds the soaks last together, `SEED` repeats what one has drawn. `QUICK=1` does
little of each, and writes its page into `var`. `ONLY=MariaDB,soaks` does these parts anew, and `AGAIN=1` only those
tests of them that failed; the page has what the others came to when they were done last. What fails is on the page,
too, and ends this with 1.
"""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import pymysql

from benchmarks.machine import machine
from tests.support.services import MARIADB, POSTGRES

from .page import Ending, page

ROOT = Path(__file__).parents[2]
#: Short counts are kept apart: the page of the full ones must not have them.
FOLDER = ROOT / "var" / ("chaos_quick" if os.environ.get("QUICK") else "chaos")

#: How a report of pytest's tells that a test did not succeed.
FAILED = ("failure", "error")

DATABASES = {"PostgreSQL": POSTGRES.url, "MariaDB": MARIADB.url, "SQLite": ""}

#: What each run of pytest is asked for, and the database that it has.
RUNS = {
    **{name: (name, ["tests/integration", "-m", "faults", "-n", "2"]) for name in DATABASES},
    "soaks": ("PostgreSQL", ["tests/integration/test_soak.py", "-n", "0"]),
}


def main() -> int:
    """Run everything, and write the page."""
    is_full = not os.environ.get("QUICK")
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in _wanted():
        _run(name, is_full=is_full)
    where = f"{datetime.now(UTC):%Y-%m-%d}, {machine()} {_other_databases()}"
    lines: list[dict[str, Any]] = []
    failures: list[Ending] = []
    skips: list[Ending] = []
    for name, (database, _arguments) in RUNS.items():
        if not _report_of(name).exists():  # pytest writes it at its end
            failures.append(
                Ending("test_all_parts_are_done", name, "it was not done, or not to its end")
            )
            continue
        lines += map(json.loads, _lines_of(name).read_text(encoding="utf-8").splitlines())
        failures += _endings(_report_of(name), database, *FAILED)
        skips += _endings(_report_of(name), database, "skipped")
    found = (ROOT / "docs" if is_full else FOLDER) / "faults.md"
    found.write_text(page(lines, where, failures, skips, is_full=is_full), encoding="utf-8")
    print(f"{len(lines)} counts, {len(failures)} failures: {found}")  # noqa: T201 - for who waits
    return bool(failures)


def _wanted() -> list[str]:
    """Return the names of the parts to run.

    Raises:
        SystemExit: there is no such part.
    """
    only = [name for name in os.environ.get("ONLY", "").split(",") if name]
    if unknown := set(only) - set(RUNS):
        raise SystemExit(f"ONLY has {', '.join(sorted(unknown))}; there are {', '.join(RUNS)}.")
    return only or [*RUNS]


class Rest(NamedTuple):
    """What is left to do of a part that was done before.

    Attributes:
        tests: those that failed, as pytest calls them.
        lines: what the others have counted.
        kept: what the others came to.
    """

    tests: list[str]
    lines: list[str]
    kept: list[ET.Element]

    def add_to(self, report: Path) -> None:
        """Add what is kept to the report of what was left to do."""
        suite = ET.Element("testsuite")
        suite.extend([*_cases(report), *self.kept])
        ET.ElementTree(suite).write(report)


def rest_of(name: str) -> Rest | None:
    """Return what is left to do of a part; None: all of it."""
    report = _report_of(name)
    if not os.environ.get("AGAIN") or not report.exists():
        return None
    failed: list[ET.Element] = []
    kept: list[ET.Element] = []
    for case in _cases(report):
        (failed if any(case.find(kind) is not None for kind in FAILED) else kept).append(case)
    if not all(case.get("classname") for case in failed):  # pytest itself has failed
        return None
    names = {case.get("name") for case in failed}
    lines = _lines_of(name).read_text(encoding="utf-8").splitlines(keepends=True)
    return Rest(
        [
            f"{case.get('classname', '').replace('.', '/')}.py::{case.get('name')}"
            for case in failed
        ],
        [line for line in lines if json.loads(line).get("test") not in names],
        kept,
    )


def _run(name: str, *, is_full: bool) -> None:
    """Do one part, or what is left of it, and keep what it came to."""
    database, arguments = RUNS[name]
    report, rest = _report_of(name), rest_of(name)
    if rest is not None:
        if not rest.tests:
            return
        arguments = [*rest.tests, *arguments[arguments.index("-n") :]]
    report.unlink(missing_ok=True)
    _lines_of(name).write_text("".join(rest.lines if rest else ()), encoding="utf-8")
    code = _pytest(name, database, arguments, is_full=is_full)
    if code and not [*_endings(report, database, *FAILED)]:
        case = ET.Element("testcase", name="test_pytest_ends")
        ET.SubElement(case, "failure", message=f"its exit code was {code}")
        ET.ElementTree(case).write(report)
    elif rest is not None:
        rest.add_to(report)


def _cases(report: Path) -> list[ET.Element]:
    return [*ET.parse(report).iter("testcase")]  # noqa: S314 - pytest has written it


def _lines_of(name: str) -> Path:
    return FOLDER / f"{name}.lines"


def _report_of(name: str) -> Path:
    return FOLDER / f"{name}.xml"


def _pytest(name: str, database: str, arguments: list[str], *, is_full: bool) -> int:
    full = {"CHAOS": "1", "SOAK": os.environ.get("SOAK") or "600"} if is_full else {}
    variables = {**full, "DATABASE_URL": DATABASES[database], "FAULTS": str(_lines_of(name))}
    return subprocess.run(
        [sys.executable, "-m", "pytest", *arguments, f"--junitxml={_report_of(name)}"],
        cwd=ROOT,
        env={**os.environ, **variables},
        check=False,
    ).returncode


def _endings(report: Path, database: str, *kinds: str) -> Iterator[Ending]:
    """Give the tests of a report of pytest's that ended so."""
    if not report.exists():
        return
    for case in _cases(report):
        for kind in kinds:
            for found in case.findall(kind):
                why = (found.get("message") or "").strip().partition("\n")[0]
                yield Ending(case.get("name") or "", database, why)


def _other_databases() -> str:
    parts = urlsplit(MARIADB.url)
    with pymysql.connect(
        host=parts.hostname,
        port=parts.port or 3306,
        user=parts.username,
        password=parts.password or "",
    ) as connection:
        found = connection.get_server_info()  # type: ignore[no-untyped-call]  # its stubs lack it
    return f"MariaDB {found}, SQLite {sqlite3.sqlite_version}."


if __name__ == "__main__":
    sys.exit(main())
