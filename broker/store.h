// The broker's database in the state folder: SQLite with a write-ahead log, one writer, migrations as numbered files.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace toren::broker {

class Store {
public:
    // Opens FOLDER/toren.db, makes it where it is missing (0600) and brings it up to the newest migration.
    static Result<std::unique_ptr<Store>> open(const std::string& folder);
    ~Store();
    Store(const Store&) = delete;
    Store& operator=(const Store&) = delete;

    struct Session {
        std::string id;
        std::string token_hash;
        std::int64_t created_at = 0;
    };
    Result<> add_session(const Session& session, const std::string& name);
    std::optional<Session> find_session(const std::string& token_hash);

    struct Pairing {
        std::int64_t expires_at = 0;
        std::int64_t uses_left = 0;
        std::int64_t tries_left = 0;
    };
    // Makes the pairing known; what is known of it already stays.
    Result<> begin_pairing(const std::string& pin_hash, const Pairing& pairing);
    std::optional<Pairing> find_pairing(const std::string& pin_hash);
    // On disk when it returns: a try that was counted stays counted (invariant 6).
    Result<> update_pairing(const std::string& pin_hash, const Pairing& pairing);

    struct Workspace {
        std::string segment;
        std::string name;
        std::string branch;
        std::string base_branch;  // empty: made from no branch
        std::string base_commit;
        std::int64_t created_at = 0;
        std::string created_by;  // a session's id
        bool ready = false;      // false: whoever made it has not finished
    };
    // In the place of one of the same name.
    Result<> put_workspace(const Workspace& workspace);
    Result<> remove_workspace(const std::string& segment, const std::string& name);
    // By their age; of every segment where none is named.
    std::vector<Workspace> workspaces(const std::string& segment = "");

private:
    explicit Store(sqlite3* database) : database_(database) {}
    Result<> execute(const char* sql);
    Result<> migrate();
    Error failed(std::string_view what) const;

    sqlite3* database_;
};

}  // namespace toren::broker
