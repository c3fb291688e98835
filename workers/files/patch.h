// Applies a unified diff of one file, strictly: every line of a hunk must be there, with its line end. A hunk that does
// not fit where it says (moved as the hunks before it were) is tried everywhere behind them, and goes where it fits if
// that is one place.
#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "ipc/messages.h"

namespace toren::workers {

struct PatchFailure {
    ipc::Failure failure;
    std::string error;
    ipc::EditMismatch mismatch = {};
};

struct Patched {
    std::string text;
};

// Whether the diff makes a file where there is none.
bool makes_file(std::string_view diff);
std::variant<Patched, PatchFailure> apply_patch(std::string_view before, std::string_view diff);

}  // namespace toren::workers
