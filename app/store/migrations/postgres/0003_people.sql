-- by hand: triggers; everything above the function is the translation.
-- People sign in: passwords (argon2id), sessions, tokens of programs, one-time links, and what everybody did.
-- Secrets are stored as SHA-256 only, so a copy of the database lets nobody in.
ALTER TABLE users ADD COLUMN password_hash text COLLATE "C";
ALTER TABLE users ADD COLUMN disabled_ms bigint;
CREATE UNIQUE INDEX users_by_email ON users (email);

CREATE TABLE sessions (
    id           text COLLATE "C" PRIMARY KEY,
    secret_hash  text COLLATE "C" NOT NULL UNIQUE,
    tenant_id    text COLLATE "C" NOT NULL REFERENCES tenants (id),
    user_id      text COLLATE "C" NOT NULL REFERENCES users (id),
    address      text COLLATE "C" NOT NULL,
    browser      text COLLATE "C" NOT NULL,
    created_ms   bigint NOT NULL,
    last_seen_ms bigint NOT NULL,
    ended_ms     bigint
);
CREATE INDEX sessions_of_user ON sessions (user_id, created_ms);

CREATE TABLE entry_links (
    secret_hash text COLLATE "C" PRIMARY KEY,
    tenant_id   text COLLATE "C" NOT NULL REFERENCES tenants (id),
    user_id     text COLLATE "C" NOT NULL REFERENCES users (id),
    created_ms  bigint NOT NULL,
    expires_ms  bigint NOT NULL,
    used_ms     bigint
);

CREATE TABLE api_tokens (
    id           text COLLATE "C" PRIMARY KEY,
    secret_hash  text COLLATE "C" NOT NULL UNIQUE,
    tenant_id    text COLLATE "C" NOT NULL REFERENCES tenants (id),
    name         text COLLATE "C" NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    role         text COLLATE "C" NOT NULL CHECK (role IN ('owner', 'manager', 'operator', 'auditor', 'viewer')),
    created_by   text COLLATE "C" NOT NULL,
    created_ms   bigint NOT NULL,
    expires_ms   bigint NOT NULL,
    last_used_ms bigint,
    revoked_ms   bigint
);
CREATE INDEX api_tokens_of_tenant ON api_tokens (tenant_id, created_ms);

-- How long an account or an address has to wait after failed tries.
CREATE TABLE sign_in_failures (
    key       text COLLATE "C" PRIMARY KEY,
    failures  bigint NOT NULL CHECK (failures >= 1),
    until_ms  bigint NOT NULL,
    last_ms   bigint NOT NULL
);

-- Append only; each row carries the hash of the one before it, so that a change or a gap shows.
CREATE TABLE audit_log (
    tenant_id text COLLATE "C" NOT NULL REFERENCES tenants (id),
    seq       bigint NOT NULL,
    at_ms     bigint NOT NULL,
    actor     text COLLATE "C" NOT NULL,
    action    text COLLATE "C" NOT NULL,
    object    text COLLATE "C" NOT NULL,
    detail    text COLLATE "C" NOT NULL CHECK (json_valid(detail)),
    address   text COLLATE "C" NOT NULL,
    hash      text COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, seq)
);
CREATE FUNCTION audit_log_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    RAISE EXCEPTION 'the audit log is append only' USING ERRCODE = 'integrity_constraint_violation';
END
$body$;
CREATE TRIGGER audit_log_no_update BEFORE UPDATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION audit_log_is_append_only();
CREATE TRIGGER audit_log_no_delete BEFORE DELETE OR TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION audit_log_is_append_only();
