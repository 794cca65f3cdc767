"""Changes of a configuration file keep what they are not about."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.config.errors import ConfigurationError
from antigravity.config.file_edits import changed_text
from antigravity.config.home import master_text

MAPPING = ("proxy", "custom_mapping")
TEXT = """\
# The gateway of the office.
[proxy]
port = 8045   # the usual one

# Names that old clients send.
[proxy.custom_mapping]
"gpt-4*" = "gemini-3-pro"  # cheaper
"o1" = "gemini-3-flash"

[routing]
fallback_model = ""
"""


def test_entry_is_changed_and_comments_stay() -> None:
    changed = changed_text(
        TEXT, {MAPPING: {"gpt-4*": "gemini-3-pro", "o1": "glm-5", "claude-*": "glm-5"}}
    )
    assert "# The gateway of the office." in changed
    assert '"gpt-4*" = "gemini-3-pro"  # cheaper' in changed
    assert "port = 8045   # the usual one" in changed
    assert tomllib.loads(changed)["proxy"]["custom_mapping"] == {
        "gpt-4*": "gemini-3-pro",
        "o1": "glm-5",
        "claude-*": "glm-5",
    }


def test_entry_is_removed() -> None:
    changed = changed_text(TEXT, {MAPPING: {"o1": "gemini-3-flash"}})
    assert tomllib.loads(changed)["proxy"]["custom_mapping"] == {"o1": "gemini-3-flash"}
    assert "gpt-4" not in changed


def test_missing_tables_are_created() -> None:
    changes = {MAPPING: {"a": "b"}, ("routing", "fallback_models"): {"a*": ["b", "c"]}}
    for text in ("", "# nothing yet\n", "[log]\nlevel = 'debug'\n", master_text()):
        found = tomllib.loads(changed_text(text, changes))
        assert found["proxy"]["custom_mapping"] == {"a": "b"}
        assert found["routing"]["fallback_models"] == {"a*": ["b", "c"]}


def test_setting_is_removed() -> None:
    changed = changed_text(TEXT, {("routing", "fallback_model"): None, ("no", "such"): None})
    assert tomllib.loads(changed) == {**tomllib.loads(TEXT), "routing": {}}


@pytest.mark.parametrize(
    "text",
    [
        'proxy.custom_mapping = { "a" = "b" }\n',
        '[proxy]\ncustom_mapping = { "a" = "b", c = "d" }\nport = 1\n',
        "proxy = { custom_mapping = {} }\n",
        '[proxy]\ncustom_mapping.a = "b"\ncustom_mapping."c" = "d"\n',
        '[proxy.custom_mapping]\na = "b"\n[log]\nlevel = "info"\n[proxy]\nport = 1\n',
    ],
)
def test_other_ways_to_write_a_table_are_changed(text: str) -> None:
    changed = changed_text(text, {MAPPING: {"a": "x", "new*": "y"}})
    before = tomllib.loads(text)
    before["proxy"]["custom_mapping"] = {"a": "x", "new*": "y"}
    assert tomllib.loads(changed) == before


def test_text_that_is_not_toml_is_refused_with_its_line() -> None:
    with pytest.raises(ConfigurationError, match="line 2"):
        changed_text("[proxy]\nport = = 1\n", {MAPPING: {}})


def test_value_in_place_of_a_table_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"proxy\.custom_mapping.*edit the file"):
        changed_text("proxy = 1\n", {MAPPING: {"a": "b"}})


names = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=20)
tables = st.dictionaries(names, names, max_size=5)


@given(tables, tables)
def test_any_names_are_written(before: dict[str, str], after: dict[str, str]) -> None:
    text = changed_text("", {MAPPING: before})
    assert tomllib.loads(text)["proxy"]["custom_mapping"] == before
    assert tomllib.loads(changed_text(text, {MAPPING: after}))["proxy"]["custom_mapping"] == after
