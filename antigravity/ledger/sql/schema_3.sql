-- Version 3: sums of days and of several days, from which long time ranges are added up.

-- The sums of the hours from "hour" on, as many as "size".
CREATE TABLE blocks (
    size INTEGER NOT NULL,
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
    PRIMARY KEY (size, hour, model, upstream, account, key, client)
) WITHOUT ROWID;

CREATE TABLE names_by_block (
    size INTEGER NOT NULL,
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
    PRIMARY KEY (size, kind, hour, name)
) WITHOUT ROWID;

-- Blocks of a size exist for all hours before "until" in which there were requests.
CREATE TABLE block_ends (
    size INTEGER NOT NULL PRIMARY KEY,
    until INTEGER NOT NULL
);
