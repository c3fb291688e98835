#include "broker/store.h"

#include <sqlite3.h>
#include <sys/stat.h>

#include "broker/migrations.h"

namespace toren::broker {
namespace {

struct Blob {
    const std::string& bytes;
};

class Statement {
public:
    Statement(sqlite3* database, const char* sql) {
        ok_ = sqlite3_prepare_v2(database, sql, -1, &statement_, nullptr) == SQLITE_OK;
    }
    ~Statement() { sqlite3_finalize(statement_); }
    Statement(const Statement&) = delete;
    Statement& operator=(const Statement&) = delete;

    Statement& bind(std::int64_t value) { return bound(sqlite3_bind_int64(statement_, ++index_, value)); }
    Statement& bind(const std::string& text) {
        return bound(
            sqlite3_bind_text(statement_, ++index_, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT));
    }
    Statement& bind(Blob blob) {
        return bound(sqlite3_bind_blob(statement_, ++index_, blob.bytes.data(), static_cast<int>(blob.bytes.size()),
                                       SQLITE_TRANSIENT));
    }
    bool done() { return ok_ && sqlite3_step(statement_) == SQLITE_DONE; }
    bool row() { return ok_ && sqlite3_step(statement_) == SQLITE_ROW; }
    std::int64_t number(int column) { return sqlite3_column_int64(statement_, column); }
    std::string bytes(int column) {
        const auto* data = static_cast<const char*>(sqlite3_column_blob(statement_, column));
        return data == nullptr ? ""
                               : std::string(data, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column)));
    }

private:
    Statement& bound(int code) {
        ok_ = ok_ && code == SQLITE_OK;
        return *this;
    }
    sqlite3_stmt* statement_ = nullptr;
    int index_ = 0;
    bool ok_ = false;
};

}  // namespace

Result<std::unique_ptr<Store>> Store::open(const std::string& folder) {
    const std::string path = folder + "/toren.db";
    sqlite3* database = nullptr;
    const int code = sqlite3_open_v2(path.c_str(), &database,
                                     SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
    std::unique_ptr<Store> store(new Store(database));
    if (code != SQLITE_OK) return store->failed("open");
    // Exclusive: one process has it, so the log's index lives in memory and not in a mapped file. FULL: a commit is on
    // disk.
    TRY(store->execute(
        "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
        "PRAGMA temp_store=MEMORY; PRAGMA cache_size=-256; PRAGMA trusted_schema=OFF; PRAGMA foreign_keys=ON;"));
    TRY(store->migrate());
    return store;
}

Store::~Store() { sqlite3_close(database_); }

Result<> Store::execute(const char* sql) {
    if (sqlite3_exec(database_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) return failed("execute");
    return Ok{};
}

Result<> Store::migrate() {
    std::int64_t version = 0;
    {
        Statement query(database_, "PRAGMA user_version");
        if (!query.row()) return failed("read its version");
        version = query.number(0);
    }
    if (version > static_cast<std::int64_t>(std::size(kMigrations)))
        return error("store: its schema is version " + std::to_string(version) + ", newer than this program");
    for (; version < static_cast<std::int64_t>(std::size(kMigrations)); ++version) {
        const std::string sql = "BEGIN;" + std::string(kMigrations[version]) +
                                ";PRAGMA user_version=" + std::to_string(version + 1) + ";COMMIT;";
        TRY(execute(sql.c_str()));
    }
    return Ok{};
}

Error Store::failed(std::string_view what) const {
    return error("store: " + std::string(what) + ": " +
                 (database_ == nullptr ? "no memory" : sqlite3_errmsg(database_)));
}

Result<> Store::add_session(const Session& session, const std::string& name) {
    Statement insert(database_,
                     "INSERT INTO session (id, token_hash, name, created_at, last_used_at) VALUES (?, ?, ?, ?, ?)");
    if (!insert.bind(session.id)
             .bind(Blob{session.token_hash})
             .bind(name)
             .bind(session.created_at)
             .bind(session.created_at)
             .done())
        return failed("add a session");
    return Ok{};
}

std::optional<Store::Session> Store::find_session(const std::string& token_hash) {
    Statement query(database_, "SELECT id, token_hash, created_at FROM session WHERE token_hash = ?");
    if (!query.bind(Blob{token_hash}).row()) return std::nullopt;
    return Session{query.bytes(0), query.bytes(1), query.number(2)};
}

Result<> Store::begin_pairing(const std::string& pin_hash, const Pairing& pairing) {
    Statement forget(database_, "DELETE FROM pairing WHERE pin_hash <> ?");
    if (!forget.bind(Blob{pin_hash}).done()) return failed("forget old pairings");
    Statement insert(database_,
                     "INSERT OR IGNORE INTO pairing (pin_hash, expires_at, uses_left, tries_left) VALUES (?, ?, ?, ?)");
    if (!insert.bind(Blob{pin_hash}).bind(pairing.expires_at).bind(pairing.uses_left).bind(pairing.tries_left).done())
        return failed("begin pairing");
    return Ok{};
}

std::optional<Store::Pairing> Store::find_pairing(const std::string& pin_hash) {
    Statement query(database_, "SELECT expires_at, uses_left, tries_left FROM pairing WHERE pin_hash = ?");
    if (!query.bind(Blob{pin_hash}).row()) return std::nullopt;
    return Pairing{query.number(0), query.number(1), query.number(2)};
}

Result<> Store::update_pairing(const std::string& pin_hash, const Pairing& pairing) {
    Statement update(database_, "UPDATE pairing SET uses_left = ?, tries_left = ? WHERE pin_hash = ?");
    if (!update.bind(pairing.uses_left).bind(pairing.tries_left).bind(Blob{pin_hash}).done())
        return failed("count a pairing try");
    return Ok{};
}

Result<> Store::put_workspace(const Workspace& workspace) {
    Statement insert(database_,
                     "INSERT OR REPLACE INTO workspace (segment, name, branch, base_branch, base_commit, created_at, "
                     "created_by, ready) VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
    if (!insert.bind(workspace.segment)
             .bind(workspace.name)
             .bind(workspace.branch)
             .bind(workspace.base_branch)
             .bind(workspace.base_commit)
             .bind(workspace.created_at)
             .bind(workspace.created_by)
             .bind(workspace.ready ? 1 : 0)
             .done())
        return failed("keep a workspace");
    return Ok{};
}

Result<> Store::remove_workspace(const std::string& segment, const std::string& name) {
    Statement remove(database_, "DELETE FROM workspace WHERE segment = ? AND name = ?");
    if (!remove.bind(segment).bind(name).done()) return failed("forget a workspace");
    return Ok{};
}

std::vector<Store::Workspace> Store::workspaces(const std::string& segment) {
    Statement query(database_,
                    "SELECT segment, name, branch, base_branch, base_commit, created_at, created_by, ready "
                    "FROM workspace WHERE ?1 = '' OR segment = ?1 ORDER BY rowid");
    std::vector<Workspace> all;
    query.bind(segment);
    while (query.row())
        all.push_back({query.bytes(0), query.bytes(1), query.bytes(2), query.bytes(3), query.bytes(4), query.number(5),
                       query.bytes(6), query.number(7) != 0});
    return all;
}

}  // namespace toren::broker
