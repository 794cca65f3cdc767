"""The files of a release, built from one commit so that another build gives the same bytes."""

from __future__ import annotations

import configparser
import gzip
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CHECKSUMS = "SHA256SUMS"
#: The pages of the documentation, in a checkout.
PAGES = Path("antigravity", "documentation")
#: What Sphinx writes beside the pages, and no page needs; as ``make docs``.
_NOT_PAGES = ("_sources", ".buildinfo", "objects.inv")
#: Settings that could change what is built.
_LEAKS = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")


class ReleaseError(Exception):
    """A release cannot be built, or is not good; the message says why."""


def run(
    command: Sequence[str | Path], folder: Path, variables: Mapping[str, str] | None = None
) -> str:
    """Return what a command writes to its standard output.

    :param variables: more variables of its environment.
    :raises ReleaseError: if it fails, with the end of what it wrote.
    """
    kept = {name: value for name, value in os.environ.items() if name not in _LEAKS}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env={**kept, **(variables or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        words = " ".join(str(word) for word in command)
        raise ReleaseError(f"{words} failed:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done.stdout


def commit_time(commit: str) -> int:
    """Return when a commit was made, in seconds since 1970: the time of all that is built."""
    return int(run(("git", "log", "-1", "--format=%ct", commit), ROOT))


def export(commit: str, target: Path) -> None:
    """Write the files of a commit to a folder, and nothing else that lies in the checkout."""
    target.mkdir(parents=True)
    archive = subprocess.run(
        ["git", "archive", "--format=tar", commit], cwd=ROOT, capture_output=True, check=True
    ).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(target, filter="tar")
    # A file's mode is part of a wheel, and depends on the umask of whoever builds it.
    for path in target.rglob("*"):
        path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)


def build_pages(source: Path, python: Path, epoch: int) -> None:
    """Build the pages of the documentation into an exported source; warnings are errors.

    :param python: of an environment with Sphinx (``requirements/docs.txt``).
    """
    doctrees = source / "build" / "doctrees"
    command = ("-m", "sphinx", "-q", "-W", "--keep-going", "-d", doctrees, "docs", PAGES)
    variables = {"SOURCE_DATE_EPOCH": str(epoch), "PYTHONPATH": str(source)}
    run((python, *command), source, {**variables, "PYTHONHASHSEED": "0"})
    for name in _NOT_PAGES:
        path = source / PAGES / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    shutil.rmtree(source / "build")


def build_distributions(source: Path, target: Path, epoch: int) -> None:
    """Build the source distribution, and the wheel from it, with the tools of this environment."""
    target.mkdir(parents=True, exist_ok=True)
    command = (sys.executable, "-m", "build", "--no-isolation", "--outdir", target, source)
    run(command, source, {"SOURCE_DATE_EPOCH": str(epoch)})
    (sdist,) = target.glob("*.tar.gz")
    normalise_sdist(sdist, epoch)


def normalise_sdist(path: Path, epoch: int) -> None:
    """Write a source distribution anew, without who built it and when.

    setuptools takes names, owners and times from the file system.
    """
    packed = io.BytesIO()
    with tarfile.open(path) as old, tarfile.open(fileobj=packed, mode="w") as new:
        for member in sorted(old.getmembers(), key=lambda each: each.name):
            member.mtime = epoch
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            member.pax_headers = {}
            new.addfile(member, old.extractfile(member) if member.isreg() else None)
    with (
        path.open("wb") as file,
        gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=epoch) as compressed,
    ):
        compressed.write(packed.getvalue())


def build_bill(source: Path, target: Path, tools: Path, epoch: int) -> Path:
    """Write the software bill of materials (CycloneDX, JSON) of the locked requirements.

    :param tools: the folder with ``cyclonedx-py`` (``requirements/release.txt``).
    :raises ReleaseError: if a locked version is missing in it, or has no hash.
    """
    setup = configparser.ConfigParser()
    setup.read_string((source / "setup.cfg").read_text("utf-8"))
    metadata, (wheel,) = setup["metadata"], target.glob("*.whl")
    version = wheel.name.split("-")[1]
    project = {
        "name": metadata["name"],
        "version": version,
        "description": metadata["description"],
        "license": metadata["license"],
        "requires-python": setup["options"]["python_requires"],
        "dependencies": setup["options"]["install_requires"].split("\n")[1:],
    }
    # The tool reads what a project is from [project], which setup.cfg has in other words.
    described = source / "bill.toml"
    lines = [f"{name} = {json.dumps(value)}" for name, value in project.items()]
    described.write_text("\n".join(["[project]", *lines, ""]), "utf-8")
    bill = target / f"{metadata['name'].replace('-', '_')}-{version}.cdx.json"
    locked = source / "requirements" / "run.txt"
    command = ("requirements", "--pyproject", described, "--output-reproducible", "-o", bill)
    run((tools / "cyclonedx-py", *command, locked), source, {"SOURCE_DATE_EPOCH": str(epoch)})
    described.unlink()
    check_bill(json.loads(bill.read_text("utf-8")), locked.read_text("utf-8"))
    return bill


def check_bill(bill: dict[str, object], locked: str) -> None:
    """Check that a bill of materials has each locked version, with its hashes.

    :raises ReleaseError: if it has not.
    """
    components = bill.get("components")
    found = {}
    for component in components if isinstance(components, list) else ():
        hashes = sum(len(each.get("hashes", ())) for each in component["externalReferences"])
        name = re.sub(r"[-_.]+", "-", component["name"]).lower()
        found[name, component["version"]] = hashes
    for line in locked.splitlines():
        if match := re.match(r"([\w.-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", line):
            pin = (re.sub(r"[-_.]+", "-", match[1]).lower(), match[2])
            if not found.get(pin):
                raise ReleaseError(f"The bill of materials lacks {'=='.join(pin)} or its hashes.")


def write_checksums(folder: Path) -> None:
    """Write the SHA-256 of each file of a folder, in the form that ``sha256sum --check`` reads."""
    files = sorted(path for path in folder.iterdir() if path.name != CHECKSUMS)
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files]
    (folder / CHECKSUMS).write_text("".join(lines), "ascii")


def build_release(commit: str, work: Path, target: Path, docs_python: Path, tools: Path) -> None:
    """Build all files of a release.

    :param commit: what to build.
    :param work: a folder that does not exist, for the source; it is left.
    :param target: where the files go.
    :raises ReleaseError: if something fails.
    """
    epoch = commit_time(commit)
    export(commit, work)
    build_pages(work, docs_python, epoch)
    build_distributions(work, target, epoch)
    build_bill(work, target, tools, epoch)
    write_checksums(target)


def check_same(one: Path, other: Path) -> None:
    """Check that two folders have the same files.

    :raises ReleaseError: naming those that differ.
    """
    names = {path.name for folder in (one, other) for path in folder.iterdir()}
    different = [
        name
        for name in sorted(names)
        if not (one / name).is_file()
        or not (other / name).is_file()
        or (one / name).read_bytes() != (other / name).read_bytes()
    ]
    if different:
        raise ReleaseError(f"Two builds of one commit differ: {', '.join(different)}.")
