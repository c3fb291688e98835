// The system call filters of the caged roles, as finished programs: compiled at build time (filter_compiler.cpp)
// from the tables in filters_*.cpp. No process links libseccomp, and none compiles a policy while it runs.
// A filter is never optional: the caller that gets an error must not go on.
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <span>

#include "base/result.h"

namespace toren {

enum class FilterRole : std::uint8_t {
    kBroker,       // allow-list; a call outside it ends the process
    kFiles,        // the same
    kVcs,          // the same
    kCheckpoints,  // the same
    kCommandInit,  // the same: pid 1 of a command's pid namespace, once the command is forked
    kCommand,      // closed deny-list: dangerous EPERM, unknown ENOSYS, the rest allowed
};

inline constexpr FilterRole kFilterRoles[] = {FilterRole::kBroker,      FilterRole::kFiles,       FilterRole::kVcs,
                                              FilterRole::kCheckpoints, FilterRole::kCommandInit, FilterRole::kCommand};

// "command-init": the name in errors, goldens and `toren policy show`.
constexpr const char* filter_role_name(FilterRole role) {
    switch (role) {
        case FilterRole::kBroker: return "broker";
        case FilterRole::kFiles: return "files";
        case FilterRole::kVcs: return "vcs";
        case FilterRole::kCheckpoints: return "checkpoints";
        case FilterRole::kCommandInit: return "command-init";
        case FilterRole::kCommand: return "command";
    }
    return "unknown";
}

// The program for the machine that this was built for. Defined in the generated source.
std::span<const sock_filter> filter_program(FilterRole role);

// From here on every thread of this process, and all that it forks or executes, is under the role's filter.
// no_new_privs must already be set. Allocates only on failure, so a child may call it right after clone.
Result<> install_filter(FilterRole role);

}  // namespace toren
