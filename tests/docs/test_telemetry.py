"""The page of telemetry lists what is measured, and the alerts."""

import re

from deferred_signals.contrib.measures import MEASURES
from tests.docs.consoles import text_of
from tests.docs.tables import rows
from tests.docs.test_telemetry_queries import RULES

PAGE = text_of("telemetry.md")


def section(title: str) -> str:
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_every_measure_is_on_the_page() -> None:
    assert [cells for cells in rows(section("Metrics")) if len(cells) == 4] == [
        [
            f"`{one.dotted}`",
            f"`{one.snake}{'_total' if one.kind == 'counter' else ''}`",
            ", ".join(f"`{label}`" for label in one.labels),
            one.description,
        ]
        for one in MEASURES
    ]


def test_values_of_all_labels_are_on_the_page() -> None:
    told = {
        re.findall(r"`(\w+)`", cells[0])[0] for cells in rows(section("Metrics")) if len(cells) == 2
    }
    assert told == {label for one in MEASURES for label in one.labels}


def test_every_alert_is_on_the_page_with_its_promise() -> None:
    assert rows(section("Dashboard and alerts")) == [
        [f"`{rule['alert']}`", rule["labels"]["severity"], rule["annotations"]["promise"]]
        for rule in RULES
    ]
