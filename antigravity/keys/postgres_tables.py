"""The tables of keys and of what they have spent, in the schema ``antigravity``.

The rows of ``spending`` are locked in the order of their keys, so that no two transactions wait for
each other.  A reservation stays for a week after its end, in case it is settled after all.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from antigravity.interfaces.key_store import KeyStoreError
from antigravity.stores import postgres_migration

#: Milliseconds to wait for another gateway that makes tables, and for each statement.
LOCK_WAIT: Final = 4000
#: The channel on which the server tells of changes of keys.
CHANNEL: Final = "antigravity_keys"

#: The scripts that bring the tables from one version to the next; they never change.
MIGRATIONS: Final = (
    """
    CREATE TABLE key_set (
        is_only BOOLEAN PRIMARY KEY DEFAULT true CHECK (is_only),
        salt TEXT NOT NULL,
        version BIGINT NOT NULL
    );
    INSERT INTO key_set (salt, version) VALUES ('', 0);
    CREATE TABLE client_keys (
        id TEXT COLLATE "C" PRIMARY KEY,
        number BIGINT GENERATED ALWAYS AS IDENTITY,
        record TEXT NOT NULL
    );
    CREATE TABLE spending (
        account TEXT COLLATE "C" NOT NULL,
        period TEXT COLLATE "C" NOT NULL,
        spent BIGINT NOT NULL DEFAULT 0,
        changed TIMESTAMPTZ NOT NULL DEFAULT now(),
        PRIMARY KEY (account, period)
    );
    CREATE TABLE reservations (
        reservation TEXT COLLATE "C" NOT NULL,
        account TEXT COLLATE "C" NOT NULL,
        period TEXT COLLATE "C" NOT NULL,
        amount BIGINT NOT NULL,
        expires TIMESTAMPTZ NOT NULL,
        PRIMARY KEY (reservation, account)
    );
    CREATE INDEX reservations_by_account ON reservations (account, period);

    CREATE FUNCTION look(names TEXT[], periods TEXT[])
    RETURNS TABLE (place BIGINT, spent BIGINT, reserved BIGINT)
    LANGUAGE sql STABLE AS $look$
        SELECT c.place, coalesce(s.spent, 0), coalesce((
            SELECT sum(r.amount) FROM reservations r
            WHERE r.account = c.account AND r.period = c.period AND r.expires > now()
        ), 0)::bigint
        FROM unnest(names, periods) WITH ORDINALITY AS c(account, period, place)
        LEFT JOIN spending s ON s.account = c.account AND s.period = c.period
        ORDER BY c.place
    $look$;

    CREATE FUNCTION reserve(
        wanted TEXT, names TEXT[], periods TEXT[], amounts BIGINT[], limits BIGINT[],
        ttl DOUBLE PRECISION
    ) RETURNS TABLE (granted BOOLEAN, spent BIGINT, reserved BIGINT)
    LANGUAGE plpgsql AS $reserve$
    DECLARE
        fits BOOLEAN;
    BEGIN
        INSERT INTO spending AS s (account, period)
            SELECT c.account, c.period FROM unnest(names, periods) AS c(account, period)
            ORDER BY c.account, c.period
            ON CONFLICT DO NOTHING;
        IF FOUND THEN
            DELETE FROM spending s WHERE s.ctid IN (
                SELECT o.ctid FROM spending o
                JOIN unnest(names, periods) AS c(account, period) ON o.account = c.account
                WHERE o.period <> c.period AND o.changed < now() - interval '3 days'
                FOR UPDATE OF o SKIP LOCKED
            );
        END IF;
        PERFORM 1 FROM spending s
            JOIN unnest(names, periods) AS c(account, period)
            ON s.account = c.account AND s.period = c.period
            ORDER BY s.account, s.period FOR UPDATE OF s;
        -- This statement sees what those did who had the rows before.
        SELECT bool_and(l.spent + l.reserved + amounts[l.place] <= limits[l.place]) INTO fits
            FROM look(names, periods) AS l;
        IF fits THEN
            INSERT INTO reservations AS r (reservation, account, period, amount, expires)
                SELECT wanted, c.account, c.period, c.amount, now() + make_interval(secs => ttl)
                FROM unnest(names, periods, amounts) AS c(account, period, amount)
                ON CONFLICT (reservation, account)
                DO UPDATE SET amount = r.amount + excluded.amount, expires = excluded.expires;
        END IF;
        RETURN QUERY SELECT fits, l.spent, l.reserved FROM look(names, periods) AS l;
    END
    $reserve$;

    CREATE FUNCTION settle(wanted TEXT, cost BIGINT) RETURNS VOID
    LANGUAGE plpgsql AS $settle$
    BEGIN
        PERFORM 1 FROM spending s
            JOIN reservations r ON s.account = r.account AND s.period = r.period
            WHERE r.reservation = wanted
            ORDER BY s.account, s.period FOR UPDATE OF s;
        WITH ended AS (
            DELETE FROM reservations r WHERE r.reservation = wanted RETURNING r.account, r.period
        )
        INSERT INTO spending AS s (account, period, spent)
            SELECT e.account, e.period, cost FROM ended e ORDER BY e.account, e.period
            ON CONFLICT (account, period)
            DO UPDATE SET spent = s.spent + excluded.spent, changed = now();
    END
    $settle$;
    """,
)
#: What nobody can settle any more.
CLEAN: Final = "DELETE FROM reservations WHERE expires < now() - interval '7 days'"


def migrate(connection: Any) -> None:
    """Create the tables, or bring them up to date.

    :raises KeyStoreError: if a newer version of the gateway has made them.
    :raises psycopg.Error: if that is not possible, such as because others take too long.
    """
    postgres_migration.migrate(
        connection, "keys_version", _scripts, lock_wait=LOCK_WAIT, statement_limit=LOCK_WAIT
    )


def _scripts(version: int) -> Iterator[tuple[int, str]]:
    if version > len(MIGRATIONS):
        raise KeyStoreError(
            f"the tables of the keys have the version {version}, and this gateway knows "
            f"{len(MIGRATIONS)}: start a newer one"
        )
    return enumerate(MIGRATIONS[version:], version + 1)
