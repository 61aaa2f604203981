"""`strict=True`: a process that is set up like a worker says whether it could run each message."""

from tests.testing.conftest import Project

TESTS = """
from django.dispatch import Signal
from deferred_signals import receiver
from deferred_signals.testing import SenderNotLoadedWarning, inline, manual

pytestmark = pytest.mark.django_db

@pytest.mark.parametrize("mode", [inline, manual])
def test_receiver_of_the_project_can_be_run(mode):
    with mode(strict=True):
        order_placed.send(None, order_id=1)
        order_placed.send("shop", order_id=2)

@pytest.mark.parametrize("mode", [inline, manual])
def test_receiver_of_a_test_is_not_known(mode):
    signal = Signal()
    with pytest.raises(AssertionError, match="called 'test.local' in this process"):
        with mode(strict=True):
            @receiver(signal, deferred=True, name="test.local")
            def local(sender, **kwargs): ...

            signal.send(None)

def test_receiver_of_a_module_that_no_worker_loads_is_not_known():
    from shop.views import signal
    with pytest.raises(AssertionError, match="shop.views.thank: No deferred receiver is called"):
        with manual(strict=True):
            signal.send(None)

def test_type_that_only_this_process_knows_cannot_be_decoded():
    from shop.money import Money
    with pytest.raises(AssertionError, match=r"charge: order_id cannot be decoded: NotKnownHere"):
        with manual(strict=True):
            order_placed.send(None, order_id=Money(250))

def test_sender_that_no_worker_loads_is_told():
    from shop.views import Checkout
    with pytest.warns(SenderNotLoadedWarning, match="'shop.views.Checkout'"):
        with manual(strict=True):
            order_placed.send(Checkout, order_id=1)

def test_failure_of_the_test_itself_is_not_hidden():
    from shop.money import Money
    with pytest.raises(ZeroDivisionError), manual(strict=True):
        order_placed.send(None, order_id=Money(250))
        raise ZeroDivisionError

@pytest.mark.deferred_signals(strict=True, leaks="off")
def test_signed_message_is_understood(settings):
    settings.DEFERRED_SIGNALS = {"SIGNING": True}
    order_placed.send(None, order_id=1)

@pytest.mark.deferred_signals(strict=True, leaks="off")
@pytest.mark.xfail(raises=AssertionError, strict=True)
def test_marker_asks_as_well():
    from shop.money import Money
    order_placed.send(None, order_id=Money(250))
"""

MODULES = {
    "shop/money.py": """
        from deferred_signals import register_type

        class Money:
            def __init__(self, cents):
                self.cents = cents

        register_type(Money, encode=lambda money: money.cents, decode=Money, tag="money")
        """,
    # What a project prints must not come between the answers.
    "shop/signals.py": """
        from django.dispatch import Signal

        order_placed = Signal()
        print("hello")
        """,
    "shop/views.py": """
        from django.dispatch import Signal
        from deferred_signals import receiver

        signal = Signal()

        class Checkout: ...

        @receiver(signal, deferred=True)
        def thank(sender, **kwargs): ...
        """,
}


def test_a_fresh_process_is_asked(project: Project) -> None:
    project.write(MODULES)
    done = project.run(TESTS)
    done.assert_outcomes(passed=9, xfailed=1)


def test_process_that_dies_says_its_last_words(project: Project) -> None:
    project.write(
        {
            "shop/apps.py": """
                import os
                from django.apps import AppConfig

                class ShopConfig(AppConfig):
                    name = "shop"

                    def ready(self):
                        if "PYTEST_VERSION" not in os.environ or os.environ.get("WORKER"):
                            raise LookupError("no such port")
                        os.environ["WORKER"] = "from now on"
                """
        }
    )
    done = project.run(
        """
        from deferred_signals import ConfigurationError
        from deferred_signals.testing import manual

        @pytest.mark.django_db
        def test_one():
            with pytest.raises(ConfigurationError, match="(?s)that process died:.*LookupError: no such port"):
                with manual(strict=True):
                    order_placed.send(None, order_id=1)
        """
    )
    done.assert_outcomes(passed=1)
