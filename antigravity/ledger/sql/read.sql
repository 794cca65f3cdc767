-- What readers ask for one thing.  Lists and sums are built in queries.py.

-- name: request_by_id(id)^
SELECT * FROM requests WHERE id = :id ORDER BY number DESC LIMIT 1;

-- name: request_by_number(id, number)^
SELECT * FROM requests WHERE id = :id AND number = :number;

-- name: others_with_id(id, number, limit)
SELECT id, number FROM requests WHERE id = :id AND number <> :number
ORDER BY number DESC LIMIT :limit;

-- name: attempts_of(number)
SELECT * FROM attempts WHERE request = :number ORDER BY position;

-- name: names_of(kind)
SELECT name FROM names WHERE kind = :kind ORDER BY used DESC, name LIMIT 1000;

-- name: refusals_between(since, until)
SELECT kind, sum(requests) AS requests FROM refusals
WHERE hour >= :since AND hour < :until GROUP BY kind ORDER BY kind;
