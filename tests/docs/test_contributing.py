"""CONTRIBUTING.md draws the house as it stands, and its list of private interfaces is the whole one."""

import re
import tomllib
from collections.abc import Iterator

import pytest

from tests.docs.test_blocks import ROOT

PACKAGE = ROOT / "deferred_signals"
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
HOPS = ["send", "encode", "defer", "publish", "claim", "resolve", "run", "settle"]


def section(title: str) -> str:
    """Return the text under a heading, its own headings included."""
    marks = "#" * next(level for level in (2, 3) if f"\n{'#' * level} {title}\n" in TEXT)
    after = TEXT.partition(f"\n{marks} {title}\n")[2]
    return re.split(rf"^#{{2,{len(marks)}}} ", after, flags=re.MULTILINE)[0]


def rows(text: str) -> list[list[str]]:
    """Return the cells of each row of the tables in a text, without their heads."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return [row for row in cells if any("`" in cell for cell in row) or row[0] in HOPS]


def names(cell: str) -> list[str]:
    """Return what stands in backticks in a cell."""
    return re.findall(r"`([^`]+)`", cell)


def layers() -> list[str]:
    """Return the layers of the import contract, the highest first."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    (found,) = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    assert isinstance(found, list)
    return found


def test_house_is_drawn_as_the_import_contract_has_it() -> None:
    drawing = section("The house").partition("```text\n")[2].partition("\n```")[0]
    assert drawing == "\n    ▼\n".join(layers())


def test_each_room_is_described_and_has_its_tests() -> None:
    rooms = sorted(
        room.strip("()")
        for layer in layers()
        for room in re.split(r" [|:] ", layer)
        if not room.startswith("(") or (PACKAGE / room.strip("()")).exists()
    )
    described = rows(section("The house").partition("\n### ")[0])
    assert sorted(name for row in described for name in names(row[0])) == rooms
    tested = rows(section("Tests"))
    assert sorted(name for row in tested for name in names(row[0])) == rooms
    folders = [name for row in tested for name in names(row[1])]
    assert [name for name in folders if not (ROOT / name).is_dir()] == []


def test_each_hop_begins_in_a_file_that_has_it() -> None:
    table = rows(section("Where each hop begins"))
    assert [hop for hop, *_ in table] == HOPS
    for _, file, begins in table:
        source = (ROOT / names(file)[0]).read_text(encoding="utf-8")
        for name in names(begins)[0].split("."):
            assert re.search(rf"^\s*(async def|def|class) {name}\b", source, re.MULTILINE), name


def uses() -> Iterator[tuple[str, list[str], list[str]]]:
    """Give each row of the list of private interfaces: what, the files, and the tests."""
    for what, where, _why, pins in rows(section("Private interfaces of others")):
        file = ""
        tests = []
        for name in names(pins):
            path, _, test = name.partition("::")
            file = path or file
            tests.append(f"{file}::{test}")
        yield what, names(where), tests


def has_test(test: str) -> bool:
    """Return whether a fast test is there."""
    name, _, function = test.partition("::")
    path = ROOT / name
    if not path.is_file() or name.startswith("tests/integration"):
        return False
    return bool(re.search(rf"^def {function}\(", path.read_text(encoding="utf-8"), re.MULTILINE))


def test_each_private_interface_is_used_where_it_is_said_and_pinned() -> None:
    table = [*uses()]
    assert len(table) > 40
    assert all(files and tests for _, files, tests in table)
    wrong = [
        *(file for _, files, _ in table for file in files if not (PACKAGE / file).is_file()),
        *(test for _, _, tests in table for test in tests if not has_test(test)),
    ]
    assert wrong == []


def test_each_ignore_of_a_private_member_is_in_the_list() -> None:
    ignoring = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if "SLF001" in line and "of its own class" not in line
    }
    assert ignoring <= {file for _, files, _ in uses() for file in files}


@pytest.mark.parametrize("attribute", ["run_on_commit", "savepoint_ids", "atomic_blocks"])
def test_each_file_that_reads_a_transaction_is_in_the_list(attribute: str) -> None:
    users = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if f"connection.{attribute}" in path.read_text(encoding="utf-8")
    }
    listed = {file for what, files, _ in uses() if attribute in what for file in files}
    assert users <= listed
