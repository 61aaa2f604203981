"""An admin in which nothing is added, changed or deleted, with pages of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import django
from django.apps import apps
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.template.response import TemplateResponse
from django.urls import path, reverse

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from django.http import HttpRequest, HttpResponseBase
    from django.urls import URLPattern

    Base = ModelAdmin[Any]
else:
    Base = ModelAdmin

__all__ = ["HAS_LIST_OF_CRUMBS", "ReadOnlyAdmin"]

#: The folder of the templates.
_TEMPLATES = "admin/deferred_signals_outbox"

#: Since this version Django's pages have a list where one finds the way back.
HAS_LIST_OF_CRUMBS = django.VERSION >= (6, 1)


class ReadOnlyAdmin(Base):
    """An admin whose pages are those of `pages`, and no others: no form of Django's changes a row."""

    actions = None

    def pages(self) -> Sequence[tuple[str, Callable[..., HttpResponseBase], str]]:
        """List the pages: the route, the view, and the end of the route's name."""
        raise NotImplementedError

    def get_urls(self) -> list[URLPattern]:
        """Return the routes of the pages, which only staff may visit, and only with a CSRF token."""
        options = self.opts
        return [
            path(
                route,
                self.admin_site.admin_view(view),
                name=f"{options.app_label}_{options.model_name}_{name}",
            )
            for route, view, name in self.pages()
        ]

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 - Django's signature
        """Refuse: rows are written by the sender's transaction."""
        return False

    def has_change_permission(
        self,
        request: HttpRequest,  # noqa: ARG002 - Django's signature
        obj: Any = None,  # noqa: ARG002 - the same
    ) -> bool:
        """Refuse: no column is for people to change."""
        return False

    def has_delete_permission(
        self,
        request: HttpRequest,  # noqa: ARG002 - Django's signature
        obj: Any = None,  # noqa: ARG002 - the same
    ) -> bool:
        """Refuse: a row is discarded or cancelled, by a statement that names the state it must be in."""
        return False

    def may(self, request: HttpRequest, codename: str) -> bool:
        """Tell whether the user has a permission of the outbox's app, and may see the page at all."""
        has_it = request.user.has_perm(f"{self.opts.app_label}.{codename}")
        return has_it and self.has_view_permission(request)

    def require(self, request: HttpRequest, *codenames: str) -> None:
        """Let only users go on who may see the page, and have some permissions.

        Raises:
            PermissionDenied: the user may not.
        """
        allowed = self.has_view_permission(request)
        if not (allowed and all(self.may(request, codename) for codename in codenames)):
            raise PermissionDenied

    def url(self, name: str, *arguments: str) -> str:
        """Return the address of a page of this admin."""
        return self.url_of(self.opts.model_name or "", name, *arguments)

    def url_of(self, model: str, name: str, *arguments: str) -> str:
        """Return the address of a page for another model of the app."""
        return reverse(
            f"admin:{self.opts.app_label}_{model}_{name}",
            args=arguments,
            current_app=self.admin_site.name,
        )

    def render(
        self,
        request: HttpRequest,
        template: str,
        title: str,
        crumbs: Sequence[tuple[str, str]] = (),
        **context: Any,
    ) -> TemplateResponse:
        """Write a page.

        Arguments:
            request: what is answered.
            template: the name of the template.
            title: of the page.
            crumbs: the addresses and titles of the pages between the admin's index and this one.
            context: what else the template is given.
        """
        # Where templates look for the name of the site, as Django's own views tell it.
        vars(request)["current_app"] = self.admin_site.name
        label = self.opts.app_label
        index = reverse("admin:app_list", args=[label], current_app=self.admin_site.name)
        return TemplateResponse(
            request,
            f"{_TEMPLATES}/{template}",
            {
                **self.admin_site.each_context(request),
                "title": title,
                "opts": self.opts,
                "crumbs": [(index, apps.get_app_config(label).verbose_name), *crumbs],
                "has_list_of_crumbs": HAS_LIST_OF_CRUMBS,
                **context,
            },
        )
