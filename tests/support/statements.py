"""The statements of a connection: which there were, and a database that refuses to write messages."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
from django.db import connections

from deferred_signals.outbox.models import TABLE

#: Lets the INSERT of durable messages raise an error, for the length of a block.
Refusing = Callable[[BaseException], AbstractContextManager[None]]


@contextmanager
def inserts(using: str = "default") -> Iterator[list[int]]:
    """Give a list to which each INSERT of durable messages adds the number of its rows."""
    found: list[int] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if f"INSERT INTO {TABLE}" in sql:
            found.append(len(json.loads(params[1])) if "json" in sql else sql.count("(%s"))
        return execute(sql, params, many, context)

    with connections[using].execute_wrapper(note):
        yield found


@pytest.fixture
def refusing() -> Refusing:
    """Give a block in which the INSERT of durable messages raises an error."""

    @contextmanager
    def refusing(error: BaseException) -> Iterator[None]:
        def refuse(execute: Any, sql: str, *arguments: Any) -> Any:
            if f"INSERT INTO {TABLE}" in sql:
                raise error
            return execute(sql, *arguments)

        with connections["default"].execute_wrapper(refuse):
            yield

    return refusing
