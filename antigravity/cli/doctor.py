"""``antigravity doctor``: check the gateway for problems, and show remedies."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import click
from msgspec import Struct, structs

from antigravity.accounts.credential_store import CredentialStore
from antigravity.accounts.files import UNTIDY, AccountError, AccountFiles, BrokenFile
from antigravity.cli.config import model_file_problems, quirk_problems
from antigravity.cli.doctor_network import network_findings, path_findings
from antigravity.cli.doctor_repairs import disk_finding, open_paths, repairs
from antigravity.cli.doctor_state import key_findings, state_findings
from antigravity.cli.gateway_client import GatewayAddress, NoGatewayError, find_address, get_json
from antigravity.cli.group import Command
from antigravity.cli.invocation import Invocation, command_options, note
from antigravity.cli.mcp_servers import view_server
from antigravity.config.errors import ConfigurationError
from antigravity.config.last_run import read_last_run
from antigravity.config.mcp_settings import McpSettings
from antigravity.config.replacement_checks import check_start
from antigravity.config.running_gateway import find_running_gateway
from antigravity.config.settings import ProxySettings, Settings, TunnelSettings
from antigravity.config.snapshot import Configuration
from antigravity.interfaces.system import Finding
from antigravity.oauth.grants import GrantFile
from antigravity.plugins import PluginHost
from antigravity.tunnel.executable import NotInstalledError, find_executable

_MARKS = {"ok": "  ok", "warning": "warn", "failed": "FAIL"}
_OLDEST_PYTHON = (3, 11)


@click.command(cls=Command)
@click.option("--offline", is_flag=True, help="Send no request to the addresses of upstreams.")
@click.option("--fix", is_flag=True, help="Repair what can be repaired without losing anything.")
@command_options
def doctor(invocation: Invocation, offline: bool, fix: bool) -> None:
    """Check the gateway for problems, and show remedies.

    It asks the address of each upstream, without a key, whether it answers.
    """
    if fix:
        repair(invocation)
    findings = list(examine(invocation, online=not offline))
    healthy = all(finding.status != "failed" for finding in findings)
    lines = []
    for finding in findings:
        lines.append(f"{_MARKS[finding.status]}  {finding.name}: {finding.detail}")
        if finding.remedy:
            lines.append(f"      -> {finding.remedy}")
    data = {"healthy": healthy, "findings": [structs.asdict(finding) for finding in findings]}
    invocation.show(data, "\n".join(lines))
    if not healthy:
        click.get_current_context().exit(1)


def repair(invocation: Invocation) -> None:
    """Repair what can be repaired, and say what was."""
    for each in repairs(invocation.home, invocation.config_file):
        try:
            each.apply()
        except (OSError, AccountError, ConfigurationError) as error:
            note(f"could not {each.text}: {error}")
        else:
            note(f"did {each.text}")


def examine(invocation: Invocation, *, online: bool = False) -> Iterator[Finding]:
    """Yield the findings of all checks.

    :param online: whether to ask the addresses of upstreams, which may take seconds.
    """
    yield python_finding()
    yield name_finding()
    yield from home_findings(invocation)
    yield from disk_finding(invocation.home)
    try:
        plugins = PluginHost(invocation.configuration().settings.plugins)
        plugins.load()
        configuration = invocation.configuration(plugins.registry.known_names)
    except ConfigurationError as error:
        for problem in error.problems:
            yield Finding("configuration", "failed", str(problem), "fix that and try again")
        return
    yield from file_findings(configuration, invocation.home)
    wrong = model_file_problems(configuration.settings, invocation.home)
    for problem in wrong:
        yield Finding(
            "configuration", "failed", str(problem), "fix that file, or remove it from models.files"
        )
    for problem in (*configuration.warnings, *quirk_problems(configuration.settings)):
        yield Finding("configuration", "warning", str(problem))
    for fault in plugins.problems:
        remedy = f"run 'antigravity plugins check {fault.plugin}'"
        yield Finding("plugins", "warning", f"{fault.plugin} {fault.reason}", remedy)
    upstreams = used_upstreams(configuration.settings, invocation.home)
    yield from upstream_findings(upstreams)
    yield from path_findings(configuration.settings, list(upstreams.store.upstreams))
    if online:
        yield from network_findings(configuration.settings, list(upstreams.store.upstreams))
    yield from state_findings(
        invocation, configuration.settings.state, plugins.registry.state_kinds, online=online
    )
    if online:
        yield from key_findings(invocation, configuration.settings)
    yield from admin_findings(configuration)
    yield from login_findings(configuration.settings.mcp, invocation.home)
    yield from tunnel_findings(configuration.settings.tunnel, invocation.home)
    yield from gateway_findings(configuration.settings.proxy, invocation.home)


def file_findings(configuration: Configuration, home: Path) -> Iterator[Finding]:
    """Check that the configuration file exists, has settings, and is in force."""
    file, last = configuration.file, read_last_run(home)
    try:
        check_start(last, configuration, home)
    except ConfigurationError as error:
        for problem in error.problems:
            yield Finding("configuration", "failed", str(problem), "restore the file")
    else:
        if not configuration.raw.has_file:
            yield Finding("configuration", "ok", "there is no file; the defaults apply")
        elif configuration.raw.is_blank:
            yield Finding("configuration", "ok", f"{file} sets nothing; the defaults apply")
        else:
            yield Finding("configuration", "ok", f"{file} is valid")
    if last is not None and last.problem:
        detail = f"the running gateway uses its earlier configuration: {last.problem}"
        remedy = "fix that, then run 'antigravity reload' or restart the gateway"
        yield Finding("reload", "failed", detail, remedy)


def python_finding() -> Finding:
    """Check the version of the interpreter."""
    version = platform.python_version()
    if sys.version_info >= _OLDEST_PYTHON:
        return Finding("python", "ok", version)
    return Finding("python", "failed", version, "install Python 3.11 or newer")


def name_finding() -> Finding:
    """Check that ``import antigravity`` finds this package, not the standard library's."""
    code = "import antigravity as a; raise SystemExit(not hasattr(a, '__path__'))"
    try:
        done = subprocess.run(  # noqa: S603 - this interpreter and fixed code
            [sys.executable, "-c", code],
            cwd=Path(sys.executable).parent,
            env={**os.environ, "BROWSER": "true"},
            capture_output=True,
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding("name", "warning", f"could not be checked ({type(error).__name__})")
    if done.returncode == 0:
        return Finding("name", "ok", "import antigravity finds the gateway")
    return Finding(
        "name",
        "failed",
        "import antigravity finds the module antigravity of the standard library",
        "reinstall antigravity-gateway with pip, so that antigravity.pth is in site-packages",
    )


def home_findings(invocation: Invocation) -> Iterator[Finding]:
    """Check that the home directory exists, and that only its owner has access."""
    home = invocation.home
    if not home.is_dir():
        remedy = "it is created when the gateway starts or an account is added"
        yield Finding("home", "warning", f"{home} does not exist", remedy)
        return
    open_to_others = list(open_paths(home, invocation.config_file))
    for path, mode in open_to_others:
        yield Finding(
            "home",
            "warning",
            f"other users have access to {path}",
            f"chmod {mode:o} '{path}'",
        )
    if not open_to_others:
        yield Finding("home", "ok", f"only its owner has access to {home}")


def admin_findings(configuration: Configuration) -> Iterator[Finding]:
    """Check that there is an admin key, if there is a configuration file."""
    if configuration.raw.has_file and not configuration.settings.proxy.admin_key:
        yield Finding(
            "admin key",
            "warning",
            "none is set, so that status, requests, usage and the dashboard are not available",
            f"set admin_key in the [proxy] table of {configuration.file}",
        )


def login_findings(mcp: McpSettings, home: Path) -> Iterator[Finding]:
    """Check the logins to other MCP servers."""
    for name, server in mcp.servers.items() if mcp.enabled else ():
        login = view_server(name, server, mcp, GrantFile(home, name).read())
        remedy = f"run 'antigravity mcp login {name}'"
        if server.enabled and login["login"] == "needed":
            yield Finding("mcp", "warning", f"{name} needs a login: {login['problem']}", remedy)
        elif server.enabled and login.get("missing_scopes"):
            lacks = " ".join(login["missing_scopes"])
            yield Finding("mcp", "warning", f"the login to {name} lacks scopes: {lacks}", remedy)


class UsedUpstreams(Struct, frozen=True):
    """The upstreams of a configuration and its accounts, and the files that were read."""

    store: CredentialStore
    broken: Sequence[BrokenFile]
    untidy: Sequence[Path]


def used_upstreams(settings: Settings, home: Path) -> UsedUpstreams:
    """Return the upstreams that the gateway would use."""
    files = AccountFiles(home)
    records, broken = files.load()
    return UsedUpstreams(CredentialStore(settings, records), broken, files.untidy)


def upstream_findings(found: UsedUpstreams) -> Iterator[Finding]:
    """Check that there are upstreams, and which have credentials."""
    credential_store = found.store
    for name, upstream in credential_store.upstreams.items():
        count = len(credential_store.credentials(name))
        if count:
            noun = "credential" if count == 1 else "credentials"
            yield Finding("upstreams", "ok", f"{name} ({upstream.kind}) has {count} {noun}")
    for problem in credential_store.problems:
        yield Finding("upstreams", "warning", str(problem))
    for file in found.broken:
        remedy = "fix or remove the file; the running gateway keeps the account as it was"
        yield Finding("accounts", "warning", f"skipped {file}", remedy)
    for path in found.untidy:
        remedy = "run 'antigravity doctor --fix', which writes the bare secret"
        yield Finding("accounts", "warning", f"{path}: {UNTIDY}", remedy)
    if not credential_store.upstreams:
        remedy = "run 'antigravity accounts add gemini_api' (or anthropic, openai, codeassist, zai)"
        yield Finding("upstreams", "warning", "there are none", remedy)


def tunnel_findings(tunnel: TunnelSettings, home: Path) -> Iterator[Finding]:
    """Check that cloudflared is installed and runs, if a tunnel is configured."""
    if tunnel == TunnelSettings():
        return
    try:
        program = find_executable(tunnel, home)
        output = subprocess.run(  # noqa: S603 - the operator's program
            [program, "--version"], capture_output=True, text=True, timeout=10, check=True
        ).stdout
    except NotInstalledError as error:
        status: Literal["failed", "warning"] = "failed" if tunnel.enabled else "warning"
        yield Finding("tunnel", status, str(error), "run 'antigravity tunnel install'")
    except (OSError, subprocess.SubprocessError) as error:
        remedy = "run 'antigravity tunnel install', or set tunnel.executable to another one"
        detail = f"{program} does not run ({type(error).__name__})"
        yield Finding("tunnel", "failed", detail, remedy)
    else:
        version = " ".join(output.split()[:3])
        yield Finding("tunnel", "ok", f"{version or 'cloudflared'} is {program}")


def gateway_findings(proxy: ProxySettings, home: Path) -> Iterator[Finding]:
    """Check whether the gateway, another program, or none listens on the port."""
    try:
        address = find_address(home, proxy)
    except NoGatewayError as error:
        yield Finding("gateway", "ok", str(error))
        return
    if address is None:
        yield Finding("gateway", "warning", "the configuration has no TCP port to check")
        return
    try:
        answer = get_json(address, "/healthz", proxy.api_key.reveal(), timeout=5.0)
    except NoGatewayError as error:
        if port_is_free(address):
            yield Finding("port", "ok", f"{address.port} is free")
            remedy = "start it with 'antigravity serve'"
            yield Finding("gateway", "warning", str(error), remedy)
            return
        if error.status == 401:
            remedy = "restart the gateway if proxy.api_key has changed since it started"
            yield Finding("gateway", "warning", f"it requires another key: {error}", remedy)
            return
        reason = str(error)
    else:
        if isinstance(answer, dict) and answer.get("status") == "ok":
            yield Finding("gateway", "ok", f"it runs at {address}")
            record = find_running_gateway(home)
            if record is not None and record.demo:
                detail = "DEMO: a built-in simulator answers every request"
                remedy = "add an account with 'antigravity accounts add': that ends the demo"
                yield Finding("demo", "warning", detail, remedy)
            return
        reason = f"{address} is not an antigravity gateway"
    yield Finding(
        "port",
        "failed",
        f"another program uses port {address.port}: {reason}",
        "end that program, or choose another proxy.port",
    )


def port_is_free(address: GatewayAddress) -> bool:
    """Return whether the gateway could listen at ``address``."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        if os.name != "nt":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address.host, address.port))
        except OSError:
            return False
    return True
