"""The access log: one line for each request."""

from __future__ import annotations

from antigravity.logs import is_logged, make_logger
from antigravity.web.request_head import RequestHead


class AccessLog:
    """Method, path, status, size, time and id of each request; never its query.

    The query may hold a key.
    """

    log = make_logger()

    def write(self, head: RequestHead, status: int, size: int, seconds: float) -> None:
        """Write the line of one request.

        :param size: the bytes of the response's body.
        :param seconds: the time from the request's head to the end of the response.
        """
        if not is_logged("info"):
            return
        method, path = head.shown_method, head.shown_path
        self.log.info(
            "{line}",
            line=f"{method} {path} {status} {size} B {seconds:.3f} s {head.id}",
            method=method,
            path=path,
            status=status,
            size=size,
            seconds=seconds,
            request_id=head.id,
        )
