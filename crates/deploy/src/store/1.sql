CREATE TABLE talks (
    id TEXT PRIMARY KEY,
    owner TEXT,
    model TEXT NOT NULL,
    -- Seconds since 1970.
    created INTEGER NOT NULL,
    changed INTEGER NOT NULL
) STRICT;
CREATE INDEX talks_changed ON talks (changed);

CREATE TABLE messages (
    talk TEXT NOT NULL REFERENCES talks (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    role TEXT NOT NULL,
    content TEXT NOT NULL,
    -- The id of the answer that a reply came in.
    reply TEXT UNIQUE,
    PRIMARY KEY (talk, position)
) STRICT;

CREATE TABLE feedback (
    reply TEXT PRIMARY KEY REFERENCES messages (reply) ON DELETE CASCADE,
    is_good INTEGER NOT NULL,
    comment TEXT,
    given INTEGER NOT NULL
) STRICT;
