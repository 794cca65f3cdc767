"""What only one protocol knows is named when a request leaves it."""

from __future__ import annotations

from antigravity.ir.request import Request
from antigravity.lowering.provider_content import foreign_extensions


def test_unknown_fields_are_warned_only_for_other_protocols() -> None:
    request = Request(
        "m",
        (),
        "anthropic",
        extensions={
            "container": "c1",
            "anthropic.tools": {"f": {"defer_loading": True}},
            "anthropic": {"notes": 1},
            "store": True,
            "betas": [],
        },
    )
    losses = foreign_extensions(request, "gemini")
    assert [loss.field for loss in losses] == ["container", "tools"]
    assert all("anthropic" in loss.detail for loss in losses)
    assert foreign_extensions(request, "anthropic") == ()
