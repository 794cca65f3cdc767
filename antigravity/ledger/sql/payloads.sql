-- Payloads: what is written, read and deleted.

-- name: newest_payload()$
SELECT max(number) FROM payloads;

-- name: payloads_of(request, started)
SELECT * FROM payloads WHERE request = :request AND started = :started
ORDER BY position LIMIT 200;

-- name: newest_payloads_of(request)
SELECT * FROM payloads WHERE request = :request AND started = (
    SELECT max(started) FROM payloads WHERE request = :request
) ORDER BY position LIMIT 200;

-- name: old_payloads_of(request, number)
SELECT * FROM payloads WHERE request = :request AND started = 0 AND number >= :number
ORDER BY position LIMIT 200;

-- name: delete_payload*!
DELETE FROM payloads WHERE number = :number AND request = :request;

-- name: stored_payloads()^
SELECT min(number) AS oldest, coalesce(sum(stored), 0) AS stored FROM payloads;

-- name: sizes_of_oldest_payloads(limit)
SELECT number, stored FROM payloads ORDER BY number LIMIT :limit;

-- name: delete_payloads(before, limit)!
DELETE FROM payloads WHERE number IN (
    SELECT number FROM payloads WHERE number < :before ORDER BY number LIMIT :limit
);
