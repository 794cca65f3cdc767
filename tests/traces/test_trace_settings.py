"""The settings of traces, and what is said about wrong ones."""

from __future__ import annotations

import importlib.metadata

import pytest

from antigravity.config.secret import Secret
from antigravity.config.trace_settings import TraceSettings, trace_check


def problems(settings: TraceSettings) -> dict[str, str]:
    return {".".join(map(str, path)): problem.message for path, problem in trace_check(settings)}


def test_missing_extra_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    (message,) = problems(TraceSettings(True)).values()
    assert "pip install 'antigravity-gateway[otel]'" in message
    assert problems(TraceSettings()) == {}


def test_installed_extra_is_no_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "1.0")
    assert problems(TraceSettings(True, "http://127.0.0.1:4318/v1/traces")) == {}


def test_address_and_headers_are_checked() -> None:
    found = problems(
        TraceSettings(endpoint="collector:4317", headers={"a b": Secret("x"), "c": Secret("d\n")})
    )
    assert set(found) == {"traces.endpoint", "traces.headers.a b", "traces.headers.c"}
    assert "d\n" not in str(found)
