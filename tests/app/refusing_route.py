"""A route of the project's that refuses the tasks of one receiver, which `REFUSED` names.

This module is one of `TESTS_APP_MODULES`.
"""

import os
from typing import Any

from tests.project.celery import app


def connect() -> None:
    """Route from now on."""
    app.conf.task_routes = (route,)


def route(name: str, *args: Any, **kwargs: Any) -> None:
    """Leave all tasks their usual route, but one."""
    if name == os.environ["REFUSED"]:
        raise LookupError("this tenant has no queue")
