"""`Delivered`: a message on the broker as a worker's parent has it, whose child dies or overruns its time."""

from typing import Any

from billiard.einfo import ExceptionInfo

from deferred_signals.worker import entry as worker  # noqa: F401 - as a worker does when it starts
from deferred_signals.worker.parent import ReceiverRequest
from tests.project.celery import app
from tests.support.celery_messages import CeleryMessage, take_celery_messages


class Delivered:
    """The next message on the broker, as a worker's parent has it."""

    def __init__(self) -> None:
        with app.connection_for_read() as opened:
            channel: Any = opened.default_channel
            message = channel.basic_get("celery", no_ack=True)
        self.answers: list[str] = []
        self.request = ReceiverRequest(
            message,
            app=app,
            on_ack=lambda *args: self.answers.append("acknowledged"),
            on_reject=lambda *args: self.answers.append("rejected"),
        )

    def end_by(self, error: BaseException, *, told_by_the_child: bool = False) -> None:
        """Tell the parent what ended the run: the end of the child, or an exception that it tells of."""
        try:
            raise error
        except BaseException:  # noqa: BLE001 - as billiard does
            info = ExceptionInfo()
        self.request.on_failure(info, return_ok=told_by_the_child)

    def lose_its_child(self) -> CeleryMessage:
        """Overrun the hard time limit. Return what that published."""
        self.request.on_timeout(soft=False, timeout=1)
        (celery_message,) = take_celery_messages()
        assert self.answers == ["acknowledged"]
        return celery_message
