"""The documentation says what the code does."""

from __future__ import annotations

import inspect
import re
import shutil
import sys
from pathlib import Path

import docutils.core
import docutils.nodes
import pytest

from antigravity import hookspecs
from antigravity.interfaces.accounts import UpstreamModel
from antigravity.interfaces.selection import Candidate, SelectionContext
from antigravity.plugins import PluginHost
from antigravity.testing import load_plugin
from tests.house.pages import run, table
from tests.support.doc_examples import example_of
from tests.support.pages import blocks

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.rst"), *(ROOT / "docs").glob("*.rst")])


def hooks() -> dict[str, str]:
    """Return every hook with its signature as the documentation writes it."""
    found = {}
    for name, function in vars(hookspecs).items():
        if hasattr(function, f"{hookspecs.GROUP}_spec"):
            arguments = ", ".join(inspect.signature(function).parameters)
            found[name] = f"{name}({arguments})"
    return found


def test_every_hook_has_a_section_titled_with_its_signature() -> None:
    text = (ROOT / "docs/plugins.rst").read_text("utf-8")
    titles = re.findall(r"^(\w+\(.*\))\n~+$", text, re.MULTILINE)
    assert sorted(titles) == sorted(hooks().values())
    assert len(titles) >= 5


def test_example_plugin_of_docs_works() -> None:
    (code,) = (text for text in blocks("docs/plugins.rst", "python") if "class MyKind" in text)
    namespace: dict[str, object] = {}
    exec(code, namespace)  # our own page
    plugin = type("Plugin", (), {})()
    for name in hooks():
        if name in namespace:
            setattr(plugin, name, namespace[name])
    host = PluginHost()
    host.load(extra=[("example", plugin)], installed=False)
    assert host.problems == []
    assert "my-server" in host.registry.upstream_kinds


def test_example_selection_policy_works() -> None:
    host = PluginHost({"cheap": {"order": ["b", "a"]}})
    host.load(extra=[("cheap", example_of("register_selection_policies"))], installed=False)
    assert host.problems == []
    policy = host.registry.selection_policies["CheapestFirst"]
    option = UpstreamModel("google", "gemini-pro")
    candidates = [Candidate(0, option, name) for name in ("a", "b", "c")]
    order = policy.select(candidates, SelectionContext()).order
    assert [each.credential for each in order] == ["b", "a", "c"]


@pytest.mark.parametrize(
    "hook", ["register_admin_routes", "register_dashboard_pages", "register_commands"]
)
def test_examples_of_administration_pass_all_checks(hook: str) -> None:
    assert load_plugin(example_of(hook)).info.hooks == (hook,)


#: Pages with directives that Sphinx alone knows, and pages that include files which are tested.
FOR_SPHINX = {"index.rst", "commands.rst", "contributing.rst", "changelog.rst", "benchmarks.rst"}


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if page.parent == ROOT or page.name not in FOR_SPHINX],
    ids=lambda page: page.name,
)
def test_pages_are_valid_and_links_resolve(page: Path) -> None:
    text = page.read_text("utf-8")
    docutils.core.publish_doctree(
        text,
        settings_overrides={"report_level": 2, "halt_level": 2, "warning_stream": False},
    )
    for target in re.findall(r"<([^<>`]+\.rst)>`_", text):
        assert (page.parent / target).exists(), target


def test_changelog_builds_from_fragments(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "towncrier", "build", "--draft", "--version", "1.0"]
    done = run([*command, "--dir", str(ROOT)], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " ()" not in done.stdout
    docutils.core.publish_doctree(
        done.stdout.partition("would be written.")[2],
        settings_overrides={"report_level": 2, "halt_level": 2, "warning_stream": False},
    )


def test_new_entry_of_the_changelog_stands_before_the_last_one(tmp_path: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copy(ROOT / "CHANGELOG.rst", tmp_path)
    newest = re.search(
        r"^\d+\.\d+\.\d+ \([\d-]+\)$", (ROOT / "CHANGELOG.rst").read_text("utf-8"), re.M
    )
    assert newest is not None
    shutil.copytree(ROOT / "newsfragments", tmp_path / "newsfragments")
    (tmp_path / "newsfragments" / "one.feature.rst").write_text("It can do one thing more.\n")
    command = [sys.executable, "-m", "towncrier", "build", "--keep", "--version", "9.0.0"]
    done = run([*command, "--date", "2030-01-02", "--dir", str(tmp_path)], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    document = docutils.core.publish_doctree(
        (tmp_path / "CHANGELOG.rst").read_text("utf-8"),
        settings_overrides={"report_level": 2, "halt_level": 2, "warning_stream": False},
    )
    titles = [
        section.next_node(docutils.nodes.title).astext()
        for section in document.findall(docutils.nodes.section)
        if section.parent is document
    ]
    assert titles[:2] == ["9.0.0 (2030-01-02)", newest[0]]


def test_every_make_target_is_documented() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = " ".join(re.findall(r"^\.PHONY: (.+)$", makefile, re.MULTILINE))
    page = (ROOT / "CONTRIBUTING.rst").read_text("utf-8")
    assert [target for target in targets.split() if f"make {target}" not in page] == []


def test_every_room_is_in_table() -> None:
    named = {
        name.rstrip("/")
        for rooms, _ in table("docs/architecture.rst", "Room")
        for name in re.split(r",\s+", rooms)
    }
    package = ROOT / "antigravity"
    there = {path.name for path in package.iterdir() if (path / "__init__.py").exists()}
    there |= {path.name for path in package.glob("*.py") if not path.name.startswith("__")}
    assert named == there


def test_every_dependency_is_documented_with_reason() -> None:
    page = (ROOT / "docs/architecture.rst").read_text("utf-8")
    block = (ROOT / "setup.cfg").read_text("utf-8").split("install_requires =")[1].split("\n\n")[0]
    names = [re.split(r"[><=;]", line.strip())[0] for line in block.strip().splitlines()]
    assert names
    for name in names:
        assert f"   * - {name}\n" in page, name
