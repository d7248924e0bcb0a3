"""The tables of the ledger, and the counts that SQLite keeps by itself."""

SCHEMA_VERSION = 1

# Times are seconds since 1970.
SCHEMA = f"""
BEGIN;

CREATE TABLE jobs (
    job              INTEGER PRIMARY KEY,
    id               TEXT NOT NULL UNIQUE,  -- the name for the world
    collection       TEXT NOT NULL,
    created_at       REAL NOT NULL,
    started_at       REAL,                  -- when the first of its items was leased
    finished_at      REAL,                  -- when the last of its items was finished
    turn             REAL NOT NULL,         -- when it was created or last served: jobs take turns
    cancel_requested INTEGER NOT NULL DEFAULT 0,
    idempotency_key  TEXT UNIQUE,
    request_digest   TEXT,
    queued           INTEGER NOT NULL DEFAULT 0,
    running          INTEGER NOT NULL DEFAULT 0,
    indexed          INTEGER NOT NULL DEFAULT 0,
    duplicate        INTEGER NOT NULL DEFAULT 0,
    failed           INTEGER NOT NULL DEFAULT 0,
    cancelled        INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX open_jobs ON jobs (turn, job) WHERE finished_at IS NULL;

CREATE TABLE items (
    item        INTEGER PRIMARY KEY AUTOINCREMENT,  -- never given twice, not even after a purge
    job         INTEGER NOT NULL REFERENCES jobs (job) ON DELETE CASCADE,
    name        TEXT NOT NULL,
    path        BLOB,                               -- a path is bytes, and need not be text
    spooled     INTEGER NOT NULL,
    image_id    TEXT,
    metadata    TEXT NOT NULL,                      -- JSON
    state       TEXT NOT NULL
                CHECK (state IN ('queued', 'running', 'indexed', 'duplicate', 'failed', 'cancelled')),
    worker      TEXT,
    lease_until REAL,
    lost_leases INTEGER NOT NULL DEFAULT 0,         -- how often a worker fell silent over it
    code        TEXT,
    detail      TEXT,
    finished_at REAL
) STRICT;

CREATE INDEX items_by_state ON items (job, state);
CREATE INDEX suspects ON items (job) WHERE state = 'queued' AND lost_leases > 0;
CREATE INDEX leases ON items (worker, lease_until) WHERE state = 'running';
CREATE INDEX finishes ON items (job, finished_at) WHERE state IN ('indexed', 'duplicate', 'failed');

CREATE TRIGGER item_added AFTER INSERT ON items
BEGIN
    UPDATE jobs SET queued = queued + (new.state = 'queued'), failed = failed + (new.state = 'failed')
    WHERE job = new.job;
END;

CREATE TRIGGER item_moved AFTER UPDATE OF state ON items WHEN new.state <> old.state
BEGIN
    UPDATE jobs SET
        queued    = queued    + (new.state = 'queued')    - (old.state = 'queued'),
        running   = running   + (new.state = 'running')   - (old.state = 'running'),
        indexed   = indexed   + (new.state = 'indexed')   - (old.state = 'indexed'),
        duplicate = duplicate + (new.state = 'duplicate') - (old.state = 'duplicate'),
        failed    = failed    + (new.state = 'failed')    - (old.state = 'failed'),
        cancelled = cancelled + (new.state = 'cancelled') - (old.state = 'cancelled')
    WHERE job = new.job;
    UPDATE jobs SET finished_at = new.finished_at WHERE job = new.job AND queued + running = 0;
END;

PRAGMA user_version = {SCHEMA_VERSION};
COMMIT;
"""
