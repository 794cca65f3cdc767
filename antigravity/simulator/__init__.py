"""A simulated model that serves the upstream side of every protocol.

``twistd -n antigravity-simulator --port 9045`` starts it as a service of its own; ``twistd -n
antigravity --demo`` runs it inside the gateway.  It refuses what the real services refuse, with
their error bodies.  Equal requests get equal responses.  Directives in the prompt control the
response, so that any client, even a command-line tool, can reach every situation.

Without directives the model returns the last user text; images and documents appear in that echo
as ``[image image/png 70 bytes]``.  After tool results it returns them (``Result: …``).  If the
request has a response schema, it returns its smallest instance.  If the request requires a tool
call, it calls the tool with the smallest valid arguments.

==============================  ==========================================================
directive                       effect
==============================  ==========================================================
``[[say TEXT]]``                returns TEXT (several: one line each)
``[[think TEXT]]``              returns TEXT as thinking, with a signature that is checked later
``[[tool NAME {JSON}]]``        calls a tool; several directives are parallel calls
``[[then]]``                    directives after it apply after the next round of tool results
``[[json {JSON}]]``             returns exactly this JSON text
``[[chunks N]]``                N chunks of text
``[[delay S]] [[ttft S]]``      S seconds between chunks, S seconds before the first
``[[tokens N]]``                returns about N tokens
``[[image]]``                   returns an inline image
``[[cite]]``                    returns citations of two web pages
``[[finish REASON]]``           ends with this finish reason, in any protocol's spelling
``[[error STATUS {JSON}]]``     fails with that status and body
``[[error 429 retry=2s]]``      fails in the protocol's format; also ``times=1`` (per conversation),
                                ``after=2`` (inside the stream), ``reason=REASON``,
                                ``message=TEXT`` (last)
``[[cut N]]``                   aborts the connection after N chunks
``[[stall N]]``                 sends nothing more after N chunks
``[[garbage N]]``               sends malformed data after N chunks, then ends
``[[form FORM]]``               responds ``whole`` or as a ``stream``, whatever was requested,
                                with a web ``page``, or compressed with ``gzip``
``[[empty]]``                   ends at once with nothing; ``[[empty reply]]`` is a valid
                                response without content
``[[cut N times=1]]``           aborts only once per conversation; also for ``stall``,
                                ``garbage`` and ``empty``
``[[system]]``                  returns the system prompt
``[[tools]]``                   returns the JSON list of the tools' names
``[[request]]``                 returns the JSON of the request's body
==============================  ==========================================================

A chunk is a part of the text or thinking, a tool call, or an image.  Text around directives is
echoed; a malformed directive is text.

Any key is valid, except ``bad-…`` (401), ``forbidden-…`` (403) and ``exhausted-…`` (429 with a
retry delay); ``flaky-…`` fails one request of five, each time differently.  The same prefixes
work for OAuth refresh tokens, and so do ``revoked…`` (refused), ``new-…`` (must be onboarded
first), ``paid-…`` and ``ultra-…`` (tiers).  A model whose name begins with ``no-such`` does not
exist.

This package imports nothing of the gateway but its version, so that the two cannot share a
mistake.
"""
