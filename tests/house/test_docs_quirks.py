"""The documentation of quirks says what the table says."""

from __future__ import annotations

from pathlib import Path

from antigravity.upstreams.quirks import quirk_table

DOCS = Path(__file__).parents[2] / "docs" / "configuration.rst"


def test_every_quirk_and_provider_is_documented() -> None:
    text = DOCS.read_text("utf-8")
    flat = " ".join(text.split())
    table = quirk_table()
    for name, meaning in table.names.items():
        assert f"   * - ``{name}``\n" in text, name
        assert meaning[1:] in flat, name
    for rule in table.address:
        assert rule.name in flat, rule.name
