"""System checks: they tell what is wrong with the settings, Celery or a receiver, and the remedy.

Importing this package registers them. Their modules are imported when they are first run.

| module | checks |
|---|---|
| `settings` | deferred_signals.E001 (a wrong setting), deferred_signals.E002 (an unknown policy), deferred_signals.W004 (eager mode in a deployment) |
| `brokers` | deferred_signals.E005 (Celery's settings cannot be read), deferred_signals.W001 (no Celery app, or the wrong one), deferred_signals.W002 (pickle), deferred_signals.W008 (no socket timeouts), deferred_signals.W012 (a Redis that evicts keys) |
| `limits` | deferred_signals.W003 (runs that exceed the broker's time limit) |
| `queues` | deferred_signals.E004 and deferred_signals.W011 (undeclared queues), deferred_signals.I001 (queues that workers must be started with) |
| `senders` | deferred_signals.E003 (a model that does not exist), deferred_signals.W006 (every model) |
| `foreign` | deferred_signals.E013 (an entry of DEFER that matches nothing), deferred_signals.E014 (one that cannot be deferred) |
| `sources` | deferred_signals.W007 (a return value); and what `attributes` and `writes` find in a receiver's source |
| `attributes` | deferred_signals.W005 (attributes that do not travel) |
| `writes` | deferred_signals.W009 (writes that are lost), deferred_signals.W010 (an instance saved whole) |
| `rows` | deferred_signals.W014 (fields of deleted rows that stay behind) |
| `durable` | deferred_signals.E006 (durable without the outbox's app), deferred_signals.E007 (atomic and not durable) |
| `deferred_signals.outbox.checks` | more about durable delivery, where its app is installed |
| `deferred_signals.worker.installed` | deferred_signals.W013 (not in INSTALLED_APPS) |

`common` is what all of them share. `classes` tells of which class a kwarg is, and what it has.
"""

from __future__ import annotations

from typing import Any

from django.core import checks

__all__: list[str] = []


@checks.register("deferred_signals")
def check(**_kwargs: Any) -> list[checks.CheckMessage]:
    """Run the checks that `manage.py check` runs."""
    return _run(deploy=False)


@checks.register("deferred_signals", deploy=True)
def check_deployment(**_kwargs: Any) -> list[checks.CheckMessage]:
    """Run the checks that only ``manage.py check --deploy`` runs."""
    return _run(deploy=True)


def _run(*, deploy: bool) -> list[checks.CheckMessage]:
    # Most processes run no checks, and need not import them.
    from deferred_signals.checks import (  # noqa: F401, PLC0415 - registers them; see above
        brokers,
        durable,
        foreign,
        limits,
        queues,
        rows,
        senders,
        settings,
        sources,
    )
    from deferred_signals.checks.common import checks_of  # noqa: PLC0415 - see above

    return [message for check in checks_of(deploy=deploy) for message in check()]
