-- What a target's provider keeps of a recording that is erased there: soft delete.
CREATE TABLE kept (
    recording TEXT NOT NULL,
    target TEXT NOT NULL,
    copies INTEGER NOT NULL,
    -- Nanoseconds since 1970, where the provider says.
    until INTEGER,
    -- Why it cannot be told.
    unknown TEXT,
    PRIMARY KEY (recording, target)
) WITHOUT ROWID;
