"""No pages: a test that needs one brings its own by `@pytest.mark.urls`."""

from django.urls import URLPattern, URLResolver

urlpatterns: list[URLPattern | URLResolver] = []
