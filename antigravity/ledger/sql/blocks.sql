-- Blocks: sums of days, and of several days.

-- name: block_ends()
SELECT size, until FROM block_ends;

-- name: move_block_end(size, until)!
INSERT INTO block_ends (size, until) VALUES (:size, :until)
ON CONFLICT (size) DO UPDATE SET until = excluded.until;

-- name: next_hour(since)$
SELECT min(hour) FROM names_by_hour WHERE kind = 'all' AND hour >= :since;

-- name: build_block_of_hours(size, hour, until)!
INSERT INTO blocks (
    size, hour, model, upstream, account, key, client, requests, errors, cancelled, attempts,
    duration, overhead, first_byte, first_bytes, input, cached, cache_write, cache_write_1h,
    output, reasoning, searches, cost, list_cost, unpriced
)
SELECT
    :size, :hour, model, upstream, account, key, client, sum(requests), sum(errors),
    sum(cancelled), sum(attempts), sum(duration), sum(overhead), sum(first_byte),
    sum(first_bytes), sum(input), sum(cached), sum(cache_write), sum(cache_write_1h), sum(output),
    sum(reasoning), sum(searches), sum(cost), sum(list_cost), sum(unpriced)
FROM hours WHERE hour >= :hour AND hour < :until
GROUP BY model, upstream, account, key, client;

-- name: build_names_of_hours(size, hour, until)!
INSERT INTO names_by_block (
    size, hour, kind, name, requests, errors, cancelled, attempts, duration, overhead, first_byte,
    first_bytes, input, cached, cache_write, cache_write_1h, output, reasoning, searches, cost,
    list_cost, unpriced
)
SELECT
    :size, :hour, kind, name, sum(requests), sum(errors), sum(cancelled), sum(attempts),
    sum(duration), sum(overhead), sum(first_byte), sum(first_bytes), sum(input), sum(cached),
    sum(cache_write), sum(cache_write_1h), sum(output), sum(reasoning), sum(searches), sum(cost),
    sum(list_cost), sum(unpriced)
FROM names_by_hour WHERE hour >= :hour AND hour < :until
GROUP BY kind, name;

-- name: build_block_of_blocks(size, hour, until, part)!
INSERT INTO blocks (
    size, hour, model, upstream, account, key, client, requests, errors, cancelled, attempts,
    duration, overhead, first_byte, first_bytes, input, cached, cache_write, cache_write_1h,
    output, reasoning, searches, cost, list_cost, unpriced
)
SELECT
    :size, :hour, model, upstream, account, key, client, sum(requests), sum(errors),
    sum(cancelled), sum(attempts), sum(duration), sum(overhead), sum(first_byte),
    sum(first_bytes), sum(input), sum(cached), sum(cache_write), sum(cache_write_1h), sum(output),
    sum(reasoning), sum(searches), sum(cost), sum(list_cost), sum(unpriced)
FROM blocks WHERE size = :part AND hour >= :hour AND hour < :until
GROUP BY model, upstream, account, key, client;

-- name: build_names_of_blocks(size, hour, until, part)!
INSERT INTO names_by_block (
    size, hour, kind, name, requests, errors, cancelled, attempts, duration, overhead, first_byte,
    first_bytes, input, cached, cache_write, cache_write_1h, output, reasoning, searches, cost,
    list_cost, unpriced
)
SELECT
    :size, :hour, kind, name, sum(requests), sum(errors), sum(cancelled), sum(attempts),
    sum(duration), sum(overhead), sum(first_byte), sum(first_bytes), sum(input), sum(cached),
    sum(cache_write), sum(cache_write_1h), sum(output), sum(reasoning), sum(searches), sum(cost),
    sum(list_cost), sum(unpriced)
FROM names_by_block WHERE size = :part AND hour >= :hour AND hour < :until
GROUP BY kind, name;

-- name: add_to_blocks*!
INSERT INTO blocks (
    size, hour, model, upstream, account, key, client, requests, errors, cancelled, attempts,
    duration, overhead, first_byte, first_bytes, input, cached, cache_write, cache_write_1h,
    output, reasoning, searches, cost, list_cost, unpriced
) VALUES (
    :size, :hour, :model, :upstream, :account, :key, :client, :requests, :errors, :cancelled,
    :attempts, :duration, :overhead, :first_byte, :first_bytes, :input, :cached, :cache_write,
    :cache_write_1h, :output, :reasoning, :searches, :cost, :list_cost, :unpriced
)
ON CONFLICT (size, hour, model, upstream, account, key, client) DO UPDATE SET
    requests = blocks.requests + excluded.requests,
    errors = blocks.errors + excluded.errors,
    cancelled = blocks.cancelled + excluded.cancelled,
    attempts = blocks.attempts + excluded.attempts,
    duration = blocks.duration + excluded.duration,
    overhead = blocks.overhead + excluded.overhead,
    first_byte = blocks.first_byte + excluded.first_byte,
    first_bytes = blocks.first_bytes + excluded.first_bytes,
    input = blocks.input + excluded.input,
    cached = blocks.cached + excluded.cached,
    cache_write = blocks.cache_write + excluded.cache_write,
    cache_write_1h = blocks.cache_write_1h + excluded.cache_write_1h,
    output = blocks.output + excluded.output,
    reasoning = blocks.reasoning + excluded.reasoning,
    searches = blocks.searches + excluded.searches,
    cost = blocks.cost + excluded.cost,
    list_cost = blocks.list_cost + excluded.list_cost,
    unpriced = blocks.unpriced + excluded.unpriced;

-- name: add_to_names_by_block*!
INSERT INTO names_by_block (
    size, kind, hour, name, requests, errors, cancelled, attempts, duration, overhead, first_byte,
    first_bytes, input, cached, cache_write, cache_write_1h, output, reasoning, searches, cost,
    list_cost, unpriced
) VALUES (
    :size, :kind, :hour, :name, :requests, :errors, :cancelled, :attempts, :duration, :overhead,
    :first_byte, :first_bytes, :input, :cached, :cache_write, :cache_write_1h, :output,
    :reasoning, :searches, :cost, :list_cost, :unpriced
)
ON CONFLICT (size, kind, hour, name) DO UPDATE SET
    requests = names_by_block.requests + excluded.requests,
    errors = names_by_block.errors + excluded.errors,
    cancelled = names_by_block.cancelled + excluded.cancelled,
    attempts = names_by_block.attempts + excluded.attempts,
    duration = names_by_block.duration + excluded.duration,
    overhead = names_by_block.overhead + excluded.overhead,
    first_byte = names_by_block.first_byte + excluded.first_byte,
    first_bytes = names_by_block.first_bytes + excluded.first_bytes,
    input = names_by_block.input + excluded.input,
    cached = names_by_block.cached + excluded.cached,
    cache_write = names_by_block.cache_write + excluded.cache_write,
    cache_write_1h = names_by_block.cache_write_1h + excluded.cache_write_1h,
    output = names_by_block.output + excluded.output,
    reasoning = names_by_block.reasoning + excluded.reasoning,
    searches = names_by_block.searches + excluded.searches,
    cost = names_by_block.cost + excluded.cost,
    list_cost = names_by_block.list_cost + excluded.list_cost,
    unpriced = names_by_block.unpriced + excluded.unpriced;

-- name: delete_blocks(before)!
DELETE FROM blocks WHERE hour + size <= :before;

-- name: delete_names_by_block(before)!
DELETE FROM names_by_block WHERE hour + size <= :before;
