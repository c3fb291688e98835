// Attempts on the kernel's surface: calls that no command needs and many holes were in. Arguments are chosen so that
// the kernel's own answer can be told from a filter's, wherever the kernel looks at them before it looks at privileges.
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/fanotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tests/escape/hostile/hostile.h"

namespace hostile {
namespace {

char page[4096];

long bad_pointer() { return 1; }

template <long kNumber, long... kArguments>
Outcome call(const World&) {
    return reached(raw(kNumber, kArguments...), "call " + std::to_string(kNumber));
}

Outcome io_uring_setup(const World&) {
    std::memset(page, 0, sizeof page);
    return judge(raw(SYS_io_uring_setup, 1, page), "io_uring_setup");
}

Outcome user_notification(const World&) {
    sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    const sock_fprog program{1, &allow};
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    return judge(raw(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program),
                 "seccomp NEW_LISTENER");
}

// A filter of one's own only narrows: what is refused stays so.
Outcome allow_all_filter(const World&) {
    sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    const sock_fprog program{1, &allow};
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (raw(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0) return untried("seccomp");
    return judge(raw(SYS_unshare, CLONE_NEWUSER), "unshare after a filter of one's own");
}

// The same for Landlock: a ruleset that grants everything.
Outcome allow_all_landlock(const World& world) {
    const std::uint64_t handled[1] = {(1 << 13) - 1};
    const long ruleset = raw(SYS_landlock_create_ruleset, handled, sizeof handled, 0);
    if (ruleset < 0) return untried("landlock_create_ruleset: the kernel has no Landlock");
    struct [[gnu::packed]] {
        std::uint64_t access;
        std::int32_t parent;
    } rule{handled[0], ::open("/", O_PATH | O_CLOEXEC)};
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (raw(SYS_landlock_add_rule, ruleset, 1, &rule, 0) != 0 || raw(SYS_landlock_restrict_self, ruleset, 0) != 0)
        return untried("landlock_restrict_self");
    return judge(::open((world["shown"] + "/file").c_str(), O_WRONLY | O_CLOEXEC), "open after a ruleset of one's own");
}

Outcome bpf_map(const World&) { return reached(raw(SYS_bpf, 0 /* BPF_MAP_CREATE */, bad_pointer(), 64L), "bpf"); }

Outcome perf(const World&) {
    perf_event_attr attributes{};
    attributes.type = PERF_TYPE_SOFTWARE;
    attributes.size = sizeof attributes;
    attributes.config = PERF_COUNT_SW_TASK_CLOCK;
    attributes.exclude_kernel = attributes.exclude_hv = 1;
    return judge(raw(SYS_perf_event_open, &attributes, 0, -1, -1, 0L), "perf_event_open");
}

Outcome fanotify(const World&) {
    // What an ordinary user may ask for since Linux 5.13.
    return judge(raw(SYS_fanotify_init, FAN_CLASS_NOTIF | 0x200 /* FAN_REPORT_FID */, O_RDONLY), "fanotify_init");
}

Outcome add_key(const World& world) {
    return judge(raw(SYS_add_key, "user", ("toren-" + world["mark"]).c_str(), "x", 1L, KEY_SPEC_SESSION_KEYRING),
                 "add_key");
}
Outcome request_key(const World&) {
    return reached(raw(SYS_request_key, "user", "toren-none", nullptr, KEY_SPEC_SESSION_KEYRING), "request_key");
}
Outcome read_keyring(const World&) {
    return judge(raw(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0), "keyctl");
}

Outcome process_vm_own(const World&) {
    iovec here{page, 8}, there{page + 64, 8};
    return judge(raw(SYS_process_vm_readv, ::getpid(), &here, 1L, &there, 1L, 0L), "process_vm_readv");
}

Outcome int80(const World& world) {
#ifdef __x86_64__
    const int status = in_child(
        [](const World&) {
            long answer = 20;  // getpid, as the 32-bit table counts
            asm volatile("int $0x80" : "+a"(answer) : : "memory", "r8", "r9", "r10", "r11");
            return answer == ::getpid() ? 10 : 20;
        },
        world);
    if (WIFEXITED(status))
        return WEXITSTATUS(status) == 10 ? escaped("getpid by int 0x80") : untried("int 0x80 gave something else");
    if (WTERMSIG(status) == SIGSYS) return refused("int 0x80 ended the process", EPERM);
    return untried("int 0x80: the kernel has no CONFIG_IA32_EMULATION");
#else
    (void)world;
    return untried("this machine has no 32-bit entry");
#endif
}

Outcome x32(const World& world) {
#ifdef __x86_64__
    const int status =
        in_child([](const World&) { return raw(0x40000000 | SYS_getpid) == ::getpid() ? 10 : 20; }, world);
    if (WIFEXITED(status))
        return WEXITSTATUS(status) == 10 ? escaped("getpid by x32")
                                         : untried("x32: the kernel has no CONFIG_X86_X32_ABI");
    return WTERMSIG(status) == SIGSYS ? refused("x32 ended the process", EPERM) : untried("x32");
#else
    (void)world;
    return untried("this machine has no x32");
#endif
}

// A terminal of one's own: the filter knows requests, not terminals.
Outcome terminal_request(unsigned long request, std::uint64_t above = 0) {
    const int master = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (master < 0 || ::unlockpt(master) != 0) return untried("posix_openpt");
    const int terminal = ::open(::ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    ::setsid();
    if (terminal < 0 || ::ioctl(terminal, TIOCSCTTY, 0) != 0) return untried("a controlling terminal");
    std::memset(page, 0, sizeof page);
    // ENOTTY, EIO and the like come from the kernel's own code.
    const long result = raw(SYS_ioctl, terminal, above | request, page);
    return reached(result, "ioctl");
}

// dev.tty.legacy_tiocsti = 0 (Linux 6.2) makes it EIO in the kernel.
Outcome type_into_terminal(const World&) { return terminal_request(TIOCSTI); }

Outcome personality_exec(const World&) {
    return judge(raw(SYS_personality, 0x0400000 /* READ_IMPLIES_EXEC */), "personality");
}
Outcome personality_old(const World&) { return judge(raw(SYS_personality, PER_SVR4 & 0xff), "personality"); }

Outcome userfault(const World&) {
    return judge(raw(SYS_userfaultfd, 1 /* UFFD_USER_MODE_ONLY */ | O_CLOEXEC), "userfaultfd");
}
Outcome secret_memory(const World&) { return judge(raw(SYS_memfd_secret, 0), "memfd_secret"); }

Outcome clock_read_by_adjtimex(const World&) {
    std::memset(page, 0, sizeof page);
    return judge(raw(SYS_adjtimex, page), "adjtimex");
}
Outcome clock_read_by_adjust(const World&) {
    std::memset(page, 0, sizeof page);
    return judge(raw(SYS_clock_adjtime, 0, page), "clock_adjtime");
}
Outcome set_no_time(const World&) { return reached(raw(SYS_settimeofday, bad_pointer(), 0L), "settimeofday"); }
Outcome set_clock(const World&) { return reached(raw(SYS_clock_settime, 0, bad_pointer()), "clock_settime"); }

Outcome numa(const World&) {
    return first_escape({judge(raw(SYS_get_mempolicy, nullptr, nullptr, 0L, nullptr, 0L), "get_mempolicy"),
                         judge(raw(SYS_set_mempolicy, 0, nullptr, 0L), "set_mempolicy"),
                         judge(raw(SYS_mbind, page, 0L, 0, nullptr, 0L, 0), "mbind"),
                         reached(raw(SYS_migrate_pages, ::getpid(), 0L, bad_pointer(), bad_pointer()), "migrate_pages"),
                         judge(raw(SYS_move_pages, 0, 0L, nullptr, nullptr, nullptr, 0), "move_pages")});
}

Outcome program_option(long option, long argument, const char* name) {
    return reached(raw(SYS_prctl, option, argument, 0L, 0L, 0L), name);
}

Outcome become_dumpable(const World&) {
    ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    return judge(raw(SYS_prctl, PR_SET_DUMPABLE, 1L, 0L, 0L, 0L), "PR_SET_DUMPABLE");
}

// For ever more numbers: whatever this kernel has beyond what the filter knew.
Outcome future_calls(const World&) {
    for (long number = 470; number < 1200; ++number)
        if (raw(number, -1L, -1L, -1L, -1L, -1L, -1L) >= 0 || errno != ENOSYS)
            return escaped("call " + std::to_string(number) + " is there");
    return refused("every new number", ENOSYS);
}

// Calls that only root of the host may make: no ordinary user's control can show more than the same refusal.
Outcome machine_calls(const World&) {
    return first_escape({
        reached(raw(SYS_reboot, 0, 0, 0, nullptr), "reboot"),
        reached(raw(SYS_kexec_load, 0L, 0L, nullptr, 0L), "kexec_load"),
        reached(raw(SYS_kexec_file_load, -1, -1, 0L, nullptr, 0L), "kexec_file_load"),
        reached(raw(SYS_swapon, "/none", 0), "swapon"),
        reached(raw(SYS_swapoff, "/none"), "swapoff"),
        reached(raw(SYS_init_module, page, 0L, ""), "init_module"),
        reached(raw(SYS_finit_module, -1, "", 0), "finit_module"),
        reached(raw(SYS_delete_module, "none", 0), "delete_module"),
        reached(raw(SYS_acct, nullptr), "acct"),
        reached(raw(SYS_vhangup), "vhangup"),
#ifdef SYS_lookup_dcookie
        reached(raw(SYS_lookup_dcookie, 0L, page, 1L), "lookup_dcookie"),
#endif
        reached(raw(SYS_setdomainname, "x", 1L), "setdomainname"),
        reached(raw(SYS_sethostname, "x", 1L), "sethostname"),
    });
}

Outcome quota(const World&) {
    return reached(raw(SYS_quotactl, 0x800001 << 8, nullptr, 0, nullptr), "quotactl Q_SYNC");
}
Outcome quota_by_descriptor(const World& world) {
    return reached(raw(SYS_quotactl_fd, ::open(world["segment"].c_str(), O_RDONLY), 0x800005 << 8, 0, bad_pointer()),
                   "quotactl_fd");
}
Outcome kernel_log(const World&) { return reached(raw(SYS_syslog, 10 /* SIZE_BUFFER */, nullptr, 0), "syslog"); }
Outcome hostname(const World&) { return judge(raw(SYS_sethostname, "x", 1L), "sethostname"); }

#ifdef __x86_64__
Outcome ports(const World&) {
    return first_escape({judge(raw(SYS_ioperm, 0L, 1L, 0), "ioperm"), judge(raw(SYS_iopl, 0), "iopl")});
}
Outcome descriptor_table(const World&) { return judge(raw(SYS_modify_ldt, 0, page, sizeof page), "modify_ldt"); }
#else
Outcome ports(const World&) { return untried("this machine has none"); }
Outcome descriptor_table(const World&) { return untried("this machine has none"); }
#endif

Outcome mounts_by_id(const World&) {
    std::uint64_t request[4] = {24, ~0ULL /* LSMT_ROOT */, 0, 0};
    return judge(raw(458 /* listmount */, request, page, 8L, 0), "listmount");
}

// What a program is made of need not have a name in any file system: no control of what is executed is claimed.
Outcome execute_memory(const World&) {
    const int fd = static_cast<int>(raw(SYS_memfd_create, "x", 0U));
    const int own = ::open("/usr/bin/true", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || own < 0) return untried("memfd_create");
    while (true) {
        const ssize_t size = ::read(own, page, sizeof page);
        if (size <= 0) break;
        if (::write(fd, page, static_cast<std::size_t>(size)) != size) return untried("write");
    }
    const pid_t pid = ::fork();
    if (pid == 0) {
        const char* arguments[] = {"true", nullptr};
        const char* none[] = {nullptr};
        raw(SYS_execveat, fd, "", arguments, none, AT_EMPTY_PATH);
        ::_exit(errno);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? escaped("executed memory")
                                                         : refused("execveat", WEXITSTATUS(status));
}

Outcome realtime(const World&) {
    rlimit64 limit{};
    raw(SYS_prlimit64, 0, RLIMIT_RTPRIO, nullptr, &limit);
    if (limit.rlim_max != 0) return escaped("real-time priorities are allowed up to " + std::to_string(limit.rlim_max));
    sched_param priority{1};
    return judge(raw(SYS_sched_setscheduler, 0, SCHED_FIFO, &priority), "sched_setscheduler");
}

Outcome cache_statistics(const World& world) {
    const int fd = ::open((world["shown"] + "/file").c_str(), O_RDONLY | O_CLOEXEC);
    const std::uint64_t range[2] = {0, 0};
    return judge(raw(451 /* cachestat */, fd, range, page, 0), "cachestat");
}

// A machine-wide store (fs.aio-max-nr): who takes it all takes it from every database of the host.
Outcome take_every_aio(const World&) {
    unsigned long context = 0;
    return judge(raw(SYS_io_setup, 60000, &context), "io_setup of 60000");
}

constexpr Attempt kAttempts[] = {
    {"io_uring_setup", io_uring_setup},
    {"io_uring_enter", call<SYS_io_uring_enter, -1, 0, 0, 0, 0, 0>},
    {"io_uring_register", call<SYS_io_uring_register, -1, 0, 0, 0>},
    {"user_notification", user_notification},
    {"allow_all_filter", allow_all_filter},
    {"allow_all_landlock", allow_all_landlock},
    {"bpf", bpf_map},
    {"perf_event_open", perf},
    {"fanotify_init", fanotify},
    {"fanotify_mark", call<SYS_fanotify_mark, -1, 0, 0, -1, 0>},
    {"add_key", add_key},
    {"request_key", request_key},
    {"keyctl", read_keyring},
    {"process_vm_readv", process_vm_own},
    {"process_mrelease", call<SYS_process_mrelease, -1, 0>},
    {"int80", int80},
    {"x32", x32},
    {"tiocsti", type_into_terminal},
    {"tiocsti_with_rubbish", [](const World&) { return terminal_request(TIOCSTI, 0xdeadbeef00000000ULL); }},
    {"tioclinux", [](const World&) { return terminal_request(0x541c); }},
    {"tioccons", [](const World&) { return terminal_request(0x541d); }},
    {"tiocsetd", [](const World&) { return terminal_request(0x5423); }},
    {"personality_read_implies_exec", personality_exec},
    {"personality_old", personality_old},
    {"userfaultfd", userfault},
    {"memfd_secret", secret_memory},
    {"adjtimex", clock_read_by_adjtimex},
    {"clock_adjtime", clock_read_by_adjust},
    {"settimeofday", set_no_time},
    {"clock_settime", set_clock},
    {"numa", numa},
    {"become_dumpable", become_dumpable},
    {"allow_tracers", [](const World&) { return program_option(PR_SET_PTRACER, -1, "PR_SET_PTRACER"); }},
    {"securebits",
     [](const World&) { return judge(raw(SYS_prctl, PR_SET_SECUREBITS, 1L, 0L, 0L, 0L), "PR_SET_SECUREBITS"); }},
    {"forge_memory_map",
     [](const World&) { return program_option(PR_SET_MM, 15 /* PR_SET_MM_MAP_SIZE */, "PR_SET_MM"); }},
    {"future_calls", future_calls},
    {"machine_calls", machine_calls},
    {"quotactl", quota},
    {"quotactl_fd", quota_by_descriptor},
    {"syslog", kernel_log},
    {"sethostname", hostname},
    {"io_ports", ports},
    {"modify_ldt", descriptor_table},
    {"listmount", mounts_by_id},
    {"lsm_set_self_attr", call<460, 100, 0, 0, 0>},
    {"execute_memory", execute_memory},
    {"realtime", realtime},
    {"cachestat", cache_statistics},
    {"take_every_aio", take_every_aio},
};

}  // namespace

std::span<const Attempt> syscall_attempts() { return kAttempts; }

}  // namespace hostile
