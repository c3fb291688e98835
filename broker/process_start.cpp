#include "broker/process_start.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>

#include "broker/process_json.h"

namespace toren::broker {

using nlohmann::json;

namespace {

constexpr std::size_t kLongestName = 200;

Problem invalid(const std::string& name, const char* expected) {
    return problem("invalid_field", name + ": " + expected + " is expected");
}

bool holds_nul(const std::vector<std::string>& texts) {
    return std::ranges::any_of(texts, [](const auto& text) { return text.find('\0') != text.npos; });
}

struct LimitField {
    const char* name;
    std::uint64_t CommandLimits::*limit;
};
constexpr LimitField kLimits[] = {
    {"seconds", &CommandLimits::seconds},           {"cpu_seconds", &CommandLimits::cpu_seconds},
    {"memory_bytes", &CommandLimits::memory_bytes}, {"output_bytes", &CommandLimits::output_bytes},
    {"file_bytes", &CommandLimits::file_bytes},     {"processes", &CommandLimits::processes},
    {"open_files", &CommandLimits::open_files},
};

std::optional<Problem> read_limits(const json& given, CommandLimits& limits) {
    for (const auto& [name, value] : given.items()) {
        const auto row = std::ranges::find_if(kLimits, [&](const auto& one) { return name == one.name; });
        if (row == std::end(kLimits))
            return problem("unknown_field", "limits has no field '" + name.substr(0, 64) + "'");
        if (!value.is_number_unsigned() || value == 0) return invalid("limits." + name, "a whole number from 1 on");
        limits.*(row->limit) = value.get<std::uint64_t>();
    }
    return std::nullopt;
}

std::optional<Problem> read_terminal(const json& given, ipc::NewSlot& slot) {
    const auto number = [&](const char* name) -> std::uint16_t {
        const auto found = given.find(name);
        const bool fits = found != given.end() && found->is_number_unsigned() && *found >= 1 && *found <= 10'000;
        return fits ? found->get<std::uint16_t>() : std::uint16_t{0};
    };
    slot.rows = number("rows");
    slot.columns = number("columns");
    if (slot.rows == 0 || slot.columns == 0 || given.size() != 2)
        return invalid("terminal", "{rows, columns}, 1 to 10000,");
    return std::nullopt;
}

std::optional<Problem> read_environment(const json& given, std::vector<std::string>& environment) {
    for (const auto& [name, value] : given.items()) {
        if (!value.is_string() || name.empty() || name.find('=') != name.npos)
            return invalid("env", "an object of names with strings");
        environment.push_back(name + "=" + value.get<std::string>());
    }
    return std::nullopt;
}

std::optional<Problem> read_retention(const json& given, ipc::NewSlot& slot, bool& disk) {
    for (const auto& [name, value] : given.items()) {
        if (name == "disk" && value.is_boolean()) {
            disk = value.get<bool>();
            continue;
        }
        if (name == "disk") return invalid("retain.disk", "true or false");
        if (name != "bytes") return problem("unknown_field", "retain has no field '" + name.substr(0, 64) + "'");
        if (!value.is_number_unsigned() || value < ipc::kSmallestRing || value > ipc::kLargestRing ||
            !std::has_single_bit(value.get<std::uint64_t>()))
            return invalid("retain.bytes", "a power of two from 65536 to 67108864");
        slot.ring_bytes = value.get<std::uint64_t>();
    }
    return std::nullopt;
}

std::optional<Problem> read_command(const json& fields, ipc::Start& start) {
    const bool has_argv = fields.contains("argv"), has_shell = fields.contains("shell");
    if (has_argv == has_shell) return invalid("argv, shell", "one of the two");
    if (has_argv) start.argv = fields["argv"].get<std::vector<std::string>>();
    else start.argv = {"/bin/sh", "-c", fields["shell"].get<std::string>()};
    if (start.argv.empty() || start.argv[0].empty()) return invalid("argv", "a program, at least,");
    start.cwd = fields.value("cwd", ".");
    if (start.cwd.starts_with('/'))
        return problem("path_outside_segment", "cwd: a path relative to the segment is expected");
    start.input = fields.value("input", false);
    if (fields.contains("env"))
        if (auto refused = read_environment(fields["env"], start.environment)) return refused;
    if (holds_nul(start.argv) || holds_nul(start.environment)) return invalid("argv, env", "text without NUL bytes");
    return std::nullopt;
}

}  // namespace

Outcome<StartSpec> read_start(const std::string& segment, const json& fields) {
    StartSpec spec;
    spec.segment = segment;
    if (auto refused = read_command(fields, *spec.start)) return std::move(*refused);
    if (fields.contains("profile")) spec.profile = fields["profile"].get<std::string>();
    spec.name = fields.value("name", "");
    spec.request = fields.value("request", "");
    if (spec.name.size() > kLongestName || spec.request.size() > kLongestName)
        return invalid("name, request", "at most 200 bytes");
    if (fields.contains("limits"))
        if (auto refused = read_limits(fields["limits"], spec.slot.limits)) return std::move(*refused);
    if (fields.contains("terminal"))
        if (auto refused = read_terminal(fields["terminal"], spec.slot)) return std::move(*refused);
    if (fields.contains("retain"))
        if (auto refused = read_retention(fields["retain"], spec.slot, spec.disk)) return std::move(*refused);
    return spec;
}

Task<Outcome<std::shared_ptr<Process>>> start_process(Broker& broker, StartSpec spec) {
    co_await broker.processes.know(spec.segment);
    co_return co_await broker.processes.start(std::move(spec));
}

Task<Outcome<Reply>> start_listed(Broker& broker, StartSpec spec) {
    spec.listed = spec.kept = spec.tell = true;
    spec.held = spec.disk;  // what is kept on disk must not be overwritten before
    auto started = co_await start_process(broker, std::move(spec));
    if (auto* refused = std::get_if<Problem>(&started)) co_return std::move(*refused);
    const auto process = std::get<std::shared_ptr<Process>>(started);
    co_await process->until_started();
    if (auto refused = start_failure(*process)) {
        broker.processes.remove(process);
        co_return std::move(*refused);
    }
    Reply reply;
    reply.status = 201;
    reply.json = process_json(*process);
    co_return reply;
}

std::optional<Problem> start_failure(const Process& process) {
    if (!process.start_failed()) return std::nullopt;
    static constexpr const char* kSteps[] = {"", "request", "directory", "confine", "execute"};
    const auto& exited = *process.exited();
    const char* step = kSteps[static_cast<int>(exited.failed_step)];
    Problem refused = problem("cannot_start",
                              "'" + process.about().argv[0] + "': " + step + ": " + std::strerror(exited.start_errno));
    refused.further = {{"step", step}, {"errno", exited.start_errno}};
    return refused;
}

Task<Outcome<std::shared_ptr<Process>>> find_process(Call& call) {
    co_await call.broker.processes.know(call.segment);
    auto found = call.broker.processes.find(call.segment, call.fields.at("process").get<std::string>());
    if (!found)
        co_return problem("unknown_process", "no such process in this segment; its output may no longer be kept");
    co_return found;
}

std::uint64_t position_of(const Process& process, const json& fields) {
    const auto from = fields.value("from", std::int64_t{0});
    if (from >= 0) return static_cast<std::uint64_t>(from);
    const std::uint64_t end = process.log().position(), before = 0 - static_cast<std::uint64_t>(from);
    return end - std::min(end, before);
}

Outcome<ipc::Stream> stream_of(const json& fields) {
    const std::string name = fields.value("stream", "");
    if (name.empty()) return ipc::Stream{};
    if (name == "stdout") return ipc::Stream::kStdout;
    if (name == "stderr") return ipc::Stream::kStderr;
    return invalid("stream", "stdout or stderr");
}

}  // namespace toren::broker
