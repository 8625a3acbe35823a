-- Rows are numbered by their place among all (start in milliseconds, then the end of the id), so that a page begins after
-- a key and each index gives the latest first. What is searched stands in the row; what finds it fast, in the index of
-- terms. Rows of before are put in anew, from the tables under their old names.
ALTER TABLE recording RENAME TO old_recording;
ALTER TABLE participant RENAME TO old_participant;
ALTER TABLE sip_session_id RENAME TO old_sip_session_id;
ALTER TABLE correlation RENAME TO old_correlation;
ALTER TABLE stream RENAME TO old_stream;
DROP INDEX recording_by_start;
DROP INDEX recording_by_session;
DROP INDEX recording_by_call_id;
DROP INDEX recording_by_communication_session;
DROP INDEX recording_by_group;
DROP INDEX recording_by_vendor;
DROP INDEX participant_by_number;
DROP INDEX participant_by_last_digits;
DROP INDEX sip_session_id_by_value;
DROP INDEX correlation_by_search;
DROP INDEX stream_by_label;

CREATE TABLE recording (
    key INTEGER NOT NULL PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    session_id TEXT,
    call_id TEXT NOT NULL,
    communication_session TEXT,
    call_group TEXT,
    started_at INTEGER NOT NULL,
    ended_at INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL,
    state TEXT NOT NULL,
    ended_by TEXT NOT NULL,
    caller_aor TEXT,
    caller_name TEXT,
    caller_search TEXT NOT NULL,
    caller_number TEXT NOT NULL,
    callee_aor TEXT,
    callee_name TEXT,
    callee_search TEXT NOT NULL,
    callee_number TEXT NOT NULL,
    people_search TEXT NOT NULL,
    people_number TEXT NOT NULL,
    words TEXT NOT NULL,
    vendor TEXT,
    product TEXT,
    product_search TEXT NOT NULL,
    path TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    packets_received INTEGER NOT NULL,
    packets_expected INTEGER NOT NULL,
    packets_lost INTEGER NOT NULL,
    packets_dropped INTEGER NOT NULL,
    gaps INTEGER NOT NULL,
    gap_ms INTEGER NOT NULL,
    pauses INTEGER NOT NULL,
    faults INTEGER NOT NULL,
    tags TEXT NOT NULL,
    held INTEGER NOT NULL
) STRICT;
CREATE INDEX recording_by_session ON recording (session_id);
CREATE INDEX recording_by_call_id ON recording (call_id);
CREATE INDEX recording_by_communication_session ON recording (communication_session);
CREATE INDEX recording_by_group ON recording (call_group);

-- Everybody whom the metadata names.
CREATE TABLE participant (
    recording INTEGER NOT NULL REFERENCES recording (key) ON DELETE CASCADE,
    id TEXT NOT NULL,
    aor TEXT,
    name TEXT
) STRICT;
CREATE INDEX participant_of_recording ON participant (recording);

-- The session ids that SIP carries across boxes (RFC 7989).
CREATE TABLE sip_session_id (
    recording INTEGER NOT NULL REFERENCES recording (key) ON DELETE CASCADE,
    value TEXT NOT NULL
) STRICT;
CREATE INDEX sip_session_id_of_recording ON sip_session_id (recording);
CREATE INDEX sip_session_id_by_value ON sip_session_id (value);

CREATE TABLE correlation (
    recording INTEGER NOT NULL REFERENCES recording (key) ON DELETE CASCADE,
    field TEXT NOT NULL,
    value TEXT NOT NULL,
    search TEXT NOT NULL
) STRICT;
CREATE INDEX correlation_of_recording ON correlation (recording);
CREATE INDEX correlation_by_search ON correlation (search);

CREATE TABLE stream (
    recording INTEGER NOT NULL REFERENCES recording (key) ON DELETE CASCADE,
    port INTEGER NOT NULL,
    label TEXT,
    codecs TEXT NOT NULL,
    rendered INTEGER NOT NULL
) STRICT;
CREATE INDEX stream_of_recording ON stream (recording);

-- Which terms a recording is found by. A row's number is the recording's key; only the terms are kept, not their text.
CREATE VIRTUAL TABLE search USING fts5 (terms, tokenize = 'ascii', content = '', contentless_delete = 1, detail = 'none');
