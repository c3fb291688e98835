// Attempts to find something of the operator's in the environment.
#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "tests/escape/hostile/hostile.h"

extern char** environ;

namespace hostile {
namespace {

// All that a command is to know.
constexpr std::array kExpected = {"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TERM", "TOREN"};

Outcome variables(const World&) {
    std::string more;
    for (char** one = environ; *one != nullptr; ++one) {
        const std::string name(*one, ::strcspn(*one, "="));
        if (std::find(kExpected.begin(), kExpected.end(), name) == kExpected.end()) more += " " + name;
    }
    return more.empty() ? refused("no variable but the expected", ENOENT) : escaped("variables" + more);
}

Outcome session_keys(const World& world) {
    return content("/proc/keys").find("toren-escape-" + world["mark"]) != std::string::npos
               ? escaped("/proc/keys names the operator's key")
               : refused("/proc/keys tells nothing", ENOENT);
}

constexpr Attempt kAttempts[] = {
    {"variables", variables},
    {"session_keys", session_keys},
};

}  // namespace

std::span<const Attempt> environment_attempts() { return kAttempts; }

}  // namespace hostile
