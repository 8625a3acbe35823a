-- One row a recording, of every server that shares the catalog; `node` says whose, `key` is its place among all (start in
-- milliseconds, then the end of the id). Times are milliseconds since 1970 in UTC; `search` columns are lower case, `number`
-- columns are digits only, without leading zeros.
CREATE TABLE recording (
    key bigint PRIMARY KEY,
    id text NOT NULL UNIQUE,
    node text NOT NULL,
    session_id text,
    call_id text NOT NULL,
    communication_session text,
    call_group text,
    started_at bigint NOT NULL,
    ended_at bigint NOT NULL,
    duration_ms bigint NOT NULL,
    state text NOT NULL,
    ended_by text NOT NULL,
    caller_aor text,
    caller_name text,
    caller_search text NOT NULL,
    caller_number text NOT NULL,
    callee_aor text,
    callee_name text,
    callee_search text NOT NULL,
    callee_number text NOT NULL,
    people_search text NOT NULL,
    people_number text NOT NULL,
    words text NOT NULL,
    vendor text,
    product text,
    product_search text NOT NULL,
    path text NOT NULL,
    bytes bigint NOT NULL,
    sha256 text NOT NULL,
    packets_received bigint NOT NULL,
    packets_expected bigint NOT NULL,
    packets_lost bigint NOT NULL,
    packets_dropped bigint NOT NULL,
    gaps bigint NOT NULL,
    gap_ms bigint NOT NULL,
    pauses bigint NOT NULL,
    faults bigint NOT NULL,
    tags text NOT NULL,
    held boolean NOT NULL
);
CREATE INDEX recording_by_node ON recording (node);
CREATE INDEX recording_by_session ON recording (session_id);
-- Hashes: what comes from the wire may be longer than a B-tree's entry.
CREATE INDEX recording_by_call_id ON recording USING hash (call_id);
CREATE INDEX recording_by_communication_session ON recording USING hash (communication_session);
CREATE INDEX recording_by_group ON recording USING hash (call_group);

-- Servers, and when all that lay in their data directories was last put in.
CREATE TABLE node (
    id text PRIMARY KEY,
    made_at timestamptz NOT NULL DEFAULT now()
);

-- Everybody whom the metadata names.
CREATE TABLE participant (
    recording bigint NOT NULL REFERENCES recording ON DELETE CASCADE,
    id text NOT NULL,
    aor text,
    name text
);
CREATE INDEX participant_of_recording ON participant (recording);

-- The session ids that SIP carries across boxes (RFC 7989).
CREATE TABLE sip_session_id (
    recording bigint NOT NULL REFERENCES recording ON DELETE CASCADE,
    value text NOT NULL
);
CREATE INDEX sip_session_id_of_recording ON sip_session_id (recording);
CREATE INDEX sip_session_id_by_value ON sip_session_id USING hash (value);

-- What vendors call the call: recordings with a value in common belong together. `search` is lower case.
CREATE TABLE correlation (
    recording bigint NOT NULL REFERENCES recording ON DELETE CASCADE,
    field text NOT NULL,
    value text NOT NULL,
    search text NOT NULL
);
CREATE INDEX correlation_of_recording ON correlation (recording);
CREATE INDEX correlation_by_search ON correlation USING hash (search);

CREATE TABLE stream (
    recording bigint NOT NULL REFERENCES recording ON DELETE CASCADE,
    port bigint NOT NULL,
    label text,
    codecs text NOT NULL,
    rendered boolean NOT NULL
);
CREATE INDEX stream_of_recording ON stream (recording);

-- Which terms a recording is found by. What was put in lately is looked through one by one: not much may be waiting.
CREATE TABLE search (
    recording bigint PRIMARY KEY REFERENCES recording ON DELETE CASCADE,
    terms tsvector NOT NULL
);
CREATE INDEX search_by_terms ON search USING gin (terms) WITH (gin_pending_list_limit = 256);
