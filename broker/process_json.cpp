#include "broker/process_json.h"

#include <csignal>
#include <nlohmann/json.hpp>

namespace toren::broker {

using nlohmann::json;

namespace {

json exit_json(const Process& process) {
    const ipc::Exited& exited = *process.exited();
    json exit = {{"cpu_us", exited.cpu_us},
                 {"peak_memory", exited.peak_memory},
                 {"wall_us", exited.wall_us},
                 {"ended_ns", std::to_string(exited.ended_ns)}};
    if (exited.signal != 0) exit["signal"] = exited.signal;
    else exit["code"] = exited.code;
    if (exited.ended_by != EndedBy::kNothing) exit["limit"] = limit_name(exited.ended_by);
    else if (process.ended_by() != nullptr) exit["limit"] = process.ended_by();
    // What the end alone tells of refusals: the filter ends a process only for calls of a foreign architecture.
    if (exited.signal == SIGSYS) exit["refused"] = "seccomp";
    if (exited.failed_step != ipc::StartStep::kNone) {
        static constexpr const char* kSteps[] = {"", "request", "directory", "confine", "execute"};
        exit["failed"] = {{"step", kSteps[static_cast<int>(exited.failed_step)]}, {"errno", exited.start_errno}};
    }
    return exit;
}

}  // namespace

json process_json(const Process& process) {
    const ProcessAbout& about = process.about();
    const bool disk = process.spool() != nullptr;
    json all = {{"process", about.id},
                {"segment", about.segment},
                {"argv", about.argv},
                {"cwd", about.cwd},
                {"profile", about.profile},
                {"terminal", about.terminal},
                {"state", process.running() ? "running" : "ended"},
                {"started_ns", std::to_string(about.started_ns)},
                {"output",
                 {{"from", disk ? 0 : process.oldest()},
                  {"to", process.log().position()},
                  {"retained", disk ? "disk" : "memory"}}}};
    if (!about.name.empty()) all["name"] = about.name;
    if (process.exited()) all["exit"] = exit_json(process);
    else if (process.lost()) all["exit"] = {{"lost", true}};
    return all;
}

}  // namespace toren::broker
