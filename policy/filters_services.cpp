// What the processes that never execute anything may ask of the kernel: the workers of a segment and the init of
// a command. Allow-lists; a call outside the list ends the process, because only taken-over code makes it.
// None of them may execute, make a process or a socket, or make memory executable.
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <csignal>

#include "policy/filter_table.h"

namespace toren {
// Names in paragraphs: one a line would hide the order.
// clang-format off
namespace {

// glibc hides these behind _GNU_SOURCE on some versions; the numbers are ABI.
constexpr std::uint32_t kOfdGetLock = 36;
constexpr std::uint32_t kOfdSetLock = 37;
constexpr std::uint32_t kOfdSetLockWait = 38;

}  // namespace

void add_process_basics(FilterTable& table) {
    table.permit({
        "read", "write", "close", "recvmsg", "sendmsg", "poll", "ppoll",                      // its channel
        "brk", "munmap", "mremap", "madvise",                                                 // its memory
        "futex", "sched_yield", "rseq", "restart_syscall",                                    // libc
        "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack",                      // its signals
        "clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep", "gettimeofday",      // time
        "getrandom", "getpid", "gettid", "uname",                                             //
        "exit", "exit_group",
    });
    table.add({
        {"mmap", allow(), "no executable memory", {none_set(2, PROT_EXEC)}},
        {"mprotect", allow(), "no executable memory", {none_set(2, PROT_EXEC)}},
        {"tgkill", allow(), "abort()", {int_is(2, SIGABRT)}},
    });
    // By name: F_SETOWN and F_SETSIG would send any signal to any process of the same user.
    for (const std::uint32_t command :
         {std::uint32_t{F_DUPFD}, std::uint32_t{F_DUPFD_CLOEXEC}, std::uint32_t{F_GETFD}, std::uint32_t{F_SETFD},
          std::uint32_t{F_GETFL}, std::uint32_t{F_SETFL}, std::uint32_t{F_GETLK}, std::uint32_t{F_SETLK},
          std::uint32_t{F_SETLKW}, kOfdGetLock, kOfdSetLock, kOfdSetLockWait, std::uint32_t{F_GET_SEALS},
          std::uint32_t{F_ADD_SEALS}})
        table.add({{"fcntl", allow(), "flags, locks, seals; no F_SETOWN: it sends signals", {int_is(1, command)}}});
}

FilterTable make_command_init_table() {
    FilterTable table{FilterRole::kCommandInit, end_process(), {}};
    add_process_basics(table);
    // The pipes of its own command, which may do that to them as well.
    table.add({{"fcntl", allow(), "a larger pipe for much output", {int_is(1, F_SETPIPE_SZ)}}});
    table.permit({"wait4", "waitid", "kill", "rt_sigtimedwait", "rt_sigpending", "rt_sigsuspend", "readv",
                  "close_range"});
    // Where no cgroup holds a command's memory, its init measures it in /proc. What else it could open to read is what
    // its command reads as well.
    table.permit({"getdents64", "lseek", "pread64"});
    // The command's terminal: its size, and whom a key would reach.
    table.add({{"ioctl", allow(), "its terminal's size", {int_is(1, TIOCSWINSZ)}},
               {"ioctl", allow(), "its terminal's foreground group", {int_is(1, TIOCGPGRP)}}});
    table.add({{"openat", allow(), "to read, in /proc", {none_set(2, O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)}}});
    return table;
}

FilterTable make_files_table() {
    FilterTable table{FilterRole::kFiles, end_process(), {}};
    add_process_basics(table);
    // openat2 is the only way to open: a path string without RESOLVE_BENEATH has no call to travel in. The flags
    // are behind a pointer, so that the mounts and Landlock still hold the last word.
    table.permit({
        "openat2", "lseek", "readv", "writev", "pread64", "pwrite64", "fstat", "newfstatat", "statx", "getdents64",
        "mkdirat", "renameat", "renameat2", "unlinkat", "linkat", "symlinkat", "readlinkat", "fsync", "fdatasync",
        "ftruncate", "fallocate", "copy_file_range",
        // Watching. A watch is put by path, and by no descriptor: so it is put on "." after fchdir, which reaches nothing
        // that openat2 has not opened.
        "inotify_init1", "inotify_add_watch", "inotify_rm_watch", "fchdir",
    });
    table.add({
        {"fchmod", allow(), "", {none_set(1, S_ISUID | S_ISGID)}},
        {"fchmod", deny(EPERM), "a set-user-ID file would run as the operator for whoever reaches it"},
        {"utimensat", allow(), "of an open file, not by path: the stamp of a write", {is_null(1)}},
    });
    return table;
}

FilterTable make_vcs_table() {
    FilterTable table{FilterRole::kVcs, end_process(), {}};
    add_process_basics(table);
    // libgit2 works by path, and reads: nothing that it answers needs a change on disk. Where the new *at calls exist libc
    // uses them; the old ones are x86_64's. What may be opened, and that it is not for writing, Landlock decides.
    table.permit({
        "open", "openat", "openat2", "stat", "lstat", "fstat", "newfstatat", "statx", "access", "faccessat",
        "faccessat2", "readlink", "readlinkat", "getcwd", "lseek", "readv", "pread64", "getdents64",
        // The seed of libgit2's random numbers, and its check of who owns a repository.
        "getppid", "getpgid", "getpgrp", "getsid", "getuid", "geteuid", "getgid", "getegid", "sysinfo",
        // A work tree is watched, as the files worker does it. What it may learn of it may read as well.
        "inotify_init1", "inotify_add_watch", "inotify_rm_watch", "fchdir",
    });
    return table;
}

FilterTable make_checkpoints_table() {
    FilterTable table{FilterRole::kCheckpoints, end_process(), {}};
    add_process_basics(table);
    // As the files worker: every name is opened from a descriptor that it was born with, the segment's or its store's.
    table.permit({
        "openat2", "lseek", "pread64", "pwrite64", "fstat", "newfstatat", "statx", "getdents64", "readlinkat",
        "mkdirat", "renameat", "renameat2", "unlinkat", "symlinkat", "fsync", "syncfs",
    });
    table.add({
        {"fchmod", allow(), "", {none_set(1, S_ISUID | S_ISGID)}},
        {"fchmod", deny(EPERM), "a set-user-ID file would run as the operator for whoever reaches it"},
    });
    return table;
}
// clang-format on

}  // namespace toren
