"""Checks of the MCP settings beyond their types."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from antigravity.config.addresses import address_problem
from antigravity.config.errors import Problem
from antigravity.config.mcp_settings import (
    McpOAuthSettings,
    McpServerSettings,
    McpSettings,
    ZaiMcpSettings,
)
from antigravity.config.paths import KeyPath
from antigravity.config.secret import Secret

_Found = Iterator[tuple[KeyPath, Problem]]

_SERVER_NAME: Final = re.compile(r"[A-Za-z0-9](?:(?:[A-Za-z0-9.-]|_(?!_)){0,62}[A-Za-z0-9])?")
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VARIABLE: Final = re.compile(r"[^=\x00]+")
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f]")
_OF_STDIO: Final = ("args", "env", "directory")
_OF_HTTP: Final = ("api_key", "headers", "oauth")
_SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,256}")
_DEFAULTS: Final = McpServerSettings()
_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")


def mcp_check(mcp: McpSettings) -> _Found:
    """Yield each problem in ``mcp``."""
    problem = address_problem(mcp.vision.zai_url)
    if problem is not None:
        yield ("mcp", "vision", "zai_url"), problem
    for index, root in enumerate(mcp.vision.roots):
        if not Path(root).expanduser().is_absolute() or ".." in Path(root).parts:
            message = "this is not an absolute path"
            yield ("mcp", "vision", "roots", index), Problem(message, allowed=("such as /srv/a",))
    if mcp.client_metadata_url and not _is_document_address(mcp.client_metadata_url):
        message = "this is not an https address with a path, without user, fragment and .."
        yield ("mcp", "client_metadata_url"), Problem(message)
    for name, server in mcp.servers.items():
        yield from _server(("mcp", "servers", name), name, server)


def zai_mcp_check(zai: ZaiMcpSettings, key: Secret) -> _Found:
    """Yield each problem in the z.ai part; ``key`` is the one of z.ai itself."""
    path: KeyPath = ("proxy", "zai", "mcp")
    for name in ("web_search_url", "web_reader_url"):
        problem = address_problem(getattr(zai, name))
        if problem is not None:
            yield (*path, name), problem
    is_used = zai.web_search_enabled or zai.web_reader_enabled
    if zai.enabled and is_used and not zai.api_key and not key:
        message = "neither this nor proxy.zai has a key for z.ai, so z.ai will refuse its tools"
        yield (*path, "api_key"), Problem(message, severity="warning")


def _server(path: KeyPath, name: str, server: McpServerSettings) -> _Found:
    if not _SERVER_NAME.fullmatch(name):
        allowed = ("letters, digits, - . and single _, with a letter or digit at both ends",)
        yield path, Problem("this is not a valid name for a server", allowed=allowed)
    if not server.url and not server.command:
        message = "it has neither a url nor a command, so it has no effect"
        yield path, Problem(message, severity="warning")
    elif server.url and server.command:
        yield (*path, "command"), Problem("a server must have a url or a command, not both")
    elif server.url:
        yield from _http(path, server)
    else:
        yield from _stdio(path, server)


def _http(path: KeyPath, server: McpServerSettings) -> _Found:
    problem = address_problem(server.url)
    if problem is not None:
        yield (*path, "url"), problem
    yield from _useless(path, server, _OF_STDIO, "url")
    for header, value in server.headers.items():
        if not _HEADER_NAME.fullmatch(header) or _UNPRINTABLE.search(value.reveal()):
            yield (*path, "headers", header), Problem("this is not a valid HTTP header")
    if _UNPRINTABLE.search(server.api_key.reveal()):
        yield (*path, "api_key"), Problem("a key must not contain control characters")
    yield from _oauth((*path, "oauth"), server)


def _oauth(path: KeyPath, server: McpServerSettings) -> _Found:
    oauth = server.oauth
    if oauth != McpOAuthSettings() and has_own_credential(server):
        message = "it has no effect for a server with api_key or an Authorization header"
        yield path, Problem(message, severity="warning")
    if oauth.issuer and (problem := address_problem(oauth.issuer)):
        yield (*path, "issuer"), problem
    elif "?" in oauth.issuer or "#" in oauth.issuer:
        message = "the address of an authorization server has neither a query nor a fragment"
        yield (*path, "issuer"), Problem(message)
    if oauth.client_secret and not oauth.client_id:
        yield (*path, "client_secret"), Problem("it has no effect without client_id")
    elif oauth.client_secret and not oauth.issuer:
        message = (
            "name the authorization server that the secret is for, so that it is sent to no other"
        )
        yield (*path, "issuer"), Problem(message)
    for index, scope in enumerate(oauth.scopes):
        if not _SCOPE.fullmatch(scope):
            yield (*path, "scopes", index), Problem("this is not a valid scope")
    if oauth.redirect_uri and not _is_loopback_address(oauth.redirect_uri):
        allowed = ("such as http://127.0.0.1:8912/callback",)
        yield (*path, "redirect_uri"), Problem("this is not a loopback address", allowed=allowed)


def has_own_credential(server: McpServerSettings) -> bool:
    """Return whether the settings have a credential for the server, so that it needs no login."""
    return bool(server.api_key) or any(name.lower() == "authorization" for name in server.headers)


def _is_document_address(url: str) -> bool:
    """Return whether ``url`` can be a client id (see the draft of client id metadata documents)."""
    if address_problem(url) is not None:
        return False
    parts = urlsplit(url)
    has_dots = bool({".", ".."} & set(parts.path.split("/")))
    return parts.scheme == "https" and len(parts.path) > 1 and not has_dots and not parts.fragment


def _is_loopback_address(url: str) -> bool:
    if address_problem(url) is not None:
        return False
    parts = urlsplit(url)
    is_bare = not parts.query and not parts.fragment and parts.path.startswith("/")
    return parts.scheme == "http" and parts.hostname in _LOOPBACK and is_bare


def _stdio(path: KeyPath, server: McpServerSettings) -> _Found:
    yield from _useless(path, server, _OF_HTTP, "command")
    for index, argument in enumerate((server.command, *server.args)):
        if "\0" in argument:
            where: KeyPath = (*path, "args", index - 1) if index else (*path, "command")
            yield where, Problem("it must not contain a NUL character")
    for variable, value in server.env.items():
        if not _VARIABLE.fullmatch(variable) or "\0" in value.reveal():
            yield (*path, "env", variable), Problem("this is not a valid environment variable")


def _useless(path: KeyPath, server: McpServerSettings, keys: tuple[str, ...], has: str) -> _Found:
    for key in keys:
        if getattr(server, key) != getattr(_DEFAULTS, key):
            problem = Problem(f"it has no effect for a server with a {has}", severity="warning")
            yield (*path, key), problem
