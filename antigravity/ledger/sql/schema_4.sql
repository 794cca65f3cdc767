-- Version 4: payloads belong to one request also if clients use an id twice.

-- When the request started, as in its row; 0 for those that were written before.
ALTER TABLE payloads ADD COLUMN started INTEGER NOT NULL DEFAULT 0;

DROP INDEX payloads_by_request;
CREATE INDEX payloads_by_request ON payloads (request, started, position);
