"""``python -m demo_site.drill STEP``: the steps of the outage drill that the page has no button for.

Run it beside ``make serve``, in a shell that has read ``var/demo/serve/env``. See ``docs/drill.md``.
"""

import argparse
import os
import sys
from pathlib import Path

import django


def poison() -> str:
    """Place an order whose mail kills the process that sends it, each time."""
    order = _placed(poisonous=True)
    return f"Order {order} is placed. Whoever mails its receipt is killed."


def cure() -> str:
    """Mend what kills the processes."""
    from demo_site.shop import mail  # noqa: PLC0415  # needs the settings

    mail.cure()
    return "The mail of no order kills a process any more."


def deploy_site() -> str:
    """Place an order from a release that has one receiver more than the worker."""
    return f"Order {_placed()} is placed, by the newer release."


def deploy_worker() -> str:
    """Have the worker stopped, and started with the newer release."""
    from demo_site.live.requests import Request, ask  # noqa: PLC0415  # needs the settings

    ask(Request("restart-worker"))
    return "The worker is stopped warmly, and started again."


STEPS = {
    "poison": poison,
    "cure": cure,
    "deploy-site": deploy_site,
    "deploy-worker": deploy_worker,
}


def _placed(*, poisonous: bool = False) -> str:
    from demo_site.shop import customer, mail, views  # noqa: PLC0415  # needs the settings
    from demo_site.shop.models import Order, Product  # noqa: PLC0415
    from demo_site.shop.timeline import about  # noqa: PLC0415

    order = Order(customer=customer.find(), product=Product.TEAPOT, quantity=1)
    order.total_amount = order.price()
    if poisonous:
        mail.poison(order.pk)
    with about(order.pk):
        views.buy(order, refuse=False)
    return order.pk.hex[:6]


def main() -> int:
    """Take one step; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m demo_site.drill", description="The drill.")
    parser.add_argument("step", choices=STEPS)
    step = parser.parse_args().step
    if "DEMO_QUEUE" not in os.environ:
        print("Read the demo's environment first: . var/demo/serve/env", file=sys.stderr)
        return 1
    os.environ |= {"DJANGO_SETTINGS_MODULE": "demo_site.settings", "DEMO_PROCESS": "site"}
    if step == "deploy-site":
        # The settings look for it, of this process and of those that start from now on.
        (Path(os.environ["DEMO_VAR"]) / "newer").touch()
    django.setup()
    print(STEPS[step]())
    return 0


if __name__ == "__main__":
    sys.exit(main())
