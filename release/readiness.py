"""What must be so before a release is built: changelog, promises, a clean checkout."""

from __future__ import annotations

import configparser
import re
from collections.abc import Sequence

from release.artifacts import ROOT, ReleaseError, run
from release.fragments import fragments
from release.surface import REMEDY, broken, collect, read_recorded, unrecorded

_CLASSIFIER = "Programming Language :: Python :: 3."


def classified_pythons(setup: str) -> set[str]:
    """Return the versions of Python that ``setup.cfg`` says are supported, such as ``3.11``."""
    read = configparser.ConfigParser()
    read.read_string(setup)
    lines = read["metadata"]["classifiers"].splitlines()
    return {f"3.{line.removeprefix(_CLASSIFIER)}" for line in lines if line.startswith(_CLASSIFIER)}


def check_classifiers(setup: str, found: str) -> None:
    """Check that only versions of Python are named that the continuous integration runs here.

    :param found: what ``.ci/pythons`` prints: a version and a program on each line.
    :raises ReleaseError: naming the versions that it did not run.
    """
    tested = {line.split()[0] for line in found.splitlines()}
    if untested := classified_pythons(setup) - tested:
        raise ReleaseError(
            f"setup.cfg has classifiers for Python {', '.join(sorted(untested))}, which .ci/run "
            "does not find here.  Install them and run .ci/run, or remove the classifiers."
        )


def check_changelog(changelog: str, version: str) -> None:
    """Check that the changelog has an entry for a version.

    :raises ReleaseError: if it has none.
    """
    if not re.search(rf"^{re.escape(version)} \(\d{{4}}-\d\d-\d\d\)$", changelog, re.MULTILINE):
        raise ReleaseError(
            f"CHANGELOG.rst has no entry for {version}.  Make it with: towncrier build --version "
            f"{version}"
        )


def check_surface() -> None:
    """Check that what a release promises is recorded.

    :raises ReleaseError: naming what is gone, different or new.
    """
    recorded, now = read_recorded(), collect()
    if lines := [*broken(recorded, now), *unrecorded(recorded, now)]:
        shown = "\n".join(lines)
        raise ReleaseError(f"release/surface.json differs from the code:\n{shown}\n{REMEDY}")


def check_fragments(names: Sequence[str]) -> None:
    """Check that every change is in the changelog.

    :param names: of the files of fragments that are left.
    :raises ReleaseError: naming them.
    """
    if names:
        raise ReleaseError(
            f"These changes are not in CHANGELOG.rst: {', '.join(names)}.  Put them in with: "
            "python -m release.fragments"
        )


def check_tag(tags: Sequence[str], version: str) -> None:
    """Check that the commit has the tag of its version.

    :param tags: those of the commit.
    :raises ReleaseError: if it has not.
    """
    if f"v{version}" not in tags:
        raise ReleaseError(
            f"The commit is not tagged.  If it is the one to release: git tag -a v{version}"
        )


def check_readiness(version: str, draft: bool) -> None:
    """Check all that can be checked before the build.

    :param draft: whether the checkout may have changes that are not committed (they are not built)
        or not in the changelog, and no tag.
    :raises ReleaseError: saying what to do.
    """
    check_classifiers((ROOT / "setup.cfg").read_text("utf-8"), run((".ci/pythons",), ROOT))
    if draft:
        return
    check_surface()
    check_changelog((ROOT / "CHANGELOG.rst").read_text("utf-8"), version)
    check_fragments([path.name for path in fragments()])
    if changed := run(("git", "status", "--porcelain"), ROOT):
        raise ReleaseError(f"Commit these changes first, or build a draft:\n{changed}")
    check_tag(run(("git", "tag", "--points-at", "HEAD"), ROOT).split(), version)
