"""Where commands ask about finished requests: the running gateway, else its ledger."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import quote, urlencode

import click
import msgspec

from antigravity.cli.administration import NoGatewayRunsError, request_admin, stream_admin
from antigravity.cli.gateway_client import NoGatewayError
from antigravity.cli.invocation import Invocation, note
from antigravity.config.errors import ConfigurationError
from antigravity.config.units import parse_seconds
from antigravity.interfaces.ledger import (
    ExportQuestion,
    RequestDetail,
    RequestPage,
    RequestQuestion,
    UsageQuestion,
    UsageReport,
)
from antigravity.interfaces.payloads import RequestPayloads
from antigravity.ir.errors import GatewayError

if TYPE_CHECKING:
    from antigravity.ledger.reader import Reader
    from antigravity.stores.postgres_server import Server

#: The ledger's place in the home directory.
LEDGER_PATH: Final = Path("state", "ledger.db")

A = TypeVar("A", RequestPage, UsageReport, RequestDetail, RequestPayloads)


class LedgerSource:
    """The ledger of a home."""

    def __init__(self, invocation: Invocation) -> None:
        self._invocation = invocation
        self._path = invocation.home / LEDGER_PATH

    def requests(self, question: RequestQuestion) -> RequestPage:
        """Return a page of requests."""
        path = f"/admin/requests?{_query(question)}"
        return self._answer(path, RequestPage, "answer_requests", question)

    def request(self, reference: str) -> RequestDetail:
        """Return one request."""
        path = f"/admin/requests/{quote(reference, safe='')}"
        return self._answer(path, RequestDetail, "answer_request", reference)

    def payloads(self, reference: str) -> RequestPayloads:
        """Return what was sent and received for a request."""
        path = f"/admin/requests/{quote(reference, safe='')}/payloads"
        return self._answer(path, RequestPayloads, "answer_payloads", reference)

    def export(self, question: ExportQuestion) -> Iterator[bytes]:
        """Return the pieces of an export.

        :raises click.ClickException: if it cannot be made; so does the iterator.
        """
        try:
            pieces = stream_admin(self._invocation, f"/admin/export?{_query(question)}")
        except NoGatewayError as error:
            _tell_source(error)
            return self._export_file(question)
        return _checked(pieces)

    def usage(self, question: UsageQuestion) -> UsageReport:
        """Return sums."""
        path = f"/admin/usage?{_query(question)}"
        return self._answer(path, UsageReport, "answer_usage", question)

    def _answer(self, path: str, kind: type[A], function: str, question: object) -> A:
        try:
            data = request_admin(self._invocation, path, absent=True, refused=True)
        except NoGatewayError as error:
            _tell_source(error)
            return self._read(kind, function, question)
        return msgspec.convert(data, kind)

    def _read(self, kind: type[A], function: str, question: object) -> A:
        """Answer from the database, because no gateway with the configured key runs."""
        from antigravity.ledger import answers, payload_answers

        module = answers if hasattr(answers, function) else payload_answers
        with self._reader() as reader:
            answer: A = getattr(module, function)(reader, question)
        return answer

    def _export_file(self, question: ExportQuestion) -> Iterator[bytes]:
        """Export from the database, because no gateway with the configured key runs."""
        from antigravity.ledger.export import Export

        with self._reader() as reader:
            export = Export(question)
            while piece := export.next_piece(reader):
                yield piece

    @contextmanager
    def _reader(self) -> Iterator[Reader]:
        """Return a context with what reads the database.

        :raises click.ClickException: if there is none; errors in the context become such.
        """
        server = self._server()
        if server is None and not self._path.exists():
            raise NoGatewayRunsError(
                f"no gateway runs, and there is no ledger in {self._path.parent}; start a gateway "
                "with 'antigravity serve'"
            )
        from antigravity.ledger.choice import open_database
        from antigravity.ledger.errors import LedgerError
        from antigravity.ledger.reader import Reader

        reader = Reader(open_database(self._path, server))
        try:
            yield reader
        except (LedgerError, GatewayError) as error:
            raise click.ClickException(str(error)) from None
        finally:
            reader.close()

    def _server(self) -> Server | None:
        """Return the server of the ledger, if it has one."""
        from antigravity.stores.postgres_server import Server

        try:
            url = self._invocation.configuration().settings.ledger.url
        except ConfigurationError as error:
            raise click.ClickException(str(error)) from None
        return Server(url.reveal()) if url else None


def _tell_source(error: NoGatewayError) -> None:
    """Say that the ledger in the home is read although a gateway runs."""
    if not error.absent:
        note(f"The ledger in the home is read: {error}.")


def _checked(pieces: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from pieces
    except NoGatewayError as error:
        raise click.ClickException(f"the export is not complete: {error}") from None


def _query(question: Any) -> str:
    """Return the question as a query, without defaults: a gateway may be older than the command."""
    values = {
        each.name: value
        for each in msgspec.structs.fields(question)
        if (value := getattr(question, each.name)) is not None and value != each.default
    }
    texts = {True: "true", False: "false"}
    return urlencode(
        {name: texts[value] if isinstance(value, bool) else value for name, value in values.items()}
    )


def read_time(text: str, now: float) -> float:
    """Return a time in seconds since the epoch.

    :param text: how long ago it was, such as ``24h``; a date or a time in ISO 8601, local unless
        it has an offset; ``today`` or ``yesterday``, for the midnight that they begin with.
    :raises click.BadParameter: if it is in no such form.
    """
    ago = parse_seconds(text)
    if ago is not None:
        return now - ago
    midnight = datetime.fromtimestamp(now).replace(hour=0, minute=0, second=0, microsecond=0)
    if text == "today":
        return midnight.timestamp()
    if text == "yesterday":
        return datetime.fromtimestamp(midnight.timestamp() - 3600).replace(hour=0).timestamp()
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        raise click.BadParameter(
            f"{text!r} is no time: write 24h, 7d, today, yesterday, 2026-11-30 or 2026-11-30T10:00"
        ) from None
