"""Every block that the documentation shows is run or checked, or is listed with a reason.

The pages of the tutorials have a test of their own, as does the list of the admin API.
"""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import shutil
import sys
import tomllib
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

import docutils.core
import pytest
from docutils import nodes
from ruamel.yaml import YAML

from antigravity.cli.main import main
from antigravity.config.snapshot import load
from antigravity.testing import load_plugin
from tests.house.new_user import UPSTREAMS
from tests.house.pages import run_curl, run_python
from tests.support.gateway_process import clean_environment, running
from tests.support.pages import ROOT

#: Pages whose blocks other tests run, each with the file of that test.
ELSEWHERE = {
    "docs/admin-api.rst": "tests/house/test_docs_admin.py",
    "docs/errors.rst": "tests/house/test_docs_errors.py",
    "README.rst": "tests/house/test_readme.py",
}
#: Pages that Sphinx alone can read: they show nothing of their own.
FOR_SPHINX = {"index", "commands", "contributing", "changelog", "benchmarks"}
PAGES = [
    *("README.rst", "CONTRIBUTING.rst"),
    *(f"docs/{p.name}" for p in sorted((ROOT / "docs").glob("*.rst")) if p.stem not in FOR_SPHINX),
]


@dataclass(frozen=True)
class Block:
    """A block of a page."""

    page: str
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}: {self.text[:60]!r}"


def shown(language: str = "") -> tuple[Block, ...]:
    """Return the blocks of all pages, or those in a language."""
    return tuple(block for block in all_blocks() if language in ("", block.language))


@cache
def all_blocks() -> tuple[Block, ...]:
    found = []
    for page in PAGES:
        settings = {"report_level": 5, "warning_stream": False}
        text = (ROOT / page).read_text("utf-8")
        document = docutils.core.publish_doctree(text, settings_overrides=settings)
        for block in document.findall(nodes.literal_block):
            names = [name for name in block["classes"] if name != "code"]
            found.append(Block(page, names[0] if names else "text", block.astext()))
    return tuple(found)


def named(value: object) -> str:
    return str(value)[:60]


#: Texts that are no commands and no code.
PLAIN = {
    "antigravity.toml:4: proxy.prot": "errors of a configuration: tests/config has their form",
    "prompt is too long: 210118": "Anthropic's message, which tests/context reads",
    "GET /v1/models 200 1822 B": "lines of the log: tests/web and tests/exchange have their form",
    "0.011 s req_681f5299730a89e9": "the end of a line of the log",
}


def test_languages_are_those_that_are_tested() -> None:
    tested = {"console", "powershell", "toml", "json", "yaml", "python", "javascript", "text"}
    assert {block.language for block in shown()} == tested


def test_plain_texts_are_listed_with_a_reason() -> None:
    texts = [block.text for block in shown("text")]
    for text in texts:
        assert any(text.startswith(beginning) for beginning in PLAIN), text
    for beginning in PLAIN:
        assert any(text.startswith(beginning) for text in texts), beginning


#: Pages whose settings belong together.
WHOLE_PAGES = ("docs/tunnel.rst",)
#: Files that are not ours, by a part of them: only their syntax can be checked here.
OTHER_FILES = {
    "model_provider = ": "Codex reads it: tests/clients/test_codex.py",
    "model_catalog_json": "Codex reads it: tests/clients/test_codex_models.py",
    "[mcp_servers.": "Codex reads it: tests/clients/test_mcp_tools.py",
    "[project.entry-points": "pip reads it: tests/house/test_example_plugin.py installs one",
    "[[rule]]": "the simulator reads it: tests/simulator",
}


@pytest.mark.parametrize("block", shown("toml"), ids=named)
def test_settings_are_valid(block: Block, tmp_path: Path) -> None:
    tomllib.loads(block.text)
    if any(part in block.text for part in OTHER_FILES):
        return
    file = tmp_path / "antigravity.toml"
    same_page = [each.text for each in shown("toml") if each.page == block.page]
    file.write_text("\n".join(same_page) if block.page in WHOLE_PAGES else block.text, "utf-8")
    file.chmod(0o600)
    warnings = [each.message for each in load(tmp_path, environ={}).warnings]
    if "CheapestFirst" in block.text:  # the plugin that the page shows brings it
        warnings = [each for each in warnings if "CheapestFirst" not in each]
    assert warnings == []


def test_files_of_others_are_shown() -> None:
    for part in OTHER_FILES:
        assert any(part in block.text for block in shown("toml")), part


@pytest.mark.parametrize("block", [*shown("json"), *shown("yaml")], ids=named)
def test_documents_can_be_parsed(block: Block) -> None:
    value = (
        json.loads(block.text) if block.language == "json" else YAML(typ="safe").load(block.text)
    )
    assert value


#: Who runs the snippets in Python and JavaScript, by a part of them.
SNIPPETS = {
    "docs/clients.rst": "tests/house/test_docs_facts.py, tests/clients/test_python_snippets.py",
    "class MyKind": "tests/house/test_docs.py",
    "QuillDecoder": "tests/house/test_docs_protocol.py",
    "class CheapestFirst": "tests/house/test_docs.py",
    "def register_admin_routes": "tests/house/test_docs.py",
    "def register_dashboard_pages": "tests/house/test_docs.py",
    "def register_commands": "tests/house/test_docs.py",
    "ANONYMOUS = replace": "tests/plugins/test_purpose_examples.py has the like",
    'gateway.post("/dashboard/sign-in"': "tests/plugins/test_purpose_examples.py runs the like",
    "StateConformance, TestCase": "tests/state runs the suite in this way",
    "def test_gateway_serves_plugin": "the skeleton has this test: tests/cli/test_cli_plugins.py",
    'import OpenAI from "openai"': "tests/clients/test_js_libraries.py",
}


def other_test(block: Block) -> str:
    """Return the test that runs a snippet, or an empty text."""
    for part, test in SNIPPETS.items():
        if part == block.page or part in block.text:
            return test
    return ELSEWHERE.get(block.page, "")


PYTHON = [block for block in shown("python") if not other_test(block)]
PLUGINS = [block for block in PYTHON if "hookimpl" in block.text]


@pytest.mark.parametrize("block", PLUGINS, ids=named)
def test_snippets_of_plugins_can_be_loaded(block: Block) -> None:
    plugin = type(sys)("shown")
    exec(block.text, vars(plugin))  # our own page
    assert load_plugin(plugin).info.hooks


@pytest.mark.usefixtures("with_sdks")
@pytest.mark.parametrize("block", [b for b in PYTHON if b not in PLUGINS], ids=named)
def test_snippets_of_clients_work(block: Block, demo: str, simulator: str, tmp_path: Path) -> None:
    (tmp_path / "talk.mp3").write_bytes(b"ID3" + bytes(1000))
    address = simulator if ":9045" in block.text else demo
    run_python(block.text, address, tmp_path)  # fails if the snippet does


def test_tests_of_other_snippets_exist() -> None:
    for part, test in SNIPPETS.items():
        for file in re.findall(r"tests/\S+\.py", test):
            assert (ROOT / file).is_file(), file
        assert any(part == b.page or part in b.text for b in shown()), part


#: Commands that are not run here, by their beginning, and why.
EXCEPTIONS = {
    # Programs of others, which real tests start: make test-clients.
    "claude": "tests/clients/test_claude_code.py starts it",
    "gemini": "tests/clients/test_gemini_cli.py starts it",
    "qwen": "tests/clients/test_agents.py starts it",
    "cline": "tests/clients/test_agents.py starts it",
    "aider": "tests/clients/test_python_snippets.py starts it",
    # What would change this machine, or needs what it does not have.
    "antigravity service": "it needs systemd or launchd: tests/cli/test_service.py",
    "antigravity tunnel": "it needs cloudflared and the Internet: tests/tunnel",
    "antigravity accounts login": "it needs a browser and a provider: tests/cli/test_cli_login.py",
    "antigravity accounts warmup": "only Code Assist reports quotas: tests/warmup",
    "antigravity accounts test ALL": "the tutorials' test runs it",
    "antigravity accounts import": "another program's files: tests/cli/test_cli_accounts.py",
    "antigravity mcp login": "it needs a browser and a server: tests/cli/test_cli_mcp_login.py",
    "antigravity mcp logout": "it needs a login: tests/cli/test_cli_mcp_login.py",
    "antigravity plugins check my-server": "it needs the plugin: tests/cli/test_cli_plugins.py",
    "antigravity prices update": "it needs the Internet, or a file: tests/prices",
    "antigravity requests --follow": "it does not end: tests/cli",
    "antigravity serve": "the tutorials' test starts it",
    "antigravity simulator": "it does not end: tests/cli/test_serve.py",
    "antigravity dashboard": "it opens a browser: tests/dashboard",
    "antigravity run claude": "the tutorials' test runs it",
    "twistd -n --pidfile=": "fixtures start it: tests/house/conftest.py",
    "cd antigravity-my-server": "see the next command",
    "pytest": "tests/cli/test_cli_plugins.py runs the skeleton's tests",
    "pip install": "it would change this environment",
    "pipx install": "the file is what make wheel builds: tests/house/test_wheel.py",
    "sudo": "it needs root; the files of etc/ are tested in tests/house/test_etc.py",
    "docker": "it needs Docker; the files of etc/ are tested in tests/house/test_etc.py",
    "kubectl": "it needs a cluster; the files of etc/ are tested in tests/deployment",
    "python3 -m venv": "it needs root",
    "/opt/antigravity/bin/pip": "it needs root; the files exist: tests/house/test_requirements.py",
    ".venv/bin/ruff": "make lint runs it",
    ".venv/bin/towncrier": "tests/house/test_docs.py runs it",
    ".venv/bin/antigravity": "tests/house/test_readme.py runs the same",
    ".venv/bin/python -m bench.capacity": "tests/bench compares its page",
    ".venv/bin/python -m release.surface": "it would change a file: tests/release/test_surface.py",
}
#: Pages whose curl commands tests/house/test_docs_facts.py and test_readme.py run.
OPERATIONS = "docs/operations.rst"
CURL_PAGES = {"README.rst", "docs/clients.rst", "docs/simulator.rst", "docs/start.rst"}


def lines() -> Iterator[tuple[str, str]]:
    """Yield the commands of all pages, each with its page."""
    for block in shown("console"):
        if block.page in ELSEWHERE and block.page != PAGES[0]:
            continue
        for line in block.text.replace("\\\n", " ").splitlines():
            assert line.startswith("$ "), (block.page, line)
            yield block.page, re.sub(r"\s+# .*", "", line.removeprefix("$ ")).strip()


def is_exception(line: str) -> bool:
    return any(f"{line} ".startswith(f"{beginning.strip()} ") for beginning in EXCEPTIONS)


def test_every_exception_is_used() -> None:
    known = [line for _, line in lines()]
    for beginning in EXCEPTIONS:
        assert any(f"{line} ".startswith(beginning) for line in known), beginning


def shell_variables(line: str) -> dict[str, str]:
    return dict(word.split("=", 1) for word in line.removeprefix("export ").split())


def test_powershell_sets_the_same_variables_as_the_shell() -> None:
    blocks = [block for block in shown() if block.page == "docs/clients.rst"]
    pairs = list(pairwise(blocks))
    exporting = [pair for pair in pairs if "$ export " in pair[0].text]
    assert len(exporting) > 4
    for shell, power in exporting:
        assert power.language == "powershell", shell
        wanted: dict[str, str] = {}
        programs = []
        for line in shell.text.splitlines():
            command = line.removeprefix("$ ")
            if command.startswith("export "):
                wanted |= shell_variables(command)
            else:
                programs.append(command)
        variable = re.compile(r'\$env:(\w+) = "(.*)"')
        found = [variable.fullmatch(line) for line in power.text.splitlines()]
        assert {each[1]: each[2] for each in found if each} == wanted
        others = [line for line in power.text.splitlines() if not variable.fullmatch(line)]
        assert others == programs


#: A request without its headers' case: address, headers, body or form, and the file to write.
SentRequest = tuple[str, dict[str, str], str | dict[str, str], str]


def curl_request(line: str) -> SentRequest:
    """Return what a curl command sends; what follows a pipe reads the response."""
    words = shlex.split(line.partition(" | ")[0])
    address, headers, form, body, file = "", {}, {}, "", ""
    rest = iter(words[1:])
    for word in rest:
        if word == "-H":
            name, _, value = next(rest).partition(": ")
            headers[name.lower()] = value
        elif word == "-F":
            name, _, value = next(rest).partition("=")
            form[name] = value
        elif word == "-d":
            body = next(rest)
        elif word == "-o":
            file = next(rest)
        else:
            address = word
    return address, headers, form or body, file


def powershell_requests(text: str) -> list[SentRequest]:
    """Return what the commands of PowerShell send."""
    found = []
    for line in text.replace("`\n", " ").splitlines():
        command = line.partition("Invoke-RestMethod ")[2]
        if not command:
            continue
        tables = dict(re.findall(r"-(Headers|Form) @\{(.*?)\}", command))
        words = shlex.split(re.sub(r"-(?:Headers|Form) @\{.*?\}", "", command))
        options = dict(zip(words[1::2], words[2::2], strict=True))
        posts = options.pop("-Method", "") == "Post"
        pairs = (each.split(" = ") for each in tables.get("Headers", "").split("; ") if each)
        headers = {name.strip('"'): value.strip('"') for name, value in pairs}
        if "-ContentType" in options:
            headers["content-type"] = options.pop("-ContentType")
        fields = (each.split(" = ") for each in tables.get("Form", "").split("; ") if each)
        form = {name: re.sub("^Get-Item ", "@", value).strip('"') for name, value in fields}
        body = form or options.pop("-Body", "")
        assert posts == bool(body), line
        found.append((words[0], headers, body, options.pop("-OutFile", "")))
        assert not options, line
    return found


@pytest.mark.parametrize("page", ["docs/start.rst", "docs/clients.rst"])
def test_powershell_sends_the_same_requests_as_curl(page: str) -> None:
    blocks = [block for block in shown() if block.page == page]
    pairs = [pair for pair in pairwise(blocks) if pair[0].text.startswith("$ curl ")]
    assert len(pairs) == {"docs/start.rst": 1, "docs/clients.rst": 7}[page]
    for shell, power in pairs:
        assert power.language == "powershell", shell
        lines = shell.text.replace("\\\n", " ").removeprefix("$ ").split("\n$ ")
        assert powershell_requests(power.text) == [curl_request(line) for line in lines]


def test_request_of_the_first_page_works(demo: str, tmp_path: Path) -> None:
    (curl,) = (line for page, line in lines() if page == "docs/start.rst" and "curl" in line)
    answer = json.loads(run_curl(curl, demo, tmp_path))
    assert answer["choices"][0]["message"]["content"] == "Hello!"


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(" ".join(re.findall(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)).split())
    used = {line.split()[1] for _, line in lines() if line.startswith("make ")}
    assert "run" in used
    assert used <= targets


VARIABLE = re.compile(r"[A-Z_]+=\S+")


def test_variables_lead_to_the_gateway() -> None:
    found = [word for _, line in lines() for word in line.split() if VARIABLE.match(word)]
    addresses = [word for word in found if "_BASE" in word]
    assert len(addresses) > 5
    for word in addresses:
        assert re.search(r"=http://127\.0\.0\.1:8045(/v1|/v1beta)?$", word), word


#: What is added to commands, so that they neither ask nor need the Internet.
MORE = {
    "doctor": ("--offline",),
    "accounts add": ("--no-check",),
    "connect claude-code": ("--yes",),
    "disconnect claude-code": ("--yes",),
}
#: The account that each command uses in place of ACCOUNT, if it is not the first one.
SPARE = "antigravity accounts remove"


def token(letter: str) -> str:
    """Return what looks like a refresh token of Google."""
    return f"1//0{40 * letter}"


class Home:
    """A home with a gateway that runs, in which commands are typed in this process."""

    def __init__(self, address: str, folder: Path) -> None:
        self.address = address
        self.folder = folder
        self.request = ""

    def names(self) -> dict[str, str]:
        """Return what stands for the examples of the documentation."""
        names = {
            "https://api.deepseek.com/v1": os.environ["ANTIGRAVITY_UPSTREAMS__OPENAI__BASE_URL"],
            "http://127.0.0.1:9045/v1": os.environ["ANTIGRAVITY_UPSTREAMS__OPENAI__BASE_URL"],
            "/srv/antigravity": str(self.folder / "home"),
            "/tmp/trial": str(self.folder / "trial"),
        }
        if self.request:
            names |= {"req_681f5299730a89e9c4e96d2e": self.request, "ID": self.request}
        return names

    def type(self, line: str, stdin: str = "") -> str:
        """Run a command of ours, and return what it prints."""
        words = shlex.split(line)[1:]
        for shown, real in self.names().items():
            words = [word.replace(shown, real) for word in words]
        words += MORE.get(" ".join(words[:2]), MORE.get(words[0], ()))
        printed, failed = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO()
        before = sys.stdin
        sys.stdin = io.StringIO(stdin)
        try:
            with redirect_stdout(printed), redirect_stderr(failed):
                code = main(words)
        finally:
            sys.stdin = before
        printed.flush()
        text = printed.buffer.getvalue().decode()  # type: ignore[attr-defined]
        assert code == 0, (line, text, failed.getvalue())
        assert "Traceback" not in failed.getvalue()
        return str(text)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, simulator: str) -> Iterator[Home]:
    """Run a gateway whose providers are simulated, with three accounts and a request."""
    folder = tmp_path_factory.mktemp("user")
    patch = pytest.MonkeyPatch()
    patch.chdir(folder)
    patch.setenv("HOME", str(folder))
    patch.setenv("ANTIGRAVITY_HOME", str(folder / "home"))
    patch.setenv("NO_PROXY", "127.0.0.1")
    for name, path in UPSTREAMS.items():
        patch.setenv(f"ANTIGRAVITY_UPSTREAMS__{name}__KIND", name.lower())
        patch.setenv(f"ANTIGRAVITY_UPSTREAMS__{name}__BASE_URL", simulator + path)
    patch.setenv("ANTIGRAVITY_LEDGER__PAYLOADS", "all")
    (folder / "tokens.txt").write_text(f"{token('a')}\n{token('b')}\n")
    twistd = shutil.which("twistd", path=str(Path(sys.executable).parent))
    assert twistd is not None
    here = Home("", folder)
    own = {name: value for name, value in os.environ.items() if name.startswith("ANTIGRAVITY_")}
    environment = {**clean_environment(folder / "home"), **own}
    for label in ("ACCOUNT", "spare"):
        here.type(
            f"antigravity accounts add gemini_api --label {label} --no-check", f"AIza-{label}\n"
        )
    command = (twistd, "-n", "--pidfile=", "antigravity", "--port", "0")
    with running(command, folder / "home", folder, environment) as gateway:
        here.address = gateway.address()
        message = (
            '{"model": "gemini-2.5-flash", "messages": [{"role": "user", "content": "Hello!"}]}'
        )
        path = "http://127.0.0.1:8045/v1/chat/completions"
        run_curl(f"curl {path} -d {shlex.quote(message)}", here.address, folder)
        rows = json.loads(here.type("antigravity requests --json"))
        here.request = (rows["requests"] if isinstance(rows, dict) else rows)[0]["id"]
        yield here
    patch.undo()


def ours() -> list[tuple[str, str]]:
    return [
        (page, line)
        for page, line in lines()
        if line.startswith(("antigravity ", "pbpaste | antigravity ")) and not is_exception(line)
        if page != "README.rst"
    ]


def test_commands_work(home: Home, subtests: pytest.Subtests) -> None:
    for page, line in ours():
        with subtests.test(page=page, line=line):
            if line.startswith("pbpaste | "):
                home.type(line.removeprefix("pbpaste | "), token("c"))
            elif line.startswith(SPARE):
                home.type(line.replace("ACCOUNT", "spare"))
            elif "accounts add" in line and "--from" not in line:
                home.type(line, f"sk-{len(page)}-{len(line)}\n")
            else:
                home.type(line)


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
def test_requests_of_operations_work(home: Home) -> None:
    configuration = (home.folder / "home/antigravity.toml").read_text("utf-8")
    key = re.search(r'^admin_key = "(.+)"', configuration, re.MULTILINE)
    assert key is not None
    requests = [each for page, each in lines() if each.startswith("curl ") and page == OPERATIONS]
    assert len(requests) == 2
    for line in requests:
        answer = run_curl(line.replace("ADMIN_KEY", key[1]), home.address, home.folder)
        assert json.loads(answer)


def is_accounted_for(page: str, line: str) -> bool:
    program = re.sub(r"^(?:[A-Z_]+=\S+ )+", "", line)
    if line.startswith("curl "):
        return page in {*CURL_PAGES, OPERATIONS}
    if page == "README.rst" and line.startswith("antigravity "):
        return True
    words = line.removeprefix("export ").split()
    return (
        (page, line) in ours()
        or is_exception(program)
        or line.startswith("make ")
        or all(VARIABLE.match(word) for word in words)
    )


def test_every_command_is_accounted_for() -> None:
    assert [each for each in lines() if not is_accounted_for(*each)] == []
