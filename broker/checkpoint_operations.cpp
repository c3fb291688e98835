// checkpoints.*: the segment's tree as it was, recorded, looked at and put back.
#include "broker/base64.h"
#include "broker/checkpoints.h"
#include "broker/file_fields.h"
#include "broker/json_text.h"
#include "broker/operation.h"

namespace toren::broker {
namespace {

using nlohmann::json;

constexpr std::size_t kLongestLabel = 1000;
constexpr std::size_t kMostPaths = 1000;
constexpr std::uint64_t kMostEntries = 10'000;
constexpr std::uint64_t kEntriesByDefault = 1000;
constexpr std::uint64_t kFactsBytes = 4096 + 512;   // of one checkpoint, or one file
constexpr std::uint64_t kChangeBytes = 4096 + 512;  // of one changed name

// --- asking

ipc::CheckpointLimits limits_of(const Broker& broker) {
    const auto& settings = broker.settings;
    return {settings.checkpoints_kept, settings.checkpoint_bytes, settings.checkpoint_file_bytes};
}

template <typename T>
ServiceRequest checkpoint_request(T message, std::uint64_t max_answer = 0) {
    return service_request(ipc::Service::kCheckpoints, std::move(message), max_answer);
}

Task<Outcome<ServiceAnswer>> ask_checkpoints(Broker& broker, std::string segment, ServiceRequest request) {
    auto cell = broker.cells.find(segment);
    if (!cell) {
        auto opened = co_await broker.cells.open(std::move(segment));
        if (!opened) co_return problem("no_cell", opened.error().text());
        cell = std::move(*opened);
    }
    request.time = std::chrono::seconds(broker.settings.checkpoint_seconds);
    request.time_limit = "limits.checkpoint_seconds";
    ServiceAnswer answer = co_await cell->services().ask(std::move(request));
    if (answer.trouble != ServiceAnswer::Trouble::kNone || answer.failure != ipc::Failure::kNone)
        co_return problem_of(answer);
    co_return answer;
}

Task<Outcome<ServiceAnswer>> ask(Call& call, ServiceRequest request) {
    auto location = co_await segment_of(call);
    if (auto* refused = std::get_if<Problem>(&location)) co_return std::move(*refused);
    std::string segment = std::get<Location>(location).segment;
    auto answer = co_await ask_checkpoints(call.broker, std::move(segment), std::move(request));
    co_return answer;
}

// --- answers

std::string number_field(const char* name, std::uint64_t number) {
    return std::string(",\"") + name + "\":" + std::to_string(number);
}

// "checkpoint":… to "skipped":…, without braces.
void append_checkpoint(std::string& out, const ipc::CheckpointFacts& facts) {
    static constexpr const char* kReasons[] = {"request", "turn", "restore"};
    out += "\"checkpoint\":" + std::to_string(facts.number) + ",\"created_ns\":\"" + std::to_string(facts.created_ns) +
           "\",\"reason\":\"" + kReasons[static_cast<int>(facts.reason)] + "\",\"label\":";
    append_json_string(out, facts.label);
    out += facts.ignored ? ",\"ignored\":true" : ",\"ignored\":false";
    out += number_field("files", facts.files) + number_field("bytes", facts.bytes);
    out += ",\"skipped\":{\"unreadable\":" + std::to_string(facts.unreadable) +
           number_field("too_large", facts.too_large) + number_field("special", facts.special) +
           number_field("long_path", facts.long_paths) + number_field("unsettled", facts.unsettled) + "}";
}

// null for what is not there.
void append_side(std::string& out, const char* name, const ipc::TreeFacts& facts) {
    static constexpr const char* kKinds[] = {"file", "folder", "symlink"};
    ((out += ",\"") += name) += "\":";
    if (facts.kind == ipc::FileKind::kOther) {
        out += "null";
        return;
    }
    out += std::string("{\"kind\":\"") + kKinds[static_cast<int>(facts.kind)] + "\"" +
           number_field("size", facts.size) + number_field("mode", facts.mode) + "}";
}

// Appends "content":…,"encoding":…
void append_bytes(std::string& out, std::string_view content, bool base64) {
    const bool text = !base64 && is_utf8(content);
    out += "\"content\":";
    if (text) append_json_string(out, content);
    else ((out += '"') += to_base64(content)) += '"';
    out += text ? ",\"encoding\":\"utf-8\"" : ",\"encoding\":\"base64\"";
}

// A list of records as JSON; false where the bytes are no such records.
template <typename Record, typename Append>
bool append_records(std::string& out, const char* name, const std::string& bytes, Append append) {
    ((out += '"') += name) += "\":[";
    bool first = true;
    const bool whole = each_record<Record>(bytes, [&](const Record& record) {
        out += first ? "{" : ",{";
        first = false;
        append(record);
        out += '}';
    });
    out += ']';
    return whole;
}

// --- making

Outcome<std::vector<std::string>> paths_of(const json& fields) {
    std::vector<std::string> paths;
    if (!fields.contains("paths")) return paths;
    paths = fields["paths"].get<std::vector<std::string>>();
    if (paths.empty() || paths.size() > kMostPaths)
        return problem("invalid_field", "paths: 1 to " + std::to_string(kMostPaths) + " are expected");
    std::size_t bytes = 0;
    for (const auto& path : paths) {
        bytes += path.size() + 8;
        if (path.starts_with('/')) return problem("invalid_field", "paths: relative to the segment is expected");
        for (std::string_view rest = path; !rest.empty();) {
            const auto name = rest.substr(0, rest.find('/'));
            rest.remove_prefix(std::min(rest.size(), name.size() + 1));
            if (name == "..") return problem("invalid_field", "paths: '..' is in one");
        }
    }
    if (bytes > ipc::kLargestMessage / 2) return problem("invalid_field", "paths: longer than 96 KiB together");
    return paths;
}

Task<Outcome<Reply>> create(Call& call) {
    const Given given(call.fields);
    ipc::MakeCheckpoint message;
    message.label = given.text("label");
    message.always = given.has("label");
    message.ignored = given.flag("ignored", false);
    message.limits = limits_of(call.broker);
    if (message.label.size() > kLongestLabel || message.label.find('\0') != std::string::npos)
        co_return problem("invalid_field", "label: at most 1000 bytes without NUL are expected");
    auto request = checkpoint_request(std::move(message), ipc::kMostLeftOutTold * kFactsBytes);
    auto answer = co_await ask(call, std::move(request));
    if (auto* refused = std::get_if<Problem>(&answer)) co_return std::move(*refused);
    const auto& done = std::get<ServiceAnswer>(answer);
    const auto made = record_of<ipc::CheckpointMade>(done.result);
    if (!made) co_return malformed_answer();
    static constexpr const char* kWhy[] = {"unreadable", "too_large", "special", "long_path", "unsettled"};
    std::string text = "{";
    append_checkpoint(text, made->facts);
    text += made->made ? ",\"created\":true" : ",\"created\":false";
    text += number_field("bytes_written", made->written) + ",\"changed\":{\"added\":" + std::to_string(made->added) +
            number_field("modified", made->modified) + number_field("deleted", made->deleted) + "},";
    const bool whole =
        append_records<ipc::LeftOutFile>(text, "skipped_files", done.bytes, [&](const ipc::LeftOutFile& one) {
            append_bytes_field(text, "path", one.path);
            text +=
                std::string(",\"why\":\"") + kWhy[static_cast<int>(one.why)] + "\"" + number_field("size", one.size);
        });
    if (!whole) co_return malformed_answer();
    co_return text_reply(text + "}");
}

Task<Outcome<Reply>> restore(Call& call) {
    const Given given(call.fields);
    auto paths = paths_of(call.fields);
    if (auto* refused = std::get_if<Problem>(&paths)) co_return std::move(*refused);
    ipc::RestoreCheckpoint message{given.number("checkpoint"), std::get<std::vector<std::string>>(std::move(paths)),
                                   limits_of(call.broker)};
    auto request = checkpoint_request(std::move(message), ipc::kMostLeftOutTold * (kFactsBytes + 512));
    auto answer = co_await ask(call, std::move(request));
    if (auto* refused = std::get_if<Problem>(&answer)) co_return std::move(*refused);
    const auto& done = std::get<ServiceAnswer>(answer);
    const auto restored = record_of<ipc::CheckpointRestored>(done.result);
    if (!restored) co_return malformed_answer();
    std::string text = "{\"restored\":" + std::to_string(given.number("checkpoint")) +
                       number_field("undo", restored->undo) + number_field("written", restored->written) +
                       number_field("removed", restored->removed) +
                       number_field("not_restored", restored->not_restored) + ",";
    const bool whole =
        append_records<ipc::NotRestored>(text, "not_restored_files", done.bytes, [&](const ipc::NotRestored& one) {
            append_bytes_field(text, "path", one.path);
            text += ",\"why\":";
            append_json_string(text, one.why);
        });
    if (!whole) co_return malformed_answer();
    co_return text_reply(text + "}");
}

Task<Outcome<Reply>> remove(Call& call) {
    auto request = checkpoint_request(ipc::DeleteCheckpoint{Given(call.fields).number("checkpoint")});
    auto answer = co_await ask(call, std::move(request));
    if (auto* refused = std::get_if<Problem>(&answer)) co_return std::move(*refused);
    Reply reply;
    reply.json = json::object();
    co_return reply;
}

// --- looking

Task<Outcome<Reply>> list(Call& call) {
    const Given given(call.fields);
    const auto limit = limited(call.fields, "limit", kEntriesByDefault, kMostEntries);
    if (const auto* refused = std::get_if<Problem>(&limit)) co_return *refused;
    ipc::ListCheckpoints message;
    message.max_entries = std::get<std::uint64_t>(limit);
    if (given.has("cursor")) {
        const auto before = from_base64(given.text("cursor"));
        if (before) message.before = std::strtoull(before->c_str(), nullptr, 10);
        if (message.before == 0) co_return problem("invalid_cursor", "cursor: what an earlier answer gave is expected");
    }
    auto request = checkpoint_request(message, message.max_entries * kFactsBytes);
    auto answer = co_await ask(call, std::move(request));
    if (auto* refused = std::get_if<Problem>(&answer)) co_return std::move(*refused);
    const auto& done = std::get<ServiceAnswer>(answer);
    const auto end = record_of<ipc::ListEnd>(done.result);
    std::string text = "{";
    std::uint64_t last = 0;
    const bool whole =
        append_records<ipc::CheckpointFacts>(text, "checkpoints", done.bytes, [&](const ipc::CheckpointFacts& one) {
            append_checkpoint(text, one);
            last = one.number;
        });
    if (!whole || !end) co_return malformed_answer();
    co_return text_reply(
        text + ",\"cursor\":" + (end->more ? '"' + to_base64_url(std::to_string(last)) + "\"}" : std::string("null}")));
}

Task<Outcome<Reply>> compare(Call& call) {
    const Given given(call.fields);
    auto paths = paths_of(call.fields);
    if (auto* refused = std::get_if<Problem>(&paths)) co_return std::move(*refused);
    const auto limit = limited(call.fields, "limit", kEntriesByDefault, kMostEntries);
    if (const auto* refused = std::get_if<Problem>(&limit)) co_return *refused;
    ipc::CompareCheckpoint message;
    message.checkpoint = given.number("checkpoint");
    message.to = given.number("to");
    message.paths = std::get<std::vector<std::string>>(std::move(paths));
    message.max_entries = std::get<std::uint64_t>(limit);
    message.file_bytes = call.broker.settings.checkpoint_file_bytes;
    if (given.has("cursor")) {
        auto after = from_base64(given.text("cursor"));
        if (!after || after->empty() || after->size() > 4096)
            co_return problem("invalid_cursor", "cursor: what an earlier answer gave is expected");
        message.after = std::move(*after);
    }
    const std::uint64_t most = message.max_entries * kChangeBytes;
    auto request = checkpoint_request(std::move(message), most);
    auto answer = co_await ask(call, std::move(request));
    if (auto* refused = std::get_if<Problem>(&answer)) co_return std::move(*refused);
    const auto& done = std::get<ServiceAnswer>(answer);
    const auto end = record_of<ipc::ListEnd>(done.result);
    static constexpr const char* kChanges[] = {"added", "modified", "deleted", "type_changed", "mode_changed"};
    std::string text = "{", last;
    const bool whole =
        append_records<ipc::CheckpointChange>(text, "entries", done.bytes, [&](const ipc::CheckpointChange& one) {
            append_bytes_field(text, "path", one.path);
            text += std::string(",\"change\":\"") + kChanges[static_cast<int>(one.change)] + '"';
            append_side(text, "old", one.before);
            append_side(text, "new", one.after);
            last = one.path;
        });
    if (!whole || !end || (end->more && last.empty())) co_return malformed_answer();
    co_return text_reply(text +
                         ",\"cursor\":" + (end->more ? '"' + to_base64_url(last) + "\"}" : std::string("null}")));
}

Task<Outcome<Reply>> read(Call& call) {
    const Given given(call.fields);
    const std::string encoding = given.text("encoding", "utf-8");
    if (encoding != "utf-8" && encoding != "base64")
        co_return problem("invalid_field", "encoding: utf-8 or base64 is expected");
    const std::uint64_t most = call.broker.settings.read_bytes;
    ipc::ReadCheckpoint message{given.number("checkpoint"), given.text("path"), given.number("offset"),
                                std::min(given.number("bytes", most), most)};
    auto request = checkpoint_request(std::move(message), most);
    auto answer = co_await ask(call, std::move(request));
    if (auto* refused = std::get_if<Problem>(&answer)) co_return std::move(*refused);
    const auto& done = std::get<ServiceAnswer>(answer);
    const auto file = record_of<ipc::CheckpointFile>(done.result);
    if (!file) co_return malformed_answer();
    if (given.has("encoding") && encoding == "utf-8" && !is_utf8(done.bytes))
        co_return problem("not_utf8", "'" + given.text("path") + "' is not UTF-8 text; ask for encoding=base64");
    std::string text = "{";
    append_bytes_field(text, "path", given.text("path"));
    text += ',';
    append_bytes(text, done.bytes, encoding == "base64");
    const std::uint64_t offset = std::min(given.number("offset"), file->facts.size);
    text += std::string(",\"kind\":\"") + (file->facts.kind == ipc::FileKind::kSymlink ? "symlink" : "file") + '"';
    text += number_field("size", file->facts.size) + number_field("offset", offset) +
            number_field("bytes", done.bytes.size());
    text += offset + done.bytes.size() < file->facts.size ? ",\"more\":true}" : ",\"more\":false}";
    co_return text_reply(std::move(text));
}

Task<Outcome<Reply>> diff(Call& call) {
    const Given given(call.fields);
    const std::uint64_t most = call.broker.settings.read_bytes;
    ipc::DiffCheckpoint message{given.number("checkpoint"), given.number("to"), given.text("path"), most};
    // Both sides and their context.
    auto request = checkpoint_request(std::move(message), 4 * most + (1 << 20));
    auto answer = co_await ask(call, std::move(request));
    if (auto* refused = std::get_if<Problem>(&answer)) co_return std::move(*refused);
    const auto& done = std::get<ServiceAnswer>(answer);
    const auto end = record_of<ipc::CheckpointDiff>(done.result);
    if (!end) co_return malformed_answer();
    std::string text = "{";
    append_bytes_field(text, "path", given.text("path"));
    text += ',';
    append_bytes_field(text, "diff", done.bytes);
    text += end->binary ? ",\"binary\":true" : ",\"binary\":false";
    append_side(text, "old", end->before);
    append_side(text, "new", end->after);
    co_return text_reply(text + "}");
}

// --- the table

using enum FieldType;

// clang-format off
constexpr FieldRow kCheckpoint = {"checkpoint", kNumber, true};
constexpr FieldRow kCreate[] = {{"label", kText}, {"ignored", kBoolean}};
constexpr FieldRow kList[] = {{"cursor", kText}, {"limit", kNumber}};
constexpr FieldRow kCompare[] = {kCheckpoint, {"to", kNumber}, {"paths", kPaths}, {"cursor", kText}, {"limit", kNumber}};
constexpr FieldRow kRead[] = {kCheckpoint, {"path", kPath, true}, {"offset", kNumber}, {"bytes", kNumber},
                              {"encoding", kText}};
constexpr FieldRow kDiff[] = {kCheckpoint, {"path", kPath, true}, {"to", kNumber}};
constexpr FieldRow kRestore[] = {kCheckpoint, {"paths", kPaths}};
constexpr FieldRow kDelete[] = {kCheckpoint};

#define CHECKPOINTS "/v2/segments/{segment}/checkpoints"
constexpr Operation kOperations[] = {
    {"checkpoints.create",  "POST",   CHECKPOINTS,                         Need::kOperator, Over::kBoth, Bulk::kNone,   kCreate,  create},
    {"checkpoints.list",    "GET",    CHECKPOINTS,                         Need::kViewer,   Over::kBoth, Bulk::kAnswer, kList,    list},
    {"checkpoints.compare", "GET",    CHECKPOINTS "/{checkpoint}/compare", Need::kViewer,   Over::kBoth, Bulk::kAnswer, kCompare, compare},
    {"checkpoints.read",    "GET",    CHECKPOINTS "/{checkpoint}/read",    Need::kViewer,   Over::kBoth, Bulk::kAnswer, kRead,    read},
    {"checkpoints.diff",    "GET",    CHECKPOINTS "/{checkpoint}/diff",    Need::kViewer,   Over::kBoth, Bulk::kAnswer, kDiff,    diff},
    {"checkpoints.restore", "POST",   CHECKPOINTS "/{checkpoint}/restore", Need::kOperator, Over::kBoth, Bulk::kNone,   kRestore, restore},
    {"checkpoints.delete",  "DELETE", CHECKPOINTS "/{checkpoint}",         Need::kOperator, Over::kBoth, Bulk::kNone,   kDelete,  remove},
};
#undef CHECKPOINTS
// clang-format on

}  // namespace

std::span<const Operation> checkpoint_operations() { return kOperations; }

Task<Outcome<ipc::CheckpointMade>> make_checkpoint(Broker& broker, std::string segment, std::string label,
                                                   ipc::CheckpointReason reason) {
    label.resize(cut_at_character(label, kLongestLabel));
    ipc::MakeCheckpoint message;
    message.reason = reason;
    message.label = std::move(label);
    message.limits = limits_of(broker);
    auto request = checkpoint_request(std::move(message), ipc::kMostLeftOutTold * kFactsBytes);
    auto answer = co_await ask_checkpoints(broker, std::move(segment), std::move(request));
    if (auto* refused = std::get_if<Problem>(&answer)) co_return std::move(*refused);
    auto made = record_of<ipc::CheckpointMade>(std::get<ServiceAnswer>(answer).result);
    if (!made) co_return malformed_answer();
    co_return std::move(*made);
}

}  // namespace toren::broker
