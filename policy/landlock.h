// Landlock: the second boundary, behind the mount namespace. A ruleset is built once and applied by descriptor.
#pragma once

#include "base/result.h"
#include "base/unique_fd.h"
#include "policy/sandbox_spec.h"

namespace toren {

// The kernel's Landlock ABI, or an error that names the way out where it has none.
Result<int> landlock_abi();

// A ruleset that handles every access right the kernel's ABI knows and grants what the spec lists.
Result<UniqueFd> make_ruleset(const LandlockSpec& spec);

// Grants what is beneath an open folder as well: one that no path leads to.
Result<> grant_folder(const UniqueFd& ruleset, int folder, Access access);

// Applies a ruleset to this process for good. no_new_privs must be set.
Result<> restrict_to_ruleset(int ruleset);

}  // namespace toren
