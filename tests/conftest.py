"""The fixtures that several folders of tests use; each module of `tests.support` says what for.

A fixture of one folder stands in that folder's own `conftest.py`.
"""

from tests.project.celery import app
from tests.support.acting import chunked
from tests.support.broker import broker
from tests.support.by_settings import by_settings
from tests.support.celery_apps import broker_away, make_current
from tests.support.celery_messages import send_together
from tests.support.connected import defer, only_own_receivers, signal
from tests.support.followed_models import followed_tables
from tests.support.lifecycle import lifecycle
from tests.support.messages import make_message
from tests.support.numbers import numbers
from tests.support.recorder import got
from tests.support.settings import configure, eager, outside_of_tests
from tests.support.statements import refusing
from tests.support.without_outbox import no_rows, no_store, store

__all__ = [
    "broker",
    "broker_away",
    "by_settings",
    "chunked",
    "configure",
    "defer",
    "eager",
    "followed_tables",
    "got",
    "lifecycle",
    "make_current",
    "make_message",
    "no_rows",
    "no_store",
    "numbers",
    "only_own_receivers",
    "outside_of_tests",
    "refusing",
    "send_together",
    "signal",
    "store",
]


def pytest_collection_finish() -> None:
    """Make the project's app Celery's current one again: a test's module may have imported another, like the demo's."""
    app.set_current()


# Programs, which make settings of their own.
collect_ignore = ["support/kept_program.py", "support/scenario_program.py"]
