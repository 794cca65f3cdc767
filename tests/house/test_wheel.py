"""The distribution holds what it needs, and works where it is installed.

It is built from its own sdist, and installed in an environment of its own.  That borrows the
dependencies of the running one, behind its own packages on the path, so that no time is lost
with downloads.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.wheel import (
    ROOT,
    STARTUP_FILES,
    TWISTD,
    Built,
    Environment,
    install,
    make_environment,
    pip,
)
from tests.support.gateway_process import get, running


@pytest.fixture(scope="module")
def installed(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Return an environment with the wheel in it."""
    environment = make_environment(tmp_path_factory.mktemp("installed"))
    install(environment, built.wheel)
    return environment


@pytest.fixture
def stripped(installed: Environment) -> Iterator[Environment]:
    """Return the same without the files that the interpreter reads when it starts."""
    kept = {name: (installed.packages / name).read_bytes() for name in STARTUP_FILES}
    for name in STARTUP_FILES:
        (installed.packages / name).unlink()
    yield installed
    for name, content in kept.items():
        (installed.packages / name).write_bytes(content)


def test_wheel_is_complete(built: Built) -> None:
    names = set(zipfile.ZipFile(built.wheel).namelist())
    expected = {
        *STARTUP_FILES,
        "antigravity_precedence.py",
        "twisted/plugins/antigravity_plugin.py",
        "antigravity/py.typed",
    }
    package = ROOT / "antigravity"
    for pattern in (
        "*.py",
        "*.toml",
        "*.in",
        "*.sql",
        "*.lua",
        "*.json",
        "*.html",
        "*.css",
        "*.js",
        "*.svg",
    ):
        expected |= {str(path.relative_to(ROOT)) for path in package.rglob(pattern)}
    expected |= {str(path.relative_to(ROOT)) for path in package.glob("*/licenses/*.txt")}
    # The pages of the documentation are there or not: make docs makes them.
    built_pages = "antigravity/documentation/"
    expected = {name for name in expected if not name.startswith(built_pages)}
    names = {name for name in names if not name.startswith(built_pages)}
    metadata = {name for name in names if ".dist-info/" in name}
    assert names - metadata == expected
    assert "antigravity/config/antigravity.toml" in names
    assert "antigravity/ledger/sql/schema_1.sql" in names
    assert "antigravity/cli/skeleton/pyproject.toml.in" in names
    assert any(name.endswith("/LICENSE") for name in metadata)


def test_sdist_contains_tests(built: Built) -> None:
    with tarfile.open(built.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for path in (
        *STARTUP_FILES, "Makefile", "README.rst", "CHANGELOG.rst", "CONTRIBUTING.rst", "LICENSE",
        "pyproject.toml", "setup.cfg", "setup.py", ".ci/run", ".ci/pythons", "etc/antigravity.toml",
        "twisted/plugins/antigravity_plugin.py", "docs/architecture.rst",
        "newsfragments/README.rst", "requirements/run.txt", "requirements/mp3.txt",
        "requirements/postgres.txt", "requirements/lock.py",
    ):  # fmt: skip
        assert path in names, path
    tests = {str(path.relative_to(ROOT)) for path in (ROOT / "tests").rglob("*.py")}
    assert tests <= names
    assert not any(".hypothesis" in name or "__pycache__" in name for name in names)


def test_installed_copy_is_imported(installed: Environment) -> None:
    code = "import antigravity.hookspecs, antigravity; print(antigravity.__file__)"
    done = installed.run("-c", code)
    assert done.stdout.strip() == str(installed.packages / "antigravity" / "__init__.py"), done


def test_python_start_imports_no_gateway_module(installed: Environment) -> None:
    code = (
        "import sys; print('antigravity' in sys.modules, 'antigravity_precedence' in sys.modules)"
    )
    assert installed.run("-c", code).stdout.split() == ["False", "True"]


def test_command_prints_version(installed: Environment) -> None:
    script = str(installed.python.with_name("antigravity"))
    expected = subprocess.run(
        [sys.executable, "-m", "antigravity", "version"], capture_output=True, text=True, check=True
    ).stdout
    assert expected.startswith("antigravity ")
    for done in (
        installed.run("-m", "antigravity", "version"),
        installed.command(script, "version"),
    ):
        assert (done.returncode, done.stdout) == (0, expected), done.stderr


def check_twistd(environment: Environment) -> None:
    shown = environment.run("-c", TWISTD, "--help")
    words = shown.stdout.split()
    assert "antigravity" in words, shown.stdout + shown.stderr
    assert "antigravity-simulator" in words
    command = (str(environment.python), "-c", TWISTD, "-n", "--pidfile=", "antigravity")
    home = environment.neutral / "home"
    with running((*command, "--port", "0"), home, environment.neutral) as gateway:
        assert json.loads(get(f"{gateway.address()}/healthz")) == {"status": "ok"}
        code = gateway.stop()
    # twistd ends itself with the signal that stopped it, once all is done.
    assert code == -signal.SIGTERM, gateway.log
    assert "the gateway has stopped" in gateway.log
    assert "Traceback" not in gateway.log
    assert sorted(path.name for path in environment.neutral.iterdir()) == ["home"]


def test_twistd_runs_installed_gateway(installed: Environment) -> None:
    check_twistd(installed)


def test_twistd_runs_gateway_without_startup_files(stripped: Environment) -> None:
    check_twistd(stripped)


def test_files_copied_into_image_are_sufficient(
    source: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The last step of ``etc/Dockerfile``, with what is let through to it and no more."""
    folder = tmp_path_factory.mktemp("image")
    ignored = (ROOT / "etc" / "Dockerfile.dockerignore").read_text("ascii").splitlines()
    for name in (line[1:] for line in ignored if line.startswith("!")):
        target = folder / "source" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (source / name).is_dir():
            shutil.copytree(source / name, target)
        else:
            shutil.copy(source / name, target)
    environment = make_environment(folder)
    options = ("--no-deps", "--no-build-isolation", "--quiet")
    pip("--python", str(environment.python), "install", *options, str(folder / "source"))
    check_twistd(environment)


def test_editable_install_works_from_any_folder(
    source: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    environment = make_environment(tmp_path_factory.mktemp("editable"))
    python = str(environment.python)
    options = ("--no-deps", "--no-build-isolation", "--quiet")
    pip("--python", python, "install", *options, "--editable", str(source))
    done = environment.run("-c", "import antigravity; print(antigravity.__file__)")
    assert done.stdout.strip() == str(source / "antigravity" / "__init__.py"), done
    shown = environment.run("-c", TWISTD, "antigravity", "--version")
    assert shown.stdout.startswith("antigravity "), shown.stdout + shown.stderr
