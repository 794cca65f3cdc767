"""Put fragments into the entry of a version that is not released: ``python -m release.fragments``.

``towncrier build`` makes the entry, once.  Changes that come after that have fragments as well;
this adds them at the end of the entry, by their types, sets its date, and removes the files.  Then
merge them by hand into the sections that they belong to.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from antigravity.version import VERSION
from release.artifacts import ROOT, ReleaseError

FOLDER = ROOT / "newsfragments"
CHANGELOG = ROOT / "CHANGELOG.rst"


def fragments(folder: Path = FOLDER) -> list[Path]:
    """Return the files of all fragments, in order."""
    ignored = _settings()["ignore"]
    return sorted(path for path in folder.iterdir() if path.name not in ignored)


def _settings() -> dict[str, Any]:
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    found: dict[str, Any] = tomllib.loads(text)["tool"]["towncrier"]
    return found


def titles() -> dict[str, str]:
    """Return the title of each type of fragments, in the order of the changelog."""
    return {name: each["name"] for name, each in _settings()["fragment"].items()}


def sections(files: Iterable[Path]) -> str:
    """Return the texts of fragments as lists below the titles of their types.

    :raises ReleaseError: naming a file whose name has no type.
    """
    texts: dict[str, list[str]] = defaultdict(list)
    for path in files:
        parts = path.name.split(".")
        kind = parts[-2] if parts[-1] == "rst" and len(parts) > 2 else ""
        if kind not in titles():
            raise ReleaseError(f"{path.name} is no NAME.TYPE.rst with a type of: {list(titles())}")
        first, *rest = path.read_text("utf-8").strip().splitlines()
        texts[kind].append("\n".join([f"- {first}", *(f"  {line.strip()}" for line in rest)]))
    return "".join(
        f"\n{title}\n{'~' * len(title)}\n\n" + "\n".join(texts[kind]) + "\n"
        for kind, title in titles().items()
        if kind in texts
    )


def merge(changelog: str, version: str, added: str, day: date) -> str:
    """Return a changelog with sections at the end of the entry of a version, and its new date.

    :raises ReleaseError: if there is no such entry.
    """
    heading = re.compile(rf"^{re.escape(version)} \(\d{{4}}-\d\d-\d\d\)\n-+\n", re.MULTILINE)
    found = heading.search(changelog)
    if found is None:
        raise ReleaseError(
            f"CHANGELOG.rst has no entry for {version}.  Make it with: towncrier build --version "
            f"{version}"
        )
    following = re.compile(r"^\S+ \(\d{4}-\d\d-\d\d\)\n-+\n", re.MULTILINE)
    after = following.search(changelog, found.end())
    end = len(changelog) if after is None else after.start()
    title = f"{version} ({day:%Y-%m-%d})"
    entry = f"{title}\n{'-' * len(title)}\n{changelog[found.end() : end].rstrip()}\n{added}"
    rest = changelog[end:]
    return changelog[: found.start()] + entry + (f"\n\n{rest}" if rest else "")


def main(arguments: list[str]) -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m release.fragments", description=__doc__)
    parser.parse_args(arguments)
    files = fragments()
    try:
        text = merge(
            CHANGELOG.read_text("utf-8"), VERSION, sections(files), datetime.now(UTC).date()
        )
    except ReleaseError as error:
        print(error, file=sys.stderr)
        return 1
    CHANGELOG.write_text(text, "utf-8")
    for path in files:
        path.unlink()
    print(f"{len(files)} fragments are in CHANGELOG.rst now.  Rewrite the entry, and commit.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
