"""Many accounts at once: what is taken, what is left, and never a secret on the screen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_kit import Run, configure

from antigravity.accounts.files import AccountFiles

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
    assert (again["added"], again["unchanged"], again["left"]) == (1, 1, [])


def test_a_list_is_added_with_what_it_says(run: Run, tmp_path: Path) -> None:
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
    assert [each["what"] for each in data["left"]] == ["entry 4", "wrong"]
    assert "did you mean 'openai'" in data["left"][1]["why"]
    renewed = json.dumps([{"email": "a@x", "refresh_token": "Veiled-5"}])
    run("accounts", "disable", "a@x")
    told = run("accounts", "add", "--from", "-", stdin=renewed)
    assert "updated    " in told.out
    assert "enabled again" in told.out
    assert files(tmp_path).find("a@x").secret.reveal() == "Veiled-5"


def test_a_kind_is_for_those_that_do_not_show_theirs(run: Run, tmp_path: Path) -> None:
    text = '["Veiled-1", "Veiled-2"]'
    result = run("accounts", "add", "gemini_api", "--from", "-", "--upstream", "g", stdin=text)
    assert result.out.endswith("2 added.\n")
    records, _ = files(tmp_path).load()
    assert {(each.kind, each.upstream) for each in records} == {("gemini_api", "g")}


@pytest.mark.parametrize(
    ("arguments", "stdin", "words"),
    [
        ([], "nothing here", "There are no accounts in it."),
        (["gemni_api", "--from", "-"], "AIza", "did you mean 'gemini_api'"),
        (["gemini_api", "x", "--from", "-"], "", "no SECRET on the command line"),
        (["--from", "/nowhere/at/all"], "", "does not exist"),
    ],
)
def test_nothing_to_add_is_a_failure(
    run: Run, tmp_path: Path, arguments: list[str], stdin: str, words: str
) -> None:
    result = run("accounts", "add", *arguments, stdin=stdin)
    assert result.code == 1
    assert words in result.out + result.err
    assert files(tmp_path).load() == ([], [])


def test_a_key_never_goes_where_it_was_not_meant(run: Run, tmp_path: Path) -> None:
    configure(
        tmp_path,
        '[upstreams.a]\nkind = "openai"\napi_key = "k"\n[upstreams.b]\nkind = "openai"\n',
    )
    result = run("accounts", "add", stdin=OPENAI)
    assert result.code == 1
    assert "it may be for any of a, b" in result.out
    assert run("accounts", "add", "--upstream", "b", stdin=OPENAI).code == 0
    assert files(tmp_path).load()[0][0].upstream == "b"
