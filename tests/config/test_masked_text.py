"""A configuration file is shown without its secrets, and put together with them again."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.config.errors import ConfigurationError
from antigravity.config.home import initial_text
from antigravity.config.masked_text import mask_text, restore_text
from antigravity.config.toml_text import toml_text
from antigravity.redaction.credentials import CREDENTIALS

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


IN_OTHER_PLACES = """\
# api_key = sk-without-quotes-0123456789
# key: "quoted-after-a-colon"
# the old one was sk-proj-0123456789abcdefghijklmn, of 2024
# from https://user:of-an-address@example.org/v1
# headers = { "Authorization" = "Bearer in-a-table" }
# api_keys = ["in-a-list-1", 'in-a-list-2']
[proxy]
api_key = "sk-one-of-the-keys" # was "the-one-before"
port = 8045 # the "usual" one, for https://example.org/?a=b and gpt-4.1-2025-04-14

[mcp.servers.x]
command = "npx"
args = ["--token", "after-an-option", "--api-key=in-an-option", "--port=80", "-v", "plain"]
env = { ANYTHING = "in-the-environment" }

[mcp.servers.y]
url = "https://example.org/mcp?access_token=in-a-query&plain=1"
"""


@pytest.mark.parametrize(
    "secret",
    [
        *(
            "without-quotes",
            "quoted-after",
            "sk-proj",
            "of-an-address",
            "in-a-table",
            "in-a-list-1",
        ),
        *("in-a-list-2", "the-one-before", "after-an-option", "in-an-option", "in-the-environment"),
        "in-a-query",
    ],
)
def test_secrets_in_comments_arguments_and_addresses_are_not_shown(secret: str) -> None:
    assert secret in IN_OTHER_PLACES
    assert secret not in mask_text(IN_OTHER_PLACES).text


def test_other_comments_and_arguments_stay() -> None:
    masked = mask_text(IN_OTHER_PLACES)
    for plain in (
        'port = 8045 # the "usual" one, for https://example.org/?a=b and gpt-4.1-2025-04-14',
        '"--port=80", "-v", "plain"]',
        ", of 2024",
    ):
        assert plain in masked.text
    assert restore_text(masked.text, masked) == IN_OTHER_PLACES


@pytest.mark.parametrize(
    "place",
    [
        "# moved {}\n",
        "[plugins.x]\ncolour = {}\n",
        "[plugins.x]\n{} = 1\n",
        "[plugins.x]\ncolour = '''{}'''\n",
        "[mcp.servers.x]\ncommand = {}\n",
    ],
)
@pytest.mark.parametrize("commented", ["", "# "])
def test_secret_is_never_moved_where_the_next_reader_sees_it(place: str, commented: str) -> None:
    masked = mask_text(f'[proxy]\n{commented}api_key = "sk-one-of-the-keys"\n')
    placeholder = masked.text.partition("= ")[2].strip()
    assert placeholder.startswith('"⟨secret 1')
    with pytest.raises(ConfigurationError, match="everybody sees"):
        restore_text(masked.text + place.format(placeholder), masked)


def test_secret_in_use_is_not_moved_either() -> None:
    owner = object()
    CREDENTIALS.hold(owner, ["one-of-the-keys-in-use"])
    try:
        masked = mask_text('[proxy]\napi_key = "one-of-the-keys-in-use"\n')
        placeholder = masked.text.partition("= ")[2].strip()
        with pytest.raises(ConfigurationError, match="everybody sees"):
            restore_text(f"{masked.text}# moved {placeholder}\n", masked)
    finally:
        CREDENTIALS.release(owner)


@pytest.mark.parametrize("text", ["a=" + "[" * 9_000 + "]" * 9_000, "a." * 9_000 + "b = 1"])
def test_deep_text_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError):
        mask_text(text)


def test_comment_with_a_secret_becomes_a_setting() -> None:
    masked = mask_text('[proxy]\n# api_key = "sk-one-of-the-keys"\n')
    restored = restore_text(masked.text.replace("# ", ""), masked)
    assert restored == '[proxy]\napi_key = "sk-one-of-the-keys"\n'


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


def test_comments_of_a_new_file_are_shown_as_they_are() -> None:
    text = initial_text("sk-key-of-the-clients", "sk-key-of-the-operator")
    masked = mask_text(text)
    assert len(masked.secrets) == 2
    assert restore_text(masked.text, masked) == text
    changed = text.replace('#api_key = ""', '#api_key = "sk-an-old-one-of-mine"', 1)
    assert "an-old-one" not in mask_text(changed).text
