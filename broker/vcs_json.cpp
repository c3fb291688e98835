#include "broker/vcs_json.h"

#include <cstdio>

#include "broker/base64.h"
#include "broker/file_fields.h"
#include "broker/json_text.h"

namespace toren::broker {
namespace {

constexpr const char* kStates[] = {nullptr,  "modified",     "added",     "deleted", "renamed",
                                   "copied", "type_changed", "untracked", "ignored"};
constexpr const char* kConflicts[] = {nullptr,         "both_deleted",  "added_by_us", "deleted_by_them",
                                      "added_by_them", "deleted_by_us", "both_added",  "both_modified"};
constexpr const char* kActivities[] = {nullptr, "merge", "revert", "cherry_pick", "bisect", "rebase", "apply_mailbox"};
constexpr const char* kKinds[] = {"none", "git", "jj"};

// One field after another, with the commas between them.
class Object {
public:
    explicit Object(std::string& out) : out_(out) { out_ += '{'; }
    Object(const Object&) = delete;
    Object& operator=(const Object&) = delete;
    ~Object() { out_ += '}'; }

    std::string& key(const char* name) {
        comma();
        append_json_string(out_, name);
        return out_ += ':';
    }
    void bytes(const char* name, std::string_view value) {
        comma();
        append_bytes_field(out_, name, value);
    }
    // null where it is empty
    void text(const char* name, const std::string& value) {
        if (value.empty()) key(name) += "null";
        else append_json_string(key(name), value);
    }
    void word(const char* name, const char* value) {
        if (value == nullptr) key(name) += "null";
        else append_json_string(key(name), value);
    }
    void number(const char* name, std::int64_t value) { key(name) += std::to_string(value); }
    void number(const char* name, std::uint64_t value) { key(name) += std::to_string(value); }
    void flag(const char* name, bool value) { key(name) += value ? "true" : "false"; }

private:
    void comma() {
        if (!first_) out_ += ',';
        first_ = false;
    }
    std::string& out_;
    bool first_ = true;
};

template <typename Record, typename Append>
void append_list(std::string& out, const std::vector<Record>& records, Append append) {
    out += '[';
    for (std::size_t i = 0; i < records.size(); ++i) {
        if (i > 0) out += ',';
        append(out, records[i]);
    }
    out += ']';
}

const char* engine(bool by_git) { return by_git ? "git" : "libgit2"; }

void append_cursor(Object& object, bool more, std::uint64_t place) {
    if (more) object.text("cursor", to_base64_url(std::to_string(place)));
    else object.word("cursor", nullptr);
}

void append_activity(Object& object, const ipc::VcsRepository& about) {
    const char* word = kActivities[static_cast<int>(about.activity)];
    if (word == nullptr) return object.word("activity", nullptr);
    Object activity(object.key("activity"));
    activity.word("kind", word);
    activity.text("branch", about.activity_branch);
    activity.text("commit", about.activity_head);
    activity.number("step", about.activity_step);
    activity.number("steps", about.activity_end);
}

void append_change(std::string& out, const ipc::VcsChange& change) {
    Object object(out);
    object.bytes("path", change.path);
    if (!change.old_path.empty()) object.bytes("old_path", change.old_path);
    object.word("index", kStates[static_cast<int>(change.index)]);
    object.word("work_tree", kStates[static_cast<int>(change.work_tree)]);
    if (change.conflict != ipc::VcsConflict::kNone)
        object.word("conflict", kConflicts[static_cast<int>(change.conflict)]);
    if (change.submodule) object.flag("submodule", true);
}

void append_file(std::string& out, const ipc::VcsFileDiff& file) {
    Object object(out);
    object.bytes("path", file.path);
    if (file.old_path != file.path) object.bytes("old_path", file.old_path);
    object.word("state", kStates[static_cast<int>(file.state)]);
    object.text("old_mode", file.old_mode == 0 ? "" : mode_text(file.old_mode));
    object.text("new_mode", file.new_mode == 0 ? "" : mode_text(file.new_mode));
    object.text("old_id", file.old_id);
    object.text("new_id", file.new_id);
    object.flag("binary", file.binary);
    object.number("additions", file.additions);
    object.number("deletions", file.deletions);
    if (file.unreadable) object.flag("unreadable", true);
    if (file.cut) object.flag("cut", true);
    if (!file.patch.empty()) object.bytes("patch", file.patch);
}

void append_signature(std::string& out, const ipc::VcsSignature& signature) {
    Object object(out);
    object.bytes("name", signature.name);
    object.bytes("email", signature.email);
    object.number("time", signature.time);
    object.number("offset", std::int64_t{signature.offset});
}

void append_side(Object& object, const char* name, const ipc::VcsSide& side) {
    if (side.id.empty()) return object.word(name, nullptr);
    Object value(object.key(name));
    value.bytes("path", side.path);
    value.text("id", side.id);
    value.text("mode", mode_text(side.mode));
}

template <typename Record, typename Append>
std::string list_json(const char* name, const VcsListFound<Record>& found, Append append) {
    std::string out;
    {
        Object object(out);
        append_list(object.key(name), found.records, append);
        object.word("engine", engine(found.by_git));
    }
    return out;
}

}  // namespace

std::string mode_text(std::uint32_t mode) {
    char text[16];
    std::snprintf(text, sizeof text, "%06o", mode);
    return text;
}

std::string status_json(const VcsStatusFound& found, std::uint64_t skip) {
    std::string out;
    {
        const auto& about = found.end;
        Object object(out);
        object.word("kind", kKinds[static_cast<int>(about.kind)]);
        object.bytes("folder", about.folder.empty() ? "." : about.folder);
        object.text("head", about.head);
        object.text("branch", about.branch);
        object.text("upstream", about.upstream);
        object.number("ahead", about.ahead);
        object.number("behind", about.behind);
        append_activity(object, about);
        object.number("stashes", about.stashes);
        append_list(object.key("changes"), found.records, append_change);
        object.number("total", about.changes);
        append_cursor(object, skip + found.records.size() < about.changes, skip + found.records.size());
        object.word("engine", engine(found.by_git));
    }
    return out;
}

void append_diff(std::string& out, const VcsDiffFound& found, std::uint64_t skip) {
    append_list(out += "\"files\":", found.records, append_file);
    (out += ",\"total\":") += std::to_string(found.end.files);
    out += ",\"cursor\":";
    if (found.end.more) append_json_string(out, to_base64_url(std::to_string(skip + found.records.size())));
    else out += "null";
}

std::string diff_json(const VcsDiffFound& found, std::uint64_t skip) {
    std::string out = "{";
    append_diff(out, found, skip);
    for (const auto& [name, id] : {std::pair{"from", &found.end.from}, std::pair{"to", &found.end.to}}) {
        ((out += ",\"") += name) += "\":";
        if (id->empty()) out += "null";
        else append_json_string(out, *id);
    }
    return ((out += ",\"engine\":\"") += engine(found.by_git)) + "\"}";
}

void append_commit(std::string& out, const ipc::VcsCommit& commit) {
    Object object(out);
    object.text("id", commit.id);
    object.text("tree", commit.tree);
    append_list(object.key("parents"), commit.parents,
                [](std::string& text, const std::string& id) { append_json_string(text, id); });
    append_signature(object.key("author"), commit.author);
    append_signature(object.key("committer"), commit.committer);
    object.bytes("message", commit.message);
    append_list(object.key("refs"), commit.refs,
                [](std::string& text, const std::string& name) { append_json_string(text, name); });
}

std::string log_json(const VcsLogFound& found, const std::string& cursor) {
    std::string out;
    {
        Object object(out);
        append_list(object.key("commits"), found.records, append_commit);
        object.text("cursor", cursor);
        object.word("engine", engine(found.by_git));
    }
    return out;
}

std::string refs_json(const VcsListFound<ipc::VcsRef>& found) {
    return list_json("refs", found, [](std::string& out, const ipc::VcsRef& ref) {
        Object object(out);
        object.bytes("name", ref.name);
        object.text("id", ref.id);
        object.text("commit", ref.commit);
        if (!ref.target.empty()) object.bytes("target", ref.target);
        if (ref.name.starts_with("refs/heads/")) {
            object.flag("head", ref.head);
            object.text("upstream", ref.upstream);
            object.number("ahead", ref.ahead);
            object.number("behind", ref.behind);
        }
        object.number("time", ref.time);
        object.bytes("subject", ref.subject);
    });
}

std::string conflicts_json(const VcsListFound<ipc::VcsConflicted>& found) {
    return list_json("conflicts", found, [](std::string& out, const ipc::VcsConflicted& conflict) {
        Object object(out);
        append_side(object, "base", conflict.base);
        append_side(object, "ours", conflict.ours);
        append_side(object, "theirs", conflict.theirs);
    });
}

std::string stashes_json(const VcsListFound<ipc::VcsStash>& found) {
    return list_json("stashes", found, [](std::string& out, const ipc::VcsStash& stash) {
        Object object(out);
        object.text("id", stash.id);
        object.bytes("message", stash.message);
        object.number("time", stash.time);
    });
}

std::string worktrees_json(const VcsListFound<ipc::VcsWorktree>& found) {
    return list_json("worktrees", found, [](std::string& out, const ipc::VcsWorktree& worktree) {
        Object object(out);
        object.bytes("path", worktree.path);
        object.text("head", worktree.head);
        object.text("branch", worktree.branch);
        object.flag("locked", worktree.locked);
        object.flag("missing", worktree.missing);
    });
}

std::string blame_json(const std::vector<GitBlame>& runs, bool content) {
    std::string out;
    {
        Object object(out);
        append_list(object.key("runs"), runs, [&](std::string& text, const GitBlame& run) {
            Object one(text);
            one.number("line", run.line);
            one.number("lines", run.lines);
            one.text("commit", run.commit);
            one.number("original_line", run.original_line);
            one.bytes("original_path", run.original_path);
            append_signature(one.key("author"), run.author);
            one.bytes("summary", run.summary);
            if (content) one.bytes("content", run.content);
        });
        object.word("engine", "git");
    }
    return out;
}

}  // namespace toren::broker
