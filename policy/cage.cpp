#include "policy/cage.h"

#include <sys/prctl.h>
#include <unistd.h>

#include "policy/cgroup.h"
#include "policy/landlock.h"
#include "policy/namespaces.h"
#include "policy/privileges.h"
#include "policy/seccomp.h"
#include "policy/usage.h"
#include "policy/ways_out.h"

namespace toren {

Result<UniqueFd> enter_cell(const CellSpec& spec) {
    UniqueFd group;
    if (spec.in_cgroup) {
        TRY_ASSIGN(group, settle_in_cell());
    } else {
        TRY(hide_own_cgroup());
    }
    ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);  // or /proc/self/uid_map belongs to root and cannot be written
    TRY(map_own_ids(spec.user, spec.group));
    if (spec.oom_victim) TRY(prefer_as_oom_victim());
    bound_objects(spec.objects);
    TRY(set_not_dumpable());
    if (spec.root.loopback) TRY(bring_loopback_up());
    if (::sethostname("toren", 5) != 0)
        return layer_error(Feature::kNamespaceRights, "sethostname in the uts namespace");
    TRY(enter_root(spec.root));
    TRY(set_resource_limits(spec.limits));
    return group;
}

Result<> confine_command(int ruleset) {
    TRY(drop_all_capabilities());
    TRY(set_no_new_privileges());
    if (ruleset >= 0) TRY(restrict_to_ruleset(ruleset));
    return install_filter(FilterRole::kCommand);
}

}  // namespace toren
