"""OpenAI's Responses protocol: ``POST /v1/responses``, as a server and as a client of it."""
