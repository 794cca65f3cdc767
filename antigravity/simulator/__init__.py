"""A simulated model that speaks the upstream side of every protocol.

``twistd -n antigravity-simulator --port 9045`` starts it alone; ``twistd -n antigravity
--demo`` runs it inside the gateway.  It is strict (it refuses what the real services refuse,
with their error bodies), deterministic (equal requests get equal answers), and driven by
directives in the prompt, so that any client, a command-line tool too, can reach every
situation.

Without a directive the model answers with the last user text; images and documents appear in
that echo as ``[image image/png 70 bytes]``.  If the last turn holds tool results it answers
with them (``Result: …``).  If a response schema is demanded it answers with the smallest
instance of it, and if a tool call is forced it calls that tool with one.

==============================  ==========================================================
directive                       effect
==============================  ==========================================================
``[[say TEXT]]``                answers TEXT (several: one line each)
``[[think TEXT]]``              thinks TEXT first, with a signature that is checked later
``[[tool NAME {JSON}]]``        calls a tool; several directives are parallel calls
``[[then]]``                    what follows applies after the next round of tool results
``[[json {JSON}]]``             answers exactly this JSON text
``[[chunks N]]``                N chunks of text
``[[delay S]] [[ttft S]]``      S seconds between chunks, S seconds before the first
``[[tokens N]]``                answers about N tokens
``[[image]]``                   answers with an inline image
``[[cite]]``                    answers with citations of two web pages
``[[finish REASON]]``           ends with that reason, in any protocol's spelling
``[[error STATUS {JSON}]]``     fails with that status and body
``[[error 429 retry=2s]]``      fails the protocol's way; also ``times=1`` (per conversation),
                                ``after=2`` (inside the stream), ``reason=WORD``,
                                ``message=TEXT`` (last)
``[[cut N]]``                   breaks the connection after N chunks
``[[stall N]]``                 goes silent after N chunks
``[[garbage N]]``               sends malformed data after N chunks, then ends
``[[form FORM]]``               answers ``whole`` or as a ``stream`` whatever was asked for,
                                with a web ``page``, or a whole reply in ``gzip``
``[[empty]]``                   ends at once with nothing; ``[[empty reply]]`` is a legal
                                reply without content
``[[cut N times=1]]``           breaks only once per conversation; ``stall``, ``garbage`` and
                                ``empty`` take it too
``[[system]]``                  answers with the system prompt
``[[tools]]``                   answers with the JSON list of the tools' names
``[[request]]``                 answers with the JSON of the request's body
==============================  ==========================================================

A chunk is a piece of text or thinking, a tool call, or an image.  Text that is not a directive
is the echo; a ``[[…]]`` that can't be read as a directive is text.

Keys: any key is good, but ``bad-…`` (401), ``forbidden-…`` (403) and ``exhausted-…`` (429 with
a delay); ``flaky-…`` fails one request of five, another way each time.  The same prefixes
work on OAuth refresh tokens, and so do ``revoked…`` (refused), ``new-…`` (must be onboarded
first), ``paid-…`` and ``ultra-…`` (tiers).  A model whose name begins with ``no-such`` does not
exist.

This package imports nothing of the gateway but its version, so that the two can't share a
mistake.
"""
