"""cloudflared is installed whole and verified, or not at all."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from antigravity.cli.main import main
from antigravity.tunnel.download import check_address
from antigravity.tunnel.release import InstallError, asset_name
from tests.tunnel.fake_release_server import API, PROGRAM, Releases, archive, releases


class Result(NamedTuple):
    code: int
    out: str
    err: str


Install = Callable[..., Result]
NAME = "cloudflared-linux-amd64"


@pytest.fixture
def server() -> Iterator[Releases]:
    with releases() as found:
        yield found


@pytest.fixture
def install(
    server: Releases,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Install:
    """Install on a Linux machine, from the server of the test."""
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")

    def run(*options: str) -> Result:
        home = ["--home", str(tmp_path / "home"), "--api", server.address]
        code = main(["tunnel", "install", *home, *options])
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return run


def left(tmp_path: Path) -> list[str]:
    folder = tmp_path / "home" / "bin"
    return sorted(os.listdir(folder)) if folder.exists() else []


@pytest.mark.parametrize(
    ("system", "machine", "name"),
    [
        ("Linux", "x86_64", "cloudflared-linux-amd64"),
        ("Linux", "aarch64", "cloudflared-linux-arm64"),
        ("Linux", "armv7l", "cloudflared-linux-arm"),
        ("Linux", "i686", "cloudflared-linux-386"),
        ("Darwin", "arm64", "cloudflared-darwin-arm64.tgz"),
        ("Darwin", "x86_64", "cloudflared-darwin-amd64.tgz"),
        ("Windows", "AMD64", "cloudflared-windows-amd64.exe"),
        ("Windows", "ARM64", "cloudflared-windows-amd64.exe"),
        ("Windows", "x86", "cloudflared-windows-386.exe"),
    ],
)
def test_asset_name_matches_machine(system: str, machine: str, name: str) -> None:
    assert asset_name(system, machine) == name


@pytest.mark.parametrize(("system", "machine"), [("Linux", "sparc64"), ("FreeBSD", "amd64")])
def test_asset_name_rejects_unsupported_machine(system: str, machine: str) -> None:
    with pytest.raises(InstallError, match=machine):
        asset_name(system, machine)


def test_install_installs_latest_release(
    server: Releases, install: Install, tmp_path: Path
) -> None:
    server.release(NAME, PROGRAM)
    result = install()
    assert (result.code, result.err) == (0, "")
    program = tmp_path / "home" / "bin" / "cloudflared"
    assert program.read_bytes() == PROGRAM
    assert os.access(program, os.X_OK)
    assert str(program) in result.out
    assert "2026.3.0" in result.out
    assert left(tmp_path) == ["cloudflared"]
    paths = [path for path, _ in server.asked]
    assert paths == [f"{API}/latest", f"/files/2026.3.0/{NAME}", f"/storage/2026.3.0/{NAME}?sig=1"]
    assert all(headers["user-agent"].startswith("antigravity/") for _, headers in server.asked)


def test_install_shows_progress_on_terminal(
    server: Releases, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.release(NAME, PROGRAM)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    shown = install()
    assert "cloudflared 2026.3.0" in shown.err
    assert "100%" in shown.err
    assert "100%" not in install("--json").err


def test_install_replaces_older_release(server: Releases, install: Install, tmp_path: Path) -> None:
    server.release(NAME, b"old", "2025.1.0")
    assert install().code == 0
    server.release(NAME, PROGRAM)
    data = json.loads(install("--json").out)
    assert data["version"] == "2026.3.0"
    assert data["sha256"] == hashlib.sha256(PROGRAM).hexdigest()
    assert Path(data["path"]).read_bytes() == PROGRAM


def test_install_accepts_version_option(server: Releases, install: Install) -> None:
    server.release(NAME, b"old", "2025.1.0")
    server.release(NAME, PROGRAM)
    assert "2025.1.0" in install("--version", "2025.1.0").out
    missing = install("--version", "../../x")
    assert missing.code == 1
    assert "responded with status 404" in missing.err
    assert server.asked[-1][0] == f"{API}/tags/..%2F..%2Fx"


def test_install_unpacks_archive(
    server: Releases, install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    server.release("cloudflared-darwin-amd64.tgz", archive())
    assert install().code == 0
    assert (tmp_path / "home/bin/cloudflared").read_bytes() == PROGRAM
    assert left(tmp_path) == ["cloudflared"]


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("another digest", {"digest": f"sha256:{'0' * 64}"}, "differs from the released"),
    ("no digest", {"digest": None}, "--sha256"),
    ("another kind of digest", {"digest": "md5:00"}, "--sha256"),
    ("smaller than told", {"size": len(PROGRAM) + 1}, f"instead of {len(PROGRAM) + 1}"),
    ("larger than told", {"size": 1000}, "larger than 1000"),
    ("without an end", {"size": 10**12}, "implausible size"),
    ("for another machine", {"name": "cloudflared-linux-s390x"}, f"has no file {NAME}"),
    ("in the clear", {"browser_download_url": "http://example.org/x"}, "use an https address"),
]


@pytest.mark.parametrize(("asset", "why"), [case[1:] for case in BAD], ids=[c[0] for c in BAD])
def test_install_rejects_asset_with_wrong_size_or_digest(
    server: Releases, install: Install, tmp_path: Path, asset: dict[str, Any], why: str
) -> None:
    server.release(NAME, b"good old one")
    assert install().code == 0
    server.release(NAME, PROGRAM, **asset)
    result = install()
    assert result.code == 1
    assert why in result.err
    assert left(tmp_path) == ["cloudflared"]
    assert (tmp_path / "home/bin/cloudflared").read_bytes() == b"good old one"


def test_install_prefers_given_digest(server: Releases, install: Install, tmp_path: Path) -> None:
    server.release(NAME, PROGRAM)
    assert install("--sha256", "1" * 64).code == 1
    assert left(tmp_path) == []
    server.release(NAME, PROGRAM, digest=None)
    assert install("--sha256", hashlib.sha256(PROGRAM).hexdigest().upper()).code == 0
    assert "64 hexadecimal digits" in install("--sha256", "abc").err


def test_install_leaves_no_file_after_broken_download(
    server: Releases, install: Install, tmp_path: Path
) -> None:
    server.release(NAME, PROGRAM)
    length = {"Content-Length": str(len(PROGRAM))}
    server.answers[f"/storage/2026.3.0/{NAME}?sig=1"] = (200, length, PROGRAM[:1000])
    result = install()
    assert result.code == 1
    assert "broke off" in result.err
    assert left(tmp_path) == []


@pytest.mark.parametrize(
    ("location", "why"),
    [
        (f"/storage/2026.3.0/{NAME}?sig=1", "too many redirects"),
        ("http://example.org/x", "use an https address"),
        ("file:///etc/passwd", "use an https address"),
    ],
)
def test_install_rejects_unsafe_or_endless_redirects(
    server: Releases, install: Install, tmp_path: Path, location: str, why: str
) -> None:
    server.release(NAME, PROGRAM)
    server.answers[f"/storage/2026.3.0/{NAME}?sig=1"] = (302, {"Location": location}, b"")
    assert why in install().err
    assert left(tmp_path) == []


@pytest.mark.parametrize("content", [archive(name="other"), b"no archive", archive()[:-50]])
def test_install_rejects_broken_archive(
    server: Releases,
    install: Install,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    content: bytes,
) -> None:
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    server.release("cloudflared-darwin-amd64.tgz", content)
    result = install()
    assert result.code == 1
    assert "archive" in result.err
    assert left(tmp_path) == []


def test_install_requires_https_except_on_loopback() -> None:
    for good in ("https://api.github.com", "http://127.0.0.1:9/x", "http://localhost"):
        assert check_address(good) == good
    for bad in ("http://api.github.com", "ftp://127.0.0.1", "http://127.0.0.1.evil.example", ""):
        with pytest.raises(InstallError):
            check_address(bad)
