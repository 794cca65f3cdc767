"""The protocols' routes as Klein rules, and corrections for paths that no rule matches."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from difflib import get_close_matches
from typing import Any, Final
from urllib.parse import unquote

from klein import Klein
from msgspec import Struct
from werkzeug.exceptions import HTTPException, NotFound
from werkzeug.routing import BaseConverter, MapAdapter, Rule

from antigravity.interfaces.protocols import IServerProtocol
from antigravity.ir.call import Route
from antigravity.ir.errors import InvalidRequestError, MethodNotAllowedError, NotFoundError
from antigravity.web.mcp_errors import missing_switch
from antigravity.web.path_corrections import CorrectedPath, corrections

_NAME: Final = re.compile(r"\{(\w+)(\.\.\.)?\}")
_LONGEST_HINT: Final = 200
#: The number of paths whose rule is remembered, and the length of the longest of them.
_MOST_MATCHED: Final = 256
_LONGEST_MATCHED: Final = 200
#: The prefix of the names of plugins' endpoints, which are served for their exact paths only.
PLUGIN: Final = "plugin "
#: Replaces an encoded slash while rules are matched; a path cannot contain it.
_SLASH: Final = "\0"


class NoSuchMethodError(MethodNotAllowedError):
    """The path exists; ``allowed`` are the methods that it has."""

    def __init__(
        self, method: str, path: str, allowed: Sequence[str], verbs: Sequence[str] = ()
    ) -> None:
        ends = f", or end the path with one of {', '.join(verbs)}" if verbs else ""
        use = " or ".join(allowed)
        super().__init__(f"{method[:40]} is not allowed on {path[:200]}; use {use}{ends}.")
        self.allowed = tuple(allowed)


class SegmentConverter(BaseConverter):
    """One segment of a path, which may hold encoded slashes."""

    regex = "[^/]+"

    def to_python(self, value: str) -> str:
        """Return the decoded segment."""
        return value.replace(_SLASH, "/")


class SegmentsConverter(SegmentConverter):
    """One or more segments of a path."""

    regex = "[^/]+(?:/[^/]+)*"
    part_isolating = False
    weight = 200


class MatchedRule(Rule):
    """A rule that matches paths, and builds none.

    Werkzeug compiles two functions for each rule that build its paths, which nobody calls here:
    those of a hundred rules take a tenth of the time of a start.
    """

    @staticmethod
    def _compile_builder(append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        return _build_nothing


def _build_nothing(*_: object, **__: object) -> tuple[str, str]:
    raise NotImplementedError("this rule builds no path")


class Candidate(Struct, frozen=True):
    """A route of a protocol; ``spans`` has, for each name, whether it matches several segments."""

    protocol: Any  # an IServerProtocol
    route: Route
    names: tuple[str, ...]
    spans: tuple[bool, ...]


class SharedRoute(Struct, frozen=True):
    """One Klein rule, and the protocols' routes that it stands for, most specific first."""

    method: str
    rule: str
    candidates: tuple[Candidate, ...]

    @property
    def endpoint(self) -> str:
        """The name of the rule's handler."""
        return f"{self.method} {self.rule}"

    def choose(
        self, headers: Mapping[str, str], credentials: Iterable[str] = (), protocol: str = ""
    ) -> Candidate:
        """Return the route of ``protocol``, or else of the protocol that the client uses."""
        candidates = self.candidates
        if len(candidates) > 1:
            for name in (protocol, preferred_protocol(headers, credentials)):
                for candidate in candidates:
                    if candidate.protocol.name == name:
                        return candidate
        return candidates[0]


def shared_routes(protocols: Iterable[IServerProtocol]) -> Iterator[SharedRoute]:
    """Yield a rule for each method and pattern of ``protocols``.

    Protocols can share a pattern under other parameter names.  A name for several segments also
    matches a single one, so such a route is a candidate of both rules.
    """
    patterns: dict[tuple[str, str], list[Candidate]] = {}
    for protocol in protocols:
        for route in protocol.routes:
            found = _NAME.findall(route.path)
            candidate = Candidate(
                protocol,
                route,
                tuple(name for name, _ in found),
                tuple(bool(dots) for _, dots in found),
            )
            pattern = route.method, _NAME.sub("{}", route.path)
            patterns.setdefault(pattern, []).append(candidate)
    for (method, _), members in patterns.items():
        members.sort(key=lambda member: sum(member.spans))
        for spans in dict.fromkeys(member.spans for member in members):
            candidates = tuple(
                member
                for member in members
                if all(wide >= needed for wide, needed in zip(member.spans, spans, strict=True))
            )
            yield SharedRoute(method, _rule(candidates[0].route.path), candidates)


def _rule(path: str) -> str:
    """Return the Klein rule for the path of a route."""
    return _NAME.sub(lambda name: f"<{'segments:' if name[2] else ''}{name[1]}>", path)


def add_converters(klein: Klein) -> None:
    """Add the converters for segments to ``klein``, and leave slashes to :func:`corrections`."""
    klein.url_map.converters |= {"default": SegmentConverter, "segments": SegmentsConverter}
    klein.url_map.merge_slashes = False
    klein.url_map.redirect_defaults = False


def decode_path(path: str) -> str:
    """Return ``path`` percent-decoded, with NUL for each encoded slash.

    :raises InvalidRequestError: if the result is not text.
    """
    if "%" not in path and _SLASH not in path:
        return path
    try:
        text = unquote(path.replace("%2F", _SLASH).replace("%2f", _SLASH), errors="strict")
    except UnicodeDecodeError:
        raise InvalidRequestError("The path is not UTF-8 once percent-decoded.") from None
    if "%00" in path or _SLASH in path:
        raise InvalidRequestError("The path contains a NUL character.")
    return text


def _is_doubled(path: str) -> bool:
    """Return whether a path begins with two slashes, which the adapter would drop."""
    return path.startswith("//") and path.strip("/") != ""


def preferred_protocol(headers: Mapping[str, str], credentials: Iterable[str] = ()) -> str:
    """Return the protocol that a client's headers indicate.

    :param credentials: the names of the credentials that it sent.
    """
    if "x-goog-api-key" in credentials:
        return "gemini"
    if "anthropic-version" in headers:
        return "anthropic"
    if "key" in credentials:
        return "gemini"
    return "openai_chat"


class Match(Struct, frozen=True):
    """The endpoint of a corrected path, and the protocol that its prefix named, if any."""

    endpoint: str
    arguments: Mapping[str, str]
    path: str
    protocol: str


class RoutingTable:
    """The endpoints of a Klein application by method and path."""

    def __init__(self, klein: Klein, routes: Iterable[SharedRoute]) -> None:
        # As ``url_map.bind`` does, which imports the tables of international names for a host name.
        self._adapter = MapAdapter(klein.url_map, "", "/", "", "http", "/", "GET")
        self._matched: dict[tuple[str, str], tuple[str, Mapping[str, str]]] = {}
        self._patterns = [
            (candidate.route.method, candidate.route.path)
            for route in routes
            for candidate in route.candidates
        ]

    def match(self, method: str, path: str) -> tuple[str, Mapping[str, str]]:
        """Return endpoint and arguments of exactly this percent-encoded path.

        :raises HTTPException: if no rule matches.
        :raises InvalidRequestError: if the path cannot be decoded.
        """
        known = self._matched.get((method, path))
        if known is not None:
            return known
        if _is_doubled(path):
            raise NotFound
        found: tuple[str, Mapping[str, str]] = self._adapter.match(decode_path(path), method)
        if len(path) <= _LONGEST_MATCHED:
            if len(self._matched) >= _MOST_MATCHED:
                self._matched.clear()
            self._matched[method, path] = found
        return found

    def correct(self, method: str, path: str) -> Match:
        """Return the endpoint for the likeliest correction of a path without a rule.

        :raises NoSuchMethodError: if the path exists, but not with this method.
        :raises NotFoundError: if it does not exist, with a hint where one is likely.
        :raises InvalidRequestError: if the path cannot be decoded.
        """
        decode_path(path)
        for correction in corrections(path):
            try:
                endpoint, arguments = self.match(method, correction.path)
            except HTTPException:
                continue
            if endpoint.startswith(PLUGIN):
                continue
            return Match(endpoint, arguments, correction.path, correction.protocol)
        effective_method = "GET" if method == "HEAD" else method
        allowed = self.allowed(path)
        if allowed:
            raise NoSuchMethodError(method, path, allowed, self._verbs(effective_method, path))
        raise NotFoundError(self._hint(effective_method, path), code="path_not_found")

    def post_endpoints(self, path: str) -> Iterator[tuple[str, str]]:
        """Yield the endpoints of ``POST`` requests to ``path`` and its corrections.

        Each comes with the protocol that the corrected prefix of the path named, if any.
        """
        for correction in (CorrectedPath(path), *corrections(path)):
            with suppress(HTTPException):
                endpoint, arguments = self.match("POST", correction.path)
                if not arguments:
                    yield endpoint, correction.protocol

    def allowed(self, path: str) -> tuple[str, ...]:
        """Return the methods of ``path`` in alphabetical order."""
        if _is_doubled(path):
            return ()
        return tuple(sorted(self._adapter.allowed_methods(decode_path(path))))

    def _verbs(self, method: str, path: str) -> list[str]:
        """Return the possible ends of a Gemini path, such as ``:generateContent``."""
        verbs = {
            f":{pattern.rpartition('}:')[2]}"
            for known, pattern in self._patterns
            if known == method and "}:" in pattern and path.startswith(pattern.partition("{")[0])
        }
        return sorted(verbs)

    def _hint(self, method: str, path: str) -> str:
        text = f"{method} {path}"
        if switch := missing_switch(path):
            return f"{text} is not available: {switch} in the configuration is off."
        close = []
        if len(text) <= _LONGEST_HINT:
            known = [" ".join(pattern) for pattern in self._patterns]
            close = get_close_matches(text, known, n=1, cutoff=0.6)
        hint = f" Did you mean {close[0]}?" if close else ""
        return f"Not found: {text[:_LONGEST_HINT]}.{hint}"
