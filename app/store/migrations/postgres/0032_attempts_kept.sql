-- Attempts to numbers that were forgotten, for as long as calling rules look back: nobody is dialed more often for having
-- been forgotten. A hash stands for the number. Over all tenants, as the rules are.
CREATE TABLE attempts_kept (
    number_hash text COLLATE "C" NOT NULL,
    dialing_ms  bigint NOT NULL,
    outcome     text COLLATE "C",
    answered_ms bigint,
    silent      bigint NOT NULL CHECK (silent IN (0, 1))
);
CREATE INDEX attempts_kept_to_number ON attempts_kept (number_hash, dialing_ms);
CREATE INDEX attempts_kept_old ON attempts_kept (dialing_ms);
