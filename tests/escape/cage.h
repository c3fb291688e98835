// A real cage for one attempt, built with the product's own functions from its own specs; a test may leave layers out.
#pragma once

#include <string>

#include "tests/escape/layers.h"
#include "tests/escape/world.h"

namespace toren::escape {

// What `hostile` says by its exit code.
enum HostileCode : int { kRefused = 0, kEscaped = 10, kUntried = 20 };

struct Run {
    int code = -1;       // of `hostile`, or 128 and more where a signal ended it
    std::string output;  // what it printed
    std::string broken;  // the cage itself could not be made: why
    // The witnesses.
    bool workers_live = false;  // and are not stopped
    bool host_lives = false;
    bool outside_changed = false;
    bool left_behind = false;  // a process of the attempt's outlived it
};

// Runs `hostile ATTEMPT` in a cage of the world's segment, without the layers in `left_out`.
Run run_in_cage(World& world, const std::string& attempt, Layers left_out);

// The same through the product itself: `toren run`, with every layer. `toren` is where product() found it.
Run run_in_product(World& world, const std::string& toren, const std::string& attempt);
// `toren` beside this program or in $TOREN_BIN, or "".
std::string product();

// The limits of every cage here.
inline constexpr unsigned kProcesses = 48;
inline constexpr unsigned kOpenFiles = 64;
inline constexpr unsigned kFileBytes = 8U << 20;
inline constexpr unsigned kTmpBytes = 4U << 20;

}  // namespace toren::escape
