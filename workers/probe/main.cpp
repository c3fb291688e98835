// toren-probe: tries a handful of ways out of a cage and says what came of each.
// PROCESS    two at each start of the daemon: a command in a cell of its own, and outside the positive control
// PRIVILEGE  whatever it is started with; inside, what any command has
// DISTRUSTS  nothing: it reads its own arguments, which the supervisor made
// IF OWNED   inside, it can lie about its own results; what it was to reach tells the supervisor, too
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>

#include "ipc/probe_attempts.h"
#include "workers/probe/attempts.h"

using namespace toren;

namespace {

probe::Target read_arguments(int argc, char** argv) {
    probe::Target target;
    for (int i = 1; i < argc; ++i) {
        const std::string_view argument = argv[i];
        const auto equals = argument.find('=');
        if (equals == std::string_view::npos) continue;
        const auto name = argument.substr(0, equals);
        const char* value = argv[i] + equals + 1;
        if (name == "inside") target.inside = std::string_view(value) == "1";
        if (name == "canary") target.canary = value;
        if (name == "port") target.port = static_cast<unsigned short>(std::atoi(value));
        if (name == "socket") target.socket = value;
        if (name == "memory") target.memory = std::atoi(value);
        if (name == "variable") target.variable = value;
        if (name == "namespaces") target.namespaces = value;
        if (name == "process") {
            target.process = std::atoi(value);
            if (const char* colon = std::strchr(value, ':')) target.process_started = colon + 1;
        }
    }
    return target;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc == 2 && std::strcmp(argv[1], "--exit") == 0) return 0;  // what fork-and-execute executes
    const auto target = read_arguments(argc, argv);
    for (std::size_t i = 0; i < std::size(ipc::kProbeAttempts); ++i) {
        const auto& attempt = probe::kAttempts[i];
        const auto outcome = attempt.run(target);
        if (outcome.code == 0) std::printf("%s ok", attempt.name.data());
        else std::printf("%s refused %s", attempt.name.data(), ::strerrorname_np(outcome.code));
        std::printf("%s%s\n", *outcome.detail == '\0' ? "" : " ", outcome.detail);
    }
    return std::fflush(stdout) == 0 ? 0 : 1;
}
