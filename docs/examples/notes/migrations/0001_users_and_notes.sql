CREATE TABLE users (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE COLLATE NOCASE,
    salt BLOB NOT NULL,
    password BLOB NOT NULL -- scrypt
);

CREATE TABLE notes (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- so that no id is used twice
    owner INTEGER NOT NULL REFERENCES users,
    title TEXT NOT NULL DEFAULT '',
    text TEXT NOT NULL DEFAULT '',
    changed REAL NOT NULL DEFAULT 0 -- seconds since 1970
);

CREATE INDEX notes_of_owner ON notes (owner, changed);

CREATE TABLE pictures (
    note INTEGER PRIMARY KEY REFERENCES notes ON DELETE CASCADE,
    kind TEXT NOT NULL, -- a media type
    data BLOB NOT NULL
);
