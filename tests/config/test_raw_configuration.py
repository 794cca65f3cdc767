"""Precedence of command line, environment, file and defaults, and errors of files."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.config.errors import ConfigurationError
from antigravity.config.home import initial_text
from antigravity.config.raw_configuration import RawConfiguration
from antigravity.config.snapshot import load
from antigravity.config.toml_lines import key_lines


def test_command_line_precedes_environment_file_and_default(tmp_path: Path) -> None:
    (tmp_path / "antigravity.toml").write_text(
        "[proxy]\nport = 1\nbody_timeout = 1\nidle_timeout = 1\n"
    )
    environ = {"ANTIGRAVITY_PROXY__PORT": "2", "ANTIGRAVITY_PROXY__BODY_TIMEOUT": "2s"}
    overrides = {"proxy.port": "3", "proxy.listen": None}
    configuration = load(tmp_path, environ=environ, overrides=overrides)
    proxy, origin = configuration.settings.proxy, configuration.raw.origin
    assert (proxy.port, proxy.body_timeout, proxy.idle_timeout) == (3, 2, 1)
    assert proxy.shutdown_grace == 10
    assert str(origin(("proxy", "port"))) == "command line"
    assert str(origin(("proxy", "body_timeout"))) == (
        "environment variable ANTIGRAVITY_PROXY__BODY_TIMEOUT"
    )
    assert str(origin(("proxy", "idle_timeout"))) == f"{tmp_path}/antigravity.toml:4"
    assert origin(("proxy", "shutdown_grace")) is None


def test_environment_can_set_every_type(tmp_path: Path) -> None:
    (tmp_path / "antigravity.toml").write_text(
        '[upstreams.My-Base]\nkind = "openai"\n[proxy.custom_mapping]\na = "b"\n'
    )
    environ = {
        "ANTIGRAVITY_PROXY__API_KEY": "12345",
        "ANTIGRAVITY_PROXY__ALLOW_LAN_ACCESS": "Yes",
        "ANTIGRAVITY_PROXY__ALLOWED_HOSTS": "a.example, b.example",
        "ANTIGRAVITY_PROXY__ALLOWED_ORIGINS": '["http://a", "http://b"]',
        "ANTIGRAVITY_PROXY__CUSTOM_MAPPING": '{ "gpt-4*" = "c" }',
        "ANTIGRAVITY_PROXY__MAX_BODY_BYTES": "1 MiB",
        "ANTIGRAVITY_PROXY__PORT": "",
        "ANTIGRAVITY_UPSTREAMS__MY_BASE__API_KEY": "sk-1",
        "ANTIGRAVITY_UPSTREAMS__NEW__KIND": "gemini_api",
        "ANTIGRAVITY_UPSTREAMS__NEW__TIMEOUTS__CONNECT": "3",
        "ANTIGRAVITY_PLUGINS__BLOCKED": '["x"]',
        "ANTIGRAVITY_HOME": "/elsewhere",
        "OTHER": "1",
    }
    configuration = load(tmp_path, environ=environ)
    settings = configuration.settings
    assert settings.proxy.api_key.reveal() == "12345"
    assert settings.proxy.allow_lan_access
    assert settings.proxy.allowed_hosts == ["a.example", "b.example"]
    assert settings.proxy.allowed_origins == ["http://a", "http://b"]
    assert settings.proxy.custom_mapping == {"a": "b", "gpt-4*": "c"}
    assert settings.proxy.max_body_bytes == 1 << 20
    assert settings.proxy.port == 8045
    assert settings.upstreams["My-Base"].api_key.reveal() == "sk-1"
    assert settings.upstreams["new"].timeouts.connect == 3
    assert settings.plugins == {"blocked": ["x"]}
    assert configuration.warnings == ()


def test_invalid_variable_is_reported_by_name(tmp_path: Path) -> None:
    environ = {
        "ANTIGRAVITY_PROXY__PROT": "1",
        "ANTIGRAVITY_PROXY__PORT": "many",
        "ANTIGRAVITY_UPSTREAMS__X__API_KEY": "sk-hidden",
    }
    (tmp_path / "antigravity.toml").write_text('[upstreams.other]\nkind = "openai"\n')
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, environ=environ)
    found = {problem.key: problem.place for problem in caught.value.problems}
    assert found == {
        "proxy.prot": "environment variable ANTIGRAVITY_PROXY__PROT",
        "proxy.port": "environment variable ANTIGRAVITY_PROXY__PORT",
        "upstreams.x.kind": "environment variable ANTIGRAVITY_UPSTREAMS__X__API_KEY",
    }
    assert "hidden" not in str(caught.value)


def test_unknown_variable_is_a_warning(tmp_path: Path) -> None:
    configuration = load(tmp_path, environ={"ANTIGRAVITY_PROXY_PORT": "1"})
    (warning,) = configuration.warnings
    assert warning.suggestion == "ANTIGRAVITY_PROXY__PORT"
    assert configuration.settings.proxy.port == 8045


@pytest.mark.parametrize(
    ("data", "line", "word"),
    [
        (b"[proxy]\nport = = 1\n", 2, "TOML"),
        (b"[proxy]\nport = 1\nport = 2\n", 3, "TOML"),
        (b'[proxy]\napi_key = "x', None, "TOML"),
        (b"[proxy]\n# \xff\n", 2, "UTF-8"),
    ],
)
def test_syntax_error_has_file_and_line(
    tmp_path: Path, data: bytes, line: int | None, word: str
) -> None:
    file = tmp_path / "x.toml"
    file.write_bytes(data)
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, file, environ={})
    (problem,) = caught.value.problems
    assert problem.place == str(file)
    assert word in problem.message
    if line:
        assert problem.line == line


@pytest.mark.parametrize(
    ("members", "message", "line"),
    [
        ({"msg": "Odd.", "lineno": 7}, "Odd.", 7),  # since Python 3.14
        ({}, "Worded otherwise (somewhere)", None),
    ],
)
def test_line_of_syntax_error_is_found_in_any_python_version(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    members: dict[str, object],
    message: str,
    line: int | None,
) -> None:
    error = tomllib.TOMLDecodeError("Worded otherwise (somewhere)")
    for name, value in members.items():
        setattr(error, name, value)

    def refuse(text: str) -> None:
        raise error

    monkeypatch.setattr(tomllib, "loads", refuse)
    (tmp_path / "antigravity.toml").write_text("")
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, environ={})
    (problem,) = caught.value.problems
    assert (problem.message, problem.line) == (f"this is not valid TOML: {message}", line)


@pytest.mark.parametrize("header", ["ledger", "proxy.scheduling"])
def test_table_that_is_appended_a_second_time_is_found(tmp_path: Path, header: str) -> None:
    text = initial_text("sk-a", "sk-b")
    first = text.splitlines().index(f"[{header}]") + 1
    (tmp_path / "antigravity.toml").write_text(f"{text}\n[{header}]\n")
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, environ={})
    (problem,) = caught.value.problems
    assert problem.message.endswith(f"; [{header}] begins in line {first}: put its settings there")


def test_file_of_option_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="does not exist"):
        load(tmp_path, tmp_path / "none.toml", environ={})
    with pytest.raises(ConfigurationError):
        load(tmp_path, tmp_path, environ={})


def test_file_may_have_byte_order_mark_and_windows_line_ends(tmp_path: Path) -> None:
    (tmp_path / "antigravity.toml").write_bytes(b"\xef\xbb\xbf[proxy]\r\nport = 1\r\n")
    configuration = load(tmp_path, environ={})
    assert configuration.settings.proxy.port == 1
    assert str(configuration.raw.origin(("proxy", "port"))).endswith(":2")


TRICKY = '''# [proxy] is not here
a.b = 1 # c = 2
"d e" . 'f.g' = """
x = 1
\\""" [no]
"""""
h = [ # comment, with ]
  "one]", # two
  { k = \'\'\'
}\'\'\', m.n = [1,
    2] },
]
t = 1979-05-27T07:32:00Z
[ p . "q" ]
r = 'it"s'
s = {}
[[u]]
v = 1
[[u]]
v = 2
[u.w]
[[u.w.x]]
y = 3
'''


def test_lines_of_keys_are_found_in_all_toml_syntax() -> None:
    tomllib.loads(TRICKY)
    assert key_lines(TRICKY) == {
        ("a",): 2,
        ("a", "b"): 2,
        ("d e",): 3,
        ("d e", "f.g"): 3,
        ("h",): 7,
        ("h", 0): 8,
        ("h", 1): 9,
        ("h", 1, "k"): 9,
        ("h", 1, "m"): 10,
        ("h", 1, "m", "n"): 10,
        ("h", 1, "m", "n", 0): 10,
        ("h", 1, "m", "n", 1): 11,
        ("t",): 13,
        ("p",): 14,
        ("p", "q"): 14,
        ("p", "q", "r"): 15,
        ("p", "q", "s"): 16,
        ("u",): 17,
        ("u", 0): 17,
        ("u", 0, "v"): 18,
        ("u", 1): 19,
        ("u", 1, "v"): 20,
        ("u", 1, "w"): 21,
        ("u", 1, "w", "x"): 22,
        ("u", 1, "w", "x", 0): 22,
        ("u", 1, "w", "x", 0, "y"): 23,
    }


@given(st.text(alphabet="ab.=[]{}\"'\\#, \n1-_", max_size=60))
def test_every_key_of_generated_toml_has_a_line(text: str) -> None:
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    lines = key_lines(text)
    assert {path[0] for path in lines} == set(tables)
    assert all(1 <= line <= text.count("\n") + 1 for line in lines.values())


@pytest.mark.parametrize(
    "text", ["a=" + "[" * 9_000 + "]" * 9_000, "a." * 9_000 + "b = 1", "[" + "a." * 100 + "b]"]
)
def test_deep_file_is_an_error_with_a_reason(text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="nested too deeply"):
        RawConfiguration(tmp_path / "antigravity.toml", text.encode())
