"""The index lists each page once: the site's navigation and its `llms.txt` are made of it."""

import re

from tests.docs.consoles import text_of
from tests.docs.test_blocks import ROOT

DOCS = ROOT / "docs"


def test_index_lists_each_page_once() -> None:
    listed = re.findall(r"^\* \[[^\]]+\]\(([\w.-]+)\): \S", text_of("index.md"), re.MULTILINE)
    pages = {path.name for path in DOCS.iterdir() if path.suffix in {".md", ".rst"}}
    assert sorted(listed) == sorted(pages - {"index.md"})


def test_each_page_has_one_title_which_comes_first() -> None:
    for path in DOCS.glob("*.md"):
        text = re.sub(
            r"^```.*?^```|^<!--.*?-->",
            "",
            path.read_text(encoding="utf-8"),
            flags=re.MULTILINE | re.DOTALL,
        )
        assert text.startswith("# "), path.name
        assert len(re.findall(r"^# ", text, re.MULTILINE)) == 1, path.name


def test_each_row_of_a_table_has_as_many_cells_as_its_head() -> None:
    wrong = []
    for path in [ROOT / "README.md", *DOCS.glob("*.md")]:
        text = re.sub(
            r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
        )
        for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
            counts = {len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}
            if len(counts) > 1:
                wrong.append(f"{path.name}: {table[:60]}")
    assert wrong == []
