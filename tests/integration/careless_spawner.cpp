// The ladder into a command with one rung missing. Linked into a spawner that is otherwise the real one (the linker
// takes this definition and leaves policy/cage.cpp out), it stands in for toren-spawner in self_probe_test.cpp: what a
// layer that silently does nothing looks like to the daemon.
#include <string_view>

#include "policy/cage.h"
#include "policy/landlock.h"
#include "policy/privileges.h"
#include "policy/seccomp.h"

namespace toren {

Result<> confine_command(int ruleset) {
    constexpr std::string_view kLeftOut = CARELESS_ABOUT;
    if (kLeftOut != "capabilities") TRY(drop_all_capabilities());
    TRY(set_no_new_privileges());
    if (kLeftOut != "landlock" && ruleset >= 0) TRY(restrict_to_ruleset(ruleset));
    if (kLeftOut == "seccomp") return Ok{};
    return install_filter(FilterRole::kCommand);
}

}  // namespace toren
