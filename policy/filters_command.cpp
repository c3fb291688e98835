// What an untrusted command may ask of the kernel: a closed deny-list. What is known and harmless is allowed;
// what is dangerous is EPERM, also where missing capabilities would refuse it already; what was unknown when this
// was built is ENOSYS, so that a new kernel never widens the cage. Every call that the build knows has a row here
// (filter_compiler refuses to build otherwise).
// The filter narrows the kernel's surface. Files are the mounts' and Landlock's business, the network is the
// network namespace's: a filter cannot see behind a pointer.
#include <fcntl.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <netinet/in.h>

#include "policy/filter_table.h"

namespace toren {
// Names in paragraphs: one a line would hide the order.
// clang-format off
namespace {

// CLONE_NEWTIME is missing on purpose: clone(2) reads that bit as part of the exit signal.
constexpr std::uint64_t kNewNamespaces =
    CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;

constexpr unsigned kSocketTypeMask = 0xf;  // above it: SOCK_CLOEXEC and SOCK_NONBLOCK
constexpr unsigned kTiocLinux = 0x541c;    // <asm-generic/ioctls.h>, which clashes with glibc's header
constexpr unsigned kTiocCons = 0x541d;
constexpr unsigned kTiocSetd = 0x5423;
constexpr unsigned kBtrfsSnapshot = 0x50009401;    // BTRFS_IOC_SNAP_CREATE, and the second version of it
constexpr unsigned kBtrfsSnapshotV2 = 0x50009417;
constexpr unsigned kSetLease = 1024;  // F_SETLEASE

void add_files(FilterTable& table) {
    table.permit({
        "read", "write", "close", "stat", "fstat", "lstat", "lseek", "pread64", "pwrite64", "readv",
        "writev", "access", "pipe", "dup", "dup2", "sendfile", "flock", "fsync", "fdatasync", "truncate",
        "ftruncate", "getdents", "getcwd", "chdir", "fchdir", "rename", "mkdir", "rmdir", "link",
        "unlink", "symlink", "readlink", "chown", "fchown", "lchown", "umask", "utime",
        "statfs", "fstatfs", "sync", "readahead", "setxattr", "lsetxattr", "fsetxattr", "getxattr", "lgetxattr",
        "fgetxattr", "listxattr", "llistxattr", "flistxattr", "removexattr", "lremovexattr", "fremovexattr",
        "getdents64", "fadvise64", "utimes", "inotify_init", "inotify_add_watch", "inotify_rm_watch",
        "mkdirat", "fchownat", "futimesat", "newfstatat", "unlinkat", "renameat", "linkat", "symlinkat",
        "readlinkat", "faccessat", "splice", "tee", "sync_file_range", "vmsplice", "utimensat",
        "fallocate", "dup3", "pipe2", "inotify_init1", "preadv", "pwritev", "syncfs", "renameat2", "memfd_create",
        "copy_file_range", "preadv2", "pwritev2", "statx", "close_range", "faccessat2",
        "setxattrat", "getxattrat", "listxattrat", "removexattrat", "file_getattr", "file_setattr",
        "io_destroy", "io_getevents", "io_submit", "io_cancel", "io_pgetevents",
    });
    // A command could otherwise leave a set-user-ID program of the operator's (of root's, where the daemon runs as
    // root) in the work tree, where nothing mounts it nosuid. So no mode that a call carries may have those bits: not
    // at creation either, for an access list (setxattr) can make the file executable once it has been written.
    constexpr std::uint64_t kSetIds = S_ISUID | S_ISGID;
    const char* set_ids = "a set-user-ID file would run as the operator for whoever reaches it";
    for (const auto& [call, mode] : {std::pair{"chmod", 1U}, {"fchmod", 1U}, {"fchmodat", 2U}, {"fchmodat2", 2U}, {"creat", 1U}})
        table.add({{call, allow(), "", {none_set(mode, kSetIds)}}, {call, deny(EPERM), set_ids}});
    // The mode of open counts only where it makes a file. Opening, the hot call, is decided by its flags alone.
    constexpr std::uint64_t kMakes = O_CREAT | (O_TMPFILE & ~O_DIRECTORY);
    for (const auto& [call, flags] : {std::pair{"open", 1U}, {"openat", 2U}})
        table.add({{call, allow(), "makes nothing", {none_set(flags, kMakes)}},
                   {call, allow(), "", {none_set(flags + 1, kSetIds)}},
                   {call, deny(EPERM), set_ids}});
    table.add({
        {"openat2", deny(ENOSYS), "its mode is behind a pointer; callers fall back"},
        {"io_setup", deny(ENOSYS), "fs.aio-max-nr is one number for the machine; callers fall back"},
    });
    table.add({
        {"mknod", deny(EPERM), set_ids, {bits_are(1, S_ISUID, S_ISUID)}},
        {"mknod", deny(EPERM), set_ids, {bits_are(1, S_ISGID, S_ISGID)}},
        {"mknod", allow(), "mode without a type is a file", {none_set(1, S_IFMT)}},
        {"mknod", allow(), "file", {bits_are(1, S_IFMT, S_IFREG)}},
        {"mknod", allow(), "FIFO", {bits_are(1, S_IFMT, S_IFIFO)}},
        {"mknod", allow(), "socket", {bits_are(1, S_IFMT, S_IFSOCK)}},
        {"mknod", deny(EPERM), "device nodes"},
        {"mknodat", deny(EPERM), set_ids, {bits_are(2, S_ISUID, S_ISUID)}},
        {"mknodat", deny(EPERM), set_ids, {bits_are(2, S_ISGID, S_ISGID)}},
        {"mknodat", allow(), "mode without a type is a file", {none_set(2, S_IFMT)}},
        {"mknodat", allow(), "file", {bits_are(2, S_IFMT, S_IFREG)}},
        {"mknodat", allow(), "FIFO", {bits_are(2, S_IFMT, S_IFIFO)}},
        {"mknodat", allow(), "socket", {bits_are(2, S_IFMT, S_IFSOCK)}},
        {"mknodat", deny(EPERM), "device nodes"},
        // The kernel reads 32 bits of the request; CVE-2019-10063 was a filter that compared 64.
        {"ioctl", deny(EPERM), "TIOCSTI types into the terminal that whoever watches also uses",
         {int_is(1, TIOCSTI)}},
        {"ioctl", deny(EPERM), "TIOCLINUX pastes into a console", {int_is(1, kTiocLinux)}},
        {"ioctl", deny(EPERM), "TIOCCONS takes the console's output", {int_is(1, kTiocCons)}},
        {"ioctl", deny(EPERM), "TIOCSETD loads line discipline modules, a row of kernel holes",
         {int_is(1, kTiocSetd)}},
        {"ioctl", deny(EPERM), "older kernels show a whole subvolume to whoever has one file in it",
         {int_is(1, kBtrfsSnapshot)}},
        {"ioctl", deny(EPERM), "older kernels show a whole subvolume to whoever has one file in it",
         {int_is(1, kBtrfsSnapshotV2)}},
        {"ioctl", allow()},
        {"fcntl", deny(EINVAL), "a lease makes whoever opens the file outside wait, also one that is only shown",
         {int_is(1, kSetLease)}},
        {"fcntl", allow()},
        {"cachestat", deny(ENOSYS), "tells what others read of the files that are shown"},
        {"name_to_handle_at", deny(EPERM), "file handles go around paths"},
        {"open_by_handle_at", deny(EPERM), "opens outside every mount (the Shocker escape)"},
        {"fanotify_init", deny(EPERM), "watches and blocks other processes' files"},
        {"fanotify_mark", deny(EPERM), "watches and blocks other processes' files"},
    });
}

void add_processes(FilterTable& table) {
    table.permit({
        "fork", "vfork", "execve", "execveat", "exit", "exit_group", "wait4", "waitid", "kill", "tkill", "tgkill",
        "getpid", "gettid", "getppid", "getpgid", "getpgrp", "setpgid", "getsid", "setsid", "getpriority",
        "setpriority", "sched_setparam", "sched_getparam", "sched_setscheduler", "sched_getscheduler",
        "sched_get_priority_max", "sched_get_priority_min", "sched_rr_get_interval", "sched_setaffinity",
        "sched_getaffinity", "sched_setattr", "sched_getattr", "sched_yield", "ioprio_set", "ioprio_get",
        "getrlimit", "setrlimit", "prlimit64", "getrusage", "times", "uname", "sysinfo", "getcpu",
        "set_tid_address", "set_robust_list", "get_robust_list", "restart_syscall", "arch_prctl", "membarrier",
        "rseq", "pidfd_open", "pidfd_send_signal", "futex", "futex_waitv", "futex_wake", "futex_wait",
        "futex_requeue", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigpending", "rt_sigtimedwait",
        "rt_sigqueueinfo", "rt_tgsigqueueinfo", "rt_sigsuspend", "sigaltstack", "pause", "signalfd", "signalfd4",
        // Ids and capabilities: with no capability and no_new_privs these can only give away.
        "getuid", "getgid", "geteuid", "getegid", "setuid", "setgid", "setreuid", "setregid", "getgroups",
        "setgroups", "setresuid", "getresuid", "setresgid", "getresgid", "setfsuid", "setfsgid", "capget",
        "capset",
        // Layers that only narrow, so a command can cage what it starts.
        "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self", "lsm_get_self_attr",
        "lsm_list_modules",
    });
    table.add({
        {"clone", allow(), "processes and threads", {none_set(0, kNewNamespaces)}},
        {"clone", deny(EPERM), "a new user namespace gives capabilities over the kernel's least tested code"},
        {"clone3", deny(ENOSYS), "flags are behind a pointer; libc falls back to clone"},
        {"unshare", deny(EPERM), "new namespaces"},
        {"setns", deny(EPERM), "other namespaces"},
        // Debuggers and strace work inside a command's own tree. What stands between a command and pid 1, the
        // services and other commands: its pid namespace, its Landlock domain, and that they are not dumpable.
        // Since Linux 4.8 a tracer cannot use its tracee to get past the tracee's filter.
        {"ptrace", allow(), "gdb and strace within the command's own pid namespace and Landlock domain"},
        {"process_vm_readv", deny(EPERM), "other processes' memory; strace falls back to ptrace"},
        {"process_vm_writev", deny(EPERM), "other processes' memory"},
        {"process_madvise", deny(EPERM), "other processes' memory"},
        {"process_mrelease", deny(EPERM), "other processes' memory"},
        {"pidfd_getfd", deny(EPERM), "other processes' descriptors"},
        {"kcmp", deny(EPERM), "compares kernel addresses of other processes"},
        {"personality", allow(), "PER_LINUX", {int_is(0, PER_LINUX)}},
        {"personality", allow(), "asks only", {int_is(0, 0xffffffffU)}},
        {"personality", allow(), "gdb, setarch -R: weakens only the caller's own layout randomisation",
         {int_is(0, ADDR_NO_RANDOMIZE)}},
        {"personality", deny(EPERM), "old ABIs: seldom tested, and READ_IMPLIES_EXEC, MMAP_PAGE_ZERO"},
        // The kernel reads the option as an int.
        {"prctl", allow(), "a key agent hides its memory",
         {int_is(0, PR_SET_DUMPABLE), is_null(1)}},
        {"prctl", deny(EPERM), "PR_SET_DUMPABLE to 1 would open a process that was closed to tracing",
         {int_is(0, PR_SET_DUMPABLE)}},
        {"prctl", deny(EPERM), "PR_SET_PTRACER lets other processes trace this one", {int_is(0, PR_SET_PTRACER)}},
        {"prctl", deny(EPERM), "PR_SET_SECUREBITS: locked already", {int_is(0, PR_SET_SECUREBITS)}},
        {"prctl", deny(EPERM), "PR_SET_MM forges what /proc says about a process", {int_is(0, PR_SET_MM)}},
        {"prctl", allow()},
        {"seccomp", deny(EPERM), "user notification: a listener races with what it decides about",
         {any_bit(1, SECCOMP_FILTER_FLAG_NEW_LISTENER)}},
        {"seccomp", allow(), "filters only narrow"},
        {"lsm_set_self_attr", deny(EPERM), "other security modules' contexts"},
    });
    // Where the host traces a caged program, the kernel itself enters these from its trampoline and the program
    // would die without them; from elsewhere they do nothing.
    table.permit({"uretprobe", "uprobe"});
}

void add_memory_and_time(FilterTable& table) {
    table.permit({
        "mmap", "mprotect", "munmap", "brk", "mremap", "msync", "mincore", "madvise", "mlock", "munlock",
        "mlockall", "munlockall", "mlock2", "pkey_mprotect", "pkey_alloc", "pkey_free", "map_shadow_stack",
        "mseal", "getrandom", "nanosleep", "getitimer", "alarm", "setitimer", "gettimeofday", "time",
        "timer_create", "timer_settime", "timer_gettime", "timer_getoverrun", "timer_delete", "clock_gettime",
        "clock_getres", "clock_nanosleep", "timerfd_create", "timerfd_settime", "timerfd_gettime", "select",
        "pselect6", "poll", "ppoll", "epoll_create", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait",
        "epoll_pwait2", "eventfd", "eventfd2",
        // In the cell's own ipc namespace.
        "shmget", "shmat", "shmctl", "shmdt", "semget", "semop", "semctl", "semtimedop", "msgget", "msgsnd",
        "msgrcv", "msgctl", "mq_open", "mq_unlink", "mq_timedsend", "mq_timedreceive", "mq_notify",
        "mq_getsetattr",
    });
    table.add({
        {"settimeofday", deny(EPERM), "the host's clock"},
        {"clock_settime", deny(EPERM), "the host's clock"},
        {"adjtimex", deny(EPERM), "the host's clock; whether it reads or writes is behind a pointer"},
        {"clock_adjtime", deny(EPERM), "the host's clock; whether it reads or writes is behind a pointer"},
        {"userfaultfd", deny(EPERM), "stops the kernel in the middle of a copy: an exploit's favourite"},
        {"memfd_secret", deny(ENOSYS), "memory that cannot be swapped; off by default in the kernel"},
        {"mbind", deny(EPERM), "NUMA placement: libraries do without"},
        {"get_mempolicy", deny(EPERM), "NUMA placement: libraries do without"},
        {"set_mempolicy", deny(EPERM), "NUMA placement: libraries do without"},
        {"set_mempolicy_home_node", deny(EPERM), "NUMA placement: libraries do without"},
        {"migrate_pages", deny(EPERM), "other processes' memory"},
        {"move_pages", deny(EPERM), "other processes' memory"},
        {"remap_file_pages", deny(ENOSYS), "deprecated since 3.16"},
        {"io_uring_setup", deny(EPERM), "does what this filter refuses, out of its sight"},
        {"io_uring_enter", deny(EPERM), "does what this filter refuses, out of its sight"},
        {"io_uring_register", deny(EPERM), "does what this filter refuses, out of its sight"},
    });
}

// Each transport by name: a protocol of 0 takes the usual one; any other number makes the kernel load a module
// for it (SCTP, DCCP, UDP-Lite, SMC: all had holes that an ordinary user could reach).
void add_internet(std::vector<Row>& rows, std::uint32_t family) {
    struct Transport {
        std::uint32_t type;
        std::uint32_t protocol;
    };
    for (const Transport transport : {Transport{SOCK_STREAM, 0}, Transport{SOCK_STREAM, IPPROTO_TCP},
                                      Transport{SOCK_DGRAM, 0}, Transport{SOCK_DGRAM, IPPROTO_UDP}})
        rows.push_back({"socket", allow(), family == AF_INET ? "IPv4: TCP, UDP" : "IPv6: TCP, UDP",
                        {int_is(0, family), bits_are(1, kSocketTypeMask, transport.type),
                         int_is(2, transport.protocol)}});
}

void add_sockets(FilterTable& table) {
    table.permit({
        "connect", "accept", "accept4", "bind", "listen", "sendto", "recvfrom", "sendmsg", "recvmsg", "recvmmsg",
        "sendmmsg", "shutdown", "getsockname", "getpeername", "setsockopt", "getsockopt",
    });
    std::vector<Row> rows = {
        {"socket", allow(), "AF_UNIX", {int_is(0, AF_UNIX)}},
        {"socket", allow(), "AF_NETLINK: getaddrinfo and `ip` ask the routing tables",
         {int_is(0, AF_NETLINK), int_is(2, NETLINK_ROUTE)}},
    };
    add_internet(rows, AF_INET);
    add_internet(rows, AF_INET6);
    const Row refusals[] = {
        {"socket", deny(EPERM), "raw sockets", {int_is(0, AF_INET), bits_are(1, kSocketTypeMask, SOCK_RAW)}},
        {"socket", deny(EPERM), "raw sockets", {int_is(0, AF_INET6), bits_are(1, kSocketTypeMask, SOCK_RAW)}},
        {"socket", deny(EPERM), "SOCK_PACKET turns AF_INET into AF_PACKET",
         {int_is(0, AF_INET), bits_are(1, kSocketTypeMask, SOCK_PACKET)}},
        {"socket", deny(EPROTONOSUPPORT), "protocols that load modules; MPTCP's users fall back to TCP",
         {int_is(0, AF_INET)}},
        {"socket", deny(EPROTONOSUPPORT), "protocols that load modules; MPTCP's users fall back to TCP",
         {int_is(0, AF_INET6)}},
        {"socket", deny(EPROTONOSUPPORT), "netlink other than routing: netfilter, audit, xfrm",
         {int_is(0, AF_NETLINK)}},
        {"socket", deny(EAFNOSUPPORT), "packet, vsock, alg, xdp, tipc, bluetooth, and modules loaded on demand"},
        {"socketpair", allow(), "AF_UNIX", {int_is(0, AF_UNIX)}},
        {"socketpair", deny(EAFNOSUPPORT), "tipc, and modules loaded on demand"},
    };
    rows.insert(rows.end(), std::begin(refusals), std::end(refusals));
    table.add(std::move(rows));
}

void add_machine(FilterTable& table) {
    table.add({
        {"mount", deny(EPERM), "mounts"},
        {"umount2", deny(EPERM), "uncovers what a mount hides"},
        {"pivot_root", deny(EPERM), "mounts"},
        {"chroot", deny(EPERM), "the classic way out of a chroot"},
        {"open_tree", deny(EPERM), "mounts"},
        {"open_tree_attr", deny(EPERM), "mounts"},
        {"move_mount", deny(EPERM), "mounts"},
        {"fsopen", deny(EPERM), "mounts"},
        {"fsconfig", deny(EPERM), "mounts; CVE-2022-0185"},
        {"fsmount", deny(EPERM), "mounts"},
        {"fspick", deny(EPERM), "mounts"},
        {"mount_setattr", deny(EPERM), "mounts"},
        {"statmount", deny(ENOSYS), "tools fall back to /proc/self/mountinfo"},
        {"listmount", deny(ENOSYS), "tools fall back to /proc/self/mountinfo"},
        {"swapon", deny(EPERM), "the machine"},
        {"swapoff", deny(EPERM), "the machine"},
        {"reboot", deny(EPERM), "the machine"},
        {"sethostname", deny(EPERM), "the cell's name is the spawner's to set"},
        {"setdomainname", deny(EPERM), "the cell's name is the spawner's to set"},
        {"kexec_load", deny(EPERM), "another kernel"},
        {"kexec_file_load", deny(EPERM), "another kernel"},
        {"init_module", deny(EPERM), "kernel code"},
        {"finit_module", deny(EPERM), "kernel code"},
        {"delete_module", deny(EPERM), "kernel code"},
        {"bpf", deny(EPERM), "kernel code"},
        {"perf_event_open", deny(EPERM), "side channels, and a row of kernel holes"},
        {"add_key", deny(EPERM), "keyrings are shared by all processes of the user, across namespaces"},
        {"request_key", deny(EPERM), "keyrings; and it runs /sbin/request-key outside the cage"},
        {"keyctl", deny(EPERM), "keyrings are shared by all processes of the user, across namespaces"},
        {"syslog", deny(EPERM), "the kernel's log"},
        {"acct", deny(EPERM), "the machine"},
        {"quotactl", deny(EPERM), "the machine"},
        {"quotactl_fd", deny(EPERM), "the machine"},
        {"vhangup", deny(EPERM), "the terminal"},
        {"lookup_dcookie", deny(EPERM), "profiling"},
        {"nfsservctl", deny(EPERM), "the machine"},
        {"iopl", deny(EPERM), "hardware"},
        {"ioperm", deny(EPERM), "hardware"},
        {"modify_ldt", deny(ENOSYS), "16-bit segments: a row of kernel holes; as a kernel built without it"},
    });
    // Calls with a number and, in a 64-bit process, nothing or nothing useful behind it.
    for (const char* call :
         {"uselib", "ustat", "sysfs", "_sysctl", "create_module", "get_kernel_syms", "query_module", "getpmsg",
          "putpmsg", "afs_syscall", "tuxcall", "security", "vserver", "epoll_ctl_old", "epoll_wait_old",
          "set_thread_area", "get_thread_area"})
        table.add({{call, deny(ENOSYS), "obsolete"}});
}

}  // namespace

FilterTable make_command_table() {
    FilterTable table{FilterRole::kCommand, deny(ENOSYS), {}};
    add_files(table);
    add_processes(table);
    add_memory_and_time(table);
    add_sockets(table);
    add_machine(table);
    return table;
}
// clang-format on

}  // namespace toren
