"""What is recorded of the gateway's surface is still there, as docs/stability.rst promises."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest

from release.surface import REMEDY, Part, broken, collect, read_recorded, unrecorded

PAGE = Path(__file__).parents[2] / "docs" / "stability.rst"


@pytest.fixture(scope="module")
def now() -> dict[str, Part]:
    return collect()


def test_nothing_recorded_has_changed(now: dict[str, Part]) -> None:
    changed = broken(read_recorded(), now)
    assert not changed, "\n".join([*changed, REMEDY])


def test_recorded_parts_are_all_parts(now: dict[str, Part]) -> None:
    recorded = read_recorded()
    assert recorded.keys() == now.keys()
    assert all(recorded.values())
    page = PAGE.read_text("utf-8")
    assert set(re.findall(r"^   \* - \*\*(.+?)\*\*$", page, re.MULTILINE)) == {
        name.capitalize() for name in recorded
    } | {"JSON of commands"}


@pytest.fixture
def recorded(now: dict[str, Part]) -> dict[str, Part]:
    return copy.deepcopy(now)


CHANGES: list[tuple[str, str, Any]] = [
    ("hooks", "exchange_finished", ["record", "more"]),
    ("hooks", "exchange_finished", None),
    ("settings", "proxy.port", {"type": "int ge 0, le 65535", "default": 8046}),
    ("settings", "proxy.port", {"type": "str", "default": 8045}),
    ("admin routes", "GET /admin/accounts", None),
    ("migrations", "schema_1.sql", "another hash"),
    ("commands", "antigravity usage", ["--since"]),
    ("names", "antigravity.ir.usage.Usage", ["output"]),
    ("metrics", "antigravity_requests", {"type": "gauge", "labels": []}),
    ("metrics", "antigravity_requests", {"type": "counter", "labels": ["outcome"]}),
]


@pytest.mark.parametrize(
    ("part", "name", "new"), CHANGES, ids=[f"{part}-{i}" for i, (part, _, _) in enumerate(CHANGES)]
)
def test_broken_promise_is_named(
    recorded: dict[str, Part], now: dict[str, Part], part: str, name: str, new: Any
) -> None:
    changed = copy.deepcopy(now)
    if new is None:
        del changed[part][name]
    else:
        changed[part][name] = new
    (line,) = broken(recorded, changed)
    assert line.startswith(f"{part}: {name} ")


def test_member_added_to_an_interface_is_named(
    recorded: dict[str, Part], now: dict[str, Part]
) -> None:
    changed = copy.deepcopy(now)
    changed["interfaces"]["antigravity.interfaces.mcp.IMcpTool"]["stop"] = "()"
    (line,) = broken(recorded, changed)
    assert "IMcpTool" in line


def test_additions_keep_the_promise_and_are_listed(
    recorded: dict[str, Part], now: dict[str, Part]
) -> None:
    changed = copy.deepcopy(now)
    changed["commands"]["antigravity usage"].append("--more")
    changed["names"]["antigravity.ir.usage.Usage"].append("more")
    changed["metrics"]["antigravity_requests"]["labels"].append("more")
    changed["settings"]["proxy.more"] = {"type": "bool", "default": False}
    assert broken(recorded, changed) == []
    assert unrecorded(recorded, changed) == ["settings: proxy.more"]
