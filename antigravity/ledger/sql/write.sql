-- What the writer does.

-- name: insert_requests*!
INSERT INTO requests (
    number, id, started, protocol, operation, stream, client, key, session, model, served_model,
    upstream, account, outcome, status, error_kind, error, attempts, first_byte, duration,
    overhead, queue, input, cached, cache_write, cache_write_1h, output, reasoning, tool_input,
    image_input, image_output, audio_input, audio_output, searches, cost, list_cost,
    price_version, compressed, intercepted, route, warnings
) VALUES (
    :number, :id, :started, :protocol, :operation, :stream, :client, :key, :session, :model,
    :served_model, :upstream, :account, :outcome, :status, :error_kind, :error, :attempts,
    :first_byte, :duration, :overhead, :queue, :input, :cached, :cache_write, :cache_write_1h,
    :output, :reasoning, :tool_input, :image_input, :image_output, :audio_input, :audio_output,
    :searches, :cost, :list_cost, :price_version, :compressed, :intercepted, :route, :warnings
);

-- name: insert_attempts*!
INSERT INTO attempts (
    request, position, upstream, model, account, protocol, passed_through, status, error, started,
    ended
) VALUES (
    :request, :position, :upstream, :model, :account, :protocol, :passed_through, :status, :error,
    :started, :ended
);

-- name: add_to_hours*!
INSERT INTO hours (
    hour, model, upstream, account, key, client, outcome, requests, attempts, duration, overhead,
    first_byte, first_bytes, input, cached, cache_write, cache_write_1h, output, reasoning,
    searches, cost, list_cost, unpriced
) VALUES (
    :hour, :model, :upstream, :account, :key, :client, :outcome, :requests, :attempts, :duration,
    :overhead, :first_byte, :first_bytes, :input, :cached, :cache_write, :cache_write_1h, :output,
    :reasoning, :searches, :cost, :list_cost, :unpriced
)
ON CONFLICT (hour, model, upstream, account, key, client, outcome) DO UPDATE SET
    requests = hours.requests + excluded.requests,
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
