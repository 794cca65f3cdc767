"""TOML, YAML and files of variables are changed where they must be, and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest

from antigravity.connect.files.document import DocumentError, Item
from antigravity.connect.files.env_document import EnvDocument
from antigravity.connect.files.json_document import JsonDocument
from antigravity.connect.files.toml_document import TomlDocument
from antigravity.connect.files.yaml_document import YamlDocument

TOML = """\
# mine
model = 'gpt-5'   # the usual one

[mcp_servers.a]
command = "x"   # spaces stay
[projects."/home/me"]
trust_level = "trusted"
"""

YAML = """\
# mine
name: Local
models:
  # the first
  - name: mine
    provider: 'openai'

rules: [a, "b"]   # in one line
"""


def test_toml_keeps_comments_order_and_spelling() -> None:
    document = TomlDocument(TOML)
    document.set(("model_provider",), "antigravity")
    document.set(("model_providers", "antigravity", "name"), "OpenAI")
    document.set(("model_providers", "antigravity", "auth", "args"), ["k"])
    lines = document.text().splitlines()
    assert [line for line in TOML.splitlines() if line not in lines] == []
    assert lines.index('model_provider = "antigravity"') < lines.index("[mcp_servers.a]")
    assert document.plain()["model_providers"] == {
        "antigravity": {"name": "OpenAI", "auth": {"args": ["k"]}}
    }
    document.remove(("model_providers",))
    document.remove(("model_provider",))
    assert document.plain() == TomlDocument(TOML).plain()
    assert [line for line in document.text().splitlines() if line] == [
        line for line in TOML.splitlines() if line
    ]


def test_toml_refuses_what_is_no_table() -> None:
    with pytest.raises(DocumentError, match="model"):
        TomlDocument(TOML).set(("model", "x"), 1)
    with pytest.raises(DocumentError, match="TOML"):
        TomlDocument("a = ")
    with pytest.raises(DocumentError, match="list"):
        TomlDocument("").set((Item("a", "b"),), 1)


def test_yaml_keeps_comments_order_and_spelling() -> None:
    document = YamlDocument(YAML)
    assert document.text() == YAML
    entry = {"name": "ours", "provider": "openai"}
    document.set(("models", Item("name", "ours")), entry)
    assert document.plain()["models"] == [{"name": "mine", "provider": "openai"}, entry]
    assert [line for line in YAML.splitlines() if line not in document.text().splitlines()] == []
    document.remove(("models", Item("name", "ours")))
    document.remove(("models", Item("name", "ours")))
    assert document.plain() == YamlDocument(YAML).plain()


def test_yaml_makes_what_is_missing() -> None:
    document = YamlDocument("")
    document.set(("a", "b"), 1)
    document.set(("list", Item("name", "x")), {"name": "x"})
    assert document.plain() == {"a": {"b": 1}, "list": [{"name": "x"}]}
    assert YamlDocument(document.text()).plain() == document.plain()
    document = YamlDocument("# only a comment\n", root=[])
    document.set((Item("name", "x"),), {"name": "x"})
    assert document.text().startswith("# only a comment\n")
    assert YamlDocument(document.text()).plain() == [{"name": "x"}]


@pytest.mark.parametrize("text", ["a: [", "a: 1\n---\nb: 2\n", "a: b: c"])
def test_other_yaml_is_refused(text: str) -> None:
    with pytest.raises(DocumentError):
        YamlDocument(text)


def test_yaml_refuses_other_kinds() -> None:
    document: Any = YamlDocument("a: 1\n")
    for path in (("a", "b"), ("a", Item("n", "x"))):
        with pytest.raises(DocumentError):
            document.set(path, 1)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_variables_are_set_in_their_line_or_at_the_end(newline: str) -> None:
    text = newline.join(["# mine", "export A=1 # one", "B='two words'", ""])
    document = EnvDocument(text)
    assert document.plain() == {"A": "1", "B": "two words"}
    document.set(("B",), "http://x")
    document.set(("C",), "it's")
    assert document.plain() == {"A": "1", "B": "http://x", "C": "it's"}
    document.set(("B",), "two words")
    document.remove(("C",))
    assert document.text() == text


def test_last_of_several_lines_counts() -> None:
    document = EnvDocument("A=1\nA=2")
    assert document.plain() == {"A": "2"}
    document.set(("A",), "3")
    assert document.text() == "A=1\nA=3"
    document.remove(("A",))
    assert document.plain() == {}
    document.set(("N",), "1")
    assert document.plain() == {"N": "1"}


def test_variables_have_no_paths() -> None:
    with pytest.raises(DocumentError):
        EnvDocument("").set(("a", "b"), 1)


def test_exported_variable_stays_exported() -> None:
    document = EnvDocument("export A=1\nB=2\n")
    document.set(("A",), "3")
    document.set(("B",), "4")
    assert document.text() == "export A=3\nB=4\n"


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_toml_keeps_line_ends_and_mark(mark: str) -> None:
    text = f"{mark}a = 1\r\n[t]\r\nb = 2\r\n"
    document = TomlDocument(text)
    document.set(("model_provider",), "x")
    document.set(("providers", "x", "url"), "y")
    changed = document.text()
    assert changed.startswith(f"{mark}a = 1\r\n")
    assert changed.count("\n") == changed.count("\r\n") > 5
    assert document.plain()["providers"] == {"x": {"url": "y"}}
    document.remove(("model_provider",))
    assert "\ufeff" not in document.text()[1:]


@pytest.mark.parametrize(
    "text",
    [
        'a: 1\n  key: "sk-very-secret"\n',
        "key: sk-very-secret\nkey: sk-very-secret\n",
        "key: 'sk-very-secret\n",
        "- a\nsk-very-secret\n",
    ],
)
def test_errors_of_yaml_quote_no_values(text: str) -> None:
    with pytest.raises(DocumentError, match=r"not valid YAML: line \d") as caught:
        YamlDocument(text)
    assert "very-secret" not in str(caught.value)


def test_errors_of_json_quote_no_text() -> None:
    with pytest.raises(DocumentError, match="line 1: the text is not valid") as caught:
        JsonDocument('{"key": "sk-very-secret\\q"}')
    assert "very-secret" not in str(caught.value)
