-- Version 1.  INTEGER has 64 bits here; see database.py for what other databases call it.

CREATE TABLE requests (
    number INTEGER NOT NULL PRIMARY KEY,
    id TEXT NOT NULL,
    started INTEGER NOT NULL,
    protocol TEXT NOT NULL,
    operation TEXT NOT NULL,
    stream INTEGER NOT NULL,
    client TEXT NOT NULL,
    key TEXT NOT NULL,
    session TEXT,
    model TEXT NOT NULL,
    served_model TEXT NOT NULL,
    upstream TEXT NOT NULL,
    account TEXT NOT NULL,
    outcome TEXT NOT NULL,
    status INTEGER,
    error_kind TEXT,
    error TEXT,
    attempts INTEGER NOT NULL,
    first_byte INTEGER,
    duration INTEGER NOT NULL,
    overhead INTEGER NOT NULL,
    queue INTEGER NOT NULL,
    input INTEGER NOT NULL,
    cached INTEGER NOT NULL,
    cache_write INTEGER NOT NULL,
    cache_write_1h INTEGER NOT NULL,
    output INTEGER NOT NULL,
    reasoning INTEGER NOT NULL,
    tool_input INTEGER NOT NULL,
    image_input INTEGER NOT NULL,
    image_output INTEGER NOT NULL,
    audio_input INTEGER NOT NULL,
    audio_output INTEGER NOT NULL,
    searches INTEGER NOT NULL,
    cost INTEGER,
    list_cost INTEGER,
    price_version TEXT NOT NULL,
    compressed TEXT,
    intercepted TEXT,
    route TEXT,
    warnings TEXT
);

CREATE INDEX requests_by_id ON requests (id);
CREATE INDEX requests_by_model ON requests (
    coalesce(nullif(served_model, ''), model), number
);
CREATE INDEX requests_by_account ON requests (account, number);
CREATE INDEX requests_by_key ON requests (key, number);
CREATE INDEX requests_by_client ON requests (client, number);
CREATE INDEX requests_by_session ON requests (session, number) WHERE session IS NOT NULL;
CREATE INDEX requests_by_failure ON requests (outcome, number) WHERE outcome <> 'ok';

CREATE TABLE attempts (
    request INTEGER NOT NULL,
    position INTEGER NOT NULL,
    upstream TEXT NOT NULL,
    model TEXT NOT NULL,
    account TEXT NOT NULL,
    protocol TEXT NOT NULL,
    passed_through INTEGER NOT NULL,
    status INTEGER,
    error TEXT,
    started INTEGER NOT NULL,
    ended INTEGER,
    PRIMARY KEY (request, position)
) WITHOUT ROWID;

-- Sums by hour.  The hours of old days are added up in the first one.
CREATE TABLE hours (
    hour INTEGER NOT NULL,
    model TEXT NOT NULL,
    upstream TEXT NOT NULL,
    account TEXT NOT NULL,
    key TEXT NOT NULL,
    client TEXT NOT NULL,
    requests INTEGER NOT NULL,
    errors INTEGER NOT NULL,
    cancelled INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    duration INTEGER NOT NULL,
    overhead INTEGER NOT NULL,
    first_byte INTEGER NOT NULL,
    first_bytes INTEGER NOT NULL,
    input INTEGER NOT NULL,
    cached INTEGER NOT NULL,
    cache_write INTEGER NOT NULL,
    cache_write_1h INTEGER NOT NULL,
    output INTEGER NOT NULL,
    reasoning INTEGER NOT NULL,
    searches INTEGER NOT NULL,
    cost INTEGER NOT NULL,
    list_cost INTEGER NOT NULL,
    unpriced INTEGER NOT NULL,
    PRIMARY KEY (hour, model, upstream, account, key, client)
) WITHOUT ROWID;

-- The same sums by one kind of name alone, and of all requests (the kind is 'all').
CREATE TABLE names_by_hour (
    kind TEXT NOT NULL,
    hour INTEGER NOT NULL,
    name TEXT NOT NULL,
    requests INTEGER NOT NULL,
    errors INTEGER NOT NULL,
    cancelled INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    duration INTEGER NOT NULL,
    overhead INTEGER NOT NULL,
    first_byte INTEGER NOT NULL,
    first_bytes INTEGER NOT NULL,
    input INTEGER NOT NULL,
    cached INTEGER NOT NULL,
    cache_write INTEGER NOT NULL,
    cache_write_1h INTEGER NOT NULL,
    output INTEGER NOT NULL,
    reasoning INTEGER NOT NULL,
    searches INTEGER NOT NULL,
    cost INTEGER NOT NULL,
    list_cost INTEGER NOT NULL,
    unpriced INTEGER NOT NULL,
    PRIMARY KEY (kind, hour, name)
) WITHOUT ROWID;

-- The names that rows can be filtered by; used is the last hour in which a name occurred.
CREATE TABLE names (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    used INTEGER NOT NULL,
    PRIMARY KEY (kind, name)
) WITHOUT ROWID;

-- Requests that were refused before they were admitted have no row of their own.
CREATE TABLE refusals (
    hour INTEGER NOT NULL,
    kind TEXT NOT NULL,
    requests INTEGER NOT NULL,
    PRIMARY KEY (hour, kind)
) WITHOUT ROWID;
