#include "broker/caged_run.h"

#include <algorithm>
#include <cerrno>

namespace toren::broker {
namespace {

constexpr std::chrono::seconds kGrace{5};
constexpr std::size_t kMostErrorText = 4096;
constexpr std::size_t kInputPiece = 32 * 1024;

Task<Done> give(std::shared_ptr<Process> process, std::string input) {
    bool open = true;
    for (std::size_t at = 0; open && at < input.size(); at += kInputPiece) {
        std::string piece = input.substr(at, kInputPiece);
        open = co_await process->give_input(std::move(piece));
    }
    if (open) {
        std::string end;
        co_await process->give_input(std::move(end));
    }
    co_return Done{};
}

}  // namespace

CagedRun::CagedRun(std::shared_ptr<Process> process, std::uint64_t seconds, StreamSink* sink)
    : process_(std::move(process)),
      sink_(sink),
      // The cell may not keep to its limits: the program ends all the same.
      limit_(std::chrono::seconds(seconds) + kGrace, [running = process_] { running->abandon(); }) {
    if (sink_ == nullptr) return;
    sink_->on_end([running = process_] { running->abandon(); });
    if (sink_->ended()) process_->abandon();
}

CagedRun::~CagedRun() {
    if (sink_ != nullptr) sink_->on_end({});
    process_->abandon();
}

Task<Outcome<std::unique_ptr<CagedRun>>> CagedRun::start(Broker& broker, CagedProgram program, StreamSink* sink) {
    StartSpec spec;
    spec.segment = std::move(program.segment);
    spec.profile = std::move(program.profile);
    spec.start->argv = std::move(program.argv);
    spec.start->environment = std::move(program.environment);
    spec.start->cwd = std::move(program.cwd);
    spec.start->input = program.input.has_value();
    spec.slot.limits.seconds = program.seconds;
    auto started = co_await start_process(broker, std::move(spec));
    if (auto* refused = std::get_if<Problem>(&started)) co_return std::move(*refused);
    auto process = std::get<std::shared_ptr<Process>>(std::move(started));
    if (program.input) spawn(give(process, std::move(*program.input)));
    co_return std::unique_ptr<CagedRun>(new CagedRun(std::move(process), program.seconds, sink));
}

Task<Outcome<Done>> CagedRun::read(Take take) {
    Process::Follower follower(process_, 0);
    bool going = true, whole = true;
    while (going && whole) {
        ipc::LogPiece piece;
        const auto next = follower.look(piece);
        if (next == ipc::LogView::Next::kPiece) {
            for (const auto part : piece.parts) going = going && take(piece.stream, part);
            follower.advance(piece.next_place);
            follower.release(piece.next_place);
            co_await yield();
        } else if (next != ipc::LogView::Next::kNothing || process_->lost()) {
            whole = false;
        } else if (process_->exited()) {
            break;
        } else {
            process_->caught_up();
            co_await process_->news();
        }
    }
    const std::string name = process_->about().argv.empty() ? "" : process_->about().argv[0];
    if (!going) process_->abandon();
    if (sink_ != nullptr && sink_->ended()) co_return problem("cancelled", "the request was cancelled");
    if (!whole) co_return problem("worker_died", "the cell of '" + name + "' ended, or its output log is broken");
    if (process_->start_failed() && process_->exited()->start_errno == ENOENT &&
        process_->exited()->failed_step == ipc::StartStep::kExecute)
        co_return problem("not_installed", "the machine has no '" + name + "'");
    if (auto refused = start_failure(*process_)) co_return std::move(*refused);
    co_return Done{};
}

Task<Outcome<CagedOutput>> run_caged(Broker& broker, CagedProgram program, std::uint64_t most, StreamSink* sink) {
    const std::string name = program.argv[0];
    auto started = co_await CagedRun::start(broker, std::move(program), sink);
    if (auto* refused = std::get_if<Problem>(&started)) co_return std::move(*refused);
    auto& run = *std::get<std::unique_ptr<CagedRun>>(started);
    CagedOutput output;
    bool fits = true;
    CagedRun::Take take = [&](ipc::Stream stream, std::string_view bytes) {
        if (stream == ipc::Stream::kStderr)
            output.errors += bytes.substr(0, kMostErrorText - std::min(kMostErrorText, output.errors.size()));
        else if (fits = bytes.size() <= most - output.out.size(); fits) output.out += bytes;
        return fits;
    };
    auto read = co_await run.read(std::move(take));
    if (auto* refused = std::get_if<Problem>(&read)) co_return std::move(*refused);
    if (!fits)
        co_return problem("output_too_large", "'" + name + "' printed more than " + std::to_string(most) + " bytes");
    output.end = *run.exited();
    co_return output;
}

}  // namespace toren::broker
