#include "policy/seccomp.h"

#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace toren {
namespace {

Error layer_error(FilterRole role, int code, const char* problem, const char* way_out) {
    return Error{code, std::string("layer seccomp: the filter of '") + filter_role_name(role) + "' " + problem +
                           "; the way out: " + way_out};
}

}  // namespace

Result<> install_filter(FilterRole role) {
    // With CAP_SYS_ADMIN the kernel would take the filter without no_new_privs, and a set-user-ID program
    // executed later would run under a filter that it never expected.
    if (::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
        return layer_error(role, EPERM, "needs no_new_privs first", "confine in the order of docs/design.md");

    const std::span<const sock_filter> program = filter_program(role);
    const sock_fprog request{static_cast<unsigned short>(program.size()), const_cast<sock_filter*>(program.data())};
    // TSYNC: also on threads that exist already, or on none. Not SPEC_ALLOW: on kernels before 5.16 it would
    // trade the speculative-store-bypass protection of confined processes for speed.
    const long result = ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &request);
    if (result == 0) return Ok{};
    if (result > 0)
        return layer_error(role, 0, "could not be put on every thread", "report this as a bug: one thread differs");
    const int code = errno;
    if (code == EACCES || code == EPERM)
        return layer_error(role, code, "was refused", "run Toren where an outer sandbox permits seccomp(2)");
    return layer_error(role, code, "could not be installed",
                       "a kernel with CONFIG_SECCOMP_FILTER, as every Debian 12 kernel is");
}

}  // namespace toren
