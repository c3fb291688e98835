// One program run in a segment's cage for the broker's own purposes, and what it printed: ripgrep, git, jj.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/operation.h"
#include "broker/process_start.h"

namespace toren::broker {

struct CagedProgram {
    std::string segment;
    std::vector<std::string> argv;         // argv[0] is looked up in the cell's PATH
    std::vector<std::string> environment;  // "NAME=value", beside the cell's own
    std::string cwd = ".";                 // relative to the segment
    std::optional<std::string> profile;    // the segment's own where there is none
    std::optional<std::string> input;      // its standard input; /dev/null where there is none
    std::uint64_t seconds = 60;
};

// Started, and ended with this object whatever becomes of it. A client that leaves or cancels ends it too.
class CagedRun {
public:
    CagedRun(const CagedRun&) = delete;
    CagedRun& operator=(const CagedRun&) = delete;
    ~CagedRun();

    // A machine that does not have the program: not_installed.
    static Task<Outcome<std::unique_ptr<CagedRun>>> start(Broker& broker, CagedProgram program, StreamSink* sink);

    using Take = std::function<bool(ipc::Stream, std::string_view)>;
    // Gives its output to `take` as it comes, until it has ended or `take` wants no more; then it is ended. A client
    // that has cancelled meanwhile, a cell that died and a program that could not be executed are Problems.
    Task<Outcome<Done>> read(Take take);

    // Nothing where it was not read to its end.
    const std::optional<ipc::Exited>& exited() const { return process_->exited(); }

private:
    CagedRun(std::shared_ptr<Process> process, std::uint64_t seconds, StreamSink* sink);

    std::shared_ptr<Process> process_;
    StreamSink* sink_;
    Timer limit_;
};

struct CagedOutput {
    std::string out, errors;
    ipc::Exited end;
    bool succeeded() const { return end.signal == 0 && end.code == 0; }
};

// Runs it to its end. More output than `most` is the Problem output_too_large; of errors the first KiB are kept.
Task<Outcome<CagedOutput>> run_caged(Broker& broker, CagedProgram program, std::uint64_t most, StreamSink* sink);

}  // namespace toren::broker
