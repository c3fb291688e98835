#include "policy/seccomp.h"

#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "policy/ways_out.h"

namespace toren {
namespace {

Error filter_error(FilterRole role, int code, const char* problem) {
    return layer_error(Feature::kSeccomp, std::string("the filter of '") + filter_role_name(role) + "' " + problem,
                       code);
}

}  // namespace

Result<> install_filter(FilterRole role) {
    // With CAP_SYS_ADMIN the kernel would take the filter without no_new_privs, and a set-user-ID program
    // executed later would run under a filter that it never expected.
    if (::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) return filter_error(role, EPERM, "needs no_new_privs first");

    const std::span<const sock_filter> program = filter_program(role);
    const sock_fprog request{static_cast<unsigned short>(program.size()), const_cast<sock_filter*>(program.data())};
    // TSYNC: also on threads that exist already, or on none. Not SPEC_ALLOW: on kernels before 5.16 it would
    // trade the speculative-store-bypass protection of confined processes for speed.
    const long result = ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &request);
    if (result == 0) return Ok{};
    if (result > 0) return filter_error(role, 0, "could not be put on every thread");
    return filter_error(role, errno, "could not be installed");
}

}  // namespace toren
