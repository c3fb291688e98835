// What the guards of a cell (guards.h) do with one path: the rules are the guards' own (guard_rules.h), and nothing is
// opened or mounted. For explanations.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "policy/explain.h"

namespace toren {

struct GuardRuling {
    enum Effect : std::uint8_t { kHidden, kReadOnly, kNoted } effect;  // kNoted: forbids nothing, and is worth knowing
    DecidedBy by;
    std::string rule;
};

// `path` is absolute and without links. The strictest of what holds: kHidden, then kReadOnly.
std::optional<GuardRuling> guard_ruling(const GuardSpec& guards, const std::string& path, const LookUp& look_up);

}  // namespace toren
