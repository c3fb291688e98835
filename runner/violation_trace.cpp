// PROCESS    the cage's init (init.cpp), only with --report or --learn
// DISTRUSTS  the command: its memory and its names are bytes, bounded; they may change between the call and the look
#include "runner/violation_trace.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <csignal>
#include <cstddef>
#include <cstring>

namespace toren::runner {
namespace {

constexpr std::size_t kMostTold = 500;
constexpr std::size_t kLongestText = 1000;

// Calls that name a path. `flags`: the argument that holds open(2)'s flags, -1 where there is none.
struct PathCall {
    long number;
    int folder, path, flags;
    bool writes;
};

constexpr PathCall kPathCalls[] = {
    {SYS_openat, 0, 1, 2, false},      {SYS_openat2, 0, 1, -1, false},   {SYS_newfstatat, 0, 1, -1, false},
    {SYS_statx, 0, 1, -1, false},      {SYS_faccessat, 0, 1, -1, false}, {SYS_faccessat2, 0, 1, -1, false},
    {SYS_readlinkat, 0, 1, -1, false}, {SYS_execve, -1, 0, -1, false},   {SYS_execveat, 0, 1, -1, false},
    {SYS_chdir, -1, 0, -1, false},     {SYS_mkdirat, 0, 1, -1, true},    {SYS_unlinkat, 0, 1, -1, true},
    {SYS_renameat2, 2, 3, -1, true},   {SYS_linkat, 2, 3, -1, true},     {SYS_symlinkat, 1, 2, -1, true},
    {SYS_fchmodat, 0, 1, -1, true},    {SYS_utimensat, 0, 1, -1, true},  {SYS_truncate, -1, 0, -1, true},
#ifdef SYS_open
    {SYS_open, -1, 0, 1, false},       {SYS_stat, -1, 0, -1, false},     {SYS_lstat, -1, 0, -1, false},
    {SYS_access, -1, 0, -1, false},    {SYS_readlink, -1, 0, -1, false}, {SYS_creat, -1, 0, -1, true},
    {SYS_mkdir, -1, 0, -1, true},      {SYS_rmdir, -1, 0, -1, true},     {SYS_unlink, -1, 0, -1, true},
    {SYS_rename, -1, 1, -1, true},     {SYS_renameat, 2, 3, -1, true},   {SYS_link, -1, 1, -1, true},
    {SYS_symlink, -1, 1, -1, true},    {SYS_chmod, -1, 0, -1, true},
#endif
};

// Calls that the filter refuses, of which a person may want to know. None can be allowed by a profile.
struct FilteredCall {
    long number;
    const char* what;
};

constexpr FilteredCall kFilteredCalls[] = {
    {SYS_unshare, "unshare: new namespaces"},
    {SYS_setns, "setns: other namespaces"},
    {SYS_clone, "clone: new namespaces"},
    {SYS_mount, "mount"},
    {SYS_umount2, "umount"},
    {SYS_pivot_root, "pivot_root"},
    {SYS_chroot, "chroot"},
    {SYS_bpf, "bpf"},
    {SYS_perf_event_open, "perf_event_open"},
    {SYS_userfaultfd, "userfaultfd"},
    {SYS_io_uring_setup, "io_uring_setup: programs fall back to other calls"},
    {SYS_keyctl, "keyctl: keyrings"},
    {SYS_add_key, "add_key: keyrings"},
    {SYS_process_vm_readv, "process_vm_readv: other processes' memory"},
    {SYS_ptrace, "ptrace (it is being traced for this report)"},
    {SYS_mknodat, "mknod: device nodes"},
    {SYS_socket, "socket: a family or type that no cage has"},
    {SYS_seccomp, "seccomp: user notification"},
    {SYS_personality, "personality"},
};

template <typename Table>
auto find(const Table& table, std::uint64_t number) {
    const auto* row = std::find_if(std::begin(table), std::end(table),
                                   [&](const auto& each) { return each.number == static_cast<long>(number); });
    return row == std::end(table) ? nullptr : row;
}

bool is_one_of(std::int64_t error, std::initializer_list<int> codes) {
    return std::find(codes.begin(), codes.end(), -error) != codes.end();
}

// Up to the first NUL; empty where it cannot be read or is too long.
std::string read_text(pid_t process, std::uint64_t address) {
    char text[kLongestText];
    std::size_t have = 0;
    while (have < sizeof text) {
        // Not over the end of a page: the next one may not be there.
        const std::size_t size = std::min<std::size_t>(sizeof text - have, 4096 - (address + have) % 4096);
        iovec here{text + have, size}, there{reinterpret_cast<void*>(address + have), size};
        const ssize_t length = ::process_vm_readv(process, &here, 1, &there, 1, 0);
        if (length <= 0) return {};
        if (const void* end = std::memchr(text + have, 0, static_cast<std::size_t>(length)); end != nullptr)
            return {text, static_cast<std::size_t>(static_cast<const char*>(end) - text)};
        have += static_cast<std::size_t>(length);
    }
    return {};
}

std::string link_target(const std::string& link) {
    char target[PATH_MAX];
    const ssize_t length = ::readlink(link.c_str(), target, sizeof target);
    return length > 0 ? std::string(target, static_cast<std::size_t>(length)) : std::string();
}

// `..` and `.` taken as text: this is for a person to read and for a look without links.
std::string tidy(const std::string& path) {
    std::string out;
    for (std::size_t start = 0; start < path.size();) {
        const std::size_t end = std::min(path.find('/', start), path.size());
        const std::string part = path.substr(start, end - start);
        start = end + 1;
        if (part.empty() || part == ".") continue;
        if (part == "..") out.erase(std::min(out.rfind('/'), out.size()));
        else out += "/" + part;
    }
    return out.empty() ? "/" : out;
}

std::string absolute_path(pid_t process, const PathCall& row, const std::uint64_t* arguments) {
    const std::string path = read_text(process, arguments[row.path]);
    if (path.empty() || path[0] == '/') return path.empty() ? path : tidy(path);
    const std::string proc = "/proc/" + std::to_string(process);
    const int folder = row.folder < 0 ? AT_FDCWD : static_cast<int>(arguments[row.folder]);
    const std::string base = link_target(folder == AT_FDCWD ? proc + "/cwd" : proc + "/fd/" + std::to_string(folder));
    return base.starts_with('/') ? tidy(base + "/" + path) : std::string();
}

bool wants_to_write(const PathCall& row, const std::uint64_t* arguments) {
    if (row.writes) return true;
    return row.flags >= 0 && (arguments[row.flags] & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)) != 0;
}

// "tcp 93.184.216.34:443"; empty for what is not the network's.
std::string peer_text(pid_t process, std::uint64_t address, std::uint64_t size) {
    sockaddr_storage peer{};
    iovec here{&peer, std::min<std::size_t>(size, sizeof peer)}, there{reinterpret_cast<void*>(address), here.iov_len};
    if (::process_vm_readv(process, &here, 1, &there, 1, 0) <= 0) return {};
    char text[INET6_ADDRSTRLEN] = "";
    if (peer.ss_family == AF_INET) {
        const auto& four = reinterpret_cast<const sockaddr_in&>(peer);
        ::inet_ntop(AF_INET, &four.sin_addr, text, sizeof text);
        return std::string(text) + " port " + std::to_string(ntohs(four.sin_port));
    }
    if (peer.ss_family == AF_INET6) {
        const auto& six = reinterpret_cast<const sockaddr_in6&>(peer);
        ::inet_ntop(AF_INET6, &six.sin6_addr, text, sizeof text);
        return std::string(text) + " port " + std::to_string(ntohs(six.sin6_port));
    }
    return {};
}

}  // namespace

Result<> ViolationTrace::follow(pid_t command) {
    const long options = PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC |
                         PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD;
    if (::ptrace(PTRACE_SEIZE, command, nullptr, options) != 0) return errno_error("--report: trace the command");
    // From its first stop on it stops at every call.
    if (::ptrace(PTRACE_INTERRUPT, command, nullptr, nullptr) != 0) return errno_error("--report: trace the command");
    return Ok{};
}

void ViolationTrace::stopped(pid_t process, int status) {
    const int signal = WSTOPSIG(status), event = status >> 16;
    if (signal == (SIGTRAP | 0x80)) {
        __ptrace_syscall_info info{};
        if (::ptrace(PTRACE_GET_SYSCALL_INFO, process, sizeof info, &info) > 0) {
            if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
                Call& call = calls_[process];
                call.number = info.entry.nr;
                std::copy(std::begin(info.entry.args), std::end(info.entry.args), call.arguments);
            } else if (const auto call = calls_.find(process);
                       info.op == PTRACE_SYSCALL_INFO_EXIT && info.exit.is_error != 0 && call != calls_.end()) {
                judge(process, call->second, info.exit.rval);
            }
        }
        ::ptrace(PTRACE_SYSCALL, process, nullptr, nullptr);
        return;
    }
    const bool stops = signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
    if (event == PTRACE_EVENT_STOP && stops) {
        ::ptrace(PTRACE_LISTEN, process, nullptr, nullptr);  // it is stopped like any other; SIGCONT ends that
        return;
    }
    if (event == 0 && signal == SIGSYS) tell(Wanted::kCall, "a call that ends the process (SIGSYS)");
    const std::uintptr_t passed = event == 0 ? static_cast<std::uintptr_t>(signal) : 0;
    ::ptrace(PTRACE_SYSCALL, process, nullptr, reinterpret_cast<void*>(passed));
}

void ViolationTrace::judge(pid_t process, const Call& call, std::int64_t error) {
    if (const PathCall* row = find(kPathCalls, call.number)) {
        const bool refused = is_one_of(error, {EACCES, EPERM, EROFS});
        if (!refused && !is_one_of(error, {ENOENT})) return;
        const std::string path = absolute_path(process, *row, call.arguments);
        if (path.empty()) return;
        const bool writes = wants_to_write(*row, call.arguments);
        if (refused) tell(writes ? Wanted::kWrite : Wanted::kRead, path);
        else tell(writes ? Wanted::kMissingToWrite : Wanted::kMissing, path);
        return;
    }
    if (call.number == SYS_connect && is_one_of(error, {ENETUNREACH, EACCES, EPERM, EHOSTUNREACH})) {
        const auto peer = peer_text(process, call.arguments[1], call.arguments[2]);
        if (!peer.empty()) tell(Wanted::kNetwork, peer);
        return;
    }
    if (const FilteredCall* row = find(kFilteredCalls, call.number);
        row != nullptr && is_one_of(error, {EPERM, EAFNOSUPPORT, EPROTONOSUPPORT}))
        tell(Wanted::kCall, row->what);
}

void ViolationTrace::tell(Wanted wanted, const std::string& text) {
    const std::string line = static_cast<char>(wanted) + text;
    if (line.size() > kLongestText || told_.size() >= kMostTold || !told_.insert(line).second) return;
    tell_(line);
}

}  // namespace toren::runner
