// What a segment holds that guards speak of, made without git, so that it stands on any machine.
#pragma once

#include <string>

#include "policy/guards.h"

namespace toren::escape {

void make_guarded_segment(const std::string& segment, const std::string& token);
GuardSpec guard_spec(const std::string& segment);

}  // namespace toren::escape
