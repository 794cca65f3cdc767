-- What the writer does.

-- name: add_to_hours*!
INSERT INTO hours (
    hour, model, upstream, account, key, client, requests, errors, cancelled, attempts, duration,
    overhead, first_byte, first_bytes, input, cached, cache_write, cache_write_1h, output,
    reasoning, searches, cost, list_cost, unpriced
) VALUES (
    :hour, :model, :upstream, :account, :key, :client, :requests, :errors, :cancelled, :attempts,
    :duration, :overhead, :first_byte, :first_bytes, :input, :cached, :cache_write,
    :cache_write_1h, :output, :reasoning, :searches, :cost, :list_cost, :unpriced
)
ON CONFLICT (hour, model, upstream, account, key, client) DO UPDATE SET
    requests = hours.requests + excluded.requests,
    errors = hours.errors + excluded.errors,
    cancelled = hours.cancelled + excluded.cancelled,
    attempts = hours.attempts + excluded.attempts,
    duration = hours.duration + excluded.duration,
    overhead = hours.overhead + excluded.overhead,
    first_byte = hours.first_byte + excluded.first_byte,
    first_bytes = hours.first_bytes + excluded.first_bytes,
    input = hours.input + excluded.input,
    cached = hours.cached + excluded.cached,
    cache_write = hours.cache_write + excluded.cache_write,
    cache_write_1h = hours.cache_write_1h + excluded.cache_write_1h,
    output = hours.output + excluded.output,
    reasoning = hours.reasoning + excluded.reasoning,
    searches = hours.searches + excluded.searches,
    cost = hours.cost + excluded.cost,
    list_cost = hours.list_cost + excluded.list_cost,
    unpriced = hours.unpriced + excluded.unpriced;

-- name: add_to_names_by_hour*!
INSERT INTO names_by_hour (
    kind, hour, name, requests, errors, cancelled, attempts, duration, overhead, first_byte,
    first_bytes, input, cached, cache_write, cache_write_1h, output, reasoning, searches, cost,
    list_cost, unpriced
) VALUES (
    :kind, :hour, :name, :requests, :errors, :cancelled, :attempts, :duration, :overhead,
    :first_byte, :first_bytes, :input, :cached, :cache_write, :cache_write_1h, :output,
    :reasoning, :searches, :cost, :list_cost, :unpriced
)
ON CONFLICT (kind, hour, name) DO UPDATE SET
    requests = names_by_hour.requests + excluded.requests,
    errors = names_by_hour.errors + excluded.errors,
    cancelled = names_by_hour.cancelled + excluded.cancelled,
    attempts = names_by_hour.attempts + excluded.attempts,
    duration = names_by_hour.duration + excluded.duration,
    overhead = names_by_hour.overhead + excluded.overhead,
    first_byte = names_by_hour.first_byte + excluded.first_byte,
    first_bytes = names_by_hour.first_bytes + excluded.first_bytes,
    input = names_by_hour.input + excluded.input,
    cached = names_by_hour.cached + excluded.cached,
    cache_write = names_by_hour.cache_write + excluded.cache_write,
    cache_write_1h = names_by_hour.cache_write_1h + excluded.cache_write_1h,
    output = names_by_hour.output + excluded.output,
    reasoning = names_by_hour.reasoning + excluded.reasoning,
    searches = names_by_hour.searches + excluded.searches,
    cost = names_by_hour.cost + excluded.cost,
    list_cost = names_by_hour.list_cost + excluded.list_cost,
    unpriced = names_by_hour.unpriced + excluded.unpriced;

-- name: use_names*!
INSERT INTO names (kind, name, used) VALUES (:kind, :name, :used)
ON CONFLICT (kind, name) DO UPDATE SET used = excluded.used;

-- name: add_refusals*!
INSERT INTO refusals (hour, kind, requests) VALUES (:hour, :kind, :requests)
ON CONFLICT (hour, kind) DO UPDATE SET requests = refusals.requests + excluded.requests;

-- name: known_names()
SELECT kind, name, used FROM names;

-- name: newest_row()$
SELECT max(number) FROM requests;

-- name: key_of_row(number)^
SELECT id, started FROM requests WHERE number = :number;
