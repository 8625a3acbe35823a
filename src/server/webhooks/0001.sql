CREATE TABLE event (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    hook TEXT NOT NULL,
    -- Those of one recording, or session, are told in their order.
    subject TEXT NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    queued_ms INTEGER NOT NULL,
    due_ms INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    error TEXT,
    -- Given up.
    dead INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX event_hook ON event (hook, dead, id);
CREATE INDEX event_subject ON event (hook, dead, subject, id);
-- What was queued of recordings, so that a start finds what a crash kept from being queued.
CREATE TABLE told (
    recording TEXT NOT NULL,
    kind TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (recording, kind)
) STRICT, WITHOUT ROWID;
CREATE INDEX told_at ON told (at_ms);
