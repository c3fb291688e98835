// What the guards of a cell (guards.h) do with one path, found by names alone: for explanations. The walk that makes
// the mounts is the guards' own.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "policy/explain.h"

namespace toren {

struct GuardRuling {
    enum Effect : std::uint8_t { kHidden, kReadOnly, kHeldInPlace } effect;
    DecidedBy by;
    std::string rule;
};

// `path` is absolute and without links. kHidden goes before kReadOnly, kReadOnly before kHeldInPlace.
std::optional<GuardRuling> guard_ruling(const GuardSpec& guards, const std::string& path, const LookUp& look_up);

}  // namespace toren
