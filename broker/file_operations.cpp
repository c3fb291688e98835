// files.*: what the shared files worker answers at once, and listings. Content over HTTP is in file_content.cpp,
// streams are in file_streams.cpp.
#include "broker/file_operations.h"

#include "broker/base64.h"
#include "broker/file_fields.h"
#include "broker/json_text.h"
#include "broker/operation.h"

namespace toren::broker {
namespace {

using nlohmann::json;

constexpr std::uint64_t kMostEntries = 10'000;
constexpr std::uint64_t kEntriesByDefault = 1000;
constexpr std::size_t kMostEdits = 10'000;

// --- looking

Task<Outcome<Reply>> stat(Call& call) {
    const Given given(call.fields);
    const std::string path = given.text("path");
    auto request = files_request(ipc::StatFile{.path = path, .follow = given.flag("follow", true)});
    auto answer = co_await ask_files(call, std::move(request));
    if (auto* refused = std::get_if<Problem>(&answer)) co_return std::move(*refused);
    const auto facts = record_of<ipc::FileFacts>(std::get<ServiceAnswer>(answer).result);
    if (!facts) co_return malformed_answer();
    std::string text = "{";
    append_bytes_field(text, "path", path);
    text += ',';
    append_facts(text, *facts);
    co_return text_reply(text + "}");
}

Task<Outcome<Reply>> read(Call& call) {
    const Given given(call.fields);
    const std::string encoding = given.text("encoding", "any");
    if (given.has("encoding") && encoding != "utf-8" && encoding != "base64")
        co_return problem("invalid_field", "encoding: utf-8 or base64 is expected");
    const bool by_lines = given.has("from_line") || given.has("lines");
    const bool by_bytes = given.has("offset") || given.has("bytes");
    if (by_lines && by_bytes) co_return problem("invalid_field", "a range is in bytes or in lines, not in both");
    const std::uint64_t most = call.broker.settings.read_bytes;
    ipc::ReadFile message;
    message.path = given.text("path");
    message.whole = !by_lines && !by_bytes;
    message.offset = given.number("offset");
    message.max_bytes = std::min(given.number("bytes", most), most);
    message.from_line = by_lines ? given.number("from_line", 1) : 0;
    message.lines = given.number("lines");
    if (by_lines && message.from_line == 0) co_return problem("invalid_field", "from_line: the first line is 1");
    // To the worker 0 stands for no limit.
    if (given.has("lines") && message.lines == 0) message.lines = 1, message.max_bytes = 0;
    auto request = files_request(std::move(message), most);
    auto answer = co_await ask_files(call, std::move(request));
    if (auto* refused = std::get_if<Problem>(&answer)) co_return std::move(*refused);
    const auto& got = std::get<ServiceAnswer>(answer);
    const auto end = record_of<ipc::ReadEnd>(got.result);
    if (!end) co_return malformed_answer();
    std::string text = "{";
    text.reserve(got.bytes.size() + 512);
    if (!append_content(text, got.bytes, encoding))
        co_return problem("not_utf8", "'" + given.text("path") + "' is not UTF-8 text; ask for encoding=base64");
    text += ",\"version\":";
    append_json_string(text, end->facts.version);
    (text += ",\"size\":") += std::to_string(end->facts.size);
    (text += ",\"offset\":") += std::to_string(end->offset);
    (text += ",\"bytes\":") += std::to_string(got.bytes.size());
    if (by_lines) {
        (text += ",\"from_line\":") += std::to_string(given.number("from_line", 1));
        (text += ",\"lines\":") += std::to_string(end->lines);
    }
    text += end->more ? ",\"more\":true}" : ",\"more\":false}";
    co_return text_reply(std::move(text));
}

// --- listings

Outcome<std::string> cursor_of(const Given& given) {
    if (!given.has("cursor")) return std::string();
    auto after = from_base64(given.text("cursor"));
    if (!after || after->empty() || after->size() > 4096 || after->find('\0') != after->npos)
        return problem("invalid_cursor", "cursor: what an earlier answer gave is expected");
    return std::move(*after);
}

Outcome<std::string> listing_text(const std::string& folder, const std::string& records, bool more) {
    std::string text = "{\"entries\":[", last;
    bool first = true;
    const bool whole = each_record<ipc::ListEntry>(records, [&](const ipc::ListEntry& entry) {
        text += first ? "{" : ",{";
        first = false;
        append_bytes_field(text, "path", joined(folder, entry.path));
        text += ',';
        append_facts(text, entry.facts);
        text += '}';
        last = entry.path;
    });
    if (!whole || (more && first)) return malformed_answer();
    text += "],\"cursor\":";
    text += more ? "\"" + to_base64_url(last) + "\"}" : "null}";
    return text;
}

// A listing that may walk a large tree has a worker of its own.
Task<Outcome<ServiceAnswer>> ask_for_long(Call& call, ipc::ListFolder message, std::uint64_t max_answer) {
    auto leased = co_await lease_files(call);
    if (auto* refused = std::get_if<Problem>(&leased)) co_return std::move(*refused);
    auto& worker = *std::get<std::unique_ptr<LeasedWorker>>(leased);
    const std::chrono::seconds time(call.broker.settings.service_seconds);
    worker.begin(message);
    std::string bytes;
    while (true) {
        auto part = co_await worker.next(time);
        bytes += part.bytes;
        bytes += part.answer.bytes;
        if (bytes.size() > max_answer) co_return malformed_answer();
        if (!part.last) continue;
        if (part.answer.trouble != ServiceAnswer::Trouble::kNone || part.answer.failure != ipc::Failure::kNone)
            co_return problem_with_fields(part.answer);
        part.answer.bytes = std::move(bytes);
        co_return std::move(part.answer);
    }
}

Task<Outcome<Reply>> list_with(Call& call, ipc::ListFolder message) {
    const Given given(call.fields);
    message.path = given.text("path", ".");
    auto after = cursor_of(given);
    if (auto* refused = std::get_if<Problem>(&after)) co_return std::move(*refused);
    message.after = std::get<std::string>(std::move(after));
    const auto limit = limited(call.fields, "limit", kEntriesByDefault, kMostEntries);
    if (const auto* refused = std::get_if<Problem>(&limit)) co_return *refused;
    message.max_entries = std::get<std::uint64_t>(limit);
    const std::string folder = message.path;
    const std::uint64_t max_answer = message.max_entries * (kListEntryBytes + 4096);
    Outcome<ServiceAnswer> answer;
    if (message.recursive) {
        answer = co_await ask_for_long(call, std::move(message), max_answer + kAnswerSlack);
    } else {
        auto request = files_request(std::move(message), max_answer);
        answer = co_await ask_files(call, std::move(request));
    }
    if (auto* refused = std::get_if<Problem>(&answer)) {
        // The one thing in such a request that can be malformed.
        if (refused->code == "malformed_diff") *refused = problem("invalid_pattern", refused->detail);
        co_return std::move(*refused);
    }
    const auto& got = std::get<ServiceAnswer>(answer);
    const auto end = record_of<ipc::ListEnd>(got.result);
    if (!end) co_return malformed_answer();
    auto text = listing_text(folder, got.bytes, end->more);
    if (auto* refused = std::get_if<Problem>(&text)) co_return std::move(*refused);
    co_return text_reply(std::get<std::string>(std::move(text)));
}

Task<Outcome<Reply>> list(Call& call) {
    const Given given(call.fields);
    ipc::ListFolder message;
    message.recursive = given.flag("recursive", false);
    message.hidden = given.flag("hidden", true);
    message.ignore = given.flag("ignore", false);
    const std::uint64_t depth = given.number("depth");
    if (given.has("depth") && (!message.recursive || depth == 0 || depth > 10'000))
        co_return problem("invalid_field", "depth: 1 to 10000, of a recursive listing, is expected");
    message.depth = static_cast<std::uint32_t>(depth);
    auto reply = co_await list_with(call, std::move(message));
    co_return reply;
}

Task<Outcome<Reply>> find(Call& call) {
    const Given given(call.fields);
    ipc::ListFolder message;
    message.recursive = true;
    message.hidden = given.flag("hidden", true);
    message.ignore = given.flag("ignore", true);
    message.glob = given.text("glob");
    if (message.glob.empty() || message.glob.size() > 1024 || message.glob.find('\0') != message.glob.npos)
        co_return problem("invalid_pattern", "glob: 1 to 1024 bytes are expected");
    auto reply = co_await list_with(call, std::move(message));
    co_return reply;
}

// --- changing

Task<Outcome<Reply>> change(Call& call, ServiceRequest request) {
    auto answer = co_await ask_files(call, std::move(request));
    if (auto* refused = std::get_if<Problem>(&answer)) co_return std::move(*refused);
    co_return facts_reply(std::get<ServiceAnswer>(answer));
}

ServiceRequest with_content(ServiceRequest request, std::string content) {
    request.content = std::move(content);
    request.has_content = true;
    return request;
}

Task<Outcome<Reply>> write(Call& call) {
    const Given given(call.fields);
    auto content = content_of(call.fields);
    if (auto* refused = std::get_if<Problem>(&content)) co_return std::move(*refused);
    const auto mode = mode_of(call.fields);
    if (const auto* refused = std::get_if<Problem>(&mode)) co_return *refused;
    ipc::WriteFile message{.path = given.text("path"),
                           .create_parents = given.flag("create_parents", false),
                           .condition = condition_of(call.fields),
                           .mode = std::get<std::uint32_t>(mode)};
    auto request = with_content(files_request(std::move(message)), std::get<std::string>(std::move(content)));
    auto reply = co_await change(call, std::move(request));
    co_return reply;
}

Task<Outcome<Reply>> append(Call& call) {
    const Given given(call.fields);
    auto content = content_of(call.fields);
    if (auto* refused = std::get_if<Problem>(&content)) co_return std::move(*refused);
    ipc::AppendFile message{
        .path = given.text("path"), .create = given.flag("create", false), .condition = condition_of(call.fields)};
    auto request = with_content(files_request(std::move(message)), std::get<std::string>(std::move(content)));
    auto reply = co_await change(call, std::move(request));
    co_return reply;
}

Outcome<std::string> edits_of(const json& list) {
    std::string records;
    if (list.empty() || list.size() > kMostEdits)
        return problem("invalid_field", "edits: 1 to " + std::to_string(kMostEdits) + " are expected");
    for (const json& one : list) {
        ipc::Edit edit;
        for (const auto& [name, value] : one.items()) {
            if (name == "old" && value.is_string()) edit.from = value.get<std::string>();
            else if (name == "new" && value.is_string()) edit.to = value.get<std::string>();
            else if (name == "all" && value.is_boolean()) edit.all = value.get<bool>();
            else if (name == "old" || name == "new" || name == "all")
                return problem("invalid_field", "edits: " + name + " has a wrong type");
            else return problem("unknown_field", "edits: there is no field '" + name.substr(0, 64) + "'");
        }
        if (!one.contains("old") || !one.contains("new") || edit.from.empty())
            return problem("invalid_field", "edits: old, which is not empty, and new are expected in each");
        ipc::Writer(records).write(edit);
    }
    return records;
}

Task<Outcome<Reply>> edit(Call& call) {
    const Given given(call.fields);
    const bool is_diff = given.has("diff");
    if (is_diff == given.has("edits")) co_return problem("invalid_field", "either edits or diff is expected");
    Outcome<std::string> content;
    if (is_diff) content = given.text("diff");
    else content = edits_of(call.fields["edits"]);
    if (auto* refused = std::get_if<Problem>(&content)) co_return std::move(*refused);
    const std::uint64_t most = call.broker.settings.read_bytes;
    ipc::EditFile message{
        .path = given.text("path"), .is_diff = is_diff, .condition = condition_of(call.fields), .max_bytes = most};
    // The diff of what was done: both sides and their context.
    auto request = with_content(files_request(std::move(message), 4 * most + (1 << 20)),
                                std::get<std::string>(std::move(content)));
    auto answer = co_await ask_files(call, std::move(request));
    if (auto* refused = std::get_if<Problem>(&answer)) {
        if (is_diff && refused->further.contains("edit")) {
            refused->further["hunk"] = refused->further["edit"];
            refused->further.erase("edit");
        }
        co_return std::move(*refused);
    }
    const auto& done = std::get<ServiceAnswer>(answer);
    const auto facts = record_of<ipc::FileFacts>(done.result);
    if (!facts) co_return malformed_answer();
    std::string text = "{";
    append_facts(text, *facts);
    text += ',';
    append_bytes_field(text, "diff", done.bytes);
    co_return text_reply(text + "}");
}

Task<Outcome<Reply>> mkdir(Call& call) {
    const Given given(call.fields);
    auto request = files_request(ipc::MakeFolder{.path = given.text("path"), .parents = given.flag("parents", false)});
    auto reply = co_await change(call, std::move(request));
    co_return reply;
}

Task<Outcome<Reply>> symlink(Call& call) {
    const Given given(call.fields);
    auto request = files_request(ipc::MakeSymlink{.path = given.text("path"), .target = given.text("target")});
    auto reply = co_await change(call, std::move(request));
    co_return reply;
}

Task<Outcome<Reply>> move(Call& call) {
    const Given given(call.fields);
    auto request = files_request(ipc::MovePath{.from = given.text("from"),
                                               .to = given.text("to"),
                                               .replace = given.flag("replace", false),
                                               .condition = condition_of(call.fields)});
    auto reply = co_await change(call, std::move(request));
    co_return reply;
}

Task<Outcome<Reply>> copy(Call& call) {
    const Given given(call.fields);
    auto request = files_request(ipc::CopyPath{.from = given.text("from"),
                                               .to = given.text("to"),
                                               .replace = given.flag("replace", false),
                                               .recursive = given.flag("recursive", false)});
    auto answer = co_await ask_files(call, std::move(request));
    if (auto* refused = std::get_if<Problem>(&answer)) co_return std::move(*refused);
    const auto end = record_of<ipc::CopyEnd>(std::get<ServiceAnswer>(answer).result);
    if (!end) co_return malformed_answer();
    std::string text = "{";
    append_facts(text, end->facts);
    co_return text_reply(text + ",\"skipped\":" + std::to_string(end->skipped) + "}");
}

Task<Outcome<Reply>> remove(Call& call) {
    const Given given(call.fields);
    auto request = files_request(ipc::DeletePath{.path = given.text("path"),
                                                 .recursive = given.flag("recursive", false),
                                                 .condition = condition_of(call.fields)});
    auto answer = co_await ask_files(call, std::move(request));
    if (auto* refused = std::get_if<Problem>(&answer)) co_return std::move(*refused);
    const auto end = record_of<ipc::DeleteEnd>(std::get<ServiceAnswer>(answer).result);
    if (!end) co_return malformed_answer();
    Reply reply;
    reply.json = {{"deleted", end->deleted}};
    co_return reply;
}

// --- the table

using enum FieldType;

// clang-format off
constexpr FieldRow kStat[] = {{"path", kPath, true}, {"follow", kBoolean}};
constexpr FieldRow kRead[] = {{"path", kPath, true}, {"offset", kNumber}, {"bytes", kNumber}, {"from_line", kNumber},
                              {"lines", kNumber}, {"encoding", kText}};
constexpr FieldRow kDownload[] = {{"path", kPath, true}};
constexpr FieldRow kWrite[] = {{"path", kPath, true}, {"content", kText, true}, {"encoding", kText},
                               {"if_version", kText}, {"create_parents", kBoolean}, {"mode", kNumber}};
constexpr FieldRow kUpload[] = {{"path", kPath, true}, {"if_version", kText}, {"create_parents", kBoolean},
                                {"mode", kNumber}};
constexpr FieldRow kEdit[] = {{"path", kPath, true}, {"if_version", kText}, {"edits", kObjects}, {"diff", kText}};
constexpr FieldRow kAppend[] = {{"path", kPath, true}, {"content", kText, true}, {"encoding", kText},
                                {"if_version", kText}, {"create", kBoolean}};
constexpr FieldRow kList[] = {{"path", kPath}, {"recursive", kBoolean}, {"hidden", kBoolean}, {"ignore", kBoolean},
                              {"depth", kNumber}, {"cursor", kText}, {"limit", kNumber}};
constexpr FieldRow kFind[] = {{"glob", kText, true}, {"path", kPath}, {"hidden", kBoolean}, {"ignore", kBoolean},
                              {"cursor", kText}, {"limit", kNumber}};
constexpr FieldRow kSearch[] = {{"pattern", kText, true}, {"path", kPath}, {"literal", kBoolean}, {"case", kText},
                                {"word", kBoolean}, {"glob", kTexts}, {"hidden", kBoolean}, {"ignore", kBoolean},
                                {"multiline", kBoolean}, {"context", kNumber}, {"limit", kNumber},
                                {"max_seconds", kNumber}};
constexpr FieldRow kMkdir[] = {{"path", kPath, true}, {"parents", kBoolean}};
constexpr FieldRow kSymlink[] = {{"path", kPath, true}, {"target", kPath, true}};
constexpr FieldRow kMove[] = {{"from", kPath, true}, {"to", kPath, true}, {"replace", kBoolean}, {"if_version", kText}};
constexpr FieldRow kCopy[] = {{"from", kPath, true}, {"to", kPath, true}, {"replace", kBoolean}, {"recursive", kBoolean}};
constexpr FieldRow kDelete[] = {{"path", kPath, true}, {"recursive", kBoolean}, {"if_version", kText}};
constexpr FieldRow kArchive[] = {{"path", kPath, true}, {"format", kText}, {"ignore", kBoolean}};
constexpr FieldRow kWatch[] = {{"path", kPath}, {"recursive", kBoolean}, {"ignore", kBoolean}};

#define IN_SEGMENT "/v2/segments/{segment}/files/"
constexpr Operation kOperations[] = {
    {"files.stat",     "GET",       IN_SEGMENT "stat",    Need::kViewer,   Over::kBoth,   Bulk::kNone,   kStat,     stat},
    {"files.read",     "GET",       IN_SEGMENT "read",    Need::kViewer,   Over::kBoth,   Bulk::kAnswer, kRead,     read},
    {"files.download", "GET, HEAD", IN_SEGMENT "content", Need::kViewer,   Over::kHttp,   Bulk::kNone,   kDownload, download_file},
    {"files.write",    "POST",      IN_SEGMENT "write",   Need::kOperator, Over::kBoth,   Bulk::kNone,   kWrite,    write},
    {"files.upload",   "PUT",       IN_SEGMENT "content", Need::kOperator, Over::kHttp,   Bulk::kBody,   kUpload,   upload_file},
    {"files.edit",     "POST",      IN_SEGMENT "edit",    Need::kOperator, Over::kBoth,   Bulk::kAnswer, kEdit,     edit},
    {"files.append",   "POST",      IN_SEGMENT "append",  Need::kOperator, Over::kBoth,   Bulk::kNone,   kAppend,   append},
    {"files.list",     "GET",       IN_SEGMENT "list",    Need::kViewer,   Over::kBoth,   Bulk::kAnswer, kList,     list},
    {"files.find",     "GET",       IN_SEGMENT "find",    Need::kViewer,   Over::kBoth,   Bulk::kAnswer, kFind,     find},
    {"files.search",   "GET",       IN_SEGMENT "search",  Need::kViewer,   Over::kBoth,   Bulk::kAnswer, kSearch,   search_files},
    {"files.mkdir",    "POST",      IN_SEGMENT "mkdir",   Need::kOperator, Over::kBoth,   Bulk::kNone,   kMkdir,    mkdir},
    {"files.symlink",  "POST",      IN_SEGMENT "symlink", Need::kOperator, Over::kBoth,   Bulk::kNone,   kSymlink,  symlink},
    {"files.move",     "POST",      IN_SEGMENT "move",    Need::kOperator, Over::kBoth,   Bulk::kNone,   kMove,     move},
    {"files.copy",     "POST",      IN_SEGMENT "copy",    Need::kOperator, Over::kBoth,   Bulk::kNone,   kCopy,     copy},
    {"files.delete",   "POST",      IN_SEGMENT "delete",  Need::kOperator, Over::kBoth,   Bulk::kNone,   kDelete,   remove},
    {"files.archive",  "GET",       IN_SEGMENT "archive", Need::kViewer,   Over::kHttp,   Bulk::kNone,   kArchive,  archive_folder},
    {"files.watch",    nullptr,     nullptr,              Need::kViewer,   Over::kSocket, Bulk::kNone,   kWatch,    watch_folder},
};
#undef IN_SEGMENT
// clang-format on

}  // namespace

std::span<const Operation> file_operations() { return kOperations; }

}  // namespace toren::broker
