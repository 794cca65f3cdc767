"""The files of exact versions fit what the project asks for, and every version has its hashes."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "requirements"
sys.path.insert(0, str(FOLDER))
try:
    import lock
finally:
    sys.path.remove(str(FOLDER))

MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
REMEDY = "make lock or make lock-clients writes it anew"
ALL = (*lock.FILES, *lock.CLIENT_FILES)


class Pin(NamedTuple):
    requirement: Requirement
    hashes: list[str]


def text_of(name: str) -> str:
    return lock.file_of(name).read_text("utf-8")


def pins(name: str) -> dict[str, list[Pin]]:
    """Return what a file installs; for some markers there may be other versions."""
    body = "\n".join(line for line in text_of(name).splitlines() if not line.startswith("#"))
    found: dict[str, list[Pin]] = {}
    for entry in re.sub(r" \\\n\s*", " ", body).split("\n"):
        if entry.strip():
            line, *hashes = entry.split(" --hash=")
            requirement = Requirement(line.strip())
            pin = Pin(requirement, [value.strip() for value in hashes])
            found.setdefault(canonicalize_name(requirement.name), []).append(pin)
    return found


def version(pin: Pin) -> str:
    (specifier,) = pin.requirement.specifier
    assert specifier.operator == "=="
    return specifier.version


@pytest.mark.parametrize("name", ALL)
def test_requirements_files_are_current(name: str) -> None:
    text = text_of(name)
    assert text.startswith(lock.header(name) + "\n"), f"{name}.txt is old: {REMEDY}"


@pytest.mark.parametrize("name", ALL)
def test_pinned_versions_satisfy_requirements(name: str) -> None:
    there = pins(name)
    for line in lock.wanted(name):
        requirement = Requirement(line)
        found = there.get(canonicalize_name(requirement.name), [])
        assert found, f"{name}.txt has no {requirement.name}: {REMEDY}"
        for pin in found:
            fits = requirement.specifier.contains(version(pin), prereleases=True)
            assert fits, f"{pin.requirement} in {name}.txt is not {line}: {REMEDY}"


@pytest.mark.parametrize("name", ALL)
def test_pins_are_exact_with_hashes(name: str) -> None:
    there = pins(name)
    assert there
    for pin in (pin for found in there.values() for pin in found):
        assert version(pin)
        assert pin.requirement.url is None
        assert pin.hashes, pin.requirement
        for value in pin.hashes:
            assert re.fullmatch(r"sha256:[0-9a-f]{64}", value), pin.requirement


def test_pins_name_extras_for_older_pip() -> None:
    """Up to pip 23 a pinned package without its extras counts as not pinned."""
    for name in ("run", "test-without-sdks", "test"):
        assert {
            str(extra) for pin in pins(name)["twisted"] for extra in pin.requirement.extras
        } == {"tls"}


@pytest.mark.parametrize("name", ALL)
def test_requirements_files_name_no_index_or_folder(name: str) -> None:
    lines = [line for line in text_of(name).splitlines() if not line.startswith("#")]
    assert not [line for line in lines if re.match(r"\s*(?:-[^-]|--(?!hash=))|.*[/@]", line)]


@pytest.mark.parametrize(
    "name", [name for name, (_, followed) in lock.FILES.items() if followed == "test"]
)
def test_run_and_test_pins_are_equal(name: str) -> None:
    tested = {package: set(map(version, found)) for package, found in pins("test").items()}
    for package, found in pins(name).items():
        if package in tested:
            assert set(map(version, found)) <= tested[package], package


def test_run_requirements_can_build_project() -> None:
    """Without isolation setuptools must be there, and nothing but what running takes."""
    there = pins("run")
    assert "setuptools" in there
    assert not {"pytest", "openai", "lameenc"} & set(there)
    assert set(there) <= set(pins("test-without-sdks")) <= set(pins("test"))


def test_make_installs_every_file_with_hashes() -> None:
    for name in lock.FILES:
        uses = re.findall(
            rf"--require-hashes (?:\\\n\s*)?--requirement requirements/{name}\.txt", MAKEFILE
        )
        assert uses, name
    for line in re.findall(r"--requirement requirements/(\S+)", MAKEFILE):
        assert line.removesuffix(".txt") in lock.FILES or line == "previous.in"


def test_changed_requirement_outdates_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup = (ROOT / "setup.cfg").read_text("utf-8")
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text("utf-8"))
    monkeypatch.setattr(lock, "ROOT", tmp_path)
    for old, new in (("    treq>=25.5\n", "    treq>=99\n"), ("    treq>=25.5\n", "")):
        assert old in setup
        (tmp_path / "setup.cfg").write_text(setup.replace(old, new))
        assert not text_of("run").startswith(lock.header("run"))
        assert not text_of("test").startswith(lock.header("test"))
        assert text_of("mp3").startswith(lock.header("mp3"))
