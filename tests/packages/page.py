"""The Python blocks of `docs/other-packages.md`."""

import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "other-packages.md"


def block(path: str) -> str:
    """Return the one block that is a file of this path."""
    text = PAGE.read_text(encoding="utf-8")
    (found,) = re.findall(
        rf"^```python\n(# {re.escape(path)}\n.*?)^```", text, re.MULTILINE | re.DOTALL
    )
    return str(found)
