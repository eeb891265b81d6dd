-- Until when a call of this task may begin to ring, as whoever planned it asked; NULL: no such wish.
ALTER TABLE tasks ADD COLUMN until_ms INTEGER;
