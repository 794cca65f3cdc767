"""The finder that lets ``import antigravity`` find the gateway."""

from __future__ import annotations

import importlib.util
import os
import sys
import sysconfig
import types
import webbrowser
import zipfile
from pathlib import Path

import pytest

import antigravity_precedence
from antigravity_precedence import AntigravityFinder, install

ROOT = Path(__file__).parents[2]
STANDARD_LIBRARY = sysconfig.get_path("stdlib")


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """Return a folder with a package of the name."""
    folder = tmp_path / "packages"
    (folder / "antigravity").mkdir(parents=True)
    (folder / "antigravity" / "__init__.py").write_text("")
    return folder


def found() -> str | None:
    spec = AntigravityFinder.find_spec("antigravity")
    return None if spec is None else spec.origin


def test_standard_library_has_antigravity_module() -> None:
    spec = importlib.util.spec_from_file_location("joke", f"{STANDARD_LIBRARY}/antigravity.py")
    assert spec is not None
    assert (Path(STANDARD_LIBRARY) / "antigravity.py").exists()


@pytest.mark.parametrize("name", ["os", "this", "antigravity_precedence", "antigravity.ir", ""])
def test_finder_ignores_other_names(name: str) -> None:
    assert AntigravityFinder.find_spec(name) is None


def test_finder_ignores_submodules() -> None:
    assert AntigravityFinder.find_spec("antigravity", ["/somewhere"]) is None


def test_package_precedes_standard_library(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [STANDARD_LIBRARY, str(package)])
    assert found() == str(package / "antigravity" / "__init__.py")


def test_standard_library_is_recognised_by_any_path(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = tmp_path / "link"
    link.symlink_to(STANDARD_LIBRARY, target_is_directory=True)
    path = [str(link), STANDARD_LIBRARY + os.sep, os.path.relpath(STANDARD_LIBRARY), str(package)]
    monkeypatch.setattr(sys, "path", path)
    assert found() == str(package / "antigravity" / "__init__.py")


def test_zipped_standard_library_is_recognised(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "python.zip"
    with zipfile.ZipFile(archive, "w") as target:
        for name in ("__future__.py", "antigravity.py"):
            target.write(Path(STANDARD_LIBRARY) / name, name)
    monkeypatch.setattr(sys, "path", [str(archive), str(package)])
    assert found() == str(package / "antigravity" / "__init__.py")


def test_zipped_package_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / "application.pyz"
    with zipfile.ZipFile(archive, "w") as target:
        target.writestr("antigravity/__init__.py", "")
    monkeypatch.setattr(sys, "path", [STANDARD_LIBRARY, str(archive)])
    assert found() == str(archive / "antigravity" / "__init__.py")


def test_folder_without_package_is_ignored(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home" / "antigravity").mkdir(parents=True)
    monkeypatch.setattr(sys, "path", [str(tmp_path / "home"), STANDARD_LIBRARY])
    assert found() is None
    monkeypatch.setattr(sys, "path", [str(tmp_path / "home"), STANDARD_LIBRARY, str(package)])
    assert found() == str(package / "antigravity" / "__init__.py")


def test_user_module_keeps_usual_order(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "antigravity.py").write_text("mine = True")
    monkeypatch.setattr(sys, "path", [str(tmp_path), STANDARD_LIBRARY, str(package)])
    assert found() is None


def test_invalid_path_entries_are_ignored(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    odd: list[object] = ["", Path("/usr"), b"/usr", None, "/no/such/folder"]
    monkeypatch.setattr(sys, "path", [*odd, STANDARD_LIBRARY, str(package)])
    assert found() == str(package / "antigravity" / "__init__.py")


def test_install_is_idempotent(monkeypatch: pytest.MonkeyPatch) -> None:
    others = [finder for finder in sys.meta_path if finder is not AntigravityFinder]
    monkeypatch.setattr(sys, "meta_path", list(others))
    install()
    install()
    assert sys.meta_path == [AntigravityFinder, *others]


def test_install_removes_imported_joke_without_opening_browser(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    monkeypatch.setattr(sys, "meta_path", [f for f in sys.meta_path if f is not AntigravityFinder])
    monkeypatch.setitem(sys.modules, "antigravity", types.ModuleType("antigravity"))
    install()
    assert "antigravity" not in sys.modules
    module = importlib.import_module("antigravity")
    assert Path(str(module.__file__)) == ROOT / "antigravity" / "__init__.py"
    assert opened == []


def test_install_keeps_imported_package(monkeypatch: pytest.MonkeyPatch) -> None:
    package = types.ModuleType("antigravity")
    package.__path__ = []
    monkeypatch.setattr(sys, "meta_path", [f for f in sys.meta_path if f is not AntigravityFinder])
    monkeypatch.setitem(sys.modules, "antigravity", package)
    install()
    assert sys.modules["antigravity"] is package


def test_both_startup_files_are_equivalent() -> None:
    for name, text in {
        "antigravity.pth": "import antigravity_precedence; antigravity_precedence.install()\n",
        "antigravity.start": "antigravity_precedence:install\n",
    }.items():
        assert (ROOT / name).read_text("ascii") == text
    assert antigravity_precedence.install is install
