"""Validation reports all problems of a configuration with place and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from antigravity.config.checks import (
    BUILTIN_KEY_SCHEMES,
    BUILTIN_KINDS,
    BUILTIN_MODES,
    BUILTIN_SCHEMES,
)
from antigravity.config.credentials import find_credentials
from antigravity.config.display import masked
from antigravity.config.errors import ConfigurationError, Problem
from antigravity.config.known_names import KnownNames
from antigravity.config.secret import Secret
from antigravity.config.snapshot import Configuration, load
from antigravity.plugins import PluginHost


def read(
    home: Path,
    text: str = "",
    environ: dict[str, str] | None = None,
    **options: object,
) -> Configuration:
    """Load ``text`` as the configuration file of ``home``."""
    (home / "antigravity.toml").write_text(text, encoding="utf-8")
    return load(home, environ=environ or {}, **options)  # type: ignore[arg-type]


def problems(
    home: Path, text: str = "", environ: dict[str, str] | None = None, **options: object
) -> dict[str, Problem]:
    """Return the problems of a bad configuration by key."""
    with pytest.raises(ConfigurationError) as caught:
        read(home, text, environ, **options)
    return {problem.key: problem for problem in caught.value.problems}


def test_empty_configuration_gives_the_defaults(tmp_path: Path) -> None:
    configuration = load(tmp_path, environ={})
    assert configuration.settings.proxy.port == 8045
    assert configuration.warnings == ()


def test_all_problems_are_reported_with_file_and_line(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        '[proxy]\nprot = 1\nauth_mode = "strickt"\nport = 70000\nallow_lan_access = "yes"\n\n'
        '[upstreams.x]\nbase_url = "ftp://x"\n\n[log]\nlevel = 3\n',
    )
    assert {key: problem.line for key, problem in found.items()} == {
        "proxy.prot": 2,
        "proxy.auth_mode": 3,
        "proxy.port": 4,
        "proxy.allow_lan_access": 5,
        "upstreams.x.kind": 7,
        "log.level": 11,
    }
    assert all(problem.place == str(tmp_path / "antigravity.toml") for problem in found.values())
    assert found["proxy.prot"].suggestion == "port"
    assert found["proxy.auth_mode"].suggestion == "strict"
    assert "all_except_health" in found["proxy.auth_mode"].allowed
    assert found["proxy.port"].message == "expected a whole number from 0 to 65535, got 70000"
    assert found["proxy.allow_lan_access"].message == "expected true or false, got text"


def test_problem_is_one_line_with_place_key_and_remedy(tmp_path: Path) -> None:
    found = problems(tmp_path, '[log]\nlevel = "infos"\n')
    assert str(found["log.level"]) == (
        f"{tmp_path}/antigravity.toml:2: log.level: 'infos' is not allowed; "
        "allowed: debug, error, info, warn; did you mean 'info'?"
    )


@pytest.mark.parametrize(
    ("text", "suggestion"),
    [
        ("port = 1", "proxy.port"),
        ("[proxi]\nport = 1", "proxy"),
        ("[proxy]\nbuiltin_aliases = true", "routing.builtin_aliases"),
        ("[proxy.zai.mcp]\nvision = true", "vision_enabled"),
    ],
)
def test_unknown_key_is_an_error_with_suggestion(
    tmp_path: Path, text: str, suggestion: str
) -> None:
    (problem,) = problems(tmp_path, text).values()
    assert problem.suggestion == suggestion


def test_unknown_key_without_suggestion_lists_valid_keys(tmp_path: Path) -> None:
    assert problems(tmp_path, "[log]\nzzzz = 1")["log.zzzz"].allowed == (
        "level",
        "access",
        "file",
        "max_bytes",
        "keep",
    )


@pytest.mark.parametrize(
    ("text", "key", "line"),
    [
        ('[upstreams.x]\nkind = "openai"\nbase_url = "api.x.com"', "upstreams.x.base_url", 3),
        ('[upstreams.x]\nkind = "openai"\nbase_url = "https://"', "upstreams.x.base_url", 3),
        ('[routing]\nfallback_models = { "a" = [] }', "routing.fallback_models.a", 2),
        ('[routing.fallback_models]\n" a" = ["b"]', 'routing.fallback_models." a"', 2),
        ('[routing.fallback_models]\na = ["b", "c*"]', "routing.fallback_models.a[1]", 2),
        ('[upstreams.x]\nkind = "openai"\npriority = 1.5', "upstreams.x.priority", 3),
        ('[upstreams.x]\nkind = "openai"\nbase_url = "https://u:p@x"', "upstreams.x.base_url", 3),
        ('[upstreams.x]\nkind = "openai"\nbase_url = "http://x:99999"', "upstreams.x.base_url", 3),
        (
            '[upstreams.x]\nkind="openai"\nbase_urls = [\n "http://a",\n "b"]',
            "upstreams.x.base_urls[1]",
            5,
        ),
        ('[upstreams.x]\nkind="openai"\nhttp_proxy="socks://x"', "upstreams.x.http_proxy", 3),
        ('[upstreams.x]\nkind="openai"\nmodels = ["a", " b"]', "upstreams.x.models[1]", 3),
        ('[upstreams.x]\nkind="openai"\napis = ["chat", "chats"]', "upstreams.x.apis[1]", 3),
        (
            '[upstreams.x]\nkind="openai"\nheaders = { "a b" = "c" }',
            'upstreams.x.headers."a b"',
            3,
        ),
        ('[upstreams."a b"]\nkind = "openai"', 'upstreams."a b"', 1),
        ('[proxy.custom_mapping]\n"gpt-*" = "gemini-*"', 'proxy.custom_mapping."gpt-*"', 2),
        ('[proxy.custom_mapping]\n"" = "x"', 'proxy.custom_mapping.""', 2),
        ("proxy.custom_mapping.a = 1", "proxy.custom_mapping.a", 1),
        ('[proxy]\nlisten = ["8045"]', "proxy.listen[0]", 2),
        ('[proxy]\nlisten = ["tcp:http"]', "proxy.listen[0]", 2),
        ('[proxy]\nlisten = ["tcp:port=70000"]', "proxy.listen[0]", 2),
        ('[proxy]\nlisten = "tcp:1"', "proxy.listen", 2),
        ("[proxy]\nrequest_timeout = inf", "proxy.request_timeout", 2),
        ("[proxy]\nrequest_timeout = nan", "proxy.request_timeout", 2),
        (f"[proxy]\nrequest_timeout = 1{400 * chr(48)}", "proxy.request_timeout", 2),
        ("[proxy]\nrequest_timeout = -1", "proxy.request_timeout", 2),
        ('[proxy]\nrequest_timeout = "soon"', "proxy.request_timeout", 2),
        ("[proxy]\nmax_body_bytes = 1.5", "proxy.max_body_bytes", 2),
        ("[proxy]\nmax_body_bytes = 99999999999999999999", "proxy.max_body_bytes", 2),
        ("[proxy]\nmax_body_bytes = true", "proxy.max_body_bytes", 2),
        ("[proxy]\nport = 8045.0", "proxy.port", 2),
        ('[tunnel]\ntoken = "service install eyJh"', "tunnel.token", 2),
        ('[tunnel]\nhostname = "https://llm.example.org"', "tunnel.hostname", 2),
        ('[tunnel]\norigin_port = 8046\nmode = "token"', "tunnel.token", 1),
        (f'[tunnel]\ntoken = "{20 * "x"}"\nmode = "token"', "tunnel.origin_port", 1),
        ('[plugins]\nblocked = "x"', "plugins.blocked", 2),
        ("[plugins]\nblocked = [1]", "plugins.blocked", 2),
        ("[plugins]\nmine = 1", "plugins.mine", 2),
        ("proxy = 3", "proxy", 1),
        ("log = [1]", "log", 1),
        ("[proxy]\nlisten = [2000-01-01]", "proxy.listen[0]", 2),
    ],
)
def test_invalid_values_are_reported_with_their_place(
    tmp_path: Path, text: str, key: str, line: int
) -> None:
    found = problems(tmp_path, text)
    assert list(found) == [key]
    assert found[key].line == line


@pytest.mark.parametrize(
    "endpoint",
    [
        "tcp:8045",
        "tcp:port=0:interface=127.0.0.1",
        r"tcp6:8045:interface=\:\:1",
        "unix:/run/antigravity.sock",
        "systemd:domain=INET:index=0",
        "ssl:8443:privateKey=key.pem:certKey=cert.pem",
    ],
)
def test_valid_endpoints_are_accepted(tmp_path: Path, endpoint: str) -> None:
    configuration = load(tmp_path, environ={}, overrides={"proxy.listen": [endpoint]})
    assert configuration.settings.proxy.listen == [endpoint]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ('"10m"', 600),
        ('"600s"', 600),
        ('"1.5h"', 5400),
        ('"250 ms"', 0.25),
        ("7", 7),
        ('"1d"', 86400),
    ],
)
def test_times_may_have_a_unit(tmp_path: Path, text: str, seconds: float) -> None:
    settings = read(tmp_path, f"proxy.request_timeout = {text}").settings
    assert settings.proxy.request_timeout == seconds


@pytest.mark.parametrize(
    ("text", "size"),
    [('"100 MiB"', 100 << 20), ('"5kB"', 5000), ('"1.5 GiB"', 3 << 29), ('"12 B"', 12), ("12", 12)],
)
def test_sizes_may_have_a_unit(tmp_path: Path, text: str, size: int) -> None:
    assert read(tmp_path, f"proxy.max_body_bytes = {text}").settings.proxy.max_body_bytes == size


def test_secrets_are_masked_and_never_quoted(tmp_path: Path) -> None:
    settings = read(tmp_path, 'proxy.api_key = "sk-veiled"').settings
    assert settings.proxy.api_key == Secret("sk-veiled")
    assert "veiled" not in repr(settings)
    found = problems(
        tmp_path,
        'upstreams.x = { kind = "openai", api_key = 4711, api_keys = "sk-veiled" }\n'
        'upstreams.y = { kind = "openai", base_url = "https://sk-veiled@x" }\n',
    )
    assert set(found) == {"upstreams.x.api_key", "upstreams.x.api_keys", "upstreams.y.base_url"}
    assert "4711" not in "".join(map(str, found.values()))
    assert "veiled" not in "".join(map(str, found.values()))


def test_address_of_ledger_is_secret(tmp_path: Path) -> None:
    text = 'ledger.url = "postgresql://me:veiled@db/ledger?sslpassword=veiled-too"'
    settings = read(tmp_path, text).settings
    assert "veiled" not in repr(settings)
    assert "veiled" not in repr(masked(settings.ledger))
    assert masked(settings.ledger.url) == "postgresql://…"
    assert {"veiled", "veiled-too"} <= set(find_credentials(settings))
    found = problems(tmp_path, 'ledger.url = "mysql://me:veiled@db/ledger"')
    assert list(found) == ["ledger.url"]
    assert "veiled" not in str(found["ledger.url"])


@pytest.mark.parametrize("table", ["ledger", "keys"])
@pytest.mark.parametrize("password", ["vei/led", "vei@led", "vei/le?d", "vei/le#d", "@", "/"])
def test_password_that_would_be_taken_for_the_host_is_refused(
    tmp_path: Path, password: str, table: str
) -> None:
    found = problems(tmp_path, f'{table}.url = "postgresql://me:{password}@db/ledger"')
    assert list(found) == [f"{table}.url"]
    assert "%2F" in str(found[f"{table}.url"])
    assert "vei" not in str(found[f"{table}.url"])


@pytest.mark.parametrize(
    "rest", ["me:vei%2Fl%40d@db/ledger", "me:p?#@db/d", "/d?host=/run&user=me@corp", "db", "db/"]
)
def test_unambiguous_addresses_of_databases_are_accepted(tmp_path: Path, rest: str) -> None:
    read(tmp_path, f'ledger.url = "postgresql://{rest}"')
    read(tmp_path, f'keys.url = "postgresql://{rest}"')


def test_unknown_kind_is_a_warning_unless_plugins_are_loaded(tmp_path: Path) -> None:
    text = '[upstreams.x]\nkind = "opnai"\n'
    (warning,) = read(tmp_path, text).warnings
    assert (warning.severity, warning.suggestion, warning.line) == ("warning", "openai", 2)
    (error,) = problems(tmp_path, text, known=KnownNames(("openai", "mine"), ("Balance",))).values()
    assert (error.severity, error.allowed) == ("error", ("mine", "openai"))
    assert read(tmp_path, text, known=KnownNames(("opnai",), ("Balance",))).warnings == ()


def test_unknown_mode_is_a_warning_unless_plugins_are_loaded(tmp_path: Path) -> None:
    text = '[proxy.scheduling]\nmode = "Blance"\n'
    (warning,) = read(tmp_path, text).warnings
    assert (warning.severity, warning.suggestion, warning.line) == ("warning", "Balance", 2)
    assert warning.allowed == BUILTIN_MODES
    known = KnownNames((), ("Mine", "Balance"))
    (error,) = problems(tmp_path, text, known=known).values()
    assert (error.severity, error.allowed) == ("error", ("Balance", "Mine"))
    assert error.key == "proxy.scheduling.mode"
    assert read(tmp_path, text, known=KnownNames((), ("Blance",))).warnings == ()


def test_address_of_unknown_state_is_a_warning_unless_plugins_are_loaded(tmp_path: Path) -> None:
    text = '[state]\nurl = "veiled://user:veiled@host"\n'
    (warning,) = [each for each in read(tmp_path, text).warnings if each.key == "state.url"]
    assert (warning.key, warning.severity, warning.line) == ("state.url", "warning", 2)
    (error,) = problems(
        tmp_path, text, known=KnownNames((), ("CacheFirst", "Balance"), ("redis",))
    ).values()
    assert (error.key, error.severity) == ("state.url", "error")
    for problem in (warning, error):
        assert "veiled" not in str(problem)
    assert (
        read(tmp_path, text, known=KnownNames((), ("CacheFirst", "Balance"), ("veiled",))).warnings
        == ()
    )
    for url in ("rediss://u:p@h/1", "unix:/run/s", "", "REDIS://h"):
        assert read(tmp_path, f'[state]\nurl = "{url}"\n').warnings == ()
    assert problems(tmp_path, '[state]\nurl = "localhost"\n')["state.url"].severity == "error"


def test_address_of_unknown_key_store_is_a_warning_unless_plugins_are_loaded(
    tmp_path: Path,
) -> None:
    text = '[keys]\nurl = "veiled://user:veiled@host"\n'
    (warning,) = [each for each in read(tmp_path, text).warnings if each.key == "keys.url"]
    assert (warning.severity, warning.line) == ("warning", 2)
    modes = ("CacheFirst", "Balance")
    (error,) = problems(tmp_path, text, known=KnownNames((), modes, (), ("file",))).values()
    assert (error.key, error.severity) == ("keys.url", "error")
    for problem in (warning, error):
        assert "veiled" not in str(problem)
    known = KnownNames((), modes, (), ("veiled",))
    assert read(tmp_path, text, known=known).warnings == ()
    for url in ("postgresql://u:p@h/1", "file:", "", "POSTGRES://h"):
        assert read(tmp_path, f'[keys]\nurl = "{url}"\n').warnings == ()
    assert problems(tmp_path, '[keys]\nurl = "localhost"\n')["keys.url"].severity == "error"


def test_builtin_names_match_the_builtin_plugins() -> None:
    host = PluginHost()
    host.load(installed=False)
    assert host.registry.known_names == KnownNames(
        tuple(host.registry.upstream_kinds),
        tuple(host.registry.selection_policies),
        tuple(host.registry.state_kinds),
        tuple(host.registry.key_store_kinds),
    )
    assert host.registry.known_names.key_schemes == BUILTIN_KEY_SCHEMES
    assert host.registry.known_names.state_schemes == BUILTIN_SCHEMES
    assert set(host.registry.known_names.upstream_kinds) == set(BUILTIN_KINDS)
    assert host.registry.known_names.selection_policies == BUILTIN_MODES


@pytest.mark.parametrize("entry", ["", "localhost", "10.0.0.0/33", "10.0.0.", "0.0.0.0/0", "::/0"])
def test_trusted_proxy_is_an_address_or_a_network(tmp_path: Path, entry: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path, f'[proxy]\napi_key = "k"\ntrusted_proxies = ["10.0.0.1/8", "{entry}"]')
    (problem,) = caught.value.problems
    assert problem.key == "proxy.trusted_proxies[1]"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('[proxy]\nauth_mode = "strict"', "proxy.api_key"),
        ('[proxy]\nallow_lan_access = true\nauth_mode = "off"', "proxy.auth_mode"),
        ('[proxy]\nlisten = ["tcp:8045"]', "proxy.api_key"),
        ('[proxy]\ntrusted_proxies = ["::1"]', "proxy.api_key"),
        ('[proxy]\ntrusted_proxies = ["unix"]\nauth_mode = "off"', "proxy.auth_mode"),
        ('[proxy]\nlisten = ["tcp:8045"]\nauth_mode = "off"', "proxy.auth_mode"),
        ('[proxy.custom_mapping]\n"^gpt.*$" = "x"', 'proxy.custom_mapping."^gpt.*$"'),
        ('[upstreams.x]\nkind = "openai"\nrefresh_token = "r"', "upstreams.x.refresh_token"),
        ('[upstreams.x]\nkind = "codeassist"\napi_keys = ["k"]', "upstreams.x.api_keys"),
        ("[tunnel]\nenabled = true", "tunnel.enabled"),
        ('[proxy.zai]\nenabled = true\n[upstreams.zai]\nkind = "anthropic"', "proxy.zai"),
    ],
)
def test_valid_but_suspicious_setting_is_a_warning(tmp_path: Path, text: str, key: str) -> None:
    (warning,) = read(tmp_path, text).warnings
    assert (warning.key, warning.severity) == (key, "warning")


def test_options_of_kinds_and_plugins_are_not_checked(tmp_path: Path) -> None:
    text = "[plugins.p]\nbig = 99999999999999999999\nday = 2000-01-01\nx = [{ y = 1 }]\n"
    plugin = read(tmp_path, text).settings.plugins["p"]
    assert plugin["big"] == 99999999999999999999
    assert plugin["day"].year == 2000
    assert plugin["x"] == [{"y": 1}]


def test_a_listener_on_loopback_needs_no_authentication(tmp_path: Path) -> None:
    text = r"""proxy.listen = ['tcp:1:interface=127.0.0.1', 'tcp6:1:interface=\:\:1', 'unix:/x']"""
    assert read(tmp_path, text).warnings == ()


@pytest.mark.parametrize("value", ["0", "1e300", "nan", '"400d"'])
def test_time_out_of_bounds_is_reported_with_its_bounds(value: str, tmp_path: Path) -> None:
    file = tmp_path / "antigravity.toml"
    file.write_text(f"[proxy.scheduling]\nmax_lock_seconds = {value}\n")
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, file)
    assert "1 to 31622400 seconds" in str(caught.value)
