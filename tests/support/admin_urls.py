"""The pages of Django's admin, for tests that visit it: `@pytest.mark.urls("tests.support.admin_urls")`."""

from django.contrib import admin
from django.urls import path

urlpatterns = [path("admin/", admin.site.urls)]
