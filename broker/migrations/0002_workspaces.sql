-- Git worktrees that Toren made or adopted: what git does not know of them.
CREATE TABLE workspace (
    segment     TEXT NOT NULL,
    name        TEXT NOT NULL,
    branch      TEXT NOT NULL,
    base_branch TEXT NOT NULL,               -- empty: made from no branch
    base_commit TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    created_by  TEXT NOT NULL,               -- a session's id
    ready       INTEGER NOT NULL,            -- 0: it was still being made
    PRIMARY KEY (segment, name)
) STRICT;
