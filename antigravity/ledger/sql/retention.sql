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
SELECT min(hour) FROM hours WHERE hour < :before AND hour % 24 <> 0;

-- name: merge_hours(day)!
INSERT INTO hours (
    hour, model, upstream, account, key, client, outcome, requests, attempts, duration, overhead, first_byte, first_bytes, input, cached, cache_write, cache_write_1h, output, reasoning, searches, cost, list_cost, unpriced
)
SELECT
    :day, model, upstream, account, key, client, outcome,
    sum(requests),
    sum(attempts),
    sum(duration),
    sum(overhead),
    sum(first_byte),
    sum(first_bytes),
    sum(input),
    sum(cached),
    sum(cache_write),
    sum(cache_write_1h),
    sum(output),
    sum(reasoning),
    sum(searches),
    sum(cost),
    sum(list_cost),
    sum(unpriced)
FROM hours WHERE hour > :day AND hour < :day + 24
GROUP BY model, upstream, account, key, client, outcome
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

-- name: delete_merged_hours(day)!
DELETE FROM hours WHERE hour > :day AND hour < :day + 24;

-- name: delete_hours(before)!
DELETE FROM hours WHERE hour < :before;

-- name: delete_refusals(before)!
DELETE FROM refusals WHERE hour < :before;

-- name: delete_names(before)!
DELETE FROM names WHERE used < :before;
