"""Read the tables of the documentation, and run what it shows."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import docutils.core
from docutils import nodes

from tests.support.gateway_process import clean_environment
from tests.support.pages import ROOT, at


def tables(page: str) -> list[list[list[str]]]:
    """Return the tables of a page as rows of cells, each cell as plain text."""
    document = docutils.core.publish_doctree((ROOT / page).read_text("utf-8"))
    return [
        [[cell.astext() for cell in row.findall(nodes.entry)] for row in table.findall(nodes.row)]
        for table in document.findall(nodes.table)
    ]


def table(page: str, head: str) -> list[list[str]]:
    """Return the rows of the one table of a page whose first heading is ``head``."""
    (found,) = (rows for rows in tables(page) if rows[0][0] == head)
    return found[1:]


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command as a user would."""
    return subprocess.run(
        command,
        cwd=folder,
        env=clean_environment(folder),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def run_python(code: str, address: str, folder: Path) -> str:
    """Run a snippet against a gateway and return what it prints."""
    done = run([sys.executable, "-W", "ignore", "-c", at(address, code)], folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_curl(line: str, address: str, folder: Path) -> str:
    """Run a curl command against a gateway and return what it prints."""
    arguments = shlex.split(at(address, line))[1:]
    done = run(["curl", "--silent", "--fail", "--noproxy", "*", *arguments], folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
