#include "policy/cage.h"

#include <sys/prctl.h>
#include <unistd.h>

#include "policy/landlock.h"
#include "policy/namespaces.h"
#include "policy/privileges.h"
#include "policy/seccomp.h"

namespace toren {

Result<> enter_cell(const CellSpec& spec) {
    ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);  // or /proc/self/uid_map belongs to root and cannot be written
    TRY(map_own_ids(spec.user, spec.group));
    bound_objects(spec.objects);
    TRY(set_not_dumpable());
    if (spec.root.loopback) TRY(bring_loopback_up());
    if (::sethostname("toren", 5) != 0) return errno_error("uts namespace: sethostname");
    TRY(enter_root(spec.root));
    return set_resource_limits(spec.limits);
}

Result<> confine_command(int ruleset) {
    TRY(drop_all_capabilities());
    TRY(set_no_new_privileges());
    if (ruleset >= 0) TRY(restrict_to_ruleset(ruleset));
    return install_filter(FilterRole::kCommand);
}

}  // namespace toren
