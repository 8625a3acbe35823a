-- A recording that a target does not have yet.
CREATE TABLE item (
    target TEXT NOT NULL,
    recording TEXT NOT NULL,
    session TEXT,
    -- The folder of its files, from the data directory on.
    day TEXT NOT NULL,
    queued_ms INTEGER NOT NULL,
    -- Not to be tried before.
    due_ms INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    -- Something of it may be there already: nobody knows what became of a try before.
    again INTEGER NOT NULL,
    error TEXT,
    -- To be erased there, and no longer to be stored.
    erase INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (target, recording)
) WITHOUT ROWID;
CREATE INDEX item_due ON item (target, due_ms);
CREATE INDEX item_recording ON item (recording);
CREATE INDEX item_session ON item (session);

-- A recording that all targets have, and whose audio is here as well.
CREATE TABLE held (
    recording TEXT PRIMARY KEY,
    day TEXT NOT NULL,
    stored_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX held_stored ON held (stored_ms);

-- Objects of several parts that were begun and are not complete.
CREATE TABLE upload (
    target TEXT NOT NULL,
    key TEXT NOT NULL,
    unfinished TEXT NOT NULL,
    PRIMARY KEY (target, key)
) WITHOUT ROWID;

-- A recording that is erased in a target, until it is erased in all.
CREATE TABLE erased (
    recording TEXT NOT NULL,
    target TEXT NOT NULL,
    erased_ms INTEGER NOT NULL,
    -- Objects that were there, each version counted.
    objects INTEGER NOT NULL,
    PRIMARY KEY (recording, target)
) WITHOUT ROWID;

-- Targets to which all recordings from before they were set up have been queued.
CREATE TABLE target (name TEXT PRIMARY KEY) WITHOUT ROWID;
