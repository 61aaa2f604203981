"""What handlers of lifecycle signals use, as type checkers see it: never run by pytest."""

from typing import Any, assert_type

from deferred_signals import Deferred, decoded, receiver, send_again
from deferred_signals.context import Carrier
from deferred_signals.events import publish_failed, receiver_failed
from deferred_signals.message import Message


def only_for_type_checkers() -> None:
    """Show code to type checkers; nobody calls it."""

    @receiver(publish_failed)
    def keep(messages: tuple[Message, ...], exception: BaseException, **kwargs: Any) -> None:
        for message in messages:
            assert_type(message.describe(), str)
            assert_type(decoded(message), dict[str, Any])
            assert_type(send_again(message), Deferred)

    @receiver(receiver_failed)
    def tell(message: Message | None, **kwargs: Any) -> None:
        send_again(message)  # type: ignore[arg-type]

    class Tenant(Carrier):
        key = "tenant"
        required = True

    class Loose(Carrier):
        required = "yes"  # type: ignore[assignment]
