"""Malformed responses, and ways to split one."""

from __future__ import annotations

from hypothesis import strategies as st

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"

#: Responses whose end two parsers could see in two places, or that are not HTTP/1.1.
MALFORMED = {
    "length and chunked": OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked and length": OK + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "one length twice": OK + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "list of lengths": OK + b"Content-Length: 5, 5\r\n\r\nhello",
    "signed length": OK + b"Content-Length: +5\r\n\r\nhello",
    "negative length": OK + b"Content-Length: -5\r\n\r\nhello",
    "hexadecimal length": OK + b"Content-Length: 0x5\r\n\r\nhello",
    "empty length": OK + b"Content-Length: \r\n\r\nhello",
    "length beyond 64 bits": OK + b"Content-Length: 99999999999999999999\r\n\r\n",
    "length with underscore": OK + b"Content-Length: 1_0\r\n\r\n0123456789",
    "folded line": OK + b"A: b\r\n c\r\nContent-Length: 5\r\n\r\nhello",
    "folded length": OK + b"Content-Length:\r\n 5\r\n\r\nhello",
    "NUL in a value": OK + b"A: b\0c\r\nContent-Length: 5\r\n\r\nhello",
    "NUL in a name": OK + b"A\0: b\r\nContent-Length: 5\r\n\r\nhello",
    "control character": OK + b"A: \x01\r\nContent-Length: 5\r\n\r\nhello",
    "space before the colon": OK + b"Content-Length : 5\r\n\r\nhello",
    "space before a name": OK + b" Content-Length: 5\r\n\r\nhello",
    "line without colon": OK + b"Content-Length 5\r\n\r\nhello",
    "empty name": OK + b": 5\r\n\r\nhello",
    "lone LF after the status": b"HTTP/1.1 200 OK\nContent-Length: 5\r\n\r\nhello",
    "lone LF after a header": OK + b"Content-Length: 5\n\r\nhello",
    "lone LF at the end": OK + b"Content-Length: 5\r\n\nhello",
    "lone CR in a value": OK + b"A: b\rContent-Length: 9\r\nContent-Length: 5\r\n\r\nhello",
    "lone CR after the status": b"HTTP/1.1 200 OK\rContent-Length: 5\r\n\r\nhello",
    "HTTP/2.0": b"HTTP/2.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "HTTP/0.9": b"HTTP/0.9 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "HTTP/1.2": b"HTTP/1.2 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "another protocol": b"RTSP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "lower case": b"http/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "no HTTP at all": b"<html>hello</html>",
    "empty lines first": b"\r\n\r\n" + OK + b"Content-Length: 5\r\n\r\nhello",
    "status of two digits": b"HTTP/1.1 20 OK\r\nContent-Length: 5\r\n\r\nhello",
    "status of four digits": b"HTTP/1.1 2000 OK\r\nContent-Length: 5\r\n\r\nhello",
    "status below 100": b"HTTP/1.1 099 OK\r\nContent-Length: 5\r\n\r\nhello",
    "another coding": OK + b"Transfer-Encoding: gzip\r\n\r\nhello",
    "a coding before chunked": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "a coding after chunked": OK + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "chunked twice": OK + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n0\r\n\r\n",
    "almost chunked": OK + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked and a tab": OK + b"Transfer-Encoding: chunked\t\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "switching protocols": b"HTTP/1.1 101 Go\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nhello",
    "switching without a name": b"HTTP/1.1 101 Go\r\n\r\nhello",
    "interim response with length": b"HTTP/1.1 100 Go\r\nContent-Length: 5\r\n\r\nhello",
    "interim chunked response": b"HTTP/1.1 103 Go\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
}
MALFORMED_BODIES = {
    "letters": b"zz\r\nhello\r\n0\r\n\r\n",
    "prefix": b"0x5\r\nhello\r\n0\r\n\r\n",
    "sign": b"+5\r\nhello\r\n0\r\n\r\n",
    "space before the size": b" 5\r\nhello\r\n0\r\n\r\n",
    "space after the size": b"5 \r\nhello\r\n0\r\n\r\n",
    "no size": b"\r\nhello\r\n0\r\n\r\n",
    "size beyond 64 bits": b"fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    "lone LF after the size": b"5\nhello\r\n0\r\n\r\n",
    "lone LF after the data": b"5\r\nhello\n0\r\n\r\n",
    "lone CR in an extension": b"5;a\rb\r\nhello\r\n0\r\n\r\n",
    "lone LF in an extension": b"5;a\nb\r\nhello\r\n0\r\n\r\n",
    "longer than its size": b"5\r\nhello!\r\n0\r\n\r\n",
    "malformed trailer": b"5\r\nhello\r\n0\r\nno colon\r\n\r\n",
    "folded trailer": b"5\r\nhello\r\n0\r\na: b\r\n c\r\n\r\n",
}


@st.composite
def splits(draw: st.DrawFn, data: bytes) -> list[bytes]:
    places = sorted(draw(st.sets(st.integers(1, len(data) - 1), max_size=12)))
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]
