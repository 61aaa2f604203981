"""The shop is the whole site."""

from django.urls import include, path

urlpatterns = [path("", include("demo_site.shop.urls"))]
