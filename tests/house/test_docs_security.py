"""The numbers that the page on security gives are those in the code."""

from __future__ import annotations

import pytest

from antigravity.exchange import media_fetch, model_name
from antigravity.mcp import change_listeners, stateful
from antigravity.protocols import multipart
from antigravity.stores import published_files
from tests.support.pages import ROOT

PAGE = " ".join((ROOT / "docs" / "security.rst").read_text("utf-8").split())


@pytest.mark.parametrize(
    "claim",
    [
        (
            f"at most {multipart.MAX_PARTS} parts, and their heads {multipart.MAX_HEADERS} lines "
            f"of {multipart.MAX_HEADER // 1024} KiB each"
        ),
        f"A name of a model has at most {model_name.MAX_LENGTH} characters",
        (
            f"keeps {stateful.LONGEST_INITIALIZE // 1024} KiB of its ``initialize`` at the most, "
            f"and up to {change_listeners.MOST_SUBSCRIPTIONS} subscriptions with "
            f"{change_listeners.SUBSCRIBED_CHARACTERS // 1024} KiB"
        ),
        f"at most {media_fetch.MAX_FILES} files, {media_fetch.PARALLEL} at a time",
        f"``images.url_max_bytes`` and {published_files.MAX_FILES} files are kept",
    ],
)
def test_security_limits_are_documented(claim: str) -> None:
    assert claim in PAGE
