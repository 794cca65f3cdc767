"""The access log: one line for each request."""

from __future__ import annotations

from antigravity.ir.record_text import describe, log_values
from antigravity.logs import is_logged, make_logger
from antigravity.web.request_head import RequestHead


class AccessLog:
    """Method, path, status, size, time and id of each request; never its query.

    The query may hold a key.  The line of a request for a model also says how it was served.
    """

    log = make_logger()

    def write(self, head: RequestHead, status: int, size: int, seconds: float) -> None:
        """Write the line of one request, as a warning if its exchange failed.

        :param size: the bytes of the response's body.
        :param seconds: the time from the request's head to the end of the response.
        """
        record = head.record
        failed = record is not None and record.outcome == "error"
        if not is_logged("warn" if failed else "info"):
            return
        method, path = head.shown_method, head.shown_path
        line = f"{method} {path} {status} {size} B {seconds:.3f} s {head.id}"
        write = self.log.warn if failed else self.log.info
        write(
            "{line}",
            line=line if record is None else f"{line}: {describe(record)}",
            method=method,
            path=path,
            status=status,
            size=size,
            seconds=seconds,
            request_id=head.id,
            **(log_values(record) if record is not None else {}),
        )
