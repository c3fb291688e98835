// The functions behind ipc/probe_attempts.h. Each tries one thing with whatever an unprivileged process has for it, and
// leaves nothing behind; the harm that it could do is to its own canary alone.
#pragma once

#include <sys/types.h>

#include <string_view>

namespace toren::probe {

// What the arguments said (ipc/probe_attempts.h).
struct Target {
    bool inside = false;
    const char* canary = "";
    pid_t process = 0;
    std::string_view process_started = {};
    unsigned short port = 0;
    std::string_view socket = {};
    int memory = -1;
    const char* variable = "";
    std::string_view namespaces = {};
};

struct Outcome {
    int code = 0;             // 0: it succeeded, else an errno value
    const char* detail = "";  // a word more, where there is one
};

struct Attempt {
    std::string_view name;
    Outcome (*run)(const Target&);
};

// In the order of the table of that header.
extern const Attempt kAttempts[];

}  // namespace toren::probe
