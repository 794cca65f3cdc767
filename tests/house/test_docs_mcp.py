"""What the page on MCP claims is what the code does."""

from __future__ import annotations

import json
import re
from pathlib import Path

import click

from antigravity.app.mcp import relay, vision
from antigravity.cli.mcp import mcp
from antigravity.cli.options import common_options
from antigravity.config.raw_configuration import KEY_VARIABLE
from antigravity.config.snapshot import load
from antigravity.mcp import bridge
from antigravity.mcp.client import federated_server, server_login, stdio_channel
from antigravity.mcp.vision.media_sources import IMAGE, VIDEO
from antigravity.mcp.vision.tool_table import TOOLS
from antigravity.oauth import access_tokens
from antigravity.oauth.grants import FOLDER
from antigravity.oauth.metadata_client import MAX_BODY
from antigravity.oauth.registration import CLIENT_NAME, GRANT_TYPES
from antigravity.processes import guarded
from tests.house.pages import table
from tests.support.pages import ROOT, blocks

PAGE = "docs/mcp.rst"
TEXT = " ".join((ROOT / PAGE).read_text("utf-8").split())


def names(cell: str) -> list[str]:
    """Return the names in the cell of a table."""
    return re.findall(r"\w+", re.sub(r"\(.*?\)", "", cell))


def test_vision_tools_match_table() -> None:
    listed = {}
    for name, required, optional in table(PAGE, "Tool"):
        listed[name] = (names(required), names(optional))
    known = {}
    for tool in TOOLS:
        schema = tool.input_schema()
        required = schema["required"]
        known[tool.name] = (required, [p for p in schema["properties"] if p not in required])
    assert listed == known


def test_mcp_endpoints_match_table() -> None:
    listed = [row[0] for row in table(PAGE, "Endpoint")]
    assert listed == [relay.SEARCH, relay.READER, vision.PATH]


def test_bridge_options_are_documented() -> None:
    common = {option.opts[0] for option in common_options()}
    for option in mcp.params:
        assert isinstance(option, click.Option)
        if option.opts[0] in common:
            continue
        assert f"``{option.opts[0]}``" in TEXT
    assert f"``{KEY_VARIABLE}``" in TEXT


def test_mcp_examples_are_valid(tmp_path: Path) -> None:
    ours = [block for block in blocks(PAGE, "toml") if "[mcp_servers" not in block]
    assert len(ours) == 6
    for block in ours:
        (tmp_path / "antigravity.toml").write_text(block)
        assert load(tmp_path, environ={}).warnings == ()


def test_mcp_figures_are_correct() -> None:
    assert "png or jpeg and up to 5 MiB, videos mp4, mov or m4v and up to 8 MiB" in TEXT
    assert (IMAGE.limit, VIDEO.limit) == (5 * 2**20, 8 * 2**20)
    assert "after 1 second, then 2, 4 and so on up to 60" in TEXT
    assert (federated_server.FIRST_PAUSE, federated_server.LONGEST_PAUSE) == (1.0, 60.0)
    assert "a second later it and all that it has started get SIGTERM, and after 5 more" in TEXT
    assert (stdio_channel.EXIT_TIMEOUT, guarded.GRACE) == (1.0, 5.0)
    assert "waits up to 10 seconds" in TEXT
    assert bridge.GRACE == 10.0
    assert "notices a login within 2 seconds" in TEXT
    assert server_login.POLL == 2.0
    assert "(up to 10 seconds)" in TEXT
    assert access_tokens.STOP_TIMEOUT == 10.0
    assert "responses have at most 512 KiB" in TEXT
    assert MAX_BODY == 512 * 1024
    assert f"``{FOLDER}/NAME.json``" in TEXT
    assert f'"{CLIENT_NAME}"' in TEXT


def test_document_example_is_complete() -> None:
    (document,) = (each for each in map(json.loads, blocks(PAGE, "json")) if "client_id" in each)
    assert document["grant_types"] == list(GRANT_TYPES)
    assert {"client_id", "client_name", "redirect_uris"} <= document.keys()
