"""Adding, exporting and importing many accounts."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path

import pytest

from antigravity.accounts.files import AccountFiles
from tests.cli.builders import Run, configure

REFRESH = "1//0eVeiled-refresh_token"
OPENAI = "sk-proj-Veiled-Veiled"


def files(tmp_path: Path) -> AccountFiles:
    return AccountFiles(tmp_path / "home")


def test_tokens_in_a_text_are_added(run: Run, tmp_path: Path) -> None:
    (tmp_path / "pasted.txt").write_text(f"me {REFRESH}\nand {OPENAI}\n")
    result = run("accounts", "add", "--from", str(tmp_path / "pasted.txt"))
    assert result.code == 0
    assert result.out.endswith("2 added.\n")
    assert "upstreams.codeassist.oauth.client_id" in result.err
    records, _ = files(tmp_path).load()
    assert {(each.kind, each.secret.reveal()) for each in records} == {
        ("codeassist", REFRESH),
        ("openai", OPENAI),
    }
    again = run("accounts", "add", "--json", stdin=f"{REFRESH} sk-Veiled-another").json
    assert (again["added"], again["unchanged"], again["skipped"]) == (1, 1, [])


def test_json_list_of_accounts_is_added_with_its_fields(run: Run, tmp_path: Path) -> None:
    entries = [
        {"email": "a@x", "refresh_token": "Veiled-1"},
        {"kind": "opnai", "secret": "Veiled-2", "label": "wrong"},
        {"kind": "openai", "secret": "Veiled-3", "base_url": "https://deep.example/v1"},
        {"secret": "Veiled-4"},
    ]
    result = run("accounts", "add", "--from", "-", "--json", stdin=json.dumps(entries))
    assert result.code == 0
    data = result.json
    assert [each["upstream"] for each in data["accounts"]] == ["codeassist", "deep-example"]
    assert [each["item"] for each in data["skipped"]] == ["entry 4", "wrong"]
    assert "did you mean 'openai'" in data["skipped"][1]["reason"]
    renewed = json.dumps([{"email": "a@x", "refresh_token": "Veiled-5"}])
    run("accounts", "disable", "a@x")
    told = run("accounts", "add", "--from", "-", stdin=renewed)
    assert "updated    " in told.out
    assert "enabled again" in told.out
    assert files(tmp_path).find("a@x").secret.reveal() == "Veiled-5"


def test_kind_argument_applies_to_unrecognised_tokens(run: Run, tmp_path: Path) -> None:
    text = '["Veiled-1", "Veiled-2"]'
    result = run("accounts", "add", "gemini_api", "--from", "-", "--upstream", "g", stdin=text)
    assert result.out.endswith("2 added.\n")
    records, _ = files(tmp_path).load()
    assert {(each.kind, each.upstream) for each in records} == {("gemini_api", "g")}


@pytest.mark.parametrize(
    ("arguments", "stdin", "words"),
    [
        ([], "nothing here", "The text contains no accounts."),
        (["gemni_api", "--from", "-"], "AIza", "did you mean 'gemini_api'"),
        (["gemini_api", "x", "--from", "-"], "", "SECRET cannot be combined"),
        (["--from", "/nowhere/at/all"], "", "does not exist"),
    ],
)
def test_text_without_accounts_fails(
    run: Run, tmp_path: Path, arguments: list[str], stdin: str, words: str
) -> None:
    result = run("accounts", "add", *arguments, stdin=stdin)
    usage_error = "SECRET cannot" in words or "does not exist" in words
    assert result.code == (2 if usage_error else 1)
    assert words in result.out + result.err
    assert files(tmp_path).load() == ([], [])


def test_ambiguous_key_is_not_added_to_any_upstream(run: Run, tmp_path: Path) -> None:
    configure(
        tmp_path,
        '[upstreams.a]\nkind = "openai"\napi_key = "k"\n[upstreams.b]\nkind = "openai"\n',
    )
    result = run("accounts", "add", stdin=OPENAI)
    assert result.code == 1
    assert "several upstreams match (a, b)" in result.out
    assert run("accounts", "add", "--upstream", "b", stdin=OPENAI).code == 0
    assert files(tmp_path).load()[0][0].upstream == "b"


def test_export_with_secrets_can_be_added_again(run: Run, tmp_path: Path) -> None:
    run("accounts", "add", "--label", "me@x", stdin=f"{REFRESH} {OPENAI}")
    run("accounts", "disable", openai_id(tmp_path), "--reason", "rest")
    shown = run("accounts", "export")
    assert [each["label"] for each in shown.json] == ["me@x", "me@x"]
    assert "the secrets are masked" in shown.err
    target = tmp_path / "out.json"
    result = run("accounts", "export", str(target), "--secrets")
    assert (result.code, result.out) == (0, f"Wrote 2 accounts to {target}.\n")
    assert "contains secrets" in result.err
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    before = {record.id: record for record in files(tmp_path).load()[0]}
    refused = run("accounts", "export", str(target))
    assert (refused.code, "--force" in refused.err) == (1, True)
    for identifier in before:
        run("accounts", "remove", identifier)
    assert run("accounts", "add", "--from", str(target)).out.endswith("2 added.\n")
    assert {record.id: record for record in files(tmp_path).load()[0]} == before
    assert run("accounts", "export", str(target), "--force").code == 0
    masked = run("accounts", "add", "--from", str(target))
    assert (masked.code, "export it with --secrets" in masked.out) == (1, True)


def openai_id(tmp_path: Path) -> str:
    return next(each.id for each in files(tmp_path).load()[0] if each.kind == "openai")


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """Make the directory of another program."""
    home = tmp_path / "tools"
    (home / "accounts").mkdir(parents=True)
    for number in (1, 2):
        (home / "accounts" / f"u{number}.json").write_text(
            json.dumps(
                {
                    "id": f"u{number}",
                    "email": f"{number}@x",
                    "token": {"refresh_token": f"1//Veiled-{number}"},
                    "created_at": number,
                }
            )
        )
    gui = {
        "theme": "dark",
        "proxy": {
            "port": 8046,
            "api_key": "sk-Veiled-0123456789",
            "custom_mapping": {"gpt-4*": "gemini-2.5-pro"},
            "upstream_proxy": {"enabled": True, "url": "http://u:Veiled@h:1"},
        },
    }
    (home / "gui_config.json").write_text(json.dumps(gui))
    return home


def test_import_adds_accounts_and_writes_settings_to_a_file(
    run: Run, tmp_path: Path, tools: Path
) -> None:
    result = run("accounts", "import", str(tools))
    assert result.code == 0
    assert "2 added, 1 left out." in result.out
    assert "left out   theme: there is no such setting" in result.out
    assert 'api_key = "sk-…6789"' in result.out
    assert 'custom_mapping = { "gpt-4*" = "gemini-2.5-pro" }' in result.out
    assert "only with the OAuth client that created it" in result.out
    file = tmp_path / "home" / "imported.toml"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert run("config", "check", "--config", str(file)).code == 0
    settings = run("config", "show", "--config", str(file), "--json").json["settings"]
    assert settings["proxy"]["port"] == 8046
    assert settings["upstreams"]["codeassist"]["http_proxy"] == "http://…@h:1"
    assert run("config", "show", "--json").json["settings"]["proxy"]["port"] == 8045
    assert [each.label for each in files(tmp_path).load()[0]] == ["1@x", "2@x"]


def test_import_keeps_newer_account_without_replace(run: Run, tmp_path: Path, tools: Path) -> None:
    run("accounts", "add", "codeassist", "1//Veiled-newer", "--label", "1@x")
    first = run("accounts", "import", str(tools), "--json").json
    assert (first["added"], first["unchanged"]) == (1, 0)
    assert (
        first["skipped"][-1]["reason"] == "it is known with another token; --replace replaces that"
    )
    again = run("accounts", "import", str(tools), "--json").json
    assert (again["added"], again["unchanged"]) == (0, 1)
    assert again["settings_file"].endswith("imported-2.toml")
    assert files(tmp_path).find("1@x").secret.reveal() == "1//Veiled-newer"
    replaced = run("accounts", "import", str(tools), "--replace", "--json").json
    assert (replaced["updated"], replaced["unchanged"]) == (1, 1)
    assert files(tmp_path).find("1@x").secret.reveal() == "1//Veiled-1"


def test_import_of_empty_folder_reports_what_is_missing(run: Run, tmp_path: Path) -> None:
    result = run("accounts", "import", str(tmp_path))
    assert (result.code, "give its path" in result.err) == (1, True)


def test_progress_is_shown_on_a_terminal_only(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Adding accounts" not in run("accounts", "add", stdin=OPENAI).err
    monkeypatch.setattr(type(sys.stderr), "isatty", lambda self: self is sys.stderr, raising=False)
    text = " ".join(f"sk-Veiled-number-{number}" for number in range(3))
    assert "3/3" in run("accounts", "add", "--from", "-", stdin=text).err
    assert "Adding accounts" not in run("accounts", "add", "--json", "--from", "-", stdin=text).err
