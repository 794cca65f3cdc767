"""``antigravity tunnel`` without a gateway, and the findings of ``doctor`` about cloudflared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cli.builders import Run, configure


def findings(run: Run) -> list[dict[str, Any]]:
    data = run("doctor", "--json").json
    return [each for each in data["findings"] if each["name"] == "tunnel"]


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture(autouse=True)
def _nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "no-bin"))


def test_doctor_reports_nothing_without_a_configured_tunnel(run: Run, tmp_path: Path) -> None:
    configure(tmp_path, "")
    assert findings(run) == []


@pytest.mark.parametrize(("enabled", "status"), [("true", "failed"), ("false", "warning")])
def test_doctor_reports_missing_cloudflared(
    run: Run, tmp_path: Path, enabled: str, status: str
) -> None:
    configure(tmp_path, f'[tunnel]\nenabled = {enabled}\nprotocol = "http2"\n')
    (finding,) = findings(run)
    assert finding["status"] == status
    assert "antigravity tunnel install" in finding["remedy"]


def test_doctor_shows_version_and_path_of_cloudflared(run: Run, tmp_path: Path) -> None:
    home = configure(tmp_path, '[tunnel]\nprotocol = "http2"\n').parent
    text = "#!/bin/sh\n[ \"$1\" = --version ] && echo 'cloudflared version 2026.3.0 (built …)'\n"
    path = program(tmp_path / "home/bin/cloudflared", text)
    (finding,) = findings(run)
    assert finding["status"] == "ok"
    assert finding["detail"] == f"cloudflared version 2026.3.0 is {path}"
    assert home.exists()


@pytest.mark.parametrize("text", ["\0 for another machine", "#!/bin/sh\nexit 1\n"])
def test_doctor_reports_cloudflared_that_does_not_run(run: Run, tmp_path: Path, text: str) -> None:
    configure(tmp_path, '[tunnel]\nprotocol = "http2"\n')
    program(tmp_path / "home/bin/cloudflared", text)
    (finding,) = findings(run)
    assert finding["status"] == "failed"
    assert "does not run" in finding["detail"]


@pytest.mark.parametrize("command", ["start", "stop", "status"])
def test_tunnel_commands_without_gateway_fail_with_remedy(
    run: Run, tmp_path: Path, command: str
) -> None:
    file = configure(tmp_path, "[proxy]\nport = 1\n")
    refused = run("tunnel", command)
    assert refused.code == 1
    assert "admin_key" in refused.err
    file.write_text('[proxy]\nport = 1\nadmin_key = "sk-admin"\n')
    alone = run("tunnel", command)
    assert alone.code == 3
    assert "nothing listens" in alone.err
