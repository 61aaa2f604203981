"""The project's own app: its receivers are those of the page."""

import sys
from types import ModuleType

from django.apps import AppConfig

from tests.packages.page import block


class PackagesConfig(AppConfig):
    """Imports the receivers, as the page on installing says."""

    name = "tests.packages"
    label = "tests_packages"

    def ready(self) -> None:
        """Make the page's block the module that it says it is."""
        if "shop.receivers" not in sys.modules:
            module = sys.modules["shop.receivers"] = ModuleType("shop.receivers")
            exec(block("shop/receivers.py"), vars(module))  # noqa: S102 - see the settings
