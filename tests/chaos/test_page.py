"""The page of faults says what was counted: what is equal is one row, and what failed comes first."""

from typing import Any

from .page import Ending, page


def line(receiver: str = "plain", database: str = "PostgreSQL", **changes: Any) -> dict[str, Any]:
    return {
        "place": ["tests/integration/test_x.py", 7, 1],
        "fault": "a child is killed",
        "receiver": receiver,
        "database": database,
        "broker": "Redis",
        "pool": "solo",
        "sent": 20,
        "lost": 0,
        "repeated": 0,
        "dead": 0,
        "seconds": 4.2,
        **changes,
    }


def rows(*lines: dict[str, Any]) -> list[str]:
    """Return the rows of the table, without its head."""
    found = [row for row in page(lines, "here").splitlines() if row.startswith("| ")]
    return found[2:]


def test_equal_counts_of_all_services_and_receivers_are_one_row() -> None:
    lines = [
        line(receiver, database, broker=broker, seconds=seconds)
        for receiver in ("plain", "atomic")
        for database in ("SQLite", "MariaDB", "PostgreSQL")
        for broker, seconds in (("RabbitMQ", 9.0), ("Redis", 4.2))
    ]
    where = "PostgreSQL, MariaDB, SQLite | Redis, RabbitMQ"
    assert rows(*lines) == [
        f"| a child is killed | plain, atomic | {where} | solo | 20 | 0 | 0 | 0 | 4 to 9 |"
    ]


def test_other_counts_are_another_row() -> None:
    assert rows(line(), line(database="MariaDB", repeated=1), line(database="SQLite")) == [
        "| a child is killed | plain | PostgreSQL, SQLite | Redis | solo | 20 | 0 | 0 | 0 | 4 |",
        "| a child is killed | plain | MariaDB | Redis | solo | 20 | 0 | 1 | 0 | 4 |",
    ]


def test_databases_that_were_tried_with_other_brokers_are_another_row() -> None:
    assert rows(line(), line(broker="RabbitMQ"), line(database="SQLite")) == [
        "| a child is killed | plain | PostgreSQL | Redis, RabbitMQ | solo | 20 | 0 | 0 | 0 | 4 |",
        "| a child is killed | plain | SQLite | Redis | solo | 20 | 0 | 0 | 0 | 4 |",
    ]


def test_rows_are_in_the_order_of_the_tests() -> None:
    later = line(fault="another", place=["tests/integration/test_x.py", 70, 1])
    assert [row.split(" | ")[0] for row in rows(later, line())] == [
        "| a child is killed",
        "| another",
    ]


def test_what_failed_comes_before_all_counts_and_what_was_skipped_last() -> None:
    text = page(
        [line()],
        "here",
        [Ending("test_nothing_is_lost[redis]", "MariaDB", "assert 1 == 0")],
        [Ending("test_cut_is_harmless", "SQLite", "SQLite has no connections to cut.")],
    )
    failed = "* nothing is lost (redis), on MariaDB: assert 1 == 0"
    skipped = "* cut is harmless, on SQLite: SQLite has no connections to cut."
    assert -1 < text.index(failed) < text.index("a child is killed") < text.index(skipped)


def test_soak_tells_what_is_missing_and_why() -> None:
    soak = {
        "soak": "all",
        "broker": "Redis",
        "database": "PostgreSQL",
        "seed": 7,
        "seconds": 20.0,
        "done": {"kill_child": 2, "kill_broker": 1},
        "undone": 5,
        "fates": {
            "plain": {"ran": 9, "dead": 1, "repeated": 2},
            "committed": {"ran": 6, "reported": 1, "Redis was killed": 3, "repeated": 0},
        },
    }
    text = page([soak], "here")
    assert "20 s, seed 7. Done: kill child 2, kill broker 1." in text
    assert "| committed | 10 | 6 | 0 | 0 | 1 | 3 | 0 |" in text
    assert "| plain | 10 | 9 | 2 | 1 | 0 | 0 | 0 |" in text
    assert "* 3 missing: Redis was killed" in text
