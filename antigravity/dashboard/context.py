"""What a page is made from."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from antigravity.dashboard.sessions import Session
from antigravity.interfaces.administration import IAdministration
from antigravity.interfaces.ledger import ILedger
from antigravity.ir.errors import InvalidRequestError

T = TypeVar("T")


class Page(Struct, frozen=True):
    """A template with its values; ``headers`` are added to the response."""

    template: str
    values: Mapping[str, Any]
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()


class PageContext(Struct, frozen=True):
    """One request for a page.

    ``now`` is in seconds since the epoch, ``seconds`` those of the clock of the accounts.
    ``url`` is the address at which the browser reaches the gateway, ``form`` that of a change.
    ``is_local`` says that the browser is on the gateway's machine, and no proxy stands between.
    """

    session: Session
    query: Mapping[str, str]
    administration: IAdministration
    ledger: ILedger
    now: float
    seconds: float
    url: str = ""
    form: Mapping[str, str] = {}
    is_local: bool = False

    def read_form(self, kind: type[T]) -> T:
        """Return the form of a change as a ``kind``.

        :raises InvalidRequestError: if it has other fields, or wrong values.
        """
        given = {name: value for name, value in self.form.items() if name != "csrf"}
        try:
            return msgspec.convert(given, kind, strict=False)
        except msgspec.ValidationError as error:
            raise InvalidRequestError(f"The form is wrong: {error}.") from None

    def read(self, kind: type[T]) -> T:
        """Return the query as a ``kind``; empty fields of forms count as absent.

        :raises InvalidRequestError: if it has other fields, or wrong values.
        """
        given = {name: value for name, value in self.query.items() if value}
        try:
            return msgspec.convert(given, kind, strict=False)
        except msgspec.ValidationError as error:
            raise InvalidRequestError(f"The address is wrong: {error}.") from None


#: Makes a page; the names in its path are further arguments.
Build = Callable[..., Coroutine[Any, Any, Page]]
#: Changes something; ``None`` leads to the page that shows it.
Change = Callable[..., Coroutine[Any, Any, Page | None]]
