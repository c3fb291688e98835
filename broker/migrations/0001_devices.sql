-- Session tokens: only their hashes. A row is a device that has paired.
CREATE TABLE session (
    id           TEXT PRIMARY KEY,           -- public; says nothing about the token
    token_hash   BLOB NOT NULL UNIQUE,       -- SHA-256
    name         TEXT NOT NULL,
    created_at   INTEGER NOT NULL,           -- seconds since the epoch, as all times here
    last_used_at INTEGER NOT NULL
) STRICT;

-- The PIN of each `toren serve`: what is left of it survives a broker that dies.
CREATE TABLE pairing (
    pin_hash   BLOB PRIMARY KEY,             -- SHA-256 of the PIN and its expiry
    expires_at INTEGER NOT NULL,
    uses_left  INTEGER NOT NULL,
    tries_left INTEGER NOT NULL
) STRICT;
