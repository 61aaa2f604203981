"""Wagtail's receivers on a real worker, which has the same settings."""

import sys
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.db import connection
from wagtail.contrib.redirects.models import Redirect
from wagtail.documents.models import Document

from tests.packages.site import make_collection, make_site
from tests.project.databases import database_url
from tests.support.celery_apps import MakeCurrent
from tests.support.processes import Process, wait_until


@pytest.mark.django_db(transaction=True)
def test_worker_makes_the_redirects_and_removes_the_file(
    broker_url: str, make_current: MakeCurrent, media: str, tmp_path: Path
) -> None:
    page, _below = make_site()
    make_collection()
    document = Document.objects.create(title="Terms", file=ContentFile(b"x", name="terms.txt"))
    path = Path(document.file.path)
    celery = [sys.executable, "-m", "celery", "-A", "tests.project", "worker"]
    worker = Process(
        "worker",
        [*celery, "--pool", "solo", "-l", "INFO", "--without-gossip", "--without-mingle"],
        log=tmp_path / "worker.log",
        ready=" ready.",
        env={
            "BROKER_URL": broker_url,
            "DATABASE_URL": database_url(connection.settings_dict),
            "DJANGO_SETTINGS_MODULE": "tests.packages.settings",
            "MEDIA_ROOT": media,
        },
    )
    make_current(broker_url=broker_url)
    try:
        worker.start(timeout=60)
        page.slug = "footwear"
        page.save()
        document.delete()
        wait_until(lambda: Redirect.objects.count() == 2, 60, worker.logs())
        wait_until(lambda: not path.exists(), 60, worker.logs())
    finally:
        worker.stop()
