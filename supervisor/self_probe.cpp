#include "supervisor/self_probe.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>

#include "base/log.h"
#include "policy/config_limits.h"
#include "policy/landlock.h"
#include "policy/ways_out.h"
#include "supervisor/children.h"
#include "supervisor/probe_command.h"
#include "supervisor/probe_targets.h"

namespace toren::supervisor {
namespace {

using Clock = std::chrono::steady_clock;
using ipc::Must;

constexpr std::chrono::seconds kLongest{10};  // a machine under load is no reason to refuse; one that hangs is
constexpr std::size_t kLargestOutput = 65536;

// --- the two runs

const char* step_name(ipc::StartStep step) {
    static constexpr const char* kNames[] = {"start", "read its request", "enter the folder", "confine itself",
                                             "execute the probe"};
    return kNames[static_cast<int>(step)];
}

// The one place where the self-probe's cell is made.
Result<CagedProcess> start_probe_cell(const Programs& programs, const std::string& segment, const Config& config,
                                      bool landlock) {
    const Profile profile = workspace_write_profile(limits_of_commands(config));
    const CellPlan plan{.segment = segment,
                        .profile = profile,
                        .commands = {profile},
                        .limits = segment_limits(config),
                        .guards = {.trees = {segment}, .secrets = {}, .protect = {}},
                        .environment = {},
                        .ring_bytes = config.limits.output_ring_bytes};
    return start_cell(programs, plan, "", landlock, -1);
}

Result<std::string> run_inside(const Programs& programs, const ProbeTargets& targets, const Config& config,
                               bool landlock) {
    TRY_ASSIGN(auto cell, start_probe_cell(programs, targets.segment(), config, landlock));
    auto arguments = targets.arguments(true);
    arguments.front() = targets.program();
    auto command = run_in_cell(cell, std::move(arguments), Clock::now() + kLongest);
    cell.process.kill(SIGKILL);
    if (!command) {
        cell.log.pass_on();
        return Error{command.error().code, "the cell: " + command.error().what, command.error().way_out};
    }
    const auto& exited = command->exited;
    if (exited.failed_step == ipc::StartStep::kExecute && exited.start_errno == EACCES)
        return layer_error(Feature::kExecutableState, "execute '" + targets.program() + "' in the cell", EACCES);
    if (exited.failed_step != ipc::StartStep::kNone)
        return Error{exited.start_errno,
                     "the command could not " + std::string(step_name(exited.failed_step)) + " " + command->errors};
    if (exited.signal != 0 || exited.code != 0)
        return error("the probe in the cell " + describe({exited.code, exited.signal}) + " " + command->errors);
    return std::move(command->output);
}

// In the child: the same program without a cage, and with one descriptor too many, which is what it must find.
[[noreturn]] void become_control(const ProbeTargets& targets, int output) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);  // a daemon that is killed now leaves nothing
    const UniqueFd null(::open("/dev/null", O_RDWR));
    constexpr int kTooMany = 3;
    if (::dup2(null.get(), 0) < 0 || ::dup2(output, 1) < 0 || ::chdir(targets.segment().c_str()) != 0) ::_exit(126);
    const InheritedFd kept[] = {{null.get(), kTooMany}};
    if (!inherit_only(kept)) ::_exit(126);
    const auto arguments = targets.arguments(false);
    std::vector<const char*> pointers;
    pointers.reserve(arguments.size() + 1);
    for (const auto& argument : arguments) pointers.push_back(argument.c_str());
    pointers.push_back(nullptr);
    ::execv(targets.program().c_str(), const_cast<char* const*>(pointers.data()));
    ::_exit(127);
}

Result<std::string> read_all(int pipe, Clock::time_point deadline) {
    std::string text;
    char buffer[4096];
    while (text.size() < kLargestOutput) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
        pollfd waiting{pipe, POLLIN, 0};
        if (left.count() <= 0 || ::poll(&waiting, 1, static_cast<int>(left.count())) == 0)
            return error("the control outside did not end in time");
        const ssize_t length = ::read(pipe, buffer, sizeof buffer);
        if (length < 0 && errno == EINTR) continue;
        if (length <= 0) break;
        text.append(buffer, static_cast<std::size_t>(length));
    }
    return text;
}

struct Control {
    ChildProcess process;
    UniqueFd output;
};

Result<Control> start_outside(const ProbeTargets& targets) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return errno_error("pipe2");
    Control control{{}, UniqueFd(ends[0])};
    const UniqueFd write(ends[1]);
    auto child = ChildProcess::fork();
    if (!child) return layer_error(Feature::kClone3, "clone3", child.error().code);
    if (!*child) become_control(targets, write.get());
    control.process = std::move(**child);
    return control;
}

// --- the judgement

// "write-outside refused EROFS"; of several lines with one name the first counts, unless a later one is a success.
std::optional<ProbeOutcome> find_outcome(std::string_view output, std::string_view name) {
    std::optional<ProbeOutcome> found;
    while (!output.empty()) {
        const auto end = output.find('\n');
        const auto line = output.substr(0, end);
        output.remove_prefix(end == std::string_view::npos ? output.size() : end + 1);
        if (!line.starts_with(name) || line.size() <= name.size() || line[name.size()] != ' ') continue;
        auto rest = line.substr(name.size() + 1);
        const auto verdict = rest.substr(0, rest.find(' '));
        if (verdict != "ok" && verdict != "refused") continue;
        if (found && verdict != "ok") continue;
        rest.remove_prefix(std::min(rest.size(), verdict.size() + 1));
        found = ProbeOutcome{verdict == "ok", std::string(rest.substr(0, 64))};
    }
    return found;
}

// Why what came of it is not what must come of it; empty: it is.
std::string fault_of(Must must, const std::optional<ProbeOutcome>& outcome, const ipc::ProbeAttempt& attempt) {
    if (must == Must::kAnything) return "";
    if (!outcome) return "nothing is known of it: the probe did not say";
    const bool must_succeed = must == Must::kSucceed;
    if (outcome->succeeded && !must_succeed)
        return std::string(attempt.meaning) + (outcome->detail.empty() ? "" : " (" + outcome->detail + ")");
    if (!outcome->succeeded && must_succeed) return "it failed: " + outcome->detail;
    if (must == Must::kFailEnosys && outcome->detail != "ENOSYS")
        return "it failed with " + outcome->detail + " and not with ENOSYS";
    return "";
}

std::string judge(const ProbeResult& result, int landlock_abi) {
    const auto& attempt = *result.attempt;
    if (landlock_abi >= attempt.landlock_abi)
        if (auto fault = fault_of(attempt.inside, result.inside, attempt); !fault.empty())
            return "inside the cage: " + fault;
    if (auto fault = fault_of(attempt.outside, result.outside, attempt); !fault.empty())
        return "the positive control outside: " + fault + "; so its failure inside would prove nothing";
    return "";
}

}  // namespace

bool ProbeReport::holds() const {
    return std::all_of(results.begin(), results.end(), [](const auto& result) { return result.fault.empty(); });
}

ProbeReport judge_probe(std::string_view inside, std::string_view outside, int landlock_abi) {
    ProbeReport report;
    for (const auto& attempt : ipc::kProbeAttempts) {
        ProbeResult result{&attempt, find_outcome(inside, attempt.name), find_outcome(outside, attempt.name),
                           std::string()};
        result.fault = judge(result, landlock_abi);
        report.results.push_back(std::move(result));
    }
    return report;
}

Result<ProbeReport> probe_the_cage(const Programs& programs, const std::string& state_path, const Config& config,
                                   bool landlock) {
    const auto started = Clock::now();
    int abi = 0;
    if (landlock) {
        TRY_ASSIGN(abi, landlock_abi());
    }
    TRY_ASSIGN(auto targets, ProbeTargets::make(state_path, programs.probe.get()));
    TRY_ASSIGN(const auto control, start_outside(targets));  // the two run at the same time
    TRY_ASSIGN(const auto inside, run_inside(programs, targets, config, landlock));
    TRY_ASSIGN(const auto outside, read_all(control.output.get(), Clock::now() + kLongest));
    const auto reached = targets.reached_from_inside();
    auto report = judge_probe(inside, outside, abi);
    // What was reached says so itself, whatever the probe in the cage says.
    for (auto& result : report.results) {
        const auto is_this = [&](const std::string& name) { return name == result.attempt->name; };
        if (std::any_of(reached.begin(), reached.end(), is_this))
            result.fault = std::string("inside the cage: ") + result.attempt->meaning;
    }
    report.time = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - started);
    return report;
}

Result<> prove_the_cage(const Programs& programs, const std::string& state_path, const Config& config, bool landlock) {
    auto report = probe_the_cage(programs, state_path, config, landlock);
    if (!report)
        return Error{
            report.error().code, "the self-probe could not be done: " + report.error().what,
            report.error().way_out.empty() ? "the way out: " + ways_out(Feature::kFullCage) : report.error().way_out};
    for (const auto& result : report->results)
        if (!result.fault.empty())
            return Error{0,
                         std::string("the cage does not hold. Layer ") + result.attempt->layer + ", attempt '" +
                             result.attempt->name + "', " + result.fault,
                         "the way out: " + ways_out(Feature::kFullCage)};
    char milliseconds[32];
    std::snprintf(milliseconds, sizeof milliseconds, "%.1f", static_cast<double>(report->time.count()) / 1000);
    log_info("the cage holds: " + std::to_string(report->results.size()) +
             " attempts in a real cell, with controls, in " + milliseconds + " ms");
    return Ok{};
}

}  // namespace toren::supervisor
