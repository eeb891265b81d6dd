-- Engines that share this database. An engine beats; one whose beat stands still is dead, and another settles what it
-- left, through its Asterisk. settler and settle_token fence: only one settles a dead engine, and a settler that
-- stalled can do nothing any more. Passwords are never here.
CREATE TABLE nodes (
    name            TEXT PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 48),
    installation    TEXT NOT NULL,
    instance        TEXT NOT NULL,
    version         TEXT NOT NULL,
    ari_url         TEXT NOT NULL,
    ari_app         TEXT NOT NULL,
    longest_call_ms INTEGER NOT NULL CHECK (longest_call_ms >= 0),
    started_ms      INTEGER NOT NULL,
    beat            INTEGER NOT NULL CHECK (beat >= 0),
    beat_ms         INTEGER NOT NULL,
    stopped         INTEGER NOT NULL CHECK (stopped IN (0, 1)),
    settler         TEXT,
    settle_token    INTEGER NOT NULL CHECK (settle_token >= 0),
    settle_until_ms INTEGER,
    CHECK ((settler IS NULL) = (settle_until_ms IS NULL))
) STRICT;

-- Whose worker it is: positions of another engine's workers say nothing about ours.
ALTER TABLE worker_cursor ADD COLUMN node TEXT NOT NULL DEFAULT '';
