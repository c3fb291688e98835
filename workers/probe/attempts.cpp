#include "workers/probe/attempts.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/keyctl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <iterator>

#include "base/unique_fd.h"
#include "ipc/probe_attempts.h"

namespace toren::probe {
namespace {

constexpr Outcome kSucceeded{};

Outcome refused(const char* detail = "") { return {errno == 0 ? EPERM : errno, detail}; }
Outcome succeeded_if(bool success) { return success ? kSucceeded : refused(); }

// Runs it in a child, for what would change this process; its outcome is the child's. Nobody waits for its end, which
// takes the kernel milliseconds where a namespace ends with it.
template <typename Try>
Outcome in_child(Try attempt) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return refused("pipe2");
    const UniqueFd read_end(ends[0]);
    UniqueFd write_end(ends[1]);
    const pid_t child = ::fork();
    if (child < 0) return refused("fork");
    int code = 0;
    if (child == 0) {
        code = attempt().code;
        ::_exit(::write(write_end.get(), &code, sizeof code) == sizeof code ? 0 : 1);
    }
    write_end.reset();
    if (::read(read_end.get(), &code, sizeof code) != sizeof code) return {EPERM, "the child was ended"};
    return {code};
}

// A small file as text; empty where it cannot be read.
struct Text {
    char bytes[8192] = {};
    std::string_view view() const { return bytes; }
};
Text read_text(const char* path) {
    Text text;
    const UniqueFd file(::open(path, O_RDONLY | O_CLOEXEC));
    std::size_t length = 0;
    while (file && length < sizeof text.bytes - 1) {
        const ssize_t got = ::read(file.get(), text.bytes + length, sizeof text.bytes - 1 - length);
        if (got <= 0) break;
        length += static_cast<std::size_t>(got);
    }
    return text;
}

// A field of /proc/self/status: "NoNewPrivs" gives "1".
std::string_view status_field(const Text& status, std::string_view name) {
    const auto text = status.view();
    for (std::size_t start = 0; start < text.size();) {
        const auto end = text.find('\n', start);
        const auto line = text.substr(start, end - start);
        if (line.starts_with(name) && line.size() > name.size() + 2 && line[name.size()] == ':')
            return line.substr(name.size() + 2);
        if (end == std::string_view::npos) break;
        start = end + 1;
    }
    return {};
}

// --- what must work

Outcome write_segment(const Target&) {
    constexpr const char* kName = "probe-written";
    const UniqueFd file(::open(kName, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!file || ::write(file.get(), "x", 1) != 1) return refused();
    return succeeded_if(::unlink(kName) == 0);
}

Outcome fork_and_execute(const Target&) {
    const pid_t child = ::fork();
    if (child < 0) return refused("fork");
    if (child == 0) {
        ::execl("/proc/self/exe", "toren-probe", "--exit", nullptr);
        ::_exit(errno);
    }
    int status = 0;
    if (::waitpid(child, &status, 0) != child) return refused("waitpid");
    return WIFEXITED(status) ? Outcome{WEXITSTATUS(status)} : Outcome{EPERM, "the child was ended"};
}

// --- files

Outcome read_outside(const Target& target) {
    const UniqueFd file(::open(target.canary, O_RDONLY | O_CLOEXEC));
    char byte = 0;
    return succeeded_if(file && ::read(file.get(), &byte, 1) == 1);
}

Outcome write_outside(const Target& target) {
    // Not made where it is missing: a new file would be one of the cage's own private folder.
    const UniqueFd file(::open(target.canary, O_WRONLY | O_APPEND | O_CLOEXEC));
    return succeeded_if(file && ::write(file.get(), target.inside ? "i" : "o", 1) == 1);
}

Outcome mount_something(const Target&) {
    const auto make_private = [] {
        return succeeded_if(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0);
    };
    // Never the host's own, which root could change.
    return in_child([&] {
        const bool own = ::unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 || ::unshare(CLONE_NEWNS) == 0;
        return own ? make_private() : refused();
    });
}

// Landlock tells nobody whether a process is in a domain. But domains stack, and the kernel allows a power of two of
// them (64 before 5.19, 16 since): who can add exactly that many had none.
Outcome escape_landlock(const Target&) {
    return in_child([]() -> Outcome {
        if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return refused();
        constexpr std::uint64_t kMakeBlockDevices = 1 << 11;
        const UniqueFd ruleset(
            static_cast<int>(::syscall(SYS_landlock_create_ruleset, &kMakeBlockDevices, sizeof kMakeBlockDevices, 0)));
        if (!ruleset) return kSucceeded;  // nothing holds it: the kernel has no Landlock
        unsigned added = 0;
        while (added < 1024 && ::syscall(SYS_landlock_restrict_self, ruleset.get(), 0) == 0) ++added;
        return (added & (added - 1)) == 0 ? kSucceeded : refused();
    });
}

// --- other processes

Outcome share_namespace(const Target& target) {
    auto rest = target.namespaces;
    for (const char* name : ipc::kProbeNamespaces) {
        char path[64];
        ::snprintf(path, sizeof path, "/proc/self/ns/%s", name);
        struct stat about {};
        if (::stat(path, &about) != 0) return {0, name};  // not known to be another
        const auto comma = rest.find(',');
        std::uint64_t host = 0;
        const auto number = rest.substr(0, comma);
        std::from_chars(number.data(), number.data() + number.size(), host);
        if (host == about.st_ino) return {0, name};
        rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
    }
    errno = ESRCH;
    return refused();
}

enum class Shown { kNothing, kAnother, kHostProcess };

// The same number may be another process's in here; since when it runs tells them apart.
Shown shown_in_proc(const Target& target) {
    char path[64];
    ::snprintf(path, sizeof path, "/proc/%d/stat", target.process);
    const Text stat = read_text(path);
    auto text = stat.view();
    if (text.empty()) return Shown::kNothing;
    text = text.substr(std::min(text.size(), text.rfind(')') + 1));  // the name before it may hold anything
    for (int field = 3; field <= 22; ++field) {
        text = text.substr(std::min(text.size(), text.find_first_not_of(' ')));
        if (field == 22) break;
        text = text.substr(std::min(text.size(), text.find(' ')));
    }
    return text.substr(0, text.find(' ')) == target.process_started ? Shown::kHostProcess : Shown::kAnother;
}

Outcome see_host_process(const Target& target) {
    errno = ENOENT;
    return succeeded_if(shown_in_proc(target) == Shown::kHostProcess);
}

Outcome signal_host_process(const Target& target) {
    if (shown_in_proc(target) == Shown::kAnother) return {ESRCH};
    return succeeded_if(::kill(target.process, 0) == 0);
}

Outcome use_host_memory(const Target& target) {
    struct shmid_ds about {};
    return succeeded_if(::shmctl(target.memory, IPC_STAT, &about) == 0);
}

// Inside, the command's init. Outside, a child in its place: nobody may do these things to the host's pid 1 anyway.
class Init {
public:
    explicit Init(const Target& target) : inside_(target.inside), pid_(inside_ ? 1 : ::fork()) {
        if (pid_ == 0)
            while (true) ::pause();
    }
    Init(const Init&) = delete;
    Init& operator=(const Init&) = delete;
    ~Init() {
        if (inside_ || pid_ < 0 || gone_) return;
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    pid_t pid() const { return pid_; }
    // After a signal that ends: inside this process would end with it.
    bool gone() {
        if (inside_) return false;
        int status = 0;
        gone_ = ::waitpid(pid_, &status, 0) == pid_;
        return gone_;
    }

private:
    bool inside_;
    pid_t pid_;
    bool gone_ = false;
};

Outcome signal_init(const Target& target) {
    const Init init(target);
    return succeeded_if(::kill(init.pid(), 0) == 0);
}

Outcome end_init(const Target& target) {
    Init init(target);
    if (::kill(init.pid(), SIGKILL) != 0) return refused();
    errno = EPERM;
    return init.gone() ? kSucceeded : refused("ignored");
}

Outcome trace_init(const Target& target) {
    const Init init(target);
    return succeeded_if(::ptrace(PTRACE_SEIZE, init.pid(), nullptr, nullptr) == 0);
}

// --- the network

// Says which run it is, so that the listener can tell.
Outcome greet(const UniqueFd& socket, const Target& target) {
    return succeeded_if(::send(socket.get(), target.inside ? "i" : "o", 1, MSG_NOSIGNAL) == 1);
}

Outcome connect_loopback(const Target& target) {
    const UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket) return refused();
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(target.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return refused();
    return greet(socket, target);
}

Outcome connect_abstract(const Target& target) {
    const UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (!socket || target.socket.size() > sizeof address.sun_path - 1) return refused();
    std::memcpy(address.sun_path + 1, target.socket.data(), target.socket.size());
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + target.socket.size());
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), length) != 0) return refused();
    return greet(socket, target);
}

// --- what it was born with

Outcome inherit_descriptor(const Target&) {
    for (int fd = 3; fd < 1024; ++fd)
        if (::fcntl(fd, F_GETFD) >= 0) return kSucceeded;
    errno = EBADF;
    return refused();
}

Outcome inherit_variable(const Target& target) {
    errno = ENOENT;
    return succeeded_if(::getenv(target.variable) != nullptr);
}

Outcome open_terminal(const Target&) {
    const UniqueFd terminal(::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY));
    return succeeded_if(static_cast<bool>(terminal));
}

// --- privileges

Outcome hold_capability(const Target&) {
    const Text status = read_text("/proc/self/status");
    for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"}) {
        const auto value = status_field(status, set);
        if (value.empty() || value.find_first_not_of('0') != std::string_view::npos) return {0, set};
    }
    errno = EPERM;
    return refused();
}

Outcome gain_privileges(const Target&) {
    errno = EPERM;
    return succeeded_if(status_field(read_text("/proc/self/status"), "NoNewPrivs") != "1");
}

Outcome write_kernel_setting(const Target&) {
    const auto open = [](const char* path) {
        const UniqueFd file(::open(path, O_WRONLY | O_CLOEXEC));
        return succeeded_if(static_cast<bool>(file));
    };
    const Outcome plain = open("/proc/sys/kernel/core_pattern");
    if (plain.code == 0) return plain;
    const Outcome in_own_namespace = in_child([&] {
        return ::unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 ? open("/proc/sys/net/ipv4/ip_forward") : refused();
    });
    return in_own_namespace.code == 0 ? in_own_namespace : plain;
}

// --- system calls

Outcome escape_filter(const Target&) {
    errno = EPERM;
    return succeeded_if(status_field(read_text("/proc/self/status"), "Seccomp") != "2");
}

Outcome new_user_namespace(const Target&) {
    return in_child([] { return succeeded_if(::unshare(CLONE_NEWUSER) == 0); });
}

// With arguments that no kernel accepts: any errno but those of a filter says that the kernel looked at them.
Outcome looked_at(long result, int filters_errno) { return succeeded_if(result >= 0 || errno != filters_errno); }

Outcome call_clone3(const Target&) { return looked_at(::syscall(SYS_clone3, nullptr, 0), ENOSYS); }

Outcome unknown_call(const Target&) {
    constexpr long kNever = 3999;  // far beyond the newest, below the x32 bit
    return looked_at(::syscall(kNever), ENOSYS);
}

Outcome call_bpf(const Target&) { return looked_at(::syscall(SYS_bpf, BPF_MAP_CREATE, nullptr, 0), EPERM); }

Outcome reach_keyring(const Target&) {
    return succeeded_if(::syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_USER_KEYRING, 1) >= 0);
}

Outcome use_io_uring(const Target&) {
    char parameters[256] = {};
    const UniqueFd ring(static_cast<int>(::syscall(SYS_io_uring_setup, 1, parameters)));
    return succeeded_if(static_cast<bool>(ring));
}

}  // namespace

constexpr Attempt kAttempts[] = {
    {"write-segment", write_segment},
    {"fork-and-execute", fork_and_execute},
    {"read-outside", read_outside},
    {"write-outside", write_outside},
    {"mount", mount_something},
    {"unconfined-files", escape_landlock},
    {"share-namespace", share_namespace},
    {"see-host-process", see_host_process},
    {"signal-host-process", signal_host_process},
    {"use-host-memory", use_host_memory},
    {"signal-init", signal_init},
    {"end-init", end_init},
    {"trace-init", trace_init},
    {"connect-loopback", connect_loopback},
    {"connect-abstract", connect_abstract},
    {"inherit-descriptor", inherit_descriptor},
    {"inherit-variable", inherit_variable},
    {"open-terminal", open_terminal},
    {"hold-capability", hold_capability},
    {"gain-privileges", gain_privileges},
    {"write-kernel-setting", write_kernel_setting},
    {"unfiltered", escape_filter},
    {"new-user-namespace", new_user_namespace},
    {"clone3", call_clone3},
    {"unknown-call", unknown_call},
    {"bpf", call_bpf},
    {"keyring", reach_keyring},
    {"io-uring", use_io_uring},
};

// The table that the supervisor judges by, row by row.
static_assert([] {
    if (std::size(kAttempts) != std::size(ipc::kProbeAttempts)) return false;
    for (std::size_t i = 0; i < std::size(kAttempts); ++i)
        if (kAttempts[i].name != ipc::kProbeAttempts[i].name) return false;
    return true;
}());

}  // namespace toren::probe
