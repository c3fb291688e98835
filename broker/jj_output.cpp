#include "broker/jj_output.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <set>

#include "base/limits.h"
#include "broker/json_text.h"

namespace toren::broker {
namespace {

using nlohmann::json;

constexpr std::size_t kLongestLine = 8 << 20, kMostBytes = 16 << 20;
constexpr int kDeepest = 8;
constexpr std::size_t kLongestId = 128, kLongestCursor = 2 * kLongestId + 1;
constexpr std::size_t kLongestDetail = 2048;

// --- values of the types that are expected, or nothing

// What is read of one object; the first field that is not as it should be spoils it.
class Printed {
public:
    explicit Printed(const json& object) : object_(object), good_(object.is_object()) {}

    bool good() const { return good_; }
    const json& at(const char* name) {
        static const json kNothing;
        const auto found = good_ ? object_.find(name) : object_.end();
        if (good_ && found != object_.end()) return *found;
        good_ = false;
        return kNothing;
    }
    std::string text(const char* name) {
        const json& value = at(name);
        if (good_ = good_ && value.is_string(); !good_) return "";
        return value.get<std::string>();
    }
    // An identifier as jj makes them: lower-case letters and digits.
    std::string id(const char* name) {
        std::string value = text(name);
        good_ = good_ && is_id(value);
        return value;
    }
    bool flag(const char* name) {
        const json& value = at(name);
        good_ = good_ && value.is_boolean();
        return good_ && value.get<bool>();
    }
    std::uint64_t number(const char* name) {
        const json& value = at(name);
        good_ = good_ && value.is_number_unsigned();
        return good_ ? value.get<std::uint64_t>() : 0;
    }
    // Each of a list as `read` makes it; what `read` gives nothing for spoils the list.
    template <typename Read>
    json list(const char* name, Read read) {
        const json& values = at(name);
        json all = json::array();
        if (good_ = good_ && values.is_array(); !good_) return all;
        for (const json& value : values) {
            std::optional<json> one = read(value);
            if (good_ = good_ && one.has_value(); !good_) break;
            all.push_back(std::move(*one));
        }
        return all;
    }

    static bool is_id(std::string_view text) {
        return !text.empty() && text.size() <= kLongestId &&
               std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z'); });
    }

private:
    const json& object_;
    bool good_;
};

std::optional<json> if_good(const Printed& printed, json value) {
    if (!printed.good()) return std::nullopt;
    return value;
}

std::optional<json> read_id(const json& value) {
    if (!value.is_string() || !Printed::is_id(value.get_ref<const std::string&>())) return std::nullopt;
    return value;
}

std::optional<json> read_text(const json& value) {
    if (!value.is_string()) return std::nullopt;
    return value;
}

std::optional<json> read_signature(const json& value) {
    Printed printed(value);
    json signature = {
        {"name", printed.text("name")}, {"email", printed.text("email")}, {"timestamp", printed.text("timestamp")}};
    return if_good(printed, std::move(signature));
}

// What json() makes of a commit.
std::optional<json> read_commit_itself(const json& value) {
    Printed printed(value);
    json commit = {{"commit_id", printed.id("commit_id")},
                   {"change_id", printed.id("change_id")},
                   {"description", printed.text("description")},
                   {"parents", printed.list("parents", read_id)}};
    const auto author = read_signature(printed.at("author")), committer = read_signature(printed.at("committer"));
    if (!author || !committer) return std::nullopt;
    commit["author"] = *author;
    commit["committer"] = *committer;
    return if_good(printed, std::move(commit));
}

// What json() makes of a bookmark or a tag: {"name", "remote"?, "target": [ID or null…]}.
std::optional<json> read_ref_name(const json& value) {
    Printed printed(value);
    json name = printed.text("name");
    return if_good(printed, std::move(name));
}

std::optional<json> read_remote_ref(const json& value) {
    Printed printed(value);
    json ref = {{"name", printed.text("name")}, {"remote", printed.text("remote")}};
    return if_good(printed, std::move(ref));
}

std::optional<json> read_conflict(const json& value) {
    Printed printed(value);
    json conflict = {{"path", printed.text("path")}, {"sides", printed.number("sides")}};
    return if_good(printed, std::move(conflict));
}

}  // namespace

std::optional<json> read_jj_commit(const json& value) {
    Printed printed(value);
    auto commit = read_commit_itself(printed.at("self"));
    if (!commit) return std::nullopt;
    (*commit)["bookmarks"] = printed.list("bookmarks", read_ref_name);
    (*commit)["remote_bookmarks"] = printed.list("remote_bookmarks", read_remote_ref);
    (*commit)["tags"] = printed.list("tags", read_ref_name);
    (*commit)["workspaces"] = printed.list("workspaces", read_text);
    for (const char* name : {"working_copy", "conflict", "empty", "divergent", "hidden", "immutable", "root"})
        (*commit)[name] = printed.flag(name);
    return if_good(printed, std::move(*commit));
}

std::optional<json> read_jj_change(const json& value) {
    static const std::set<std::string, std::less<>> kStatuses = {"modified", "added", "removed", "copied", "renamed"};
    Printed printed(value);
    json change = {{"path", printed.text("path")}, {"status", printed.text("status")}, {"type", printed.text("type")}};
    const std::string from = printed.text("from");
    const bool executable = printed.flag("executable"), conflict = printed.flag("conflict");
    if (!printed.good() || !kStatuses.contains(change["status"].get_ref<const std::string&>())) return std::nullopt;
    if (change["status"] == "copied" || change["status"] == "renamed") change["from"] = from;
    if (change["status"] == "removed") {
        change.erase("type");  // there is none any more
    } else {
        change["executable"] = executable;
        change["conflict"] = conflict;
    }
    return change;
}

std::optional<json> read_jj_status(const json& value) {
    Printed printed(value);
    auto commit = read_jj_commit(value);
    json status = {{"parents", printed.list("parents", read_commit_itself)},
                   {"changes", printed.list("changes", read_jj_change)},
                   {"conflicts", printed.list("conflicts", read_conflict)}};
    if (!commit) return std::nullopt;
    status["commit"] = std::move(*commit);
    return if_good(printed, std::move(status));
}

std::optional<json> read_jj_operation(const json& value) {
    Printed printed(value);
    const bool current = printed.flag("current");
    Printed self(printed.at("self"));
    Printed time(self.at("time"));
    const std::string user = self.text("username"), host = self.text("hostname");
    json operation = {{"operation", self.id("id")},
                      {"parents", self.list("parents", read_id)},
                      {"description", self.text("description")},
                      {"user", user.empty() && host.empty() ? "" : user + "@" + host},
                      {"started", time.text("start")},
                      {"ended", time.text("end")},
                      {"snapshot", self.flag("is_snapshot")},
                      {"current", current}};
    if (!self.good() || !time.good()) return std::nullopt;
    return if_good(printed, std::move(operation));
}

std::optional<json> read_jj_bookmark(const json& value) {
    Printed printed(value);
    Printed self(printed.at("self"));
    json bookmark = {{"name", self.text("name")},
                     {"targets", printed.list("targets", read_id)},
                     {"conflict", printed.flag("conflict")},
                     {"synced", printed.flag("synced")}};
    const bool tracked = printed.flag("tracked");
    json removed = printed.list("removed", read_id);
    if (!self.good() || !printed.good()) return std::nullopt;
    if (!removed.empty()) bookmark["removed_targets"] = std::move(removed);
    const json& whole = printed.at("self");
    if (whole.contains("remote") && !whole["remote"].is_null()) {
        bookmark["remote"] = self.text("remote");
        bookmark["tracked"] = tracked;
    }
    return if_good(self, std::move(bookmark));
}

std::optional<json> read_jj_workspace(const json& value) {
    Printed printed(value);
    const bool current = printed.flag("current");
    Printed self(printed.at("self"));
    Printed target(self.at("target"));
    json workspace = {{"name", self.text("name")},
                      {"commit_id", target.id("commit_id")},
                      {"change_id", target.id("change_id")},
                      {"description", target.text("description")},
                      {"current", current}};
    if (!self.good() || !target.good()) return std::nullopt;
    return if_good(printed, std::move(workspace));
}

// --- listings

Outcome<JjListing> JjListing::begin(JjReading read, std::uint64_t limit, const std::string& after) {
    JjListing listing(read, limit);
    if (after.empty()) return listing;
    const auto dot = std::min(after.find('.'), after.size());
    listing.id_ = after.substr(0, dot);
    listing.change_ = after.substr(std::min(after.size(), dot + 1));
    listing.skipping_ = true;
    if (after.size() > kLongestCursor || !Printed::is_id(listing.id_) ||
        (!listing.change_.empty() && !Printed::is_id(listing.change_)))
        return problem("invalid_cursor", "cursor: not one of this listing");
    return listing;
}

bool JjListing::feed(std::string_view bytes) {
    while (!bytes.empty() && !broken_ && !more_) {
        const auto end = bytes.find('\n');
        line_ += bytes.substr(0, end);
        if (line_.size() > kLongestLine) broken_ = true;
        if (end == bytes.npos) break;
        bytes.remove_prefix(end + 1);
        if (!broken_ && !take(line_)) broken_ = true;
        line_.clear();
    }
    return !broken_ && !more_;
}

bool JjListing::take(std::string_view line) {
    if (!nests_at_most(line, kDeepest)) return false;
    const json printed = json::parse(line, nullptr, false);
    if (printed.is_discarded()) return false;
    auto entry = read_(printed);
    if (!entry) return false;
    if (skipping_) {
        skipping_ = !is_place(*entry);
        return true;
    }
    if (entries_.size() == limit_ || (bytes_ += line.size()) > kMostBytes) {
        // One that is larger than an answer can be is told alone.
        if (more_ = !entries_.empty(); more_) return true;
    }
    entries_.push_back(std::move(*entry));
    return true;
}

// A commit that was rewritten since is the same change; of a divergent one there are several.
bool JjListing::is_place(const json& entry) const {
    if (!entry.contains("commit_id")) return entry.value("operation", "") == id_;
    return entry["commit_id"] == id_ || (!entry.value("divergent", false) && entry["change_id"] == change_);
}

std::optional<Problem> JjListing::end() const {
    if (broken_ || (!more_ && !line_.empty())) return jj_not_understood();
    if (skipping_) return problem("invalid_cursor", "cursor: its place is not in the listing any more");
    return std::nullopt;
}

json JjListing::cursor() const {
    if (!more_ || entries_.empty()) return nullptr;
    const json& last = entries_.back();
    if (!last.contains("commit_id")) return last.value("operation", "");
    return last["commit_id"].get<std::string>() + "." + last["change_id"].get<std::string>();
}

// --- patches

namespace {

std::string_view next_line(std::string_view& text) {
    const auto end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(text.size(), end + 1));
    return line;
}

// "12,3" or "12": the count of lines.
std::optional<std::uint64_t> lines_of(std::string_view range) {
    const auto comma = range.find(',');
    if (comma == range.npos) return 1;
    const std::string_view digits = range.substr(comma + 1);
    std::uint64_t count = 0;
    const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), count);
    if (digits.empty() || failed != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
    return count;
}

// "@@ -1,2 +3,4 @@ …"
bool read_hunk_head(std::string_view line, std::uint64_t& old_lines, std::uint64_t& new_lines) {
    constexpr std::string_view kBefore = "@@ -", kBetween = " +", kBehind = " @@";
    const auto between = line.find(kBetween), behind = line.find(kBehind, kBefore.size());
    if (between == line.npos || behind == line.npos || between > behind) return false;
    const auto old_count = lines_of(line.substr(kBefore.size(), between - kBefore.size()));
    const auto new_count = lines_of(line.substr(between + kBetween.size(), behind - between - kBetween.size()));
    if (!old_count || !new_count) return false;
    old_lines = *old_count;
    new_lines = *new_count;
    return true;
}

}  // namespace

std::optional<std::vector<JjPatchedFile>> read_jj_patch(std::string_view patch) {
    std::vector<JjPatchedFile> files;
    std::uint64_t old_lines = 0, new_lines = 0;  // of the hunk, that are still to come
    while (!patch.empty()) {
        const std::string_view line = next_line(patch);
        const char sign = line.empty() ? '\0' : line.front();
        if (old_lines > 0 || new_lines > 0) {
            const bool is_old = sign == ' ' || sign == '-', is_new = sign == ' ' || sign == '+';
            if (sign == '\\') continue;  // no newline at the end of the file
            if ((!is_old && !is_new) || (is_old && old_lines == 0) || (is_new && new_lines == 0)) return std::nullopt;
            old_lines -= is_old ? 1 : 0;
            new_lines -= is_new ? 1 : 0;
            files.back().removed += is_new ? 0 : 1;
            files.back().added += is_old ? 0 : 1;
        } else if (line.starts_with("diff --git ")) {
            files.emplace_back();
        } else if (files.empty()) {
            return std::nullopt;
        } else if (line.starts_with("@@ -")) {
            if (!read_hunk_head(line, old_lines, new_lines)) return std::nullopt;
        } else if (line.starts_with("Binary files ")) {
            files.back().binary = true;
        }
    }
    if (old_lines > 0 || new_lines > 0) return std::nullopt;
    return files;
}

// --- v1

json jj_v1_json(const json& status) {
    json all = {{"vcs_type", "Jj"}, {"branch", nullptr}};
    for (const char* list : {"modified", "added", "deleted", "untracked", "renamed", "conflicted"})
        all[list] = json::array();
    const auto description = status["commit"]["description"].get<std::string>();
    if (const auto first = description.substr(0, description.find('\n')); !first.empty()) all["branch"] = first;
    std::set<std::string> conflicted;
    for (const json& one : status["conflicts"]) {
        conflicted.insert(one["path"].get<std::string>());
        all["conflicted"].push_back(one["path"]);
    }
    for (const json& change : status["changes"]) {
        const json &path = change["path"], &kind = change["status"];
        if (conflicted.contains(path.get<std::string>())) continue;
        if (kind == "renamed") all["renamed"].push_back({{"from", change["from"]}, {"to", path}});
        else all[kind == "modified" ? "modified" : kind == "removed" ? "deleted" : "added"].push_back(path);
    }
    return all;
}

// --- failures

Problem jj_not_understood() {
    return problem("vcs_failed", "jj printed something else than it was asked for; jj 0.36 or newer is needed");
}

Problem jj_failure(const CagedOutput& output) {
    if (output.end.ended_by == EndedBy::kTime) return problem("timeout", "jj took too long");
    if (output.end.ended_by != EndedBy::kNothing)
        return problem("vcs_failed", std::string("jj exceeded the limit '") + limit_name(output.end.ended_by) + "'");
    std::string_view words = output.errors;
    while (words.ends_with('\n')) words.remove_suffix(1);
    std::string detail(words.substr(0, cut_at_character(words, kLongestDetail)));
    if (detail.find("There is no jj repo in ") != detail.npos) return problem("not_a_repository", std::move(detail));
    if (output.end.signal != 0) detail = "jj was ended by signal " + std::to_string(output.end.signal);
    else if (detail.empty()) detail = "jj ended with status " + std::to_string(output.end.code);
    // It does not know an option (2), or a word of a template.
    if (output.end.code == 2 || detail.find("Failed to parse template") != detail.npos)
        detail += "\n(jj 0.36 or newer is needed)";
    return problem("vcs_failed", std::move(detail));
}

}  // namespace toren::broker
