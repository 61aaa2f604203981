"""Plain Celery tasks: they prove the harness itself, with none of the library in between."""

from celery import shared_task

from .models import Run


@shared_task
def leave_a_row(number: int) -> None:
    """Run once."""
    Run.log("leave_a_row", number=number)
