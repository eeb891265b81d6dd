-- Contacts of a tenant: whom it may call. `variables`: what else a list said about them, JSON.
CREATE TABLE contacts (
    id         text COLLATE "C" PRIMARY KEY,
    tenant_id  text COLLATE "C" NOT NULL REFERENCES tenants (id),
    number     text COLLATE "C" NOT NULL CHECK (number ~ '^\+[1-9]' AND length(number) BETWEEN 7 AND 16),
    name       text COLLATE "C" NOT NULL CHECK (length(name) <= 200),
    company    text COLLATE "C" NOT NULL CHECK (length(company) <= 200),
    zone       text COLLATE "C" NOT NULL,
    language   text COLLATE "C" NOT NULL CHECK (length(language) IN (0, 2)),
    kind       text COLLATE "C" NOT NULL CHECK (kind IN ('person', 'business')),
    region     text COLLATE "C" NOT NULL,
    variables  text COLLATE "C" NOT NULL CHECK (json_valid(variables)),
    import_id  text COLLATE "C",
    created_ms bigint NOT NULL,
    updated_ms bigint NOT NULL,
    UNIQUE (tenant_id, number)
);
CREATE INDEX contacts_newest ON contacts (tenant_id, id DESC);

-- The words of names and companies, without case and accents: what a contact is found by.
CREATE TABLE contact_words (
    tenant_id  text COLLATE "C" NOT NULL REFERENCES tenants (id),
    word       text COLLATE "C" NOT NULL,
    contact_id text COLLATE "C" NOT NULL REFERENCES contacts (id),
    PRIMARY KEY (tenant_id, word, contact_id)
);
CREATE INDEX contact_words_of ON contact_words (contact_id);

-- Imports. Each step has its cursor, moved in the transaction of its rows, so that a step goes on where it stopped.
-- `runner` holds an import while somebody works on it, fenced by its number.
CREATE TABLE contact_imports (
    id              text COLLATE "C" PRIMARY KEY,
    tenant_id       text COLLATE "C" NOT NULL REFERENCES tenants (id),
    target          text COLLATE "C" NOT NULL CHECK (target IN ('contacts', 'do_not_call')),
    name            text COLLATE "C" NOT NULL,
    digest          text COLLATE "C" NOT NULL,
    kind            text COLLATE "C" NOT NULL CHECK (kind IN ('csv', 'xlsx')),
    state           text COLLATE "C" NOT NULL CHECK (state IN ('receiving', 'reading', 'checking', 'review', 'importing', 'done',
                        'failed', 'cancelled')),
    options         text COLLATE "C" NOT NULL CHECK (json_valid(options)),
    columns         text COLLATE "C" NOT NULL CHECK (json_valid(columns)),
    notes           text COLLATE "C" NOT NULL CHECK (json_valid(notes)),
    counts          text COLLATE "C" NOT NULL CHECK (json_valid(counts)),
    problem         text COLLATE "C" NOT NULL,
    rows_total      bigint NOT NULL CHECK (rows_total >= 0),
    checked_seq     bigint NOT NULL CHECK (checked_seq >= 0),
    imported_seq    bigint NOT NULL CHECK (imported_seq >= 0),
    runner          bigint NOT NULL,
    runner_until_ms bigint NOT NULL,
    created_by      text COLLATE "C" NOT NULL,
    created_ms      bigint NOT NULL,
    updated_ms      bigint NOT NULL
);
CREATE INDEX contact_imports_newest ON contact_imports (tenant_id, id DESC);
CREATE INDEX contact_imports_open ON contact_imports (runner_until_ms)
    WHERE state IN ('reading', 'checking', 'importing');

-- The file itself, in pieces, until its rows are stored.
CREATE TABLE contact_import_pieces (
    import_id text COLLATE "C" NOT NULL REFERENCES contact_imports (id),
    seq       bigint NOT NULL,
    tenant_id text COLLATE "C" NOT NULL REFERENCES tenants (id),
    body      bytea NOT NULL,
    PRIMARY KEY (import_id, seq)
);

-- Rows in the order of the file; `line` is their number there.
CREATE TABLE contact_import_rows (
    import_id  text COLLATE "C" NOT NULL REFERENCES contact_imports (id),
    seq        bigint NOT NULL CHECK (seq >= 1),
    tenant_id  text COLLATE "C" NOT NULL REFERENCES tenants (id),
    line       bigint NOT NULL,
    cells      text COLLATE "C" NOT NULL CHECK (json_valid(cells)),
    state      text COLLATE "C" NOT NULL CHECK (state IN ('unchecked', 'ready', 'rejected', 'skipped', 'imported')),
    issue      text COLLATE "C" NOT NULL,
    sentence   text COLLATE "C" NOT NULL,
    number     text COLLATE "C" NOT NULL,
    made       text COLLATE "C" NOT NULL CHECK (json_valid(made)),
    edited     bigint NOT NULL CHECK (edited IN (0, 1)),
    contact_id text COLLATE "C",
    PRIMARY KEY (import_id, seq)
);
CREATE INDEX contact_import_rows_issue ON contact_import_rows (import_id, issue, seq);
CREATE INDEX contact_import_rows_state ON contact_import_rows (import_id, state, seq);
CREATE INDEX contact_import_rows_number ON contact_import_rows (import_id, number, seq);

-- A list of do-not-call entries, newest first; tenant_id NULL is the list of everybody.
CREATE INDEX dnd_list_newest ON dnd_list (coalesce(tenant_id, ''), id DESC);
