"""Pages of the packages."""

from django.urls import include, path
from wagtail import urls as wagtail_urls

urlpatterns = [
    path("accounts/", include("allauth.urls")),
    path("", include(wagtail_urls)),
]
