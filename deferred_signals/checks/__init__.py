"""System checks: what is wrong with the settings, Celery or a receiver, and how to mend it.

They are registered by importing this, and are themselves imported when they are first run.

* `settings`: deferred_signals.E001 (a wrong setting), deferred_signals.E002 (an unknown policy),
  deferred_signals.W004 (eager mode in a deployment)
* `brokers`: deferred_signals.E005 (Celery's settings cannot be read), deferred_signals.W001 (no
  Celery app, or another one), deferred_signals.W002 (pickle), deferred_signals.W008 (no socket
  timeouts), deferred_signals.W012 (a Redis that evicts)
* `limits`: deferred_signals.W003 (runs that are longer than the broker's patience)
* `queues`: deferred_signals.E004, deferred_signals.W011 (queues that nobody declared),
  deferred_signals.I001 (queues that workers have to be told of)
* `senders`: deferred_signals.E003 (a model that is not there), deferred_signals.W006 (every model)
* `sources`: deferred_signals.W005 (attributes that do not travel), deferred_signals.W007 (a result),
  deferred_signals.W009 (writes in vain), deferred_signals.W010 (an instance saved whole)
* `rows`: deferred_signals.W014 (fields of deleted rows that stay behind)
* `deferred_signals.worker.installed`: deferred_signals.W013 (not in INSTALLED_APPS)
"""

from __future__ import annotations

from typing import Any

from django.core import checks

__all__: list[str] = []


@checks.register("deferred_signals")
def check(**_kwargs: Any) -> list[checks.CheckMessage]:
    """Run all checks, but those of deployments."""
    return _run(deploy=False)


@checks.register("deferred_signals", deploy=True)
def check_deployment(**_kwargs: Any) -> list[checks.CheckMessage]:
    """Run the checks of deployments."""
    return _run(deploy=True)


def _run(*, deploy: bool) -> list[checks.CheckMessage]:
    # Most processes check nothing, and should not pay for these when they start.
    from deferred_signals.checks import (  # noqa: F401, PLC0415 - registers them; see above
        brokers,
        limits,
        queues,
        rows,
        senders,
        settings,
        sources,
    )
    from deferred_signals.checks.common import checks_of  # noqa: PLC0415 - see above

    return [message for check in checks_of(deploy=deploy) for message in check()]
