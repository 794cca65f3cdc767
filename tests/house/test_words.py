"""Retired names and phrases do not come back, and the glossary is in order."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

HOUSE = Path(__file__).parent
ROOT = HOUSE.parents[1]
CODE = ("antigravity", "tests", "bench", "examples", "release")
PROSE = (
    "antigravity",
    "docs",
    "etc",
    "examples",
    "newsfragments",
    "README.rst",
    "CONTRIBUTING.rst",
)
PROSE_SUFFIXES = (".py", ".rst", ".toml", ".yaml", ".conf", ".service")
#: Matches what separates two words of a phrase: spaces, comment signs, quotes of joined literals.
GAP = r"""(?:\s+#[\s:]*|["']\s*\n\s*[a-z]{0,2}["']|\s)+"""

WORD = re.compile(r"\w+")


class Retired(NamedTuple):
    """An entry of a list: what is retired, its replacement, and the paths where that holds."""

    old: str
    new: str
    paths: tuple[str, ...]

    def holds(self, path: str) -> bool:
        """Return whether it is retired in a file, named from the project's root."""
        return not self.paths or path.startswith(self.paths)


def read(name: str) -> list[Retired]:
    """Return the entries of a list in this folder."""
    entries = []
    for line in (HOUSE / name).read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            old, arrow, new = line.partition(" -> ")
            assert arrow, f"{name}: {line!r} has no ' -> '"
            new, _, paths = new.partition(" in ") if name == "retired_names.list" else (new, "", "")
            entries.append(Retired(old.strip(), new.strip(), tuple(paths.split())))
    return entries


NAMES = read("retired_names.list")
PHRASES = read("retired_phrases.list")


def files(folders: tuple[str, ...], suffixes: tuple[str, ...]) -> list[Path]:
    """Return the files below some folders of the project, or the files themselves."""
    found = []
    for folder in folders:
        path = ROOT / folder
        found += [path] if path.is_file() else [p for p in path.rglob("*") if p.suffix in suffixes]
    return found


def identifiers(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield every identifier of a module with its line, and the dotted names of imports."""
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 1)
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name):
                yield line, name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield line, name
            case ast.ClassDef(name=name):
                yield line, name
            case ast.keyword(arg=str(name)):
                yield line, name
            case ast.Import(names=aliases):
                for alias in aliases:
                    yield line, alias.name
            case ast.ImportFrom(module=str(module), names=aliases):
                yield line, module
                for alias in aliases:
                    yield line, alias.name
                    yield line, f"{module}.{alias.name}"


def module_name(path: Path) -> str:
    """Return the dotted name of a module of the project."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def names_in(path: Path, retired: list[Retired]) -> list[str]:
    """Return a message for each retired name in a module."""
    relative = str(path.relative_to(ROOT))
    wanted = {entry.old: entry for entry in retired if entry.holds(relative)}
    text = path.read_text("utf-8")
    here = f"{module_name(path)}."
    found = [(1, old) for old in wanted if "." in old and here.startswith(f"{old}.")]
    # A name is used only where all of its words are, so that few files have to be parsed.
    words = set(WORD.findall(text))
    used = {old for old in wanted if words.issuperset(old.split("."))}
    if used:
        dotted = [old for old in used if "." in old]
        for line, name in identifiers(ast.parse(text)):
            found += [(line, name)] if name in used else []
            found += [(line, old) for old in dotted if name.startswith(f"{old}.")]
    return [
        f"{relative}:{line}: {old} is now {wanted[old].new}" for line, old in sorted(set(found))
    ]


def phrases_in(path: Path, retired: list[Retired]) -> list[str]:
    """Return a message for each retired phrase in a file."""
    text = path.read_text("utf-8")
    words = set(WORD.findall(text.lower()))
    retired = [entry for entry in retired if set(WORD.findall(entry.old.lower())) <= words]
    return [
        f"{path.relative_to(ROOT)}:{text.count(chr(10), 0, match.start()) + 1}: "
        f"write {entry.new!r} instead of {entry.old!r}"
        for entry in retired
        for match in phrase_pattern(entry.old).finditer(text)
    ]


@cache
def phrase_pattern(phrase: str) -> re.Pattern[str]:
    """Return what finds a phrase in prose of any layout."""
    words = GAP.join(re.escape(word) for word in phrase.split())
    return re.compile(rf"(?<!\w){words}(?!\w)", re.IGNORECASE)


def test_retired_names_are_not_used() -> None:
    modules = files(CODE, (".py",))
    assert len(modules) > 800
    found = [message for path in modules for message in names_in(path, NAMES)]
    assert not found, "\n".join(found)


def test_retired_phrases_are_not_used() -> None:
    pages = files(PROSE, PROSE_SUFFIXES)
    assert len(pages) > 400
    found = [message for path in pages for message in phrases_in(path, PHRASES)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("entries", [NAMES, PHRASES], ids=["names", "phrases"])
def test_retired_entries_have_a_replacement_that_is_in_use(entries: list[Retired]) -> None:
    for entry in entries:
        assert entry.new, entry
        everywhere = {each.old for each in entries if not each.paths}
        assert entry.new not in everywhere, f"{entry.new} is retired itself"
    # Merges may repeat a line, but not contradict it.
    assert len({(entry.old, entry.paths) for entry in entries}) == len(set(entries))


def test_phrases_have_several_words() -> None:
    assert not [entry for entry in PHRASES if len(entry.old.split()) < 2]


def test_retired_name_is_found_with_line_and_replacement() -> None:
    path = ROOT / "antigravity" / "version.py"
    (line,) = names_in(path, [Retired("antigravity.version", "antigravity.release", ())])
    assert line == "antigravity/version.py:1: antigravity.version is now antigravity.release"
    text = "from a.b import c\nimport d.e\n\ndef f(g, *, h=1): x.y = f(z=1)\nclass K: pass\n"
    assert {name for _, name in identifiers(ast.parse(text))} >= set("cfghxyzK") | {"a.b.c", "d.e"}


@pytest.mark.parametrize(
    "text",
    [
        "Who comes first",
        "who\n    comes",
        "# who\n    # comes",
        "#: who\n#: comes",
        'say("who "\n    f"comes")',
    ],
)
def test_phrase_is_found_across_lines(text: str) -> None:
    assert phrase_pattern("who comes").search(text)
    assert not phrase_pattern("who come").search(text)


def test_glossary_has_each_term_once_in_alphabetical_order() -> None:
    text = (ROOT / "docs" / "glossary.rst").read_text("utf-8")
    entries = re.findall(r"^([a-z][^\n]*)\n((?:   [^\n]+\n)+)", text, re.MULTILINE)
    terms = [term for term, _ in entries]
    assert 40 <= len(terms) <= 80
    assert terms == sorted(set(terms))
    assert not [term for term, definition in entries if definition.count("\n") > 3]
