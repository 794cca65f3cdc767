"""What the pages claim in tables and quote from messages is what the code does."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import shutil
from functools import cache
from pathlib import Path

import click
import pytest

from antigravity.accounts import lock_rules
from antigravity.accounts.model_groups import shipped_groups
from antigravity.accounts.selection import POLICIES
from antigravity.accounts.sessions import SESSION_HEADERS
from antigravity.cli.main import antigravity as command
from antigravity.config.settings import ProxySettings
from antigravity.ir.errors import AuthenticationError
from antigravity.simulator import directives
from antigravity.simulator.errors import ApiError
from antigravity.simulator.state import check_key
from antigravity.tap import Options
from antigravity.web.authentication import Authenticator
from tests.house.pages import run, run_curl, run_python, table
from tests.support.pages import ROOT, at, blocks, commands


@cache
def texts() -> tuple[str, ...]:
    """Return every text in the code, with ``{}`` for what f-strings fill in."""
    found = []
    for path in (ROOT / "antigravity").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return tuple(found)


def test_quoted_messages_exist() -> None:
    quoted = [
        text
        for row in table("docs/operations.rst", "Message")
        if "twistd says" not in row[0] and "opens a web page" not in row[0]
        for text in re.sub(r" \(log\)$", "", row[0]).split(" or ")
    ]
    assert len(quoted) > 15
    for text in quoted:
        assert any(text in known for known in texts()), text


@pytest.mark.parametrize("lan", [False, True])
def test_auth_mode_table_is_correct(lan: bool) -> None:
    rows = table("docs/security.rst", "proxy.auth_mode")
    assert [row[0] for row in rows] == ["off", "strict", "all_except_health", "auto (default)"]
    for mode, health, others in rows:
        name = mode.partition(" ")[0]
        door = Authenticator(ProxySettings(auth_mode=name, allow_lan_access=lan))  # type: ignore[arg-type]
        for path, claim in (("/healthz", health), ("/v1/models", others)):
            needs = claim.startswith("needs") and ("allow_lan_access" not in claim or lan)
            try:
                door.authenticate("GET", path, ())
            except AuthenticationError:
                assert needs, (mode, path)
            else:
                assert not needs, (mode, path)


def test_model_groups_match_shipped_ones() -> None:
    listed = {row[0]: row[1].split(", ") for row in table("docs/accounts.rst", "Group")}
    assert listed == shipped_groups()


def test_lock_table_matches_code() -> None:
    reaches = {
        "model": "the account, for this model",
        "account": "the account",
        "everyone": "the model, for all accounts",
    }
    rules = [value for value in vars(lock_rules).values() if isinstance(value, lock_rules.LockRule)]
    known = {
        rule.kind: (reaches[rule.scope], ", ".join(f"{step:g}" for step in rule.durations))
        for rule in rules
    }
    known["revoked"] = (known["revoked"][0], "until there is a new login")
    assert {row[0]: (row[2], row[3]) for row in table("docs/accounts.rst", "Reason")} == known


def test_scheduling_modes_and_session_headers_exist() -> None:
    assert {row[0] for row in table("docs/accounts.rst", "Mode")} == set(POLICIES)
    page = (ROOT / "docs/accounts.rst").read_text("utf-8")
    named = re.search(
        r"an id in a header \((.*?)or\s+the header of a coding agent", page, re.DOTALL
    )
    assert named is not None
    headers = re.findall(r"``([\w-]+)``", named[1])
    assert len(headers) > 3
    assert set(headers) <= set(SESSION_HEADERS)


def test_twistd_options_are_documented() -> None:
    shown = {row[0].split()[0] for row in table("docs/operations.rst", "Option")}
    options = {"--" + option[0] for option in (*Options.optParameters, *Options.optFlags)}
    assert shown == options | {"--listen", "--version"}


def test_simulator_directives_are_documented() -> None:
    cells = " ".join(row[0] for row in table("docs/simulator.rst", "Directive"))
    source = Path(directives.__file__).read_text("utf-8")
    known = set(re.findall(r'^ +case "([a-z" |]+)"', source, re.MULTILINE))
    names = {name for group in known for name in re.findall(r"[a-z]+", group)} | {"then"}
    assert set(re.findall(r"\[\[([a-z]+)", cells)) == names


def test_documented_directives_are_parsed() -> None:
    cells = " ".join(row[0] for row in table("docs/simulator.rst", "Directive"))
    values = {"N": "3", "S": "1", "{JSON}": "{}", "STATUS": "429", "NAME": "f", "REASON": "stop"}
    for text in re.findall(r"\[\[.*?\]\]", cells):
        filled = re.sub(r"\{JSON\}|\b[A-Z]+\b", lambda m: values.get(m[0], m[0].lower()), text)
        assert directives.has_directives(filled), filled
        assert directives.parse(filled).rest in ("", filled if "then" in filled else "")


def test_documented_simulator_keys_are_rejected() -> None:
    for names, effect in table("docs/simulator.rst", "Prefix"):
        if not re.match(r"\d{3}", effect):
            continue
        with pytest.raises(ApiError) as caught:
            check_key(names + "x")
        assert caught.value.status == int(effect[:3])


def test_documented_simulator_endpoints_exist() -> None:
    cells = " ".join(row[1] for row in table("docs/simulator.rst", "Service"))
    cells = re.sub(r"\(also\s+under /v1\)", "", cells)
    folder = ROOT / "antigravity/simulator"
    source = "".join(path.read_text("utf-8") for path in folder.rglob("*.py"))
    routes = [
        re.sub(r"<(?:path:)?\w+>", "[^ ;,]+", route)
        for route in re.findall(r'"(/[^"\s]+)"', source)
    ]
    paths = re.findall(r"(?<![\w}])/[\w/.:{}-]+", cells)
    assert len(paths) > 20
    for path in paths:
        assert any(re.fullmatch(route, path) for route in routes), path


def test_documented_commands_exist() -> None:
    pattern = re.compile(r"``antigravity ([a-z ]+?)(?: [A-Z-].*?)?``")
    for page in (ROOT / "docs").glob("*.rst"):
        for line in pattern.findall(page.read_text("utf-8")):
            found: click.Command = command
            for word in line.split():
                if not isinstance(found, click.Group):
                    break
                named = found.get_command(click.Context(found), word)
                assert named is not None, (page.name, line)
                found = named


def leaves(group: click.Group, above: str = "") -> set[str]:
    found = set()
    context = click.Context(group)
    for name in group.list_commands(context):
        each = group.get_command(context, name)
        assert each is not None
        path = f"{above}{name}"
        if isinstance(each, click.Group):
            found |= leaves(each, f"{path} ")
        if not isinstance(each, click.Group) or each.invoke_without_command:
            found.add(path)
    return found


def test_commands_are_documented() -> None:
    rows = [row[0].removesuffix(" *") for row in table("docs/operations.rst", "Command")]
    assert len(rows) == len(set(rows))
    assert set(rows) == leaves(command)


def modules_of(code: str) -> set[str]:
    return {
        name
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.ImportFrom | ast.Import)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else
                     [alias.name for alias in node.names])
    }  # fmt: skip


def is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # of a package that is not installed
        return False


@pytest.mark.usefixtures("with_sdks")
@pytest.mark.parametrize("code", blocks("docs/clients.rst", "python"), ids=lambda code: code[:40])
def test_client_snippets_work(code: str, demo: str, tmp_path: Path) -> None:
    for name in modules_of(code):
        if not is_installed(name):
            pytest.skip(f"{name} is not installed")
    assert run_python(code, demo, tmp_path) == "Hello!\n"


CURLS = [
    line
    for page in ("docs/clients.rst", "docs/simulator.rst")
    for line in commands(page)
    if line.startswith("curl ")
]
#: What works with files, or with what another has left.
WITH_FILES = [line for line in CURLS if re.search(r" (?:-o|-F|\|) |embeddings", line)]


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
@pytest.mark.parametrize("line", [line for line in CURLS if line not in WITH_FILES])
def test_curl_commands_work(line: str, demo: str, tmp_path: Path) -> None:
    answer = run_curl(line, demo, tmp_path)
    json.loads(answer)
    assert "Hello!" in answer or "demo-anthropic" in answer or "max_completion_tokens" in answer


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
def test_curl_commands_with_files_work(demo: str, tmp_path: Path) -> None:
    printed = []
    for line in WITH_FILES:
        quiet = line.replace("curl ", "curl --silent --fail --noproxy '*' ", 1)
        done = run(["sh", "-c", at(demo, quiet)], tmp_path)
        assert done.returncode == 0, (line, done.stderr)
        printed.append(done.stdout)
    assert (tmp_path / "cat.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "morning.wav").read_bytes().startswith(b"RIFF")
    listed, drawn, spoken, heard, embedded = printed
    assert (listed, drawn, spoken) == ("", "", "")
    assert json.loads((tmp_path / "gateway.json").read_text())["models"]
    assert "audio" in heard
    assert len(json.loads(embedded)["data"][0]["embedding"]) > 100
