"""``python -m release``: build a release twice, compare, and check it; see ``make release``."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from antigravity.version import VERSION
from release.artifacts import ROOT, ReleaseError, build_release, check_same
from release.installations import check_installations
from release.readiness import check_readiness


def make_release(target: Path, docs_python: Path, tools: Path, draft: bool) -> None:
    """Build a release of the newest commit into a folder, which is emptied first.

    :raises ReleaseError: if something is not good; the folder is then as it was.
    """
    check_readiness(VERSION, draft)
    with tempfile.TemporaryDirectory(prefix="antigravity-release-") as name:
        # The two folders have names of different lengths, so that a path in a file shows.
        builds = (Path(name, "one"), Path(name, "another"))
        for build in builds:
            build_release("HEAD", build / "source", build / "dist", docs_python, tools)
            print(f"built {', '.join(sorted(each.name for each in (build / 'dist').iterdir()))}")
        check_same(*(build / "dist" for build in builds))
        print("both builds have the same bytes", flush=True)
        (wheel,) = (builds[0] / "dist").glob("*.whl")
        check_installations(wheel, tools)
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(builds[0] / "dist", target)


def main(arguments: list[str]) -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m release", description=__doc__)
    parser.add_argument("--output", type=Path, default=ROOT / "dist")
    parser.add_argument("--docs-python", type=Path, required=True, help="a Python with Sphinx")
    parser.add_argument("--tools", type=Path, required=True, help="where pipx and uv are")
    parser.add_argument(
        "--draft", action="store_true", help="without the changelog's entry, from any checkout"
    )
    options = parser.parse_args(arguments)
    docs_python, tools = options.docs_python.absolute(), options.tools.absolute()
    try:
        make_release(options.output, docs_python, tools, options.draft)
    except ReleaseError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{options.output} has the release.  Nothing was uploaded.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
