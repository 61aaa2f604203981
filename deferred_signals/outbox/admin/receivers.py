"""The map of receivers in Django's admin: who listens to which signals, with a diagram, and pauses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from django.contrib import messages
from django.db import Error, connections
from django.http import HttpResponseRedirect, QueryDict
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_POST, require_safe

from deferred_signals import conf
from deferred_signals.map import receiver_map
from deferred_signals.outbox.admin.connections import Chosen, connections_in
from deferred_signals.outbox.admin.diagram import MOST, diagram_of
from deferred_signals.outbox.admin.read_only import ReadOnlyAdmin
from deferred_signals.outbox.dialects import moment_of
from deferred_signals.outbox.models import PausedReceiver
from deferred_signals.outbox.operations.pausing import pause, resume
from deferred_signals.receivers import registry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from django.http import HttpRequest, HttpResponse, HttpResponseBase

__all__ = ["ReceiverAdmin"]

#: What the arrows of the diagram mean.
_LEGEND = (
    ("sync", "runs in the sender's process"),
    ("deferred", "runs on a worker"),
    ("durable", "runs on a worker, by durable delivery"),
)


class Paused(NamedTuple):
    """A receiver that is paused, in one database."""

    receiver: str
    using: str
    since: datetime
    by: str


class ReceiverAdmin(ReadOnlyAdmin):
    """The map of receivers. It is that of the process that shows it: one of the web server's."""

    def pages(self) -> Sequence[tuple[str, Callable[..., HttpResponseBase], str]]:
        """List the pages."""
        return (
            ("", self.changelist_view, "changelist"),
            ("pause/", self.pause_view, "pause"),
            ("resume/", self.resume_view, "resume"),
        )

    @method_decorator(require_safe)
    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the map, or the part of it that is searched for."""
        self.require(request)
        chosen, problem, paused = Chosen.of(request.GET), "", list[Paused]()
        try:
            paused = _paused()
        except Error as error:
            problem = f"It is not known what is paused: {type(error).__name__}."
        found = chosen.part_of(receiver_map())
        return self.render(
            request,
            "receivers.html",
            "Receivers",
            chosen=chosen,
            back=request.GET.urlencode(),
            connections=connections_in(found, frozenset(one.receiver for one in paused)),
            diagram=diagram_of(found),
            legend=_LEGEND,
            most=MOST,
            paused=paused,
            problem=problem,
            may_pause=self.may(request, "pause_receiver"),
            several=len(conf.current().OUTBOX.DATABASES) > 1,
            **(extra_context or {}),
        )

    @method_decorator(require_POST)
    def pause_view(self, request: HttpRequest) -> HttpResponse:
        """Pause a receiver that this process knows."""
        self.require(request, "pause_receiver")
        name = request.POST.get("receiver", "")
        if registry.find(name) is None:
            messages.error(request, f"This process knows no deferred receiver {name[:200]!r}.")
        elif pause(name, user=request.user):
            messages.success(request, f"The receiver {name} is paused. What runs now goes on.")
        else:
            messages.warning(request, f"The receiver {name} was paused already.")
        return self._back(request)

    @method_decorator(require_POST)
    def resume_view(self, request: HttpRequest) -> HttpResponse:
        """Resume a receiver, whether or not this process knows it."""
        self.require(request, "pause_receiver")
        name = request.POST.get("receiver", "").replace("\0", "")
        if resume(name, user=request.user):
            messages.success(
                request, f"The receiver {name} is resumed. A relay finds what waits within seconds."
            )
        else:
            messages.warning(request, f"The receiver {name[:200]} was not paused, or not any more.")
        return self._back(request)

    def _back(self, request: HttpRequest) -> HttpResponse:
        """Return to the part of the map that somebody came from."""
        back = QueryDict(request.POST.get("back", ""))
        query = f"?{back.urlencode()}" if back else ""
        return HttpResponseRedirect(self.url("changelist") + query)


def _paused() -> list[Paused]:
    """List the receivers that are paused, in each database of the outbox."""
    return [
        Paused(row.receiver, using, moment_of(connections[using], row.paused_at), row.paused_by)
        for using in conf.current().OUTBOX.DATABASES
        for row in PausedReceiver.objects.using(using).order_by("receiver")
    ]
