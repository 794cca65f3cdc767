"""The pages of the dashboard, for browsers that have signed in."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final
from urllib.parse import quote, urlencode

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from antigravity.dashboard import account_forms, now_page, plugin_pages, requests_page
from antigravity.dashboard.admin_requests import require_local_change
from antigravity.dashboard.context import Build, Change, Page, PageContext
from antigravity.dashboard.files import static_files
from antigravity.dashboard.forms import check_token, parse_form, read_form
from antigravity.dashboard.live import MAX_STREAMS, LiveStream
from antigravity.dashboard.plugin_pages import PLUGIN_PAGES
from antigravity.dashboard.renderer import render
from antigravity.dashboard.replies import Headers, html, redirect, static, write
from antigravity.dashboard.routes import DashboardState, PluginPage
from antigravity.dashboard.session_cookie import session_cookie, session_token
from antigravity.dashboard.sessions import Notice, Session
from antigravity.dashboard.texts import text
from antigravity.dashboard.tools import (
    ADDRESSES,
    CHANGES,
    LARGE_FORMS,
    LARGEST_FORM,
    PAGES,
)
from antigravity.deferreds import call_in_thread
from antigravity.interfaces.administration import IAdministration
from antigravity.interfaces.exchange import Reply
from antigravity.interfaces.ledger import ExportQuestion, ILedger
from antigravity.ir.errors import (
    AuthenticationError,
    GatewayError,
    MethodNotAllowedError,
    NotFoundError,
    OverloadedError,
)
from antigravity.web.admin_ledger import export_requests
from antigravity.web.authentication import DASHBOARD_PATH, Authenticator
from antigravity.web.host_policy import HostPolicy
from antigravity.web.request import head_of, pop_small_body
from antigravity.web.request_head import RequestHead
from antigravity.web.responses import write_reply

_SIGN_IN: Final = f"{DASHBOARD_PATH}/sign-in"
#: What the layout of every page needs.
_COMMON: Final[Mapping[str, Any]] = {"page": "", "session": None, "notice": None}


class DashboardSite:
    """The handlers of all pages; each checks its session."""

    def __init__(
        self,
        state: DashboardState,
        authenticator: Authenticator,
        host_policy: HostPolicy,
        administration: IAdministration,
        ledger: ILedger,
        plugin_pages: Mapping[str, PluginPage],
    ) -> None:
        self._state = state
        self._authenticator = authenticator
        self._host_policy = host_policy
        self._administration = administration
        self._ledger = ledger
        self._plugin_pages = plugin_pages

    def handler(self, name: str) -> Callable[..., Deferred[None] | None]:
        """Return the handler of a path by its name in :mod:`antigravity.dashboard.routes`."""
        if name in PAGES or name in CHANGES:
            return partial(self._serve, name)
        found: Callable[..., Deferred[None] | None] = getattr(self, name)
        return found

    # -- pages without a table --

    def now_panel(self, request: Any) -> Deferred[None]:
        """Show the part of the first page that changes."""
        return self._show_part(request, now_page.build_panel)

    def new_requests(self, request: Any) -> Deferred[None]:
        """Show the rows of new requests."""
        return self._show_part(request, requests_page.build_new)

    def plugin_page(self, request: Any, page: str) -> Deferred[None]:
        """Show a page of a plugin."""
        build = partial(plugin_pages.build, self._state.clock, self._plugin_pages, page)
        return self._show(request, build)

    def plugin_action(self, request: Any, page: str, action: str) -> Deferred[None]:
        """Call an action of a page of a plugin."""
        change = partial(plugin_pages.act, self._plugin_pages, page, action)
        return self._change(request, change, f"{PLUGIN_PAGES}/{page}")

    def export(self, request: Any) -> Deferred[None]:
        """Send requests as a file."""
        _require_get(request)
        session = self._require_session(request)
        question = self._context(request, session).read(ExportQuestion)
        reply = Deferred.fromCoroutine(export_requests(self._ledger, question))
        return reply.addCallback(write_reply, request)

    def logged_in(self, request: Any) -> Deferred[None]:
        """Add the account of a login from which the browser returns.

        It has no session then, because it comes from another site; its secret is the login's.
        """
        _require_get(request)
        query = urlencode(head_of(request).query)
        done = Deferred.fromCoroutine(account_forms.build_logged_in(self._administration, query))
        return done.addCallback(lambda page: self._render(request, page))

    # -- sessions --

    def sign_in(self, request: Any) -> None:
        """Start a session for the admin key of the form."""
        form = read_form(request)
        principal = self._authenticator.administrator([form.get("key", "").strip()])
        token = self._state.sessions.start(principal)
        write(redirect(_page_address(form.get("to", "")), session_cookie(request, token)), request)

    def use_link(self, request: Any) -> Deferred[None]:
        """Start a session for a link.

        The response is a page that leads to the dashboard, because browsers do not send a strict
        cookie with a redirect that began on another site.
        """
        _require_get(request)
        token = self._state.sessions.use_link(
            head_of(request).query.get("token", ""), self._authenticator.administrator_principal
        )
        if token is None:
            raise AuthenticationError(text("sign_in.bad_link"), code="bad_link")
        page = Page("link.html", {"to": DASHBOARD_PATH}, headers=session_cookie(request, token))
        return self._render(request, page)

    def sign_out(self, request: Any) -> None:
        """End the session."""
        self._read_change(request)
        self._state.sessions.end(session_token(request))
        self._state.check_streams()
        write(redirect(DASHBOARD_PATH, session_cookie(request, "")), request)

    # -- what needs no page --

    def live(self, request: Any) -> Deferred[None]:
        """Stream the numbers of new requests."""
        _require_get(request)
        self._require_session(request)
        streams = self._state.streams
        if len(streams) >= MAX_STREAMS:
            raise OverloadedError("Too many live pages are open.  Close some of them.")
        token = session_token(request)
        stream = LiveStream(
            self._state.clock,
            request,
            self._ledger.listen,
            lambda: self._state.sessions.has(token),
            streams.discard,
        )
        streams.add(stream)
        return stream.start()

    def static(self, request: Any, digest: str, name: str) -> None:
        """Serve a file; it needs no session."""
        found = static_files().get(name)
        if found is None or found.digest != digest:
            raise NotFoundError("File not found.", code="file_not_found")
        write(static(found.content, found.kind), request)

    def render_error(self, error: GatewayError, head: RequestHead) -> Deferred[Reply]:
        """Return a Deferred with the page that shows an error.

        For a missing session it is the one to sign in.
        """
        headers = () if "hx-request" not in head.headers else (("HX-Redirect", DASHBOARD_PATH),)
        if isinstance(error, AuthenticationError) or error.code == "too_many_wrong_keys":
            problem = "" if error.code == "no_session" else error.message
            values = self._sign_in_values(head, problem)
            return self._make("sign_in.html", values, error.status, headers)
        return self._make("problem.html", _problem(error, None), error.status)

    # -- internals --

    def _serve(self, name: str, request: Any, **names: str) -> Deferred[None]:
        """Show a page, or change what its form demands; ``names`` are those in the path."""
        if name in CHANGES and (name not in PAGES or head_of(request).method == "POST"):
            change, address = CHANGES[name]
            self._require_session(request)
            require_local_change(name, names.get("action", ""), is_local=head_of(request).loopback)
            begin = self._change_much if name in LARGE_FORMS else self._change
            shown = address.format_map({each: quote(names[each], safe="") for each in names})
            return begin(request, partial(change, **names), shown)
        return self._show(request, partial(PAGES[name], **names))

    def _show(self, request: Any, build: Build) -> Deferred[None]:
        session = self._session(request)
        if session is None:
            values = self._sign_in_values(head_of(request), "")
            return self._render(request, Page("sign_in.html", values))
        made = Deferred.fromCoroutine(build(self._context(request, session)))
        made.addErrback(_problem_page, session)
        return made.addCallback(
            lambda page: self._render(request, page, session, session.take_notice())
        )

    def _show_part(self, request: Any, build: Build) -> Deferred[None]:
        session = self._require_session(request)
        made = Deferred.fromCoroutine(build(self._context(request, session)))
        return made.addCallback(lambda page: self._render(request, page, session))

    def _change(self, request: Any, change: Change, address: str) -> Deferred[None]:
        """Change something as a form demands, and show the page it returns, or ``address``."""
        session = self._require_session(request)
        return self._changed(request, session, self._read_change(request), change, address)

    def _change_much(self, request: Any, change: Change, address: str) -> Deferred[None]:
        """Do that with a form that is too large to be read in the reactor's thread."""
        session = self._require_session(request)
        body = pop_small_body(request, LARGEST_FORM)
        parsed: Deferred[dict[str, str]] = call_in_thread(self._state.clock, parse_form, body)

        def check(form: dict[str, str]) -> Deferred[None]:
            check_token(request, session, form)
            return self._changed(request, session, form, change, address)

        return parsed.addCallback(check)

    def _changed(
        self, request: Any, session: Session, form: dict[str, str], change: Change, address: str
    ) -> Deferred[None]:
        context = self._context(request, session, form)

        def show(page: Page | None) -> Deferred[None] | None:
            if page is not None:
                return self._render(request, page, session)
            write(redirect(address), request)
            return None

        done = Deferred.fromCoroutine(change(context))
        done.addErrback(_problem_page, session)
        return done.addCallback(show)

    def _context(self, request: Any, session: Session, form: Mapping[str, str] = {}) -> PageContext:
        return PageContext(
            session,
            head_of(request).query,
            self._administration,
            self._ledger,
            time.time(),
            self._state.clock.seconds(),
            self._url(request),
            form,
            head_of(request).loopback,
        )

    def _url(self, request: Any) -> str:
        """Return the address at which the browser reaches the gateway."""
        head = head_of(request)
        return self._host_policy.base_url(head.host, head.forwarded, request.isSecure())

    def _render(
        self,
        request: Any,
        page: Page,
        session: Session | None = None,
        notice: Notice | None = None,
    ) -> Deferred[None]:
        values = {
            **_COMMON,
            "session": session,
            "notice": notice,
            "url": self._url(request),
            **page.values,
        }
        made = self._make(page.template, values, page.status, page.headers)
        return made.addCallback(write, request)

    def _make(
        self, template: str, values: Mapping[str, Any], status: int, headers: Headers = ()
    ) -> Deferred[Reply]:
        """Return a Deferred with a page, which is made in a thread."""
        more = [each.page for each in self._plugin_pages.values()]
        values = {"plugin_pages": more, **values}
        made: Deferred[str] = call_in_thread(self._state.clock, render, template, values)
        return made.addCallback(html, status, headers)

    def _session(self, request: Any) -> Session | None:
        principal = self._authenticator.administrator_principal
        return self._state.sessions.find(session_token(request), principal)

    def _require_session(self, request: Any) -> Session:
        session = self._session(request)
        if session is None:
            raise AuthenticationError(text("sign_in.needed"), code="no_session")
        return session

    def _read_change(self, request: Any) -> dict[str, str]:
        """Return the form of a change.

        :raises AuthenticationError: if there is no session.
        :raises PermissionDeniedError: if the form lacks the session's token.
        """
        session = self._require_session(request)
        form = read_form(request)
        check_token(request, session, form)
        return form

    def _sign_in_values(self, head: RequestHead, problem: str) -> dict[str, Any]:
        """Return the values of the page to sign in, which then leads to the wanted page."""
        query = urlencode(head.query)
        to = f"{head.path}?{query}" if query else head.path
        is_off = not self._authenticator.administrator_principal
        return {
            **_COMMON,
            "action": _SIGN_IN,
            "to": _page_address(to if head.method == "GET" else ""),
            "problem": "" if is_off else problem,
            "is_off": is_off,
        }


def _problem_page(failure: Failure, session: Session) -> Page:
    """Return the page for a ``GatewayError``; others are raised again."""
    failure.trap(GatewayError)
    error: GatewayError = failure.value  # type: ignore[assignment]
    return Page("problem.html", _problem(error, session), error.status)


def _problem(error: GatewayError, session: Session | None) -> Mapping[str, Any]:
    return {**_COMMON, "session": session, "message": error.message, "status": error.status}


def _require_get(request: Any) -> None:
    """Refuse ``HEAD``, which is routed like ``GET``: programs look at addresses with it."""
    if head_of(request).method != "GET":
        raise MethodNotAllowedError("Use GET here.")


def _page_address(to: str) -> str:
    """Return the address of a page after the sign-in, never one of another site."""
    return (
        to
        if to.startswith(tuple(f"{DASHBOARD_PATH}{page}" for page in ADDRESSES))
        else DASHBOARD_PATH
    )
