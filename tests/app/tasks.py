"""Plain Celery tasks, for tests of the harness itself, without the library."""

from celery import shared_task

from .models import Run


@shared_task
def leave_a_row(number: int) -> None:
    """Run once."""
    Run.log("leave_a_row", number=number)
