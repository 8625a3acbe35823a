-- Who made the SRC, by the signs it gives.
ALTER TABLE recording ADD COLUMN vendor TEXT;
ALTER TABLE recording ADD COLUMN product TEXT;
CREATE INDEX recording_by_vendor ON recording (vendor);

-- What vendors call the call: recordings with a value in common belong together. `search` is lower case. What only
-- orders recordings (a place in a row) is not here.
CREATE TABLE correlation (
    recording TEXT NOT NULL REFERENCES recording (id) ON DELETE CASCADE,
    field TEXT NOT NULL,
    value TEXT NOT NULL,
    search TEXT NOT NULL
) STRICT;
CREATE INDEX correlation_by_recording ON correlation (recording);
CREATE INDEX correlation_by_search ON correlation (search);
