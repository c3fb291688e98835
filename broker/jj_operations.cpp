// jj.*: Jujutsu as a command in the cage. What it is asked is in jj_calls.cpp, what it answers in jj_output.cpp.
//
// A read takes a snapshot of the working copy first, as jj's own commands do: that writes into .jj, so it runs under
// the segment's own profile. With `snapshot: false` it tells what the last one saw, under the profile that writes
// nothing.
#include "broker/jj_operations.h"

#include <algorithm>

#include "broker/base64.h"
#include "broker/caged_run.h"
#include "broker/file_fields.h"
#include "broker/jj_calls.h"
#include "broker/jj_output.h"
#include "broker/json_text.h"

namespace toren::broker {
namespace {

using nlohmann::json;

constexpr std::uint64_t kSeconds = 120;  // a snapshot of a large working copy
constexpr std::uint64_t kEntriesByDefault = 1000, kMostEntries = 10'000, kMostContext = 1000;
constexpr std::uint64_t kMostChatter = 64 * 1024;  // what a call that prints nothing on purpose may print
constexpr std::size_t kLongestAuthor = 1024, kMostErrorText = 4096;

// Where jj runs, and for whom.
struct Place {
    std::string segment, path;
    StreamSink* sink = nullptr;
    bool snapshot = true;
    std::vector<std::string> environment = {"JJ_EDITOR=true"};  // it takes what jj proposes: nobody is there to edit it
};

CagedProgram program_of(const Place& place, std::vector<std::string> argv) {
    CagedProgram program;
    program.segment = place.segment;
    program.argv = std::move(argv);
    program.environment = place.environment;
    program.cwd = place.path;
    if (!place.snapshot) program.profile = "read-only";
    program.seconds = kSeconds;
    return program;
}

// Its output whole, or why it failed.
Task<Outcome<CagedOutput>> run_jj(Broker& broker, Place place, const JjCall& call, json fields, std::uint64_t most) {
    auto argv = jj_arguments(call, fields, place.snapshot);
    if (auto* refused = std::get_if<Problem>(&argv)) co_return std::move(*refused);
    CagedProgram program = program_of(place, std::get<std::vector<std::string>>(std::move(argv)));
    auto ran = co_await run_caged(broker, std::move(program), most, place.sink);
    if (auto* refused = std::get_if<Problem>(&ran)) co_return std::move(*refused);
    auto& output = std::get<CagedOutput>(ran);
    if (!output.succeeded()) co_return jj_failure(output);
    co_return std::move(output);
}

// Its output entry by entry, as much of it as the listing wants.
Task<Outcome<Done>> list_jj(Broker& broker, Place place, const JjCall& call, json fields, JjListing& listing) {
    auto argv = jj_arguments(call, fields, place.snapshot);
    if (auto* refused = std::get_if<Problem>(&argv)) co_return std::move(*refused);
    CagedProgram program = program_of(place, std::get<std::vector<std::string>>(std::move(argv)));
    auto started = co_await CagedRun::start(broker, std::move(program), place.sink);
    if (auto* refused = std::get_if<Problem>(&started)) co_return std::move(*refused);
    auto& run = *std::get<std::unique_ptr<CagedRun>>(started);
    CagedOutput output;
    bool wanted = true;
    CagedRun::Take take = [&](ipc::Stream stream, std::string_view bytes) {
        if (stream == ipc::Stream::kStdout) return wanted = listing.feed(bytes);
        output.errors += bytes.substr(0, kMostErrorText - std::min(kMostErrorText, output.errors.size()));
        return true;
    };
    auto read = co_await run.read(std::move(take));
    if (auto* refused = std::get_if<Problem>(&read)) co_return std::move(*refused);
    if (wanted) {
        output.end = *run.exited();
        if (!output.succeeded()) co_return jj_failure(output);
    }
    if (auto refused = listing.end()) co_return std::move(*refused);
    co_return Done{};
}

// All of a listing that is not paged, up to a bound.
Task<Outcome<JjListing>> list_all(Broker& broker, Place place, const char* name, json fields, JjReading read) {
    std::string beginning;
    auto begun = JjListing::begin(read, kMostEntries, beginning);
    if (auto* refused = std::get_if<Problem>(&begun)) co_return std::move(*refused);
    auto& listing = std::get<JjListing>(begun);
    auto listed = co_await list_jj(broker, std::move(place), jj_call(name), std::move(fields), listing);
    if (auto* refused = std::get_if<Problem>(&listed)) co_return std::move(*refused);
    co_return std::move(listing);
}

// The one commit that a call prints, with its changes.
Task<Outcome<json>> one_commit(Broker& broker, Place place, const char* name, json fields) {
    auto all = co_await list_all(broker, std::move(place), name, std::move(fields), read_jj_status);
    if (auto* refused = std::get_if<Problem>(&all)) co_return std::move(*refused);
    const auto& entries = std::get<JjListing>(all).entries();
    if (entries.empty()) co_return problem("vcs_failed", "no commit is in that set of revisions");
    if (entries.size() > 1) co_return problem("vcs_failed", "more than one commit is in that set of revisions");
    co_return entries.front();
}

// --- what a call asks for

// {name, email}: who is said to have made a commit, where jj's configuration in the cage does not say it.
std::optional<Problem> take_author(const json& fields, Place& place) {
    const auto given = fields.find("author");
    if (given == fields.end()) return std::nullopt;
    for (const auto& [name, value] : given->items()) {
        const bool known = name == "name" || name == "email";
        if (!known || !value.is_string() || value.get_ref<const std::string&>().size() > kLongestAuthor ||
            value.get_ref<const std::string&>().find_first_of(std::string_view("\0\n<>", 4)) != std::string::npos)
            return problem("invalid_field", "author: {name, email} is expected, each a line without < and >");
        place.environment.push_back((name == "name" ? "JJ_USER=" : "JJ_EMAIL=") + value.get<std::string>());
    }
    return std::nullopt;
}

// The folder must be there: the files worker says so better than a process that cannot start.
Task<Outcome<Place>> place_of(Call& call) {
    const Given given(call.fields);
    Place place;
    place.segment = call.segment;
    place.path = given.text("path", ".");
    place.sink = call.sink;
    place.snapshot = given.flag("snapshot", true);
    if (auto refused = take_author(call.fields, place)) co_return std::move(*refused);
    auto where = files_request(ipc::StatFile{.path = place.path, .follow = true});
    auto there = co_await ask_files(call, std::move(where));
    if (auto* refused = std::get_if<Problem>(&there)) co_return std::move(*refused);
    const auto facts = record_of<ipc::FileFacts>(std::get<ServiceAnswer>(there).result);
    if (!facts) co_return malformed_answer();
    if (facts->kind != ipc::FileKind::kFolder) co_return problem("not_folder", "'" + place.path + "' is no folder");
    co_return place;
}

Reply json_reply(json answer) {
    Reply reply;
    reply.json = std::move(answer);
    return reply;
}

// --- reads

Task<Outcome<Reply>> show(Call& call, const char* name) {
    auto placed = co_await place_of(call);
    if (auto* refused = std::get_if<Problem>(&placed)) co_return std::move(*refused);
    Place place = std::get<Place>(std::move(placed));
    json fields = call.fields;
    auto status = co_await one_commit(call.broker, std::move(place), name, std::move(fields));
    if (auto* refused = std::get_if<Problem>(&status)) co_return std::move(*refused);
    co_return json_reply(std::get<json>(std::move(status)));
}

Task<Outcome<Reply>> status(Call& call) { return show(call, "jj.status"); }
Task<Outcome<Reply>> show_commit(Call& call) { return show(call, "jj.show"); }

// jj.log and jj.operations: pages. jj knows no cursor, so a later page is read from the beginning and skipped.
Task<Outcome<Reply>> page(Call& call, const char* name, JjReading read, const char* list) {
    const auto limit = limited(call.fields, "limit", kEntriesByDefault, kMostEntries);
    if (const auto* refused = std::get_if<Problem>(&limit)) co_return *refused;
    const Given given(call.fields);
    const std::string after = given.text("cursor");
    auto begun = JjListing::begin(read, std::get<std::uint64_t>(limit), after);
    if (auto* refused = std::get_if<Problem>(&begun)) co_return std::move(*refused);
    auto& listing = std::get<JjListing>(begun);
    auto placed = co_await place_of(call);
    if (auto* refused = std::get_if<Problem>(&placed)) co_return std::move(*refused);
    Place place = std::get<Place>(std::move(placed));
    json fields = call.fields;
    fields.erase("limit");
    if (after.empty()) fields["limit"] = std::get<std::uint64_t>(limit) + 1;
    auto listed = co_await list_jj(call.broker, std::move(place), jj_call(name), std::move(fields), listing);
    if (auto* refused = std::get_if<Problem>(&listed)) co_return std::move(*refused);
    co_return json_reply({{list, listing.entries()}, {"cursor", listing.cursor()}});
}

Task<Outcome<Reply>> log(Call& call) { return page(call, "jj.log", read_jj_commit, "commits"); }
Task<Outcome<Reply>> operations_log(Call& call) { return page(call, "jj.operations", read_jj_operation, "operations"); }

Task<Outcome<Reply>> list(Call& call, const char* name, JjReading read, const char* list) {
    auto placed = co_await place_of(call);
    if (auto* refused = std::get_if<Problem>(&placed)) co_return std::move(*refused);
    Place place = std::get<Place>(std::move(placed));
    json fields = call.fields;
    auto all = co_await list_all(call.broker, std::move(place), name, std::move(fields), read);
    if (auto* refused = std::get_if<Problem>(&all)) co_return std::move(*refused);
    const auto& listing = std::get<JjListing>(all);
    co_return json_reply({{list, listing.entries()}, {"truncated", listing.more()}});
}

Task<Outcome<Reply>> bookmarks(Call& call) { return list(call, "jj.bookmarks", read_jj_bookmark, "bookmarks"); }
Task<Outcome<Reply>> workspaces(Call& call) { return list(call, "jj.workspaces", read_jj_workspace, "workspaces"); }

// The changes, and with more than a summary the patch: counted, or told.
Task<Outcome<Reply>> diff(Call& call) {
    const Given given(call.fields);
    const std::string format = given.text("format", "summary");
    if (format != "summary" && format != "stat" && format != "git")
        co_return problem("invalid_field", "format: summary, stat or git is expected");
    if (given.has("revision") && (given.has("from") || given.has("to")))
        co_return problem("invalid_field", "revision, or from and to, is expected");
    if (given.number("context") > kMostContext) co_return problem("invalid_field", "context: 0 to 1000 is expected");
    auto placed = co_await place_of(call);
    if (auto* refused = std::get_if<Problem>(&placed)) co_return std::move(*refused);
    Place place = std::get<Place>(std::move(placed));
    json fields = call.fields;
    Place first = place;
    auto all = co_await list_all(call.broker, std::move(first), "jj.diff", std::move(fields), read_jj_change);
    if (auto* refused = std::get_if<Problem>(&all)) co_return std::move(*refused);
    const auto& listing = std::get<JjListing>(all);
    json answer = {{"changes", listing.entries()}, {"truncated", listing.more()}};
    if (format == "summary") co_return json_reply(std::move(answer));

    place.snapshot = false;  // of the same one
    fields = call.fields;
    const std::uint64_t most = call.broker.settings.diff_bytes;
    auto ran = co_await run_jj(call.broker, std::move(place), jj_call("jj.diff git"), std::move(fields), most);
    if (auto* refused = std::get_if<Problem>(&ran)) co_return std::move(*refused);
    const std::string& patch = std::get<CagedOutput>(ran).out;
    if (format == "git") {
        const bool text = is_utf8(patch);
        answer["content"] = text ? patch : to_base64(patch);
        answer["encoding"] = text ? "utf-8" : "base64";
        co_return json_reply(std::move(answer));
    }
    const auto files = read_jj_patch(patch);
    if (!files || (!listing.more() && files->size() != listing.entries().size())) co_return jj_not_understood();
    std::uint64_t added = 0, removed = 0;
    for (const auto& file : *files) added += file.added, removed += file.removed;
    for (std::size_t i = 0; i < std::min(files->size(), answer["changes"].size()); ++i) {
        json& change = answer["changes"][i];
        change["added"] = (*files)[i].added;
        change["removed"] = (*files)[i].removed;
        if ((*files)[i].binary) change["binary"] = true;
    }
    answer["added"] = added;
    answer["removed"] = removed;
    co_return json_reply(std::move(answer));
}

// --- changes

// What the call names, done; the answer is where the working copy stands then, and what jj said.
Task<Outcome<Reply>> change(Call& call, const char* name, json fields) {
    auto placed = co_await place_of(call);
    if (auto* refused = std::get_if<Problem>(&placed)) co_return std::move(*refused);
    Place place = std::get<Place>(std::move(placed));
    Place first = place;
    auto ran = co_await run_jj(call.broker, std::move(first), jj_call(name), std::move(fields), kMostChatter);
    if (auto* refused = std::get_if<Problem>(&ran)) co_return std::move(*refused);
    const auto& output = std::get<CagedOutput>(ran);
    json answer = {{"working_copy", nullptr}, {"messages", ""}};
    // Bytes that are no UTF-8 are marked.
    std::string messages;
    append_json_string(messages, output.errors);
    answer["messages"] = json::parse(messages);
    place.snapshot = false;
    json nothing = json::object();
    auto now = co_await one_commit(call.broker, std::move(place), "jj.status", std::move(nothing));
    // It is done, whether or not this can be told: a workspace that was forgotten has no working copy.
    if (auto* found = std::get_if<json>(&now)) answer["working_copy"] = std::move((*found)["commit"]);
    co_return json_reply(std::move(answer));
}

Task<Outcome<Reply>> change_as_asked(Call& call, const char* name) {
    json fields = call.fields;
    return change(call, name, std::move(fields));
}

Task<Outcome<Reply>> describe(Call& call) { return change_as_asked(call, "jj.describe"); }
Task<Outcome<Reply>> create_bookmark(Call& call) { return change_as_asked(call, "jj.bookmark.create"); }
Task<Outcome<Reply>> set_bookmark(Call& call) { return change_as_asked(call, "jj.bookmark.set"); }
Task<Outcome<Reply>> move_bookmark(Call& call) { return change_as_asked(call, "jj.bookmark.move"); }
Task<Outcome<Reply>> delete_bookmark(Call& call) { return change_as_asked(call, "jj.bookmark.delete"); }
Task<Outcome<Reply>> undo(Call& call) { return change_as_asked(call, "jj.undo"); }
Task<Outcome<Reply>> redo(Call& call) { return change_as_asked(call, "jj.redo"); }
Task<Outcome<Reply>> restore_operation(Call& call) { return change_as_asked(call, "jj.operation.restore"); }
Task<Outcome<Reply>> forget_workspace(Call& call) { return change_as_asked(call, "jj.workspace.forget"); }
Task<Outcome<Reply>> update_stale(Call& call) { return change_as_asked(call, "jj.workspace.update_stale"); }

Task<Outcome<Reply>> make_new(Call& call) {
    const Given given(call.fields);
    if (given.has("parents") && (given.has("insert_after") || given.has("insert_before")))
        co_return problem("invalid_field", "parents, or insert_after and insert_before, is expected");
    auto done = co_await change_as_asked(call, "jj.new");
    co_return done;
}

Task<Outcome<Reply>> squash(Call& call) {
    const Given given(call.fields);
    if (given.has("message") && given.flag("use_destination_message", false))
        co_return problem("invalid_field", "message or use_destination_message is expected");
    auto done = co_await change_as_asked(call, "jj.squash");
    co_return done;
}

// jj takes the place relative to where it runs: it is told the whole path, which is the same in the cage.
Task<Outcome<Reply>> add_workspace(Call& call) {
    const std::string folder = call.fields["folder"].get<std::string>();
    std::string_view rest = folder;
    while (!rest.empty()) {
        const auto part = rest.substr(0, rest.find('/'));
        rest.remove_prefix(std::min(rest.size(), part.size() + 1));
        if (part == ".." || folder.starts_with('/'))
            co_return problem("path_outside_segment", "folder: a path in the segment is expected, without '..'");
    }
    auto located = co_await segment_of(call);
    if (auto* refused = std::get_if<Problem>(&located)) co_return std::move(*refused);
    json fields = call.fields;
    fields["destination"] = joined(std::get<Location>(located).segment_path, "") + folder;
    auto done = co_await change(call, "jj.workspace.add", std::move(fields));
    co_return done;
}

// clang-format off
constexpr FieldRow kPath = {"path", FieldType::kPath}, kSnapshot = {"snapshot", FieldType::kBoolean};
constexpr FieldRow kAuthor = {"author", FieldType::kObject}, kMessage = {"message", FieldType::kText};
constexpr FieldRow kFiles = {"files", FieldType::kTexts}, kRevision = {"revision", FieldType::kText};
constexpr FieldRow kFrom = {"from", FieldType::kText}, kTo = {"to", FieldType::kText};
constexpr FieldRow kCursor = {"cursor", FieldType::kText}, kLimit = {"limit", FieldType::kNumber};
constexpr FieldRow kName = {"name", FieldType::kText, true}, kBackwards = {"allow_backwards", FieldType::kBoolean};

constexpr FieldRow kRead[] = {kPath, kSnapshot};
constexpr FieldRow kShow[] = {kPath, kSnapshot, {"revision", FieldType::kText, true}};
constexpr FieldRow kDiff[] = {kPath, kSnapshot, kRevision, kFrom, kTo, kFiles, {"format", FieldType::kText}, {"context", FieldType::kNumber}};
constexpr FieldRow kLog[] = {kPath, kSnapshot, {"revset", FieldType::kText}, kFiles, kCursor, kLimit};
constexpr FieldRow kOperationLog[] = {kPath, kSnapshot, kCursor, kLimit};
constexpr FieldRow kChange[] = {kPath, kAuthor};
constexpr FieldRow kDescribe[] = {kPath, kAuthor, kRevision, {"message", FieldType::kText, true}};
constexpr FieldRow kNew[] = {kPath, kAuthor, {"parents", FieldType::kTexts}, kMessage, {"edit", FieldType::kBoolean},
                             {"insert_after", FieldType::kTexts}, {"insert_before", FieldType::kTexts}};
constexpr FieldRow kSquash[] = {kPath, kAuthor, {"from", FieldType::kTexts}, {"into", FieldType::kText}, kFiles, kMessage,
                                {"use_destination_message", FieldType::kBoolean}, {"keep_emptied", FieldType::kBoolean}};
constexpr FieldRow kCreateBookmark[] = {kPath, kAuthor, kName, kRevision};
constexpr FieldRow kSetBookmark[] = {kPath, kAuthor, kName, kRevision, kBackwards};
constexpr FieldRow kMoveBookmark[] = {kPath, kAuthor, kName, kFrom, kTo, kBackwards};
constexpr FieldRow kNamed[] = {kPath, kAuthor, kName};
constexpr FieldRow kRestore[] = {kPath, kAuthor, {"operation", FieldType::kText, true}};
constexpr FieldRow kAddWorkspace[] = {kPath, kAuthor, {"folder", FieldType::kPath, true}, {"name", FieldType::kText},
                                      {"revisions", FieldType::kTexts}, kMessage};

#define JJ "/v2/segments/{segment}/jj/"
constexpr auto V = Need::kViewer, O = Need::kOperator;
constexpr auto B = Over::kBoth;
constexpr auto N = Bulk::kNone, A = Bulk::kAnswer;
constexpr Operation kOperations[] = {
    {"jj.status",          "GET",  JJ "status",             V, B, A, kRead, status},
    {"jj.show",            "GET",  JJ "show",               V, B, A, kShow, show_commit},
    {"jj.diff",            "GET",  JJ "diff",               V, B, A, kDiff, diff},
    {"jj.log",             "GET",  JJ "log",                V, B, A, kLog, log},
    {"jj.bookmarks",       "GET",  JJ "bookmarks",          V, B, A, kRead, bookmarks},
    {"jj.operations",      "GET",  JJ "operations",         V, B, A, kOperationLog, operations_log},
    {"jj.workspaces",      "GET",  JJ "workspaces",         V, B, A, kRead, workspaces},
    {"jj.describe",        "POST", JJ "describe",           O, B, N, kDescribe, describe},
    {"jj.new",             "POST", JJ "new",                O, B, N, kNew, make_new},
    {"jj.squash",          "POST", JJ "squash",             O, B, N, kSquash, squash},
    {"jj.bookmark.create", "POST", JJ "bookmarks/create",   O, B, N, kCreateBookmark, create_bookmark},
    {"jj.bookmark.set",    "POST", JJ "bookmarks/set",      O, B, N, kSetBookmark, set_bookmark},
    {"jj.bookmark.move",   "POST", JJ "bookmarks/move",     O, B, N, kMoveBookmark, move_bookmark},
    {"jj.bookmark.delete", "POST", JJ "bookmarks/delete",   O, B, N, kNamed, delete_bookmark},
    {"jj.undo",            "POST", JJ "undo",               O, B, N, kChange, undo},
    {"jj.redo",            "POST", JJ "redo",               O, B, N, kChange, redo},
    {"jj.operation.restore", "POST", JJ "operations/restore", O, B, N, kRestore, restore_operation},
    {"jj.workspace.add",   "POST", JJ "workspaces/add",     O, B, N, kAddWorkspace, add_workspace},
    {"jj.workspace.forget", "POST", JJ "workspaces/forget", O, B, N, kNamed, forget_workspace},
    {"jj.workspace.update_stale", "POST", JJ "workspaces/update-stale", O, B, N, kChange, update_stale},
};
#undef JJ
// clang-format on

}  // namespace

std::span<const Operation> jj_operations() { return kOperations; }

Task<Outcome<json>> jj_v1_status(Broker& broker, std::string segment, std::string path) {
    Place place;
    place.segment = std::move(segment);
    place.path = std::move(path);
    json nothing = json::object();
    auto status = co_await one_commit(broker, std::move(place), "jj.status", std::move(nothing));
    if (auto* refused = std::get_if<Problem>(&status)) co_return std::move(*refused);
    co_return jj_v1_json(std::get<json>(status));
}

}  // namespace toren::broker
