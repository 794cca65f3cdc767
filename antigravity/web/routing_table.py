"""From method and path to a protocol's route."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final
from urllib.parse import unquote

from msgspec import Struct
from msgspec.structs import replace

from antigravity.interfaces.protocols import IServerProtocol
from antigravity.ir.call import Route
from antigravity.ir.errors import InvalidRequestError, MethodNotAllowedError, NotFoundError
from antigravity.web.mcp_errors import missing_switch
from antigravity.web.path_corrections import corrections

_NAME: Final = re.compile(r"\{(\w+)(\.\.\.)?\}")
_REMEMBERED: Final = 1024
_LONGEST_HINT: Final = 200
#: Requests of providers' APIs that the pattern of another route matches, but that are not served.
_NOT_SERVED: Final = {
    ("POST", "/v1/responses/compact"): (
        "Compaction is not available here; let the client compact the conversation itself, "
        "with an ordinary request."
    ),
}
#: Stands for an encoded slash while segments are matched; a path can't hold it.
_SLASH: Final = "\0"


class Match(Struct, frozen=True):
    """A route that serves a path, which is another than was asked for if it was corrected."""

    protocol: Any  # an IServerProtocol
    route: Route
    arguments: Mapping[str, str]
    path: str


class NoSuchMethodError(MethodNotAllowedError):
    """The path exists; ``allowed`` are the methods that it has."""

    def __init__(
        self, method: str, path: str, allowed: Sequence[str], verbs: Sequence[str] = ()
    ) -> None:
        ends = f", or end the path with one of {', '.join(verbs)}" if verbs else ""
        use = " or ".join(allowed)
        super().__init__(f"{method[:40]} is not allowed on {path[:200]}; use {use}{ends}.")
        self.allowed = tuple(allowed)


class _Pattern:
    """A route's pattern, ready to match.  Lower ``rank`` is more specific."""

    def __init__(self, protocol: IServerProtocol, route: Route) -> None:
        self.protocol = protocol
        self.route = route
        self.is_static = "{" not in route.path
        self.prefix = route.path.partition("{")[0]
        segments = route.path.split("/")
        self.rank = tuple(
            (0 if "{" not in segment else 2 if _NAME.fullmatch(segment) else 1)
            for segment in segments
        )
        self.greedy = "...}" in route.path
        self._expression = re.compile(_expression(route.path))

    def match(self, text: str) -> Mapping[str, str] | None:
        """Return the arguments in ``text``, the path decoded by :func:`_decoded`."""
        match = self._expression.fullmatch(text)
        if match is None:
            return None
        return {name: value.replace(_SLASH, "/") for name, value in match.groupdict().items()}


def _expression(pattern: str) -> str:
    pieces = []
    end = 0
    for name in _NAME.finditer(pattern):
        pieces.append(re.escape(pattern[end : name.start()]))
        pieces.append(f"(?P<{name[1]}>[^/]+{'(?:/[^/]+)*' if name[2] else ''})")
        end = name.end()
    return "".join((*pieces, re.escape(pattern[end:])))


def _decoded(path: str) -> str:
    """Return ``path`` percent-decoded segment by segment.

    :raises InvalidRequestError: if that gives no text.
    """
    if "%" not in path and _SLASH not in path:
        return path
    try:
        text = unquote(path.replace("%2F", _SLASH).replace("%2f", _SLASH), errors="strict")
    except UnicodeDecodeError:
        raise InvalidRequestError("The path is not UTF-8 once percent-decoded.") from None
    if "%00" in path or _SLASH in path:
        raise InvalidRequestError("The path holds a NUL character.")
    return text


def preferred_protocol(headers: Mapping[str, str], credentials: Iterable[str] = ()) -> str:
    """Return the protocol that a client speaks, as far as its headers tell.

    ``credentials`` are the names of the credentials that it sent.
    """
    if "x-goog-api-key" in credentials:
        return "gemini"
    if "anthropic-version" in headers:
        return "anthropic"
    if "key" in credentials:
        return "gemini"
    return "openai_chat"


class RoutingTable:
    """All routes of all protocols."""

    def __init__(self, protocols: Iterable[IServerProtocol]) -> None:
        patterns = [
            _Pattern(protocol, route) for protocol in protocols for route in protocol.routes
        ]
        self._patterns = sorted(
            (pattern for pattern in patterns if not pattern.is_static),
            key=lambda pattern: (pattern.rank, pattern.greedy),
        )
        self._static: dict[str, dict[str, list[Match]]] = {}
        for pattern in patterns:
            if pattern.is_static:
                path = pattern.route.path
                found = Match(pattern.protocol, pattern.route, {}, path)
                methods = self._static.setdefault(path, {})
                methods.setdefault(pattern.route.method, []).append(found)
        self._known = [f"{pattern.route.method} {pattern.route.path}" for pattern in patterns]
        self._remembered: dict[tuple[str, str], list[Match]] = {}

    def resolve(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        credentials: Iterable[str] = (),
    ) -> Match:
        """Return the route for a request; ``path`` is as it came, still encoded.

        Where several protocols have the same path, the one whose literals are closest wins,
        then the one that a corrected prefix names, then the one that the client speaks.

        :raises NoSuchMethodError: if the path is served, but not with this method.
        :raises NotFoundError: if it is not served at all, with a hint where one is likely.
        :raises InvalidRequestError: if the path cannot be decoded.
        """
        wanted = "GET" if method == "HEAD" else method
        found = self._find(wanted, path)
        if found:
            return found[0] if len(found) == 1 else _choose(found, headers, credentials, "")
        for correction in corrections(path):
            found = self._find(wanted, correction.path)
            if found:
                return _choose(found, headers, credentials, correction.protocol)
        for reading in (path, *(correction.path for correction in corrections(path))):
            if reason := _NOT_SERVED.get((wanted, reading)):
                raise NotFoundError(reason, code="path_not_found")
        allowed = self.allowed(path)
        if allowed:
            raise NoSuchMethodError(method, path, allowed, self._verbs(wanted, path))
        raise NotFoundError(self._hint(wanted, path), code="path_not_found")

    def allowed(self, path: str) -> tuple[str, ...]:
        """Return the methods that ``path`` is served with."""
        methods = set(self._static.get(path, ()))
        text = _decoded(path)
        methods.update(
            pattern.route.method for pattern in self._patterns if pattern.match(text) is not None
        )
        return tuple(sorted(methods | {"HEAD"} if "GET" in methods else methods))

    def _verbs(self, method: str, path: str) -> list[str]:
        """Return what a path of Gemini's could end with, such as ``:generateContent``."""
        verbs = {
            f":{pattern.route.path.rpartition('}:')[2]}"
            for pattern in self._patterns
            if pattern.route.method == method
            and "}:" in pattern.route.path
            and path.startswith(pattern.prefix)
        }
        return sorted(verbs)

    def _find(self, method: str, path: str) -> list[Match]:
        """Return the most specific routes for exactly this path, usually one or none."""
        methods = self._static.get(path)
        if methods is not None and method in methods:
            return methods[method]
        found = self._remembered.get((method, path))
        if found is None:
            found = self._search(method, path)
            if found:
                if len(self._remembered) >= _REMEMBERED:
                    self._remembered.clear()
                self._remembered[method, path] = found
        return found

    def _search(self, method: str, path: str) -> list[Match]:
        text = _decoded(path)
        if text != path and text in self._static:
            return [replace(found, path=path) for found in self._static[text].get(method, ())]
        found: list[Match] = []
        rank: tuple[int, ...] | None = None
        for pattern in self._patterns:
            if rank is not None and pattern.rank != rank:
                break
            if pattern.route.method != method or not text.startswith(pattern.prefix):
                continue
            arguments = pattern.match(text)
            if arguments is not None:
                rank = pattern.rank
                found.append(Match(pattern.protocol, pattern.route, arguments, path))
        return found

    def _hint(self, method: str, path: str) -> str:
        text = f"{method} {path}"
        if switch := missing_switch(path):
            return f"There is nothing at {text}: {switch} in the configuration is off."
        close = []
        if len(text) <= _LONGEST_HINT:
            close = get_close_matches(text, self._known, n=1, cutoff=0.6)
        hint = f" Did you mean {close[0]}?" if close else ""
        return f"There is nothing at {text[:_LONGEST_HINT]}.{hint}"


def _choose(
    found: Sequence[Match],
    headers: Mapping[str, str],
    credentials: Iterable[str],
    named: str,
) -> Match:
    if len(found) == 1:
        return found[0]
    for name in (named, preferred_protocol(headers, credentials)):
        for match in found:
            if match.protocol.name == name:
                return match
    return found[0]
