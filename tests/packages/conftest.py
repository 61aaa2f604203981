"""Collects these tests only where the packages are installed, as apps of these settings."""

import os

import pytest
from pytest_django import Settings

from tests.support.own_redis import broker_url

__all__ = ["broker_url"]

if os.environ.get("DJANGO_SETTINGS_MODULE") != "tests.packages.settings":
    collect_ignore_glob = ["*.py"]


@pytest.fixture(autouse=True)
def media(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Keep the files of a test in a folder of its own."""
    folder = str(tmp_path_factory.mktemp("media"))
    settings.MEDIA_ROOT = folder
    return folder
