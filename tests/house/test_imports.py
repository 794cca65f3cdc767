"""The direction in which imports point is part of the design; this keeps it so."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.house.imports import PACKAGE, imported, modules, ours, room

#: Rooms that know no framework, and may be used without one.
PURE = ("ir", "redaction", "sse", "protocols", "lowering", "interception", "websocket")
FRAMEWORKS = {"twisted", "klein", "treq", "txaio"}

#: What each room may import of ours, itself included without being named.
ALLOWED = {
    "__init__": set(),
    "version": set(),
    "installation": set(),
    "sse": set(),
    "decompression": set(),
    "deferreds": set(),
    "daemon": set(),
    "redaction": {"sse"},
    "logs": {"redaction"},
    "services": {"logs"},
    "ir": {"redaction"},
    "interfaces": {"ir", "redaction", "sse"},
    "config": {"installation", "redaction", "version"},
    "lowering": {"ir"},
    "context": {"ir"},
    "connect": {"config.atomic", "stores.lock_file"},
    "signatures": {"ir", "interfaces.stores"},
    "interception": {
        "ir",
        "interfaces.interception",
        "context.estimate",
        "signatures.repair",
    },
    "protocols": {
        "ir",
        "sse",
        "interfaces.protocols",
        "interfaces.server_traits",
        "interfaces.sockets",
        "interfaces.audio",
        "interfaces.embeddings",
    },
    "ledger": {
        "deferreds",
        "interfaces.ledger",
        "interfaces.payloads",
        "ir",
        "logs",
        "redaction",
        "stores.damaged_files",
        "stores.postgres_migration",
        "stores.postgres_server",
        "version",
    },
    "prices": {"ir"},
    "keys": {
        "config.atomic",
        "config.ip_networks",
        "deferreds",
        "interfaces.key_store",
        "interfaces.keys",
        "interfaces.spending",
        "interfaces.state",
        "interfaces.stores",
        "ir",
        "logs",
        "routing.patterns",
        "state.held_slots",
        "state.table",
        "stores",
    },
    "state": {"deferreds", "interfaces.state", "logs"},
    "metrics": {"ir"},
    "traces": {"interfaces.traces", "ir", "version"},
    "stores": {
        "config.atomic",
        "deferreds",
        "installation",
        "interfaces.files",
        "interfaces.state",
        "interfaces.stores",
        "logs",
    },
    "transport": {
        "ir",
        "redaction",
        "decompression",
        "version",
        "config.settings",
        "interfaces.sockets",
        "interfaces.transport",
        "logs",
        "websocket",
    },
    "oauth": {
        "ir",
        "config.atomic",
        "config.secret",
        "interfaces.transport",
        "logs",
        "protocols.lenient",
        "redaction",
        "version",
    },
    "upstreams": {"ir", "config", "interfaces", "oauth", "protocols.lenient", "version"},
    "routing": {"ir", "logs", "deferreds", "config.settings", "interfaces"},
    "accounts": {"ir", "logs", "config", "interfaces", "routing.patterns", "state"},
    "exchange": {
        "accounts.sessions",
        "config.settings",
        "context",
        "deferreds",
        "interception",
        "interfaces",
        "ir",
        "keys",
        "logs",
        "lowering",
        "protocols",
        "redaction",
        "routing",
        "signatures",
        "sse",
        "state.content",
        "stores",
    },
    "warmup": {
        "ir",
        "logs",
        "accounts",
        "config.quota_settings",
        "config.settings",
        "exchange.operations.warmup",
        "interfaces",
    },
    "websocket": set(),
    "web": {
        "websocket",
        "ir",
        "logs",
        "config",
        "decompression",
        "deferreds",
        "interfaces",
        "protocols.request_limits",
        "stores.bounded_cache",
        "version",
    },
    "dashboard": {
        "connect.clients",
        "interfaces.access",
        "config.network",
        "config.settings",
        "daemon.time_zone",
        "deferreds",
        "interfaces.admin_routes",
        "interfaces.account_control",
        "interfaces.administration",
        "interfaces.connections",
        "interfaces.dashboard",
        "interfaces.keys",
        "interfaces.exchange",
        "interfaces.lab",
        "interfaces.ledger",
        "interfaces.payloads",
        "interfaces.model_administration",
        "interfaces.refusals",
        "interfaces.status",
        "interfaces.system",
        "ir.errors",
        "web.admin_ledger",
        "web.authentication",
        "web.host_policy",
        "web.json_body",
        "web.pages",
        "web.plugin_failures",
        "web.request",
        "web.request_head",
        "web.responses",
    },
    "mcp": {
        "redaction",
        "logs",
        "ir",
        "processes",
        "sse",
        "version",
        "interfaces.administration",
        "interfaces.ledger",
        "interfaces.mcp",
        "interfaces.operator_view",
        "interfaces.mcp_values",
        "interfaces.exchange",
        "interfaces.status",
        "interfaces.transport",
        "oauth",
    },
    "processes": {"logs"},
    "workers": {
        "daemon.log_lines",
        "interfaces",
        "ir.record",
        "ledger.payload_queue",
        "logs",
        "state.local",
    },
    "tunnel": {
        "logs",
        "config",
        "processes",
        "interfaces.status",
        "interfaces.transport",
        "ir.errors",
        "ir.json_reader",
        "version",
    },
    "simulator": {"version", "daemon.exit_code"},
    "hookspecs": {"interfaces", "ir"},
    "plugin_registry": {"config.known_names", "interfaces", "mcp"},
    "plugins": {"hookspecs", "interfaces", "logs", "plugin_registry"},
    "builtin": {
        "hookspecs",
        "accounts",
        "config.key_settings",
        "interception",
        "installation",
        "interfaces",
        "ir.call",
        "keys",
        "mcp.gateway_tools",
        "protocols",
        "state",
        "stores",
        "upstreams",
    },
}

#: The rooms that put others together: they may import everything but ``tap``, which nothing does.
#: Nothing else may import ``app``.
COMPOSING = {"app", "cli", "testing", "tap", "__main__"}


def test_every_room_has_import_rule() -> None:
    assert {room(path) for path in modules()} == ALLOWED.keys() | COMPOSING
    assert not ALLOWED.keys() & COMPOSING


def forbidden_imports(path: Path) -> set[str]:
    """Return what a module imports against the rules."""
    here = room(path)
    names = ours(path)
    forbidden = {name for name in names if name == "tap" or name.startswith("tap.")}
    if here not in COMPOSING:
        allowed = ALLOWED[here] | {here}
        forbidden |= {
            name
            for name in names
            if not any(name == ok or name.startswith(f"{ok}.") for ok in allowed)
            and not any(ok.startswith(f"{name}.") for ok in allowed)
        }
    if here in PURE:
        forbidden |= {name.split(".")[0] for name in imported(path)} & FRAMEWORKS
    return forbidden


def test_imports_follow_rules() -> None:
    found = {str(path.relative_to(PACKAGE)): forbidden_imports(path) for path in modules()}
    assert {path: names for path, names in found.items() if names} == {}


def test_mcp_protocol_is_sans_io() -> None:
    wire = sorted((PACKAGE / "mcp" / "protocol").glob("*.py"))
    assert wire
    for path in wire:
        assert not {name.split(".")[0] for name in imported(path)} & FRAMEWORKS, path
        allowed = ("mcp.protocol", "sse", "interfaces.mcp", "interfaces.mcp_values")
        assert all(name.startswith(allowed) or name == "mcp" for name in ours(path)), path


@pytest.mark.parametrize(
    ("name", "imports"),
    [
        ("ir/x.py", "antigravity.tap"),
        ("app/x.py", "antigravity.tap.Options"),
        ("ir/x.py", "antigravity.accounts"),
        ("sse/x.py", "twisted.internet"),
    ],
)
def test_forbidden_imports_are_found(
    name: str, imports: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.house.imports.PACKAGE", tmp_path)
    path = tmp_path / name
    path.parent.mkdir()
    path.write_text(f"import {imports}\n")
    assert forbidden_imports(path)


def test_reactor_is_never_imported() -> None:
    # The kit for tests of plugins runs a reactor in a thread, for tests that know none.
    threaded = PACKAGE / "testing" / "threaded_gateway.py"
    for path in modules():
        if path.name != "tap.py" and path != threaded:
            assert "twisted.internet.reactor" not in imported(path), path


def test_protocols_do_not_import_each_other() -> None:
    for path in modules():
        parts = path.relative_to(PACKAGE).parts
        if parts[0] != "protocols" or len(parts) < 3:
            continue
        others = {
            name.split(".")[1]
            for name in ours(path)
            if name.startswith("protocols.")
            and (PACKAGE / "protocols" / name.split(".")[1]).is_dir()
        }
        assert others <= {parts[1]}, path


def test_simulator_imports_nothing_of_gateway() -> None:
    for path in modules():
        if room(path) == "simulator":
            assert {name.split(".")[0] for name in ours(path)} <= {
                "simulator",
                "version",
                "daemon",
            }, path


def test_modules_log_through_redacting_logger() -> None:
    for path in modules():
        if path.name == "logs.py" or room(path) == "simulator":
            continue
        assert not imported(path) & {"twisted.logger.Logger", "twisted.python.log"}, path
        text = path.read_text("utf-8")
        if "make_logger" not in text:  # parse the few files that may call it
            continue
        for node in ast.walk(ast.parse(text)):
            assert not (isinstance(node, ast.Attribute) and node.attr == "make_logger"), path
