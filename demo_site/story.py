"""What the demo does with the shop by HTTP, and which runs must follow."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from demo_site.shop import customer
from demo_site.shop.timeline import ORDER_HEADER, Moment


@dataclass(frozen=True)
class Run:
    """One attempt of a deferred receiver."""

    receiver: str
    attempt: int = 1
    order: str | None = None


@dataclass(frozen=True)
class Story:
    """The orders of one run of the demo, by their ids."""

    shipped: str
    rolled_back: str
    placed: str

    def expected(self) -> Counter[Run]:
        """Return how often each attempt of a deferred receiver must have happened."""
        runs: Counter[Run] = Counter()
        runs[Run("look_for_odd_login")] = 1
        runs[Run("say_goodbye")] = 1
        for order in (self.shipped, self.placed):
            runs[Run("update_search_index", order=order)] = 1
            for attempt in (1, 2, 3):  # the mail gateway hangs up twice
                runs[Run("send_receipt", attempt, order)] = 1
        # From placed to paid, to packed, to shipped; each step saves the order.
        runs[Run("take_next_step", order=self.shipped)] = 3
        runs[Run("update_search_index", order=self.shipped)] += 3
        runs[Run("book_courier", order=self.shipped)] = 1
        return runs


def happened(timeline: list[Moment]) -> Counter[Run]:
    """Count the attempts of deferred receivers in the timeline."""
    attempts = {
        (moment.message, Run(moment.receiver, moment.attempt, moment.order))
        for moment in timeline
        if moment.kind == "work" and moment.receiver and moment.attempt
    }
    return Counter(run for _, run in attempts)


class Shopper:
    """Act as a customer with a browser."""

    def __init__(self, address: str, tell: Callable[[str], None]) -> None:
        self._client = httpx.Client(base_url=address, timeout=20, trust_env=False)
        self._tell = tell

    def look_in(self) -> None:
        """Place one order, so that there is something to see."""
        with self._client:
            self._client.get("/").raise_for_status()
            self._order("Order a teapot", "teapot")

    def go_shopping(self) -> Story:
        """Log in, place three orders of which one fails, ship one, log out."""
        with self._client:
            self._client.get("/login/").raise_for_status()
            self._post("Log in", "/login/", username=customer.USERNAME, password=customer.PASSWORD)
            shipped = self._order("Order a teapot", "teapot")
            rolled_back = self._order(
                "Order a kettle, payment refused", "kettle", expect=402, payment_fails="on"
            )
            placed = self._order("Order cups", "cup", quantity="6")
            self._post("Ship the teapot", f"/orders/{shipped}/ship/")
            self._post("Log out", "/logout/")
        return Story(shipped=shipped, rolled_back=rolled_back, placed=placed)

    def _order(
        self, what: str, product: str, *, expect: int = 302, quantity: str = "1", **fields: str
    ) -> str:
        fields |= {"product": product, "quantity": quantity}
        response = self._post(what, "/orders/", expect=expect, **fields)
        return response.headers[ORDER_HEADER]

    def _post(self, what: str, path: str, *, expect: int = 302, **fields: str) -> httpx.Response:
        fields["csrfmiddlewaretoken"] = self._client.cookies["csrftoken"]
        begin = time.perf_counter()
        response = self._client.post(path, data=fields)
        took = (time.perf_counter() - begin) * 1000
        if response.status_code != expect:
            raise httpx.HTTPStatusError(
                f"{what}: the shop answered {response.status_code} instead of {expect}",
                request=response.request,
                response=response,
            )
        self._tell(f"{what}: {response.status_code} after {took:.0f} ms")
        return response
