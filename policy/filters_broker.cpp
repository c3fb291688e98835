// What the broker may ask of the kernel: an allow-list; a call outside it ends the process. The broker parses what
// strangers send, so it can neither execute nor make a process, a socket, a connection or executable memory.
// Its hot calls (read, write, recvmsg, sendmsg, sendto, epoll_wait, futex) have no conditions: the kernel answers
// those from a bitmap without running the filter.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "policy/filter_table.h"

namespace toren {
// Names in paragraphs: one a line would hide the order.
// clang-format off

FilterTable make_broker_table() {
    FilterTable table{FilterRole::kBroker, end_process(), {}};
    add_process_basics(table);
    table.permit({
        // Clients, on listeners that the supervisor bound.
        // sendfile: the content of files that a files worker opened and passed; read and write do the same, with copies.
        "accept", "accept4", "recvfrom", "sendto", "sendfile", "getsockopt", "getsockname", "getpeername",
        // Asio's reactor.
        "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "timerfd_create", "timerfd_settime",
        "timerfd_gettime", "eventfd2", "pipe2",
        // SQLite and the web assets; which files, the mounts and Landlock decide.
        "openat", "openat2", "fstat", "newfstatat", "statx", "access", "faccessat", "faccessat2", "readlink",
        "readlinkat", "getcwd", "lseek", "readv", "writev", "pread64", "pwrite64", "getdents64", "ftruncate",
        "fallocate", "fsync", "fdatasync", "unlink", "unlinkat", "mkdir", "mkdirat", "fchmod",
        // libcrypto, and SQLite's question whether it is root.
        "getuid", "geteuid", "getgid", "getegid", "sysinfo", "sched_getaffinity",
    });
    // A listener that is shut down for reading becomes an unconnected socket in the host's network namespace, and
    // sendto with MSG_FASTOPEN would connect it to anywhere.
    table.add({
        {"shutdown", allow(), "the end of what we send", {int_is(1, SHUT_WR)}},
        {"shutdown", deny(EPERM), "a shut-down listener can connect (MSG_FASTOPEN); close says the same"},
        {"ioctl", allow(), "FIONBIO: Asio", {int_is(1, FIONBIO)}},
        {"ioctl", allow(), "FIONREAD: Asio", {int_is(1, FIONREAD)}},
        {"ioctl", allow(), "TCGETS: libc asks whether a stream is a terminal", {int_is(1, TCGETS)}},
        {"fchown", deny(EPERM), "SQLite as root gives its log to the database's owner, and can do without"},
        {"prlimit64", allow(), "its own, and reads only", {int_is(0, 0), is_null(2)}},
    });
    struct Option {
        std::uint32_t level;
        std::uint32_t name;
    };
    for (const Option option : {Option{SOL_SOCKET, SO_KEEPALIVE}, Option{SOL_SOCKET, SO_LINGER},
                                Option{SOL_SOCKET, SO_SNDBUF}, Option{SOL_SOCKET, SO_RCVBUF},
                                Option{IPPROTO_TCP, TCP_NODELAY}, Option{IPPROTO_TCP, TCP_KEEPIDLE},
                                Option{IPPROTO_TCP, TCP_KEEPINTVL}, Option{IPPROTO_TCP, TCP_KEEPCNT},
                                Option{IPPROTO_TCP, TCP_USER_TIMEOUT}, Option{IPPROTO_TCP, TCP_NOTSENT_LOWAT}})
        table.add({{"setsockopt", allow(), "buffers, keep-alive, delays; no socket filters",
                    {int_is(1, option.level), int_is(2, option.name)}}});
    return table;
}
// clang-format on

}  // namespace toren
