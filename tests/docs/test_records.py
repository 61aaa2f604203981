"""Each record of the log has the fields that the page of monitoring lists."""

import ast
import re
from collections.abc import Iterator

from deferred_signals.support.records import KEYS
from tests.docs.consoles import text_of
from tests.docs.tables import rows
from tests.docs.test_blocks import ROOT

FIELDS = text_of("monitoring.md").partition("\n### Fields of a record\n")[2].partition("\n## ")[0]
LEVELS = {"debug", "info", "warning", "error", "exception", "critical", "log"}


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Give each call of the package that makes a record, and where it is."""
    for path in sorted((ROOT / "deferred_signals").rglob("*.py")):
        if path.name == "telling.py":  # it passes on what it is given
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                callee = ast.unparse(node.func)
                if callee == "log" or re.fullmatch(rf"logger\.({'|'.join(LEVELS)})", callee):
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def extra_of(call: ast.Call) -> str:
    """Return the code of the fields of a record; empty if it has none."""
    return "".join(ast.unparse(one.value) for one in call.keywords if one.arg == "extra")


def test_every_record_has_fields() -> None:
    found = {where: extra_of(call) for where, call in calls()}
    assert len(found) > 20
    assert [where for where, extra in found.items() if "about(" not in extra] == []


def test_words_of_the_events_are_those_of_the_page() -> None:
    sources = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "deferred_signals").rglob("*.py")
    )
    used = set(re.findall(r"\babout\(\s*\"(\w+)\"", sources))
    used |= set(re.findall(r"_log\(\s*logging\.\w+,\s*message,\s*\"(\w+)\"", sources))
    used |= {"spilled", "lost"}  # one call has both
    documented = {cells[0].strip("`") for cells in rows(FIELDS) if len(cells) == 3}
    assert used == documented - set(KEYS)


def test_fields_are_those_of_the_page() -> None:
    assert [cells[0].strip("`") for cells in rows(FIELDS)][: len(KEYS)] == list(KEYS)
