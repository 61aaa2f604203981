"""Settings that mypy reads: they know the models of the tests and of the demo."""

from tests.project.settings import *  # noqa: F403 - all of them, and one app more
from tests.project.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "demo_site.shop"]
