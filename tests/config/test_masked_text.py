"""A configuration file is shown without its secrets, and put together with them again."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.config.errors import ConfigurationError
from antigravity.config.masked_text import mask_text, restore_text
from antigravity.config.toml_text import toml_text

FILE = '''\
# the old key
#api_key = "sk-old-key-of-the-gateway"
[proxy]
api_key = "sk-key-of-the-gateway"  # a comment
admin_key = 'sk-admin-key-of-it'
port = 8045

[upstreams.mine]
kind = "openai"
base_url = "https://user:password@example.org/v1"
api_keys = ["sk-first-key-0123456789", "sk-second-key-012345678"]
headers = { "X-Anything" = "secret header" }

[plugins.other]
token = """sk-token
of-two-lines"""
colour = "green"
'''
SECRETS = (
    "sk-old-key-of-the-gateway",
    "sk-key-of-the-gateway",
    "sk-admin-key-of-it",
    "password",
    "sk-first-key-0123456789",
    "sk-second-key-012345678",
    "secret header",
    "of-two-lines",
)


def test_no_secret_is_shown_and_all_else_stays() -> None:
    masked = mask_text(FILE)
    for secret in SECRETS:
        assert secret not in masked.text, secret
        assert secret not in repr(masked)
    assert "# a comment" in masked.text
    assert 'colour = "green"' in masked.text
    assert "port = 8045" in masked.text
    tomllib.loads(masked.text)


def test_unchanged_text_restores_file() -> None:
    assert restore_text(mask_text(FILE).text, mask_text(FILE)) == FILE


def test_changes_around_secrets_are_kept() -> None:
    masked = mask_text(FILE)
    changed = masked.text.replace("8045", "9000").replace("# a comment", "# mine")
    assert restore_text(changed, masked) == FILE.replace("8045", "9000").replace(
        "# a comment", "# mine"
    )


def test_secret_is_replaced_and_removed() -> None:
    masked = mask_text('[proxy]\napi_key = "sk-old-one-of-it"\nadmin_key = "sk-other-one"\n')
    first, second = masked.text.splitlines()[1:]
    changed = masked.text.replace(first, 'api_key = "sk-new"').replace(f"{second}\n", "")
    assert restore_text(changed, masked) == '[proxy]\napi_key = "sk-new"\n'


def test_secret_moves_to_another_secret_setting() -> None:
    masked = mask_text('[proxy]\napi_key = "sk-one-of-the-keys"\n')
    changed = masked.text.replace("api_key", "admin_key")
    assert restore_text(changed, masked) == '[proxy]\nadmin_key = "sk-one-of-the-keys"\n'


def test_secret_never_becomes_visible_setting() -> None:
    masked = mask_text('[proxy]\napi_key = "sk-one-of-the-keys"\n')
    changed = masked.text.replace("api_key", "cors_origin")
    with pytest.raises(ConfigurationError, match="everybody sees"):
        restore_text(changed, masked)


@pytest.mark.parametrize("number", ["0", "2", "999999"])
def test_unknown_placeholder_is_refused_with_its_line(number: str) -> None:
    masked = mask_text('[proxy]\napi_key = "sk-one-of-the-keys"\n')
    changed = masked.text.replace("secret 1", f"secret {number}")
    with pytest.raises(ConfigurationError) as raised:
        restore_text(changed, masked)
    assert raised.value.problems[0].line == 2


def test_placeholder_in_other_text_is_refused() -> None:
    masked = mask_text('[proxy]\napi_key = "sk-one-of-the-keys"\n')
    changed = masked.text.replace('"⟨', '"Bearer ⟨')
    with pytest.raises(ConfigurationError, match="whole value"):
        restore_text(changed, masked)


def test_text_that_is_no_toml_is_not_shown() -> None:
    with pytest.raises(ConfigurationError, match="not valid TOML"):
        mask_text('[proxy]\napi_key = "sk-one')


@given(
    st.dictionaries(
        st.text("abc_", min_size=1, max_size=5),
        st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=40),
        max_size=6,
    )
)
def test_any_secrets_survive(values: dict[str, str]) -> None:
    file = toml_text({"plugins": {"x": {f"{name}_key": text for name, text in values.items()}}})
    masked = mask_text(file)
    assert restore_text(masked.text, masked) == file
    for text in values.values():
        if len(text) > 12:
            assert text not in masked.text
