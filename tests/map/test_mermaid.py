"""The map is a flowchart that Mermaid takes, whatever names there are."""

import re

import pytest

from deferred_signals.map import Callback
from deferred_signals.map.mermaid import as_mermaid

from .made import deferred, made, signal, sync

DRAWN = """\
flowchart LR
  s1(["shop.signals.placed"])
  s2(["shop.signals.refused"])
  s3(["shop.signals.sent"])
  subgraph q1 ["in the sender#39;s process"]
    r1["shop.log"]
  end
  subgraph q2 ["queue by shop.lane"]
    r2["shop.mail<br>3 attempts"]
  end
  subgraph q3 ["queue celery"]
    r3["shop.log<br>3 attempts"]
    r4["shop.pack<br>3 attempts"]
  end
  s1 ==>|"shop.Item, shop.Order"| r4
  s1 --> r1
  s3 -.->|"shop.Order"| r3
  s3 -.-> r2"""

#: A line of the diagram, as the grammar of Mermaid's flowcharts has it; a label holds no quote, no
#: backtick, and nothing that could be HTML or Markdown, except a line break.
LABEL = r'"(?:[^"<>&`*\\{}|;#]|#\d+;|<br>)*"'
LINE = re.compile(
    rf"flowchart LR"
    rf"|  s\d+\(\[{LABEL}\]\)"
    rf"|  subgraph q\d+ \[{LABEL}\]"
    rf"|    r\d+\[{LABEL}\]"
    rf"|  end"
    rf"|  s\d+ (?:-->|-\.->|==>)(?:\|{LABEL}\|)? r\d+"
)


def test_connections_are_arrows_and_queues_are_frames() -> None:
    found = made(
        signal(
            "shop.signals.placed",
            deferred("shop.pack", "shop.Item", durable=True),
            deferred("shop.pack", "shop.Order", durable=True),
            sync("shop.log"),
        ),
        signal("shop.signals.refused"),
        signal("django.signals.odd"),
        signal(
            "shop.signals.sent",
            deferred("shop.log", "shop.Order"),
            deferred("shop.mail", queue=Callback("shop.lane")),
        ),
    )
    assert as_mermaid(found) == DRAWN


ODD = [
    "<lambda>",
    '"quoted"',
    "`**bold**`",
    "a;b|c{d}[e](f)",
    "__init__._private_",
    "#35;&lt;",
    "end",
    "line\nbreak",
    "naïve \U0001f600",
    "\\",
]


@pytest.mark.parametrize("name", ODD)
def test_names_are_escaped(name: str) -> None:
    found = made(signal(name, sync(name, name), deferred(name, name, queue=name, policy=name)))
    drawn = as_mermaid(found)
    assert all(LINE.fullmatch(line) for line in drawn.split("\n")), drawn
    (label,) = re.findall(rf"s1\(\[({LABEL})\]\)", drawn)
    unescaped = re.sub(r"#(\d+);", lambda code: chr(int(code[1])), label[1:-1])
    assert unescaped == name


def test_underscore_inside_of_a_word_stays_as_it_is() -> None:
    assert '"shop.order_placed"' in as_mermaid(made(signal("shop.order_placed", sync("x"))))
