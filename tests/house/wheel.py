"""Build the distribution, and make environments of its own to install it in."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import twisted

from tests.support.gateway_process import clean_environment

ROOT = Path(__file__).parents[2]
DEPENDENCIES = Path(twisted.__file__).parents[1]
TWISTD = "import sys; from twisted.scripts.twistd import run; sys.argv[0] = 'twistd'; run()"
STARTUP_FILES = ("antigravity.pth", "antigravity.start")


class Built(NamedTuple):
    wheel: Path
    sdist: Path


class Environment(NamedTuple):
    """A virtual environment, and a directory to run things from that holds nothing."""

    python: Path
    packages: Path
    neutral: Path

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.command(str(self.python), *arguments)

    def command(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.neutral,
            env=clean_environment(self.neutral / "home"),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


def pip(*arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments],
        env=clean_environment(Path("/nowhere")),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def make_environment(folder: Path) -> Environment:
    python = folder / "environment" / ("Scripts" if os.name == "nt" else "bin") / "python"
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", str(folder / "environment")], check=True
    )
    (folder / "neutral").mkdir()
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = subprocess.run(
        [str(python), "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()
    (Path(packages) / "zz_dependencies.pth").write_text(f"{DEPENDENCIES}\n")
    return Environment(python, Path(packages), folder / "neutral")


def copy_source(target: Path) -> Path:
    """Return a copy of the source, as a clone would be."""
    ignored = shutil.ignore_patterns(
        ".venv*", ".git", ".*_cache", ".hypothesis", "__pycache__", "build", "dist", "*.egg-info",
        "node_modules", "dropin.cache", "*.pyc", "_trial_temp*",
    )  # fmt: skip
    shutil.copytree(ROOT, target, ignore=ignored)
    return target


def build(source: Path, target: Path) -> Built:
    """Return the sdist of a distribution, and the wheel that was built from it.

    What it is built with is that of this environment: that saves four downloads for each.
    """
    done = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(target), str(source)],
        env=clean_environment(target),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    (wheel,) = target.glob("*.whl")
    (sdist,) = target.glob("*.tar.gz")
    return Built(wheel, sdist)


def install(environment: Environment, *wheels: Path) -> None:
    """Install wheels without what they depend on, which is there already."""
    names = [str(wheel) for wheel in wheels]
    pip("--python", str(environment.python), "install", "--no-deps", "-q", *names)
