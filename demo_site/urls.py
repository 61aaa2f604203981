"""The page, the shop, and Django's admin."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("demo_site.live.urls")),
    path("", include("demo_site.shop.urls")),
    path("admin/", admin.site.urls),
]
