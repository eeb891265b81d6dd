-- Contacts of a tenant: whom it may call. `variables`: what else a list said about them, JSON.
CREATE TABLE contacts (
    id         TEXT PRIMARY KEY,
    tenant_id  TEXT NOT NULL REFERENCES tenants (id),
    number     TEXT NOT NULL CHECK (number GLOB '+[1-9]*' AND length(number) BETWEEN 7 AND 16),
    name       TEXT NOT NULL CHECK (length(name) <= 200),
    company    TEXT NOT NULL CHECK (length(company) <= 200),
    zone       TEXT NOT NULL,
    language   TEXT NOT NULL CHECK (length(language) IN (0, 2)),
    kind       TEXT NOT NULL CHECK (kind IN ('person', 'business')),
    region     TEXT NOT NULL,
    variables  TEXT NOT NULL CHECK (json_valid(variables)),
    import_id  TEXT,
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    UNIQUE (tenant_id, number)
) STRICT;
CREATE INDEX contacts_newest ON contacts (tenant_id, id DESC);

-- The words of names and companies, without case and accents: what a contact is found by.
CREATE TABLE contact_words (
    tenant_id  TEXT NOT NULL REFERENCES tenants (id),
    word       TEXT NOT NULL,
    contact_id TEXT NOT NULL REFERENCES contacts (id),
    PRIMARY KEY (tenant_id, word, contact_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX contact_words_of ON contact_words (contact_id);

-- Imports. Each step has its cursor, moved in the transaction of its rows, so that a step goes on where it stopped.
-- `runner` holds an import while somebody works on it, fenced by its number.
CREATE TABLE contact_imports (
    id              TEXT PRIMARY KEY,
    tenant_id       TEXT NOT NULL REFERENCES tenants (id),
    target          TEXT NOT NULL CHECK (target IN ('contacts', 'do_not_call')),
    name            TEXT NOT NULL,
    digest          TEXT NOT NULL,
    kind            TEXT NOT NULL CHECK (kind IN ('csv', 'xlsx')),
    state           TEXT NOT NULL CHECK (state IN ('receiving', 'reading', 'checking', 'review', 'importing', 'done',
                        'failed', 'cancelled')),
    options         TEXT NOT NULL CHECK (json_valid(options)),
    columns         TEXT NOT NULL CHECK (json_valid(columns)),
    notes           TEXT NOT NULL CHECK (json_valid(notes)),
    counts          TEXT NOT NULL CHECK (json_valid(counts)),
    problem         TEXT NOT NULL,
    rows_total      INTEGER NOT NULL CHECK (rows_total >= 0),
    checked_seq     INTEGER NOT NULL CHECK (checked_seq >= 0),
    imported_seq    INTEGER NOT NULL CHECK (imported_seq >= 0),
    runner          INTEGER NOT NULL,
    runner_until_ms INTEGER NOT NULL,
    created_by      TEXT NOT NULL,
    created_ms      INTEGER NOT NULL,
    updated_ms      INTEGER NOT NULL
) STRICT;
CREATE INDEX contact_imports_newest ON contact_imports (tenant_id, id DESC);
CREATE INDEX contact_imports_open ON contact_imports (runner_until_ms)
    WHERE state IN ('reading', 'checking', 'importing');

-- The file itself, in pieces, until its rows are stored.
CREATE TABLE contact_import_pieces (
    import_id TEXT NOT NULL REFERENCES contact_imports (id),
    seq       INTEGER NOT NULL,
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    body      BLOB NOT NULL,
    PRIMARY KEY (import_id, seq)
) STRICT, WITHOUT ROWID;

-- Rows in the order of the file; `line` is their number there.
CREATE TABLE contact_import_rows (
    import_id  TEXT NOT NULL REFERENCES contact_imports (id),
    seq        INTEGER NOT NULL CHECK (seq >= 1),
    tenant_id  TEXT NOT NULL REFERENCES tenants (id),
    line       INTEGER NOT NULL,
    cells      TEXT NOT NULL CHECK (json_valid(cells)),
    state      TEXT NOT NULL CHECK (state IN ('unchecked', 'ready', 'rejected', 'skipped', 'imported')),
    issue      TEXT NOT NULL,
    sentence   TEXT NOT NULL,
    number     TEXT NOT NULL,
    made       TEXT NOT NULL CHECK (json_valid(made)),
    edited     INTEGER NOT NULL CHECK (edited IN (0, 1)),
    contact_id TEXT,
    PRIMARY KEY (import_id, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX contact_import_rows_issue ON contact_import_rows (import_id, issue, seq);
CREATE INDEX contact_import_rows_state ON contact_import_rows (import_id, state, seq);
CREATE INDEX contact_import_rows_number ON contact_import_rows (import_id, number, seq);

-- A list of do-not-call entries, newest first; tenant_id NULL is the list of everybody.
CREATE INDEX dnd_list_newest ON dnd_list (coalesce(tenant_id, ''), id DESC);
