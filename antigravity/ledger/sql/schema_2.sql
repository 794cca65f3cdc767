-- Version 2: what was sent and received, where the operator wants that.

CREATE TABLE payloads (
    number INTEGER NOT NULL PRIMARY KEY,
    request TEXT NOT NULL,
    stored INTEGER NOT NULL,
    position INTEGER NOT NULL,
    direction TEXT NOT NULL,
    attempt INTEGER,
    method TEXT NOT NULL,
    url TEXT NOT NULL,
    status INTEGER,
    size INTEGER NOT NULL,
    head INTEGER NOT NULL,
    cut INTEGER NOT NULL,
    media INTEGER NOT NULL,
    dropped INTEGER NOT NULL,
    route TEXT,
    headers TEXT NOT NULL,
    body BLOB NOT NULL
);

CREATE INDEX payloads_by_request ON payloads (request, position);
CREATE INDEX payloads_by_size ON payloads (number, stored);
