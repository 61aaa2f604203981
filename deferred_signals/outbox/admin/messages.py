"""The durable messages in Django's admin: the list, the page of one, and what is done to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.db import Error, connections
from django.http import HttpResponseRedirect, QueryDict
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_POST, require_safe

from deferred_signals import conf
from deferred_signals.outbox.admin.acting import ACTS
from deferred_signals.outbox.admin.asked import Asked
from deferred_signals.outbox.admin.boards import board_of
from deferred_signals.outbox.admin.facts import facts_of
from deferred_signals.outbox.admin.lines import Line, lines_of
from deferred_signals.outbox.admin.read_only import ReadOnlyAdmin
from deferred_signals.outbox.admin.values import values_of
from deferred_signals.outbox.dialects import time_of
from deferred_signals.outbox.masking import without_values
from deferred_signals.outbox.models import Receiver
from deferred_signals.outbox.operations.listing import Page, page_of, rows_of
from deferred_signals.outbox.operations.lookup import show
from deferred_signals.outbox.operations.selection import checked_id

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from django.http import HttpRequest, HttpResponse, HttpResponseBase

    from deferred_signals.outbox.admin.acting import Act
    from deferred_signals.outbox.models import OutboxMessage

__all__ = ["MessageAdmin"]

#: Messages to which one thing is done at once.
MOST = 200

_GONE = "is not in the outbox: it is through, it was removed, or it was never durable."


class MessageAdmin(ReadOnlyAdmin):
    """The admin of the outbox. What users may see and do is up to the permissions of the model.

    The list is its own, not Django's: it counts no rows, and its pages begin behind a row.
    """

    def pages(self) -> Sequence[tuple[str, Callable[..., HttpResponseBase], str]]:
        """List the pages."""
        return (
            ("", self.changelist_view, "changelist"),
            ("act/", self.act_view, "act"),
            ("<path:object_id>/history/", self.history_view, "history"),
            ("<path:object_id>/change/", self.change_view, "change"),
        )

    def get_object(
        self,
        request: HttpRequest,  # noqa: ARG002 - Django's signature
        object_id: str,
        from_field: str | None = None,  # noqa: ARG002 - the same
    ) -> OutboxMessage | None:
        """Look for a message in all databases of the outbox."""
        try:
            found = show(object_id)
        except ValueError:
            return None
        return None if found is None else found.row

    @method_decorator(require_safe)
    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the states at a glance, and a page of the list."""
        self.require(request)
        asked, problem, board = Asked.of(request.GET), "", None
        page, lines = Page(rows=()), list[Line]()
        try:
            board = board_of(asked)
            page, lines = _found(asked)
        except Error as error:
            whose = "An outbox" if asked.id else f"The outbox of {asked.using}"
            problem = f"{whose} cannot be read ({type(error).__name__})."
        databases = conf.current().OUTBOX.DATABASES
        is_dead = asked.state == "dead" if asked.state else None
        return self.render(
            request,
            "messages.html",
            "Durable messages",
            asked=asked,
            back=asked.query(after=asked.after, before=asked.before),
            board=board,
            problem=problem,
            lines=lines,
            page=page,
            next=asked.query(after=str(page.next)) if page.next else "",
            previous=asked.query(before=str(page.previous)) if page.previous else "",
            first=asked.query(),
            all=asked.query(q=""),
            databases=[(name, asked.query(using=name)) for name in databases],
            acts=self._acts(request, is_dead=is_dead),
            receivers=self._receivers(request),
            **(extra_context or {}),
        )

    @method_decorator(require_safe)
    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",  # noqa: ARG002 - the same
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show what is known of one message; its values only to those who may see them, and ask."""
        self.require(request)
        try:
            found = show(object_id)
        except ValueError:
            found = None
        if found is None:
            messages.warning(request, f"The message {object_id[:100]!r} {_GONE}")
            return HttpResponseRedirect(self.url("changelist"))
        may_see = self.may(request, "view_outboxmessage_values")
        row = found.row
        return self.render(
            request,
            "message.html",
            row.receiver,
            self._crumbs(),
            found=found,
            facts=facts_of(found, time_of(connections[found.using])),
            may_see=may_see,
            error=row.error.rstrip() if may_see else without_values(row.error),
            values=values_of(row.payload) if may_see and "values" in request.GET else None,
            acts=self._acts(request, is_dead=found.state == "dead"),
            history=self.url("history", str(row.id)),
            siblings=self.url("changelist") + Asked(q=row.receiver, using=found.using).query(),
            receivers=self._receivers(request),
            **(extra_context or {}),
        )

    @method_decorator(require_POST)
    def act_view(self, request: HttpRequest) -> HttpResponse:
        """Replay, discard or cancel messages; ask first where that is for good."""
        act = ACTS.get(request.POST.get("act", ""))
        self.require(request, *([act.permission] if act else ()))
        back = HttpResponseRedirect(self._back(request))
        ids = request.POST.getlist("shown" if "all" in request.POST else "id")
        try:
            ids = list(dict.fromkeys(map(checked_id, ids)))
        except ValueError as error:
            messages.error(request, str(error))
            return back
        if act is None or not ids:
            messages.warning(request, "Nothing was done: choose messages first, and what to do.")
            return back
        if len(ids) > MOST:
            messages.warning(request, f"Nothing was done: these are more than {MOST} messages.")
            return back
        if act.warning and "is_sure" not in request.POST:
            return self._ask(request, act, ids)
        for told in act.do(ids, request.user, "force" in request.POST):
            messages.add_message(request, told.level, told.text)
        return back

    def _ask(self, request: HttpRequest, act: Act, ids: Sequence[str]) -> HttpResponse:
        """Ask whether somebody is sure."""
        by_alias: dict[str, list[OutboxMessage]] = {}
        for using, row in rows_of(ids):
            by_alias.setdefault(using, []).append(row)
        lines = [line for using, rows in by_alias.items() for line in lines_of(using, rows)]
        others = sum((line.state == "dead") != act.for_dead for line in lines)
        return self.render(
            request,
            "confirm.html",
            f"{act.title}: are you sure?",
            self._crumbs(),
            act=act,
            lines=lines,
            ids=ids,
            others=others,
            number=len(lines) - others,
            gone=len(ids) - len(lines),
            running=sum(line.state == "running" for line in lines),
            back=request.POST.get("back", ""),
            back_url=self._back(request),
        )

    def _back(self, request: HttpRequest) -> str:
        """Return where somebody came from: the page of a message, or the list with what it was asked for."""
        one = request.POST.get("from", "")
        if one and self.get_object(request, one) is not None:
            return self.url("change", one)
        asked = Asked.of(QueryDict(request.POST.get("back", "").removeprefix("?")))
        return self.url("changelist") + asked.query(after=asked.after, before=asked.before)

    def _acts(self, request: HttpRequest, *, is_dead: bool | None) -> list[Act]:
        """List what the user may do, to dead letters, to others, or to either (None)."""
        return [
            act
            for act in ACTS.values()
            if is_dead in {None, act.for_dead} and self.may(request, act.permission)
        ]

    def _crumbs(self) -> list[tuple[str, str]]:
        return [(self.url("changelist"), "Durable messages")]

    def _receivers(self, request: HttpRequest) -> str:
        """Return the address of the map, if the user may see it."""
        options = Receiver._meta
        if not request.user.has_perm(f"{options.app_label}.view_receiver"):
            return ""
        return self.url_of(options.model_name or "", "changelist")


def _found(asked: Asked) -> tuple[Page, list[Line]]:
    """Return the page that is asked for, with its lines; the first one if there is no such place."""
    if asked.id:
        rows = rows_of([asked.id])
        return Page(rows=()), [line for using, row in rows for line in lines_of(using, [row])]
    try:
        page = page_of(asked.wanted, using=asked.using, after=asked.after, before=asked.before)
    except ValueError:  # the address has no place of this list
        page = page_of(asked.wanted, using=asked.using)
    return page, lines_of(asked.using, page.rows)
