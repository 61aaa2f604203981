"""Elastic's agent, whose Django app instruments Celery too."""

from typing import Any

from django.conf import settings
from elasticapm.traces import execution_context
from elasticapm.transport.base import Transport

kept: list[Any] = []


class Keeping(Transport):  # type: ignore[misc]
    """Keep transactions and spans instead of sending them."""

    def queue(self, event_type: str, data: Any, *args: Any, **options: Any) -> None:
        if event_type in {"transaction", "span"}:
            kept.append(data)
        elif event_type == "close":
            super().queue(event_type, data, *args, **options)


def set_up() -> None:
    """Configure the agent as in a project's settings; its app sets up the rest."""
    settings.INSTALLED_APPS.append("elasticapm.contrib.django")
    settings.ELASTIC_APM = {
        "CENTRAL_CONFIG": False,
        "SERVICE_NAME": "shop",
        "TRANSPORT_CLASS": f"{__name__}.Keeping",
    }


def current() -> tuple[str, str] | None:
    transaction = execution_context.get_transaction()
    return (transaction.trace_parent.trace_id, transaction.id) if transaction else None


def parents() -> dict[str, str | None]:
    return {item["id"]: item.get("parent_id") for item in kept}
