// processes.*: what docs/protocol-v2.md says of them. Streams are in process_streams.cpp.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <nlohmann/json.hpp>

#include "broker/base64.h"
#include "broker/json_text.h"
#include "broker/operation.h"
#include "broker/process_json.h"
#include "broker/process_start.h"

namespace toren::broker {

using nlohmann::json;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t kMostWaitSeconds = 3600;
constexpr std::uint64_t kMostOutput = 256 << 10;  // bytes in one answer

constexpr int kMostRuns = 4096;  // of one stream, on disk, that one page looks at

struct SignalName {
    const char* name;
    int number;
};
constexpr SignalName kSignals[] = {{"HUP", SIGHUP},   {"INT", SIGINT},   {"QUIT", SIGQUIT}, {"KILL", SIGKILL},
                                   {"USR1", SIGUSR1}, {"USR2", SIGUSR2}, {"ALRM", SIGALRM}, {"TERM", SIGTERM},
                                   {"CONT", SIGCONT}, {"STOP", SIGSTOP}, {"TSTP", SIGTSTP}, {"WINCH", SIGWINCH}};

// "TERM", "SIGTERM" or "15".
std::optional<std::uint8_t> signal_of(std::string text) {
    if (text.starts_with("SIG")) text.erase(0, 3);
    for (const auto& [name, number] : kSignals)
        if (text == name) return static_cast<std::uint8_t>(number);
    if (text.empty() || text.size() > 2 || text.find_first_not_of("0123456789") != text.npos) return std::nullopt;
    const int number = std::stoi(text);
    if (number < 1 || number > SIGRTMAX) return std::nullopt;
    return static_cast<std::uint8_t>(number);
}

Reply answer(json body) {
    Reply reply;
    reply.json = std::move(body);
    return reply;
}

Task<Outcome<Reply>> start(Call& call) {
    auto spec = read_start(call.segment, call.fields);
    if (auto* refused = std::get_if<Problem>(&spec)) co_return std::move(*refused);
    auto reply = co_await start_listed(call.broker, std::get<StartSpec>(std::move(spec)));
    co_return reply;
}

Task<Outcome<Reply>> list(Call& call) {
    co_await call.broker.processes.know(call.segment);
    const std::string state = call.fields.value("state", ""), after = call.fields.value("cursor", "");
    if (!state.empty() && state != "running" && state != "ended")
        co_return problem("invalid_field", "state: running or ended is expected");
    const auto limit = std::clamp<std::uint64_t>(call.fields.value("limit", std::uint64_t{1000}), 1, 10'000);
    json found = json::array();
    json cursor = nullptr;
    // A cursor is the id of the last one on the page before.
    bool reached = after.empty();
    for (const auto& process : call.broker.processes.of_segment(call.segment)) {
        if (!reached) {
            reached = process->about().id == after;
            continue;
        }
        if (!state.empty() && process->running() != (state == "running")) continue;
        if (found.size() == limit) {
            cursor = found.back()["process"];
            break;
        }
        found.push_back(process_json(*process));
    }
    if (!reached) co_return problem("invalid_cursor", "the process that this cursor stands for has gone");
    co_return answer({{"processes", std::move(found)}, {"cursor", std::move(cursor)}});
}

Task<Outcome<Reply>> get(Call& call) {
    auto found = co_await find_process(call);
    if (auto* refused = std::get_if<Problem>(&found)) co_return std::move(*refused);
    co_return answer(process_json(*std::get<std::shared_ptr<Process>>(found)));
}

Task<Outcome<Reply>> wait(Call& call) {
    auto found = co_await find_process(call);
    if (auto* refused = std::get_if<Problem>(&found)) co_return std::move(*refused);
    const auto process = std::get<std::shared_ptr<Process>>(found);
    const auto seconds = std::min(call.fields.value("wait_seconds", std::uint64_t{30}), kMostWaitSeconds);
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
    while (process->running()) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
        if (left <= 0ms) break;
        co_await process->news(left);
    }
    co_return answer(process_json(*process));
}

// Output from one position on, put together from pieces of the log.
class OutputPage {
public:
    OutputPage(const Process& process, std::uint64_t from, std::uint64_t most, ipc::Stream only, std::string encoding)
        : process_(process), next_(from), most_(most), only_(only), encoding_(std::move(encoding)) {}

    // False where the log is broken.
    bool fill() {
        const ipc::LogView& log = process_.log();
        if (!fill_from_disk()) return true;
        const std::uint64_t end = process_.end_place();
        std::uint64_t place = log.find(next_, end);
        for (int overruns = 0; taken_ < most_;) {
            ipc::LogPiece piece;
            auto next = log.look(place, end, piece);
            if (next == ipc::LogView::Next::kPiece) {
                std::string bytes(piece.parts[0]);
                bytes += piece.parts[1];
                if (log.kept(place)) {
                    // A gap begins the next page.
                    cut_ = piece.position > next_ && !chunks_.empty();
                    if (cut_) return true;
                    take(piece.stream, piece.position, std::move(bytes));
                    place = piece.next_place;
                    continue;
                }
                next = ipc::LogView::Next::kOverrun;  // it was overwritten meanwhile
            }
            if (next != ipc::LogView::Next::kOverrun) return next == ipc::LogView::Next::kNothing;
            // What there was at the beginning may all have gone meanwhile: the next page tells of it.
            if (++overruns > ipc::LogView::kMostOverruns) return false;
            place = std::max(place, log.tail());
            if (place >= end) return true;
        }
        return true;
    }

    bool empty() const { return chunks_.empty() && !gap_ && !cut_; }

    json body() {
        json chunks = json::array();
        for (std::size_t i = 0; i < chunks_.size(); ++i)
            chunks.push_back(chunk_json(chunks_[i], i + 1 == chunks_.size()));
        json body = {{"chunks", std::move(chunks)},
                     {"next", next_},
                     {"ended", !process_.running() && next_ >= process_.log().position()}};
        if (gap_) body["gap"] = {{"from", gap_->first}, {"to", gap_->second}};
        return body;
    }

private:
    struct Part {
        ipc::Stream stream;
        std::uint64_t position;
        std::string bytes;
    };

    // What the log holds no more. False where the page ends there.
    bool fill_from_disk() {
        const Spool* spool = process_.spool();
        if (spool == nullptr) return true;
        for (int runs = 0; taken_ < most_ && next_ < process_.oldest(); ++runs) {
            const auto run = spool->run_at(next_);
            if (!run) return true;
            cut_ = runs == kMostRuns || (run->position > next_ && !chunks_.empty());
            if (cut_) return false;
            const bool wanted = only_ == ipc::Stream{} || run->stream == only_;
            const std::uint64_t size = std::min(run->until - run->position, most_ - taken_);
            auto bytes = wanted ? spool->read(run->position, size) : std::string();
            if (wanted && bytes.empty()) return true;
            if (wanted) {
                take(run->stream, run->position, std::move(bytes));
                continue;
            }
            if (run->position > next_) gap_ = {next_, run->position};
            next_ = run->until;
        }
        return taken_ < most_;
    }

    void take(ipc::Stream stream, std::uint64_t position, std::string bytes) {
        if (position > next_ && chunks_.empty()) gap_ = {next_, position};
        if (position < next_) {
            const auto skipped = std::min<std::uint64_t>(next_ - position, bytes.size());
            bytes.erase(0, skipped);
            position += skipped;
        }
        bytes.resize(std::min<std::uint64_t>(bytes.size(), most_ - taken_));
        next_ = position + bytes.size();
        if (only_ != ipc::Stream{} && stream != only_) return;
        taken_ += bytes.size();
        if (bytes.empty()) return;
        if (!chunks_.empty() && chunks_.back().stream == stream &&
            chunks_.back().position + chunks_.back().bytes.size() == position)
            chunks_.back().bytes += bytes;
        else chunks_.push_back({stream, position, std::move(bytes)});
    }

    // What goes on elsewhere may cut a character in two: the last chunk gives its beginning back to the next page.
    json chunk_json(Part& part, bool last) {
        if (last && encoding_ != "base64" && process_.log().position() > next_) {
            const auto cut = cut_at_character(part.bytes, part.bytes.size());
            if (cut > 0 && part.bytes.size() - cut < 4 && is_utf8(std::string_view(part.bytes).substr(0, cut))) {
                next_ -= part.bytes.size() - cut;
                part.bytes.resize(cut);
            }
        }
        const bool text = encoding_ != "base64" && is_utf8(part.bytes);
        return {{"position", part.position},
                {"stream", part.stream == ipc::Stream::kStdout ? "stdout" : "stderr"},
                {"content", text ? part.bytes : to_base64(part.bytes)},
                {"encoding", text ? "utf-8" : "base64"}};
    }

    const Process& process_;
    std::uint64_t next_;
    std::uint64_t most_;
    ipc::Stream only_;
    std::string encoding_;
    std::uint64_t taken_ = 0;
    bool cut_ = false;  // there is more for the next page
    std::optional<std::pair<std::uint64_t, std::uint64_t>> gap_;
    std::vector<Part> chunks_;
};

Task<Outcome<Reply>> output(Call& call) {
    auto found = co_await find_process(call);
    if (auto* refused = std::get_if<Problem>(&found)) co_return std::move(*refused);
    const auto process = std::get<std::shared_ptr<Process>>(found);
    const auto only = stream_of(call.fields);
    if (const auto* refused = std::get_if<Problem>(&only)) co_return *refused;
    const auto from = position_of(*process, call.fields);
    const auto most = std::clamp<std::uint64_t>(call.fields.value("max_bytes", std::uint64_t{65536}), 1, kMostOutput);
    const auto seconds = std::min(call.fields.value("wait_seconds", std::uint64_t{0}), kMostWaitSeconds);
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
    while (true) {
        bool going = true;
        if (call.sink != nullptr) going = co_await call.sink->room();
        if (!going) co_return problem("cancelled", "the request was cancelled");
        OutputPage page(*process, from, most, std::get<ipc::Stream>(only), call.fields.value("encoding", ""));
        if (!page.fill()) co_return problem("worker_died", "the process's output log is broken");
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
        if (!page.empty() || !process->running() || left <= 0ms) co_return answer(page.body());
        process->caught_up();
        co_await process->news(left);
    }
}

Task<Outcome<Reply>> input(Call& call) {
    auto found = co_await find_process(call);
    if (auto* refused = std::get_if<Problem>(&found)) co_return std::move(*refused);
    const auto process = std::get<std::shared_ptr<Process>>(found);
    std::string content = call.fields.value("content", "");
    if (const auto encoding = call.fields.value("encoding", "utf-8"); encoding == "base64") {
        auto bytes = from_base64(content);
        if (!bytes) co_return problem("invalid_field", "content: base64 is expected");
        content = std::move(*bytes);
    } else if (encoding != "utf-8") {
        co_return problem("invalid_field", "encoding: utf-8 or base64 is expected");
    }
    bool open = process->running();
    for (std::size_t at = 0; open && at < content.size(); at += ipc::kChunkBytes) {
        std::string part = content.substr(at, ipc::kChunkBytes);
        open = co_await process->give_input(std::move(part));
    }
    if (open && call.fields.value("close", false)) {
        std::string end;
        co_await process->give_input(std::move(end));
    }
    if (!open) co_return problem("input_closed", "nobody reads this process's input any more");
    co_return answer(json::object());
}

Task<Outcome<Reply>> resize(Call& call) {
    auto found = co_await find_process(call);
    if (auto* refused = std::get_if<Problem>(&found)) co_return std::move(*refused);
    const auto process = std::get<std::shared_ptr<Process>>(found);
    const auto rows = call.fields.at("rows").get<std::uint64_t>(),
               columns = call.fields.at("columns").get<std::uint64_t>();
    if (rows < 1 || rows > 10'000 || columns < 1 || columns > 10'000)
        co_return problem("invalid_field", "rows, columns: 1 to 10000 is expected");
    if (!process->about().terminal) co_return problem("invalid_field", "process: it has no terminal");
    process->resize(static_cast<std::uint16_t>(rows), static_cast<std::uint16_t>(columns));
    co_return answer(process_json(*process));
}

Task<Outcome<Reply>> send_signal(Call& call) {
    auto found = co_await find_process(call);
    if (auto* refused = std::get_if<Problem>(&found)) co_return std::move(*refused);
    const auto process = std::get<std::shared_ptr<Process>>(found);
    const auto number = signal_of(call.fields.at("signal").get<std::string>());
    if (!number) co_return problem("invalid_field", "signal: a name such as TERM, or a number, is expected");
    if (!process->running()) co_return problem("ended", "the process has ended");
    process->signal(*number);
    co_return answer(process_json(*process));
}

Task<Outcome<Reply>> kill(Call& call) {
    auto found = co_await find_process(call);
    if (auto* refused = std::get_if<Problem>(&found)) co_return std::move(*refused);
    const auto process = std::get<std::shared_ptr<Process>>(found);
    process->kill("killed");
    while (process->running()) co_await process->news();
    co_return answer(process_json(*process));
}

Task<Outcome<Reply>> remove(Call& call) {
    auto found = co_await find_process(call);
    if (auto* refused = std::get_if<Problem>(&found)) co_return std::move(*refused);
    const auto process = std::get<std::shared_ptr<Process>>(found);
    if (process->running()) co_return problem("running", "the process runs; kill it first");
    call.broker.processes.remove(process);
    co_return answer(json::object());
}

using enum FieldType;
constexpr FieldRow kProcess{"process", kText, true};
constexpr FieldRow kStart[] = {{"argv", kTexts},    {"shell", kText},    {"cwd", kPath},        {"env", kObject},
                               {"profile", kText},  {"limits", kObject}, {"terminal", kObject}, {"input", kBoolean},
                               {"retain", kObject}, {"name", kText},     {"request", kText}};
constexpr FieldRow kRun[] = {{"argv", kTexts},    {"shell", kText},    {"cwd", kPath},        {"env", kObject},
                             {"profile", kText},  {"limits", kObject}, {"terminal", kObject}, {"input", kBoolean},
                             {"retain", kObject}, {"name", kText},     {"request", kText},    {"window", kNumber},
                             {"keep", kBoolean}};
constexpr FieldRow kList[] = {{"state", kText}, {"cursor", kText}, {"limit", kNumber}};
constexpr FieldRow kAlone[] = {kProcess};
constexpr FieldRow kOutput[] = {
    kProcess,          {"from", kInteger}, {"max_bytes", kNumber}, {"wait_seconds", kNumber},
    {"stream", kText}, {"encoding", kText}};
constexpr FieldRow kFollow[] = {kProcess, {"from", kInteger}, {"window", kNumber}, {"stream", kText}};
constexpr FieldRow kWait[] = {kProcess, {"wait_seconds", kNumber}};
constexpr FieldRow kInput[] = {kProcess, {"content", kText}, {"encoding", kText}, {"close", kBoolean}};
constexpr FieldRow kResize[] = {kProcess, {"rows", kNumber, true}, {"columns", kNumber, true}};
constexpr FieldRow kSignal[] = {kProcess, {"signal", kText, true}};

// clang-format off
constexpr Operation kOperations[] = {
    {"processes.start",  "POST",   "/v2/segments/{segment}/processes",                   Need::kOperator, Over::kBoth,   Bulk::kNone,   kStart,  start},
    {"processes.list",   "GET",    "/v2/segments/{segment}/processes",                   Need::kViewer,   Over::kBoth,   Bulk::kAnswer, kList,   list},
    {"processes.get",    "GET",    "/v2/segments/{segment}/processes/{process}",         Need::kViewer,   Over::kBoth,   Bulk::kNone,   kAlone,  get},
    {"processes.output", "GET",    "/v2/segments/{segment}/processes/{process}/output",  Need::kViewer,   Over::kBoth,   Bulk::kNone,   kOutput, output},
    {"processes.follow", nullptr,  nullptr,                                              Need::kViewer,   Over::kSocket, Bulk::kNone,   kFollow, follow_process},
    {"processes.run",    nullptr,  nullptr,                                              Need::kOperator, Over::kSocket, Bulk::kNone,   kRun,    run_process},
    {"processes.wait",   "GET",    "/v2/segments/{segment}/processes/{process}/wait",    Need::kViewer,   Over::kBoth,   Bulk::kNone,   kWait,   wait},
    {"processes.input",  "POST",   "/v2/segments/{segment}/processes/{process}/input",   Need::kOperator, Over::kBoth,   Bulk::kNone,   kInput,  input},
    {"processes.resize", "POST",   "/v2/segments/{segment}/processes/{process}/resize",  Need::kOperator, Over::kBoth,   Bulk::kNone,   kResize, resize},
    {"processes.signal", "POST",   "/v2/segments/{segment}/processes/{process}/signal",  Need::kOperator, Over::kBoth,   Bulk::kNone,   kSignal, send_signal},
    {"processes.kill",   "POST",   "/v2/segments/{segment}/processes/{process}/kill",    Need::kOperator, Over::kBoth,   Bulk::kNone,   kAlone,  kill},
    {"processes.remove", "DELETE", "/v2/segments/{segment}/processes/{process}",         Need::kOperator, Over::kBoth,   Bulk::kNone,   kAlone,  remove},
};
// clang-format on

}  // namespace

std::span<const Operation> process_operations() { return kOperations; }

}  // namespace toren::broker
