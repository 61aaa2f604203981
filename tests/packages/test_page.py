"""What the page says of the commands is what they say."""

import re

from django.core import checks

from tests.docs.consoles import compare


def test_map_is_what_the_page_shows() -> None:
    compare("other-packages.md")


def test_checks_find_no_fault_but_the_cache_that_the_page_names() -> None:
    told = checks.run_checks(tags=["deferred_signals"])
    attributes = re.findall(r"(?:reads|sets) ([\w.]+)", " ".join(item.msg for item in told))
    assert [item.msg for item in told if item.is_serious()] == []
    assert len(attributes) == len(told)
    assert {name.rpartition(".")[2] for name in attributes} == {"_wagtail_cached_site_root_paths"}
