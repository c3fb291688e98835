// What the cage's init is born with: it is a copy of the runner, so this is the runner's own memory.
#pragma once

#include <sys/ioctl.h>
#include <termios.h>

#include <array>
#include <optional>

#include "base/unique_fd.h"
#include "runner/request.h"

namespace toren::runner {

// The terminal that the command is to have: like the operator's, and never that one.
struct TerminalLike {
    std::array<bool, 3> streams;  // which of 0, 1, 2 it takes the place of
    termios settings;
    winsize size;
};

struct Start {
    Request request;
    unsigned user = 0, group = 0;         // the caller's; inside nobody knows them before they are mapped
    UniqueFd channel;                     // to the runner (wire.h)
    std::array<int, 3> streams{0, 1, 2};  // the command's, where no terminal takes their place
    std::optional<TerminalLike> terminal;
    bool trace = false;  // what is refused is told
};

}  // namespace toren::runner
