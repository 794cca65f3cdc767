-- Payloads: what is written, read and deleted.

-- name: newest_payload()$
SELECT max(number) FROM payloads;

-- name: payloads_of(request)
SELECT * FROM payloads WHERE request = :request ORDER BY position LIMIT 200;

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
