"""Commands: text and JSON output, exit codes, masked secrets."""

from __future__ import annotations

import errno
import http.server
import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest

from antigravity.cli import doctor
from antigravity.cli.main import COMMANDS, SECTIONS, antigravity
from antigravity.config.key_proof import PROOF_PATH, proof, proving_key
from antigravity.config.last_run import LastRun, write_last_run
from antigravity.config.running_gateway import RunningGateway, process_start, record_path
from antigravity.version import VERSION
from tests.cli.builders import Result, Run, configure

SECRET = "AIzaVeiled-0123456789"


def test_account_is_added_listed_disabled_and_removed(run: Run) -> None:
    added = run("accounts", "add", "gemini_api", "--label", "me", stdin=f"{SECRET}\n")
    assert added.code == 0
    assert "for upstream gemini_api" in added.out
    assert "new API key" in added.err
    (account,) = run("accounts", "list", "--json").json["accounts"]
    assert account["id"] in added.out
    assert (account["secret"], account["enabled"]) == ("AIz…6789", True)
    assert run("accounts", "disable", "me", "--reason", "rest").code == 0
    assert "disabled (rest)" in run("accounts", "list").out
    shown = run("accounts", "show", account["id"][:14], "--json").json
    assert (shown["enabled"], shown["disabled_reason"]) == (False, "rest")
    assert run("accounts", "enable", "me", "--json").json["account"]["enabled"]
    assert "enabled          yes" in run("accounts", "show", "me").out
    run("accounts", "disable", "me")
    again = run("accounts", "add", "gemini_api", "-", "--json", stdin=SECRET).json
    assert again["updated"]
    assert not again["account"]["enabled"], "the same secret is no better than before"
    hint = run("accounts", "add", "gemini_api", SECRET).err
    assert f"'antigravity accounts enable {account['id']}' uses it again" in hint
    assert run("accounts", "enable", "me", "--json").json["account"] == account
    assert run("accounts", "remove", "me").code == 0
    assert "There are no accounts" in run("accounts", "list").out
    assert run("accounts", "remove", "me") == Result(
        1, "", "antigravity: account 'me' does not exist; run 'antigravity accounts list'\n"
    )


@pytest.mark.parametrize(
    ("arguments", "stdin", "words"),
    [
        (["gemni_api", "x"], "", "did you mean 'gemini_api'"),
        (["gemini_api"], "", "the Gemini API key is empty"),
        (["gemini_api", "a b"], "", "must not contain spaces"),
        (["openai", "x", "--base-url", "ftp://x"], "", "not an http or https address"),
        (["openai", "x", "--upstream", "../x"], "", "not a valid name for an upstream"),
        (
            ["openai", "x", "--upstream", "own"],
            "",
            "upstream own is of kind anthropic; name its upstream with --upstream",
        ),
        (
            ["anthropic", "x", "--upstream", "own", "--base-url", "https://b"],
            "",
            "not an address of upstream own",
        ),
        ([], "", "Missing argument 'KIND' (codeassist, gemini_api, anthropic, openai, zai)"),
    ],
)
def test_invalid_account_is_refused(
    run: Run, tmp_path: Path, arguments: list[str], stdin: str, words: str
) -> None:
    configure(tmp_path, '[upstreams.own]\nkind = "anthropic"\nbase_url = "https://a"\n')
    result = run("accounts", "add", *arguments, stdin=stdin)
    assert result.code == (1 if arguments else 2)
    assert words in result.err
    assert result.err.count("\n") == 1
    assert run("accounts", "list", "--json").json == {"accounts": [], "broken": []}


def test_pasted_secret_is_cleaned(run: Run, tmp_path: Path) -> None:
    result = run("accounts", "add", "openai", stdin=f'"Bearer {SECRET}"\u200b\r\n')
    assert result.code == 0
    assert "ignored white space, quotes or 'Bearer' around the API key" in result.err
    (file,) = (tmp_path / "home" / "accounts").glob("*.json")
    assert json.loads(file.read_text())["secret"] == SECRET
    file.write_text(file.read_text().replace(SECRET, f"Bearer {SECRET}"))
    for command in (("config", "check"), ("doctor",)):
        told = run(*command).out
        assert f"{file}: white space, quotes or 'Bearer' around the secret are ignored" in told


@pytest.mark.parametrize(
    "secret", [f"{SECRET}\u200bx", f"{SECRET} x", f"{SECRET}\x00", "sk-\u2026x"]
)
def test_invalid_secret_is_refused(run: Run, tmp_path: Path, secret: str) -> None:
    result = run("accounts", "add", "openai", stdin=secret)
    assert result.code == 1
    assert "the API key must not contain" in result.err
    many = json.dumps([{"kind": "openai", "secret": secret}])
    assert run("accounts", "add", "--from", "-", stdin=many).code == 1


def test_config_check_warns_of_keys_that_are_cleaned(run: Run, tmp_path: Path) -> None:
    file = configure(tmp_path, '[proxy]\napi_key = "sk-Veiled "\n')
    told = run("config", "check")
    assert f"warning: {file}:2: proxy.api_key: white space, quotes or 'Bearer'" in told.out
    file.write_text('[proxy]\napi_key = "sk Veiled"\n')
    told = run("config", "check")
    assert told.code == 1
    assert f"error: {file}:2: proxy.api_key: it must not contain spaces" in told.out


def test_account_may_have_its_own_address(run: Run) -> None:
    def add(secret: str, *more: str) -> dict[str, Any]:
        result = run("accounts", "add", "openai", secret, "--json", *more)
        return dict(result.json["account"])

    first = add("k1", "--base-url", "https://api.deep.example/v1")
    assert first["upstream"] == "api-deep-example"
    assert add("k2", "--base-url", "https://api.deep.example/v1")["upstream"] == first["upstream"]
    assert add("k3")["upstream"] == "openai"
    mixed = ("--upstream", "openai", "--base-url", "https://api.deep.example/v1")
    refused = run("accounts", "add", "openai", "k4", *mixed)
    assert (refused.code, "not an address of upstream openai" in refused.err) == (1, True)
    assert run("config", "check").code == 0


def test_codeassist_account_without_oauth_client_is_reported(run: Run) -> None:
    result = run("accounts", "add", "codeassist", "1//token")
    assert result.code == 0
    assert "upstreams.codeassist.oauth.client_id" in result.err


def test_malformed_account_file_is_reported_and_can_be_removed(run: Run, tmp_path: Path) -> None:
    run("accounts", "add", "openai", "k")
    broken = tmp_path / "home" / "accounts" / "bad.json"
    broken.write_text("{")
    result = run("accounts", "list")
    assert (result.code, str(broken) in result.err) == (0, True)
    assert run("accounts", "list", "--json").json["broken"][0]["file"] == str(broken)
    assert str(broken) in run("config", "check").out
    assert run("accounts", "remove", "bad").code == 0


def test_each_problem_of_the_configuration_is_one_line(run: Run, tmp_path: Path) -> None:
    file = configure(tmp_path, '[proxy]\nprot = 1\nauth_mode = "x"\n')
    checked = run("config", "check")
    assert checked.code == 1
    assert f"error: {file}:2: proxy.prot: " in checked.out
    as_json = run("config", "check", "--json")
    assert as_json.code == 1
    assert [problem["key"] for problem in as_json.json["problems"]] == [
        "proxy.prot",
        "proxy.auth_mode",
    ]
    for command in (["config", "show"], ["models"], ["accounts", "add", "openai", "x"]):
        result = run(*command)
        assert (result.code, result.out, result.err.count("\n")) == (1, "", 2)
        assert result.err.startswith(f"antigravity: {file}:2: proxy.prot")
    assert run("doctor").code == 1


def test_configuration_with_warnings_is_valid(run: Run, tmp_path: Path) -> None:
    configure(tmp_path, '[upstreams.a]\nkind = "openai"\n')
    result = run("config", "check")
    assert result.code == 0
    assert "warning: upstreams.a: this upstream has no credential" in result.out
    assert "valid" in result.out


def test_settings_are_shown_masked_with_their_origin(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = configure(
        tmp_path,
        '[proxy]\napi_key = "sk-Veiled-0123456789"\n'
        '[upstreams.a]\nkind = "openai"\nheaders = { X = "Veiled" }\n'
        'http_proxy = "http://me:Veiled@p:1"\noptions = { api_token = "Veiled", size = 3 }\n'
        '[plugins.p]\nnested = { password = "Veiled" }\nname = "n"\n',
    )
    monkeypatch.setenv("ANTIGRAVITY_PROXY__PORT", "8046")
    shown = run("config", "show", "--json").json
    assert shown["settings"]["proxy"]["api_key"] == "sk-…6789"
    assert shown["settings"]["upstreams"]["a"]["http_proxy"] == "http://…@p:1"
    assert shown["settings"]["upstreams"]["a"]["options"]["size"] == 3
    assert shown["settings"]["plugins"]["p"]["name"] == "n"
    assert shown["origins"]["proxy.api_key"] == f"{file}:2"
    assert shown["origins"]["proxy.port"] == "environment variable ANTIGRAVITY_PROXY__PORT"
    assert shown["origins"]["log.level"] == "default"
    lines = run("config", "show").out.splitlines()
    assert any(line.split() == ["log.access", "true", "default"] for line in lines)


def test_config_path_works_with_invalid_file(run: Run, tmp_path: Path) -> None:
    file = configure(tmp_path, "=")
    assert run("config", "path").out == f"{file}\n"
    other = run("config", "path", "--home", str(tmp_path / "o"), "--json").json
    assert other["file"] == str(tmp_path / "o" / "antigravity.toml")
    assert not other["exists"]
    assert not (tmp_path / "o").exists()


def test_a_mode_that_no_plugin_has_is_an_error(run: Run, tmp_path: Path) -> None:
    configure(tmp_path, '[proxy.scheduling]\nmode = "CachFirst"\n')
    answer = run("config", "check", "--json")
    (problem,) = json.loads(answer.out)["problems"]
    assert answer.code == 1
    assert (problem["key"], problem["line"]) == ("proxy.scheduling.mode", 2)
    assert problem["severity"] == "error"
    assert problem["allowed"] == ["Balance", "CacheFirst", "PerformanceFirst"]
    assert problem["suggestion"] == "CacheFirst"


def test_configuration_check_and_doctor_warn_of_unknown_quirks(run: Run, tmp_path: Path) -> None:
    quirks = '["max_completion_token", "no_anything", "max_tokens", "top_k"]'
    configure(
        tmp_path, f'[upstreams.own]\nkind = "openai"\nbase_url = "https://a"\nquirks = {quirks}'
    )
    for told in (run("config", "check"), run("doctor")):
        assert told.out.count("upstreams.own.quirks:") == 1
        assert "'max_completion_token'" in told.out
        assert "did you mean 'max_completion_tokens'" in told.out


@pytest.mark.parametrize("command", ["status", "explain x", "reload", "dashboard"])
def test_commands_before_the_first_start_say_how_to_start(
    run: Run, tmp_path: Path, command: str
) -> None:
    result = run(*command.split())
    assert result.code == 3
    assert f"none has been started in {tmp_path / 'home'}" in result.err
    assert "'antigravity serve'" in result.err


@pytest.mark.parametrize("command", ["requests", "usage", "request x", "export"])
def test_ledger_commands_before_the_first_start_say_how_to_start(run: Run, command: str) -> None:
    result = run(*command.split())
    assert (result.code, "'antigravity serve'" in result.err) == (3, True)


def test_missing_admin_key_is_reported_with_its_file(run: Run, tmp_path: Path) -> None:
    file = configure(tmp_path, "[proxy]\nport = 1\n")
    result = run("status")
    assert result.code == 1
    assert "set admin_key in the [proxy] table" in result.err
    assert str(file) in result.err
    found = findings(run("doctor", "--offline", "--json"))
    assert found["admin key"][0] == "warning"
    file.write_text('[proxy]\nport = 1\nadmin_key = "sk-Veiled"\n')
    assert "admin key" not in findings(run("doctor", "--offline", "--json"))


def test_status_without_a_configuration_file_names_the_file_of_a_running_gateway(
    run: Run, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    (home / "state").mkdir(parents=True)
    record = RunningGateway(os.getpid(), process_start(os.getpid()), ("http://127.0.0.1:9",))
    record_path(home).write_bytes(msgspec.json.encode(record))
    result = run("status")
    assert result.code == 1
    assert str(home / "antigravity.toml") in result.err
    assert "missing" in result.err


def test_unlock_reports_unknown_account_and_missing_gateway(run: Run, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        settings = f'proxy.port = {taken.getsockname()[1]}\nproxy.admin_key = "sk-admin-1"\n'
        configure(tmp_path, settings)
        result = run("accounts", "unlock", "stranger")
    assert result.code == 1
    assert "account 'stranger' does not exist" in result.err
    assert "cannot be asked: no gateway runs: nothing listens at" in result.err


def test_unlock_all_touches_files_without_gateway(run: Run, tmp_path: Path) -> None:
    configure(tmp_path, "")
    home = tmp_path / "home"
    assert run("accounts", "unlock", "ALL").out == "There are no accounts.\n"
    added = [
        run("accounts", "add", "openai", f"sk-{number}", "--json").json["account"]["id"]
        for number in range(3)
    ]
    assert run("accounts", "disable", added[2]).code == 0
    files = [home / "accounts" / f"{each}.json" for each in added]
    for each in files:
        os.utime(each, (1, 1))
    done = run("accounts", "unlock", "ALL", "--json")
    assert sorted(each["account"] for each in done.json["accounts"]) == sorted(added[:2])
    assert [each.stat().st_mtime > 1 for each in files] == [True, True, False]


def test_config_option_selects_another_file(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "other.toml"
    file.write_text("port = 1")
    assert f"{file}:1: port" in run("config", "check", "--config", str(file)).out
    assert "does not exist" in run("config", "show", "--config", str(tmp_path / "none")).err


class Gateway(http.server.BaseHTTPRequestHandler):
    """Stands in for the gateway; a strict one demands the key everywhere."""

    protocol_version = "HTTP/1.1"
    strict = False

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?nonce=")
        if path == PROOF_PATH:
            host, port = self.request.getsockname()
            self.reply(200, {"proofs": [proof(proving_key("sk-Veiled"), query, host, port)]})
            return
        good = self.headers["Authorization"] == "Bearer sk-Veiled"
        if self.path == "/healthz" and (good or not self.strict):
            self.reply(200, {"status": "ok"})
        elif not good:
            self.reply(401, {"error": {"message": "wrong\nkey"}})
        else:
            self.reply(200, {"data": [{"id": "gpt-x", "owned_by": "o"}]})

    def reply(self, status: int, data: object) -> None:
        body = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    """Run a gateway's stand-in and give its port."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Gateway) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def test_models_lists_models_of_the_running_gateway(run: Run, tmp_path: Path, port: int) -> None:
    file = configure(tmp_path, f'[proxy]\nport = {port}\napi_key = "sk-Veiled"\n')
    assert run("models").out.split() == ["MODEL", "OWNER", "gpt-x", "o"]
    assert run("models", "--json").json == {"data": [{"id": "gpt-x", "owned_by": "o"}]}
    file.write_text(f"[proxy]\nlisten = ['tcp:{port}:interface=127.0.0.1']\n")
    refused = run("models")
    assert refused.code == 1
    assert "responds with 401: wrong key" in refused.err
    assert "/v1/models responds" in refused.err


def test_models_without_gateway_fails_with_remedy(run: Run, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        configure(tmp_path, f"proxy.port = {taken.getsockname()[1]}")
        result = run("models")
    assert result.code == 3
    assert "no gateway runs: nothing listens at http://127.0.0.1:" in result.err
    assert result.err.endswith("or run 'antigravity doctor' for details\n")


def test_key_of_another_kind_is_reported(run: Run, tmp_path: Path) -> None:
    configure(tmp_path, '[upstreams.own]\nkind = "openai"\nbase_url = "https://a"\n')
    doubt = "this looks like a secret of kind anthropic, but it was added for gemini_api"
    key = "sk-ant-Veiled-0123456789"
    assert doubt in run("accounts", "add", "gemini_api", stdin=key).err
    for kind, *more in (("anthropic",), ("openai", "--upstream", "own"), ("zai",)):
        result = run("accounts", "add", kind, *more, stdin=key)
        assert result.code == 0
        assert "looks like" not in result.err


def test_config_check_reports_invalid_model_files(run: Run, tmp_path: Path) -> None:
    configure(tmp_path, 'models.files = ["own.toml"]\n')
    checked = run("config", "check")
    assert checked.code == 1
    absent = f"{tmp_path / 'home' / 'own.toml'}: {os.strerror(errno.ENOENT)}"
    assert f"error: models.files: {absent}" in checked.out
    assert findings(run("doctor", "--json"))["configuration"][0] == "failed"
    (tmp_path / "home" / "own.toml").write_text("")
    assert run("config", "check").code == 0


def findings(result: Result) -> dict[str, tuple[str, str]]:
    return {each["name"]: (each["status"], each["detail"]) for each in result.json["findings"]}


def test_doctor_finds_a_healthy_gateway(run: Run, tmp_path: Path, port: int) -> None:
    upstream = 'upstreams.a = { kind="openai", api_key="k" }'
    configure(tmp_path, f'proxy.port = {port}\nproxy.admin_key = "a"\n{upstream}\n')
    result = run("doctor", "--json")
    assert result.code == 0
    found = findings(result)
    assert {status for status, _ in found.values()} == {"ok"}
    assert found["upstreams"] == ("ok", "a (openai) has 1 credential")
    expected = {"python", "name", "home", "disk", "configuration", "upstreams", "gateway"}
    assert set(found) == expected


def test_doctor_reports_problems_with_remedies(run: Run, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        file = configure(tmp_path, f"proxy.port = {number}")
        file.chmod(0o644)

        def answer() -> None:
            connection, _ = taken.accept()
            connection.sendall(b"SSH-2.0\r\n\r\n")
            connection.close()

        thread = threading.Thread(target=answer)
        thread.start()
        result = run("doctor", "--json")
        thread.join()
    assert result.code == 1
    found = findings(result)
    assert found["port"][0] == "failed"
    assert found["home"] == ("warning", f"other users have access to {file}")
    assert found["upstreams"] == ("warning", "there are none")


def test_doctor_reports_no_failure_before_the_first_start(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("ANTIGRAVITY_PROXY__PORT", str(free.getsockname()[1]))
    result = run("doctor")
    assert result.code == 0
    assert "accounts add gemini_api" in result.out
    assert "antigravity serve" in result.out
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("text", [None, "# nothing\n"])
def test_doctor_reports_missing_configuration_file(
    run: Run, tmp_path: Path, text: str | None
) -> None:
    file = configure(tmp_path, text or "")
    write_last_run(file.parent, LastRun(str(file), "strict"))
    if text is None:
        file.unlink()
    result = run("doctor", "--json")
    assert result.code == 1
    assert findings(result)["configuration"][0] == "failed"


def test_doctor_reports_dangling_link_to_configuration(run: Run, tmp_path: Path) -> None:
    file = configure(tmp_path, "")
    file.unlink()
    file.symlink_to("nowhere")
    for command in (("doctor",), ("config", "check"), ("config", "show")):
        result = run(*command)
        assert result.code == 1
        assert "a link to a file that does not exist" in result.out + result.err


def test_doctor_reports_configuration_that_is_not_in_force(run: Run, tmp_path: Path) -> None:
    file = configure(tmp_path, "")
    write_last_run(file.parent, LastRun(str(file), "off", "file.toml:3: this is no valid TOML"))
    result = run("doctor", "--json")
    assert result.code == 1
    assert "file.toml:3" in findings(result)["reload"][1]


def test_doctor_sends_the_key_to_the_gateway(
    run: Run, tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Gateway, "strict", True)
    configure(tmp_path, f'[proxy]\nport = {port}\nauth_mode = "strict"\napi_key = "sk-Veiled"\n')
    assert findings(run("doctor", "--json"))["gateway"][0] == "ok"


def test_doctor_reports_the_standard_library_module(monkeypatch: pytest.MonkeyPatch) -> None:
    def joke(*arguments: object, **options: object) -> subprocess.CompletedProcess[bytes]:
        return subprocess.CompletedProcess([], 1)

    monkeypatch.setattr(doctor.subprocess, "run", joke)
    assert doctor.name_finding().status == "failed"


@pytest.mark.parametrize("arguments", [[], ["accounts"], ["--help"], ["accounts", "add", "--help"]])
def test_help_exits_with_zero(run: Run, arguments: list[str]) -> None:
    result = run(*arguments)
    assert (result.code, result.err) == (0, "")
    assert "antigravity" in result.out


@pytest.mark.parametrize("arguments", [["bogus"], ["config", "bogus"], ["version", "--bogus"]])
def test_unknown_command_is_reported_in_one_line(run: Run, arguments: list[str]) -> None:
    result = run(*arguments)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)


def test_unexpected_error_is_reported_in_one_line(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("antigravity.cli.version.platform", None)
    result = run("version")
    assert result.code == 1
    assert result.err.startswith(
        "antigravity: unexpected AttributeError; set ANTIGRAVITY_TRACEBACK"
    )


def test_unwritable_home_is_reported_in_one_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    result = run("accounts", "add", "openai", "k")
    assert result.code == 1
    assert result.err.count("\n") == 1


@pytest.mark.parametrize("command", [["-m", "antigravity"], ["-c", "import antigravity.__main__"]])
def test_cli_runs_as_a_module(tmp_path: Path, command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, *command, "version"], cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"antigravity {VERSION}\n"


def commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    """Yield all commands below a group, with their names."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield f"{path} {name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")


def test_texts_of_options_are_sentences() -> None:
    for path, command in commands(antigravity, "antigravity"):
        for each in command.params:
            if isinstance(each, click.Option):
                text = each.help or ""
                assert text[:1].isupper(), (path, each.opts)
                assert text[-1:] in (".", ")"), (path, each.opts)


def test_help_lists_each_command_once_with_its_whole_sentence(run: Run) -> None:
    text = run("--help").out
    assert not re.search(r"\w\.\.\.", text)
    listed = re.findall(r"^  ([a-z]+)  ", text, re.MULTILINE)
    assert sorted(listed) == sorted(COMMANDS)
    assert [name for names in SECTIONS.values() for name in names] == listed


def test_common_options_have_a_section_of_their_own(run: Run) -> None:
    own, _, common = run("serve", "--help").out.partition("Options of all commands:")
    assert "--port" in own
    assert "--home" not in own
    assert "--home" in common


def test_no_command_has_an_option_twice() -> None:
    for path, command in commands(antigravity, "antigravity"):
        options = [option for each in command.params for option in each.opts]
        assert sorted(set(options)) == sorted(options), path


def test_account_is_found_by_its_label_in_any_case_and_a_misspelt_one_is_suggested(
    run: Run,
) -> None:
    assert run("accounts", "add", "gemini_api", SECRET, "--label", "Work Laptop").code == 0
    assert "Work Laptop" in run("accounts", "show", "work laptop").out
    missed = run("accounts", "show", "Wrok Laptop")
    assert missed.code == 1
    assert "did you mean 'Work Laptop'? Run 'antigravity accounts list'" in missed.err
