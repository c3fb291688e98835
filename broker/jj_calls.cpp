#include "broker/jj_calls.h"

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <optional>

namespace toren::broker {
namespace {

using nlohmann::json;

constexpr std::size_t kLongestText = 64 * 1024, kLongestCall = 128 * 1024;  // an argument can have 128 KiB
constexpr std::size_t kMostTexts = 1000;

// What every call says of itself: nobody looks at it, and no setting of the repository may break its lines or have it
// start a daemon.
constexpr const char* kAlways[] = {"--no-pager", "--color=never", "--config=ui.log-word-wrap=false",
                                   "--config=fsmonitor.backend=none"};
// The operation is named, so that several heads are an error and not a merge, which would be written.
constexpr const char* kNoSnapshot[] = {"--ignore-working-copy", "--at-operation=@"};

// --- templates: each prints one line, a JSON object. What json() makes of a whole object is asked for as `self`.

std::string commit_fields() {
    return R"('{"self":' ++ json(self))"
           R"( ++ ',"bookmarks":' ++ json(local_bookmarks))"
           R"( ++ ',"remote_bookmarks":' ++ json(remote_bookmarks))"
           R"( ++ ',"tags":' ++ json(local_tags))"
           R"( ++ ',"workspaces":[' ++ working_copies.map(|w| json(w.name())).join(",") ++ ']')"
           R"( ++ ',"working_copy":' ++ json(current_working_copy))"
           R"( ++ ',"conflict":' ++ json(conflict))"
           R"( ++ ',"empty":' ++ json(empty))"
           R"( ++ ',"divergent":' ++ json(divergent))"
           R"( ++ ',"hidden":' ++ json(hidden))"
           R"( ++ ',"immutable":' ++ json(immutable))"
           R"( ++ ',"root":' ++ json(root))";
}

std::string commit_line() { return commit_fields() + R"( ++ "}\n")"; }

// Of a TreeDiffEntry that is named so.
std::string change_object(const std::string& entry) {
    const auto field = [&](const char* name, const std::string& method) {
        return std::string(R"( ++ '")") + name + R"(":' ++ json()" + entry + "." + method + ")";
    };
    return "'{'" + field("path", "path()") + " ++ ','" + field("status", "status()") + " ++ ','" +
           field("from", "source().path()") + " ++ ','" + field("type", "target().file_type()") + " ++ ','" +
           field("executable", "target().executable()") + " ++ ','" + field("conflict", "target().conflict()") +
           " ++ '}'";
}

std::string change_line() { return change_object("self") + R"( ++ "\n")"; }

std::string status_line() {
    return commit_fields() + R"( ++ ',"parents":' ++ json(parents))" +
           R"( ++ ',"changes":[' ++ self.diff().files().map(|f| )" + change_object("f") + R"().join(",") ++ ']')" +
           R"( ++ ',"conflicts":[' ++ self.conflicted_files().map(|f| '{"path":' ++ json(f.path()))"
           R"( ++ ',"sides":' ++ json(f.conflict_side_count()) ++ '}').join(",") ++ "]}\n")";
}

std::string operation_line() {
    return R"('{"self":' ++ json(self) ++ ',"current":' ++ json(current_operation) ++ "}\n")";
}

std::string bookmark_line() {
    return R"('{"self":' ++ json(self))"
           R"( ++ ',"conflict":' ++ json(conflict))"
           R"( ++ ',"tracked":' ++ json(tracked))"
           R"( ++ ',"synced":' ++ json(synced))"
           R"( ++ ',"targets":[' ++ added_targets.map(|c| json(c.commit_id())).join(",") ++ ']')"
           R"( ++ ',"removed":[' ++ removed_targets.map(|c| json(c.commit_id())).join(",") ++ "]}\n")";
}

std::string workspace_line() {
    return R"('{"self":' ++ json(self) ++ ',"current":' ++ json(target.current_working_copy()) ++ "}\n")";
}

// --- the table

constexpr JjArgument option(const char* field, const char* name) { return {.field = field, .option = name}; }
constexpr JjArgument text(const char* field, const char* name) {
    return {.field = field, .option = name, .may_be_empty = true};
}
constexpr JjArgument flag(const char* field, const char* name, bool where = true) {
    return {.field = field, .option = name, .where = where};
}
constexpr JjArgument behind(const char* field, JjQuote quote = JjQuote::kNone) {
    return {.field = field, .option = nullptr, .quote = quote};
}

const JjArgument kMessage = text("message", "--message=");
const JjArgument kFiles = behind("files", JjQuote::kRoot);
const JjArgument kRevision = option("revision", "--revision=");

// clang-format off
const std::vector<JjCall> kCalls = {
    // jj's own status has no form for programs: what it says is in the working copy's commit.
    {"jj.status",       false, {"log", "--no-graph", "--limit=1", "--revisions=@"}, status_line, {}},
    {"jj.show",         false, {"log", "--no-graph", "--limit=2"}, status_line, {option("revision", "--revisions=")}},
    {"jj.log",          false, {"log", "--no-graph"}, commit_line,
     {option("revset", "--revisions="), option("limit", "--limit="), kFiles}},
    {"jj.diff",         false, {"diff"}, change_line,
     {option("revision", "--revisions="), option("from", "--from="), option("to", "--to="), kFiles}},
    {"jj.diff git",     false, {"diff", "--git"}, nullptr,
     {option("revision", "--revisions="), option("from", "--from="), option("to", "--to="),
      option("context", "--context="), kFiles}},
    {"jj.bookmarks",    false, {"bookmark", "list", "--all-remotes"}, bookmark_line, {}},
    {"jj.operations",   false, {"operation", "log", "--no-graph"}, operation_line, {option("limit", "--limit=")}},
    {"jj.workspaces",   false, {"workspace", "list"}, workspace_line, {}},

    {"jj.describe",     true,  {"describe"}, nullptr, {kMessage, behind("revision")}},
    {"jj.new",          true,  {"new"}, nullptr,
     {kMessage, flag("edit", "--no-edit", false), option("insert_after", "--insert-after="),
      option("insert_before", "--insert-before="), behind("parents")}},
    {"jj.squash",       true,  {"squash"}, nullptr,
     {option("from", "--from="), option("into", "--into="), kMessage,
      flag("use_destination_message", "--use-destination-message"), flag("keep_emptied", "--keep-emptied"), kFiles}},
    {"jj.bookmark.create", true, {"bookmark", "create"}, nullptr, {kRevision, behind("name", JjQuote::kSymbol)}},
    {"jj.bookmark.set",    true, {"bookmark", "set"}, nullptr,
     {kRevision, flag("allow_backwards", "--allow-backwards"), behind("name", JjQuote::kSymbol)}},
    {"jj.bookmark.move",   true, {"bookmark", "move"}, nullptr,
     {option("from", "--from="), option("to", "--to="), flag("allow_backwards", "--allow-backwards"),
      behind("name", JjQuote::kExact)}},
    {"jj.bookmark.delete", true, {"bookmark", "delete"}, nullptr, {behind("name", JjQuote::kExact)}},
    {"jj.undo",         true,  {"undo"}, nullptr, {}},
    {"jj.redo",         true,  {"redo"}, nullptr, {}},
    {"jj.operation.restore", true, {"operation", "restore"}, nullptr, {behind("operation")}},
    {"jj.workspace.add",     true, {"workspace", "add"}, nullptr,
     {option("name", "--name="), option("revisions", "--revision="), kMessage, behind("destination")}},
    {"jj.workspace.forget",  true, {"workspace", "forget"}, nullptr, {behind("name")}},
    {"jj.workspace.update_stale", true, {"workspace", "update-stale"}, nullptr, {}},
};
// clang-format on

std::string quoted(const std::string& text, JjQuote quote) {
    static constexpr const char* kBefore[] = {"", "\"", "exact:\"", "root:\""};
    if (quote == JjQuote::kNone) return text;
    std::string all = kBefore[static_cast<int>(quote)];
    for (const char c : text) {
        if (c == '"' || c == '\\') all += '\\';
        all += c;
    }
    return all + '"';
}

// The vector as it grows, and what is wrong with a text, once something is.
struct Vector {
    std::vector<std::string> options, behind;
    std::size_t bytes = 0;
    std::optional<Problem> refused = std::nullopt;

    void refuse(const JjArgument& row, const char* expected) {
        if (!refused) refused = problem("invalid_field", row.field + std::string(": ") + expected + " is expected");
    }
    void add(const JjArgument& row, const std::string& text) {
        if (text.empty() && !row.may_be_empty) refuse(row, "text that is not empty");
        if (text.find('\0') != text.npos) refuse(row, "text without NUL bytes");
        if (text.size() > kLongestText || (bytes += text.size()) > kLongestCall) refuse(row, "a shorter text");
        if (row.option == nullptr) behind.push_back(quoted(text, row.quote));
        else options.push_back(row.option + quoted(text, row.quote));
    }
    void add(const JjArgument& row, const json& value) {
        if (value.is_boolean()) {
            if (value.get<bool>() == row.where) options.emplace_back(row.option);
        } else if (value.is_number_unsigned()) {
            add(row, std::to_string(value.get<std::uint64_t>()));
        } else if (value.is_string()) {
            add(row, value.get_ref<const std::string&>());
        } else if (value.is_array()) {
            if (value.size() > kMostTexts) refuse(row, "a shorter list");
            else
                for (const json& one : value) add(row, one.get_ref<const std::string&>());
        }
    }
};

}  // namespace

std::span<const JjCall> jj_calls() { return kCalls; }

const JjCall& jj_call(std::string_view name) {
    for (const JjCall& call : kCalls)
        if (name == call.name) return call;
    std::abort();
}

Outcome<std::vector<std::string>> jj_arguments(const JjCall& call, const json& fields, bool snapshot) {
    Vector vector;
    vector.options = {"jj"};
    for (const char* one : kAlways) vector.options.emplace_back(one);
    if (!snapshot)
        for (const char* one : kNoSnapshot) vector.options.emplace_back(one);
    for (const char* word : call.command) vector.options.emplace_back(word);
    if (call.print != nullptr) vector.options.push_back("--template=" + call.print());
    for (const JjArgument& row : call.arguments)
        if (const auto given = fields.find(row.field); given != fields.end()) vector.add(row, *given);
    if (vector.refused) return std::move(*vector.refused);
    if (!vector.behind.empty()) vector.options.emplace_back("--");
    for (auto& one : vector.behind) vector.options.push_back(std::move(one));
    return std::move(vector.options);
}

}  // namespace toren::broker
