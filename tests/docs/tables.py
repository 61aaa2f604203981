"""Read the tables of a page."""

import re

__all__ = ["first_cells", "rows"]


def rows(text: str) -> list[list[str]]:
    """Return the cells of all rows of the tables in a text, but those of their heads."""
    lines = re.findall(r"^\| (.*) \|$", text, re.MULTILINE)
    heads = set(re.findall(r"^\| (.*) \|\n\|(?:-+\|)+$", text, re.MULTILINE))
    return [line.split(" | ") for line in lines if line not in heads]


def first_cells(text: str) -> set[str]:
    """Return the names in the first cells of a text's tables."""
    return {name for cell, *_ in rows(text) for name in re.findall(r"`([\w.]+)`", cell)}
