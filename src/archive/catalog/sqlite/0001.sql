-- One row a recording. Times are milliseconds since 1970 in UTC; `search` columns are lower case, `number` columns
-- are digits only, without leading zeros.
CREATE TABLE recording (
    id TEXT NOT NULL PRIMARY KEY,
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
    faults INTEGER NOT NULL
) STRICT;
CREATE INDEX recording_by_start ON recording (started_at DESC, id DESC);
CREATE INDEX recording_by_session ON recording (session_id);
CREATE INDEX recording_by_call_id ON recording (call_id);
CREATE INDEX recording_by_communication_session ON recording (communication_session);
CREATE INDEX recording_by_group ON recording (call_group);

-- Everybody whom the metadata names.
CREATE TABLE participant (
    recording TEXT NOT NULL REFERENCES recording (id) ON DELETE CASCADE,
    id TEXT NOT NULL,
    aor TEXT,
    name TEXT,
    search TEXT NOT NULL,
    number TEXT NOT NULL
) STRICT;
CREATE INDEX participant_by_recording ON participant (recording);
CREATE INDEX participant_by_number ON participant (number);

-- The session ids that SIP carries across boxes (RFC 7989).
CREATE TABLE sip_session_id (
    recording TEXT NOT NULL REFERENCES recording (id) ON DELETE CASCADE,
    value TEXT NOT NULL
) STRICT;
CREATE INDEX sip_session_id_by_recording ON sip_session_id (recording);
CREATE INDEX sip_session_id_by_value ON sip_session_id (value);

CREATE TABLE stream (
    recording TEXT NOT NULL REFERENCES recording (id) ON DELETE CASCADE,
    port INTEGER NOT NULL,
    label TEXT,
    codecs TEXT NOT NULL,
    rendered INTEGER NOT NULL
) STRICT;
CREATE INDEX stream_by_recording ON stream (recording);
CREATE INDEX stream_by_label ON stream (label);
