-- Engines that share this database. An engine beats; one whose beat stands still is dead, and another settles what it
-- left, through its Asterisk. settler and settle_token fence: only one settles a dead engine, and a settler that
-- stalled can do nothing any more. Passwords are never here.
CREATE TABLE nodes (
    name            text COLLATE "C" PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 48),
    installation    text COLLATE "C" NOT NULL,
    instance        text COLLATE "C" NOT NULL,
    version         text COLLATE "C" NOT NULL,
    ari_url         text COLLATE "C" NOT NULL,
    ari_app         text COLLATE "C" NOT NULL,
    longest_call_ms bigint NOT NULL CHECK (longest_call_ms >= 0),
    started_ms      bigint NOT NULL,
    beat            bigint NOT NULL CHECK (beat >= 0),
    beat_ms         bigint NOT NULL,
    stopped         bigint NOT NULL CHECK (stopped IN (0, 1)),
    settler         text COLLATE "C",
    settle_token    bigint NOT NULL CHECK (settle_token >= 0),
    settle_until_ms bigint,
    CHECK ((settler IS NULL) = (settle_until_ms IS NULL))
);

-- Whose worker it is: positions of another engine's workers say nothing about ours.
ALTER TABLE worker_cursor ADD COLUMN node text COLLATE "C" NOT NULL DEFAULT '';
