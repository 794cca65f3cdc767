-- What keeps the ledger within its bounds.

-- name: oldest_row()$
SELECT min(number) FROM requests;

-- name: delete_attempts(before, limit)!
DELETE FROM attempts WHERE request IN (
    SELECT number FROM requests WHERE number < :before ORDER BY number LIMIT :limit
);

-- name: delete_requests(before, limit)!
DELETE FROM requests WHERE number IN (
    SELECT number FROM requests WHERE number < :before ORDER BY number LIMIT :limit
);

-- name: oldest_unmerged_hour(before)$
SELECT min(hour) FROM names_by_hour WHERE kind = 'all' AND hour < :before AND hour % 24 <> 0;

-- name: merge_hours(day)!
INSERT INTO hours (
    hour, model, upstream, account, key, client, requests, errors, cancelled, attempts, duration,
    overhead, first_byte, first_bytes, input, cached, cache_write, cache_write_1h, output,
    reasoning, searches, cost, list_cost, unpriced
)
SELECT
    :day, model, upstream, account, key, client, sum(requests), sum(errors), sum(cancelled),
    sum(attempts), sum(duration), sum(overhead), sum(first_byte), sum(first_bytes), sum(input),
    sum(cached), sum(cache_write), sum(cache_write_1h), sum(output), sum(reasoning),
    sum(searches), sum(cost), sum(list_cost), sum(unpriced)
FROM hours WHERE hour > :day AND hour < :day + 24
GROUP BY model, upstream, account, key, client
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

-- name: merge_names(day)!
INSERT INTO names_by_hour (
    kind, hour, name, requests, errors, cancelled, attempts, duration, overhead, first_byte,
    first_bytes, input, cached, cache_write, cache_write_1h, output, reasoning, searches, cost,
    list_cost, unpriced
)
SELECT
    kind, :day, name, sum(requests), sum(errors), sum(cancelled), sum(attempts), sum(duration),
    sum(overhead), sum(first_byte), sum(first_bytes), sum(input), sum(cached), sum(cache_write),
    sum(cache_write_1h), sum(output), sum(reasoning), sum(searches), sum(cost), sum(list_cost),
    sum(unpriced)
FROM names_by_hour WHERE hour > :day AND hour < :day + 24
GROUP BY kind, name
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

-- name: delete_merged_hours(day)!
DELETE FROM hours WHERE hour > :day AND hour < :day + 24;

-- name: delete_merged_names(day)!
DELETE FROM names_by_hour WHERE hour > :day AND hour < :day + 24;

-- name: delete_hours(before)!
DELETE FROM hours WHERE hour < :before;

-- name: delete_names_by_hour(before)!
DELETE FROM names_by_hour WHERE hour < :before;

-- name: delete_refusals(before)!
DELETE FROM refusals WHERE hour < :before;

-- name: delete_names(before)!
DELETE FROM names WHERE used < :before;
