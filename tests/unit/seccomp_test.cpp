// The filters, three ways: the tables against the golden text that reviewers read, the compiled programs against
// the tables for every call number (interpreted), and the real kernel against a few calls, in children.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <bit>
#include <csignal>
#include <fstream>
#include <functional>
#include <set>
#include <sstream>
#include <thread>

#include "policy/filter_table.h"
#include "policy/seccomp.h"
#include "tests/unit/bpf_interpreter.h"

namespace toren {
namespace {

#if defined(__x86_64__)
constexpr std::uint32_t kThisArch = AUDIT_ARCH_X86_64;
constexpr std::uint32_t kOtherArchs[] = {AUDIT_ARCH_I386, AUDIT_ARCH_AARCH64, AUDIT_ARCH_ARM, 0};
#else
constexpr std::uint32_t kThisArch = AUDIT_ARCH_AARCH64;
constexpr std::uint32_t kOtherArchs[] = {AUDIT_ARCH_ARM, AUDIT_ARCH_X86_64, AUDIT_ARCH_I386, 0};
#endif

constexpr std::uint64_t kHighRubbish = 0xdeadbeef00000000U;

std::uint32_t expected(Action action) {
    switch (action.kind) {
        case Action::Kind::kAllow: return SECCOMP_RET_ALLOW;
        case Action::Kind::kErrno: return SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(action.code);
        case Action::Kind::kKill: return SECCOMP_RET_KILL_PROCESS;
    }
    return test::kInvalid;
}

std::uint32_t decide(FilterRole role, std::uint32_t number, const CallArguments& arguments = {},
                     std::uint32_t arch = kThisArch) {
    seccomp_data data{static_cast<int>(number), arch, 0x7f0000001000, {}};
    std::copy(arguments.begin(), arguments.end(), data.args);
    return test::run_bpf(filter_program(role), data);
}

std::uint32_t decide(FilterRole role, const char* call, const CallArguments& arguments = {}) {
    return decide(role, static_cast<std::uint32_t>(call_number(call)), arguments);
}

constexpr std::uint32_t kAllowed = SECCOMP_RET_ALLOW;
constexpr std::uint32_t kKilled = SECCOMP_RET_KILL_PROCESS;
constexpr std::uint32_t refused(int code) { return SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(code); }

// Argument vectors that hit each condition of a call, miss it by one bit, and carry rubbish in every other bit;
// and all combinations of those per argument.
std::vector<CallArguments> probes(const FilterTable& table, std::string_view call) {
    std::array<std::set<std::uint64_t>, 6> values;
    for (auto& set : values) set = {0, ~std::uint64_t{0}};
    for (const Row& row : table.rows) {
        if (row.call != call) continue;
        for (const Condition& condition : row.when) {
            auto& set = values[condition.argument];
            set.insert(condition.value);
            set.insert(condition.value | ~condition.mask);
            set.insert(condition.value | kHighRubbish);
            for (unsigned bit = 0; bit < 64; bit += 1)
                if ((condition.mask >> bit & 1) != 0 && (bit < 8 || std::popcount(condition.mask) <= 32))
                    set.insert(condition.value ^ (std::uint64_t{1} << bit));
        }
    }
    std::vector<CallArguments> vectors = {{}};
    for (unsigned argument = 0; argument < 6; ++argument) {
        if (values[argument].size() == 2) continue;  // no condition looks at it
        std::vector<CallArguments> longer;
        for (const CallArguments& vector : vectors)
            for (const std::uint64_t value : values[argument]) {
                longer.push_back(vector);
                longer.back()[argument] = value;
            }
        vectors = std::move(longer);
    }
    return vectors;
}

class EveryFilter : public testing::TestWithParam<FilterRole> {};

INSTANTIATE_TEST_SUITE_P(Roles, EveryFilter, testing::ValuesIn(kFilterRoles), [](const auto& parameter) {
    std::string name = filter_role_name(parameter.param);
    std::erase(name, '-');
    return name;
});

TEST_P(EveryFilter, TableEqualsItsGoldenText) {
    const std::string path =
        std::string(TOREN_SOURCE_DIR) + "/tests/golden/seccomp-" + filter_role_name(GetParam()) + ".golden";
    std::ifstream file(path);
    ASSERT_TRUE(file) << path;
    std::ostringstream golden;
    golden << file.rdbuf();
    EXPECT_EQ(golden.str(), golden_text(filter_table(GetParam())))
        << "If the change is meant: filter_compiler --golden tests/golden, in a commit that names the threat.";
}

TEST_P(EveryFilter, TableHasNoProblem) { EXPECT_EQ(table_problem(filter_table(GetParam())), ""); }

TEST_P(EveryFilter, ProgramDecidesEveryNumberAsTheTableSays) {
    const FilterTable& table = filter_table(GetParam());
    std::size_t decisions = 0;
    for (int number = 0; number < 1024; ++number) {
        const std::string call = call_name(number);
        for (const CallArguments& arguments : probes(table, call)) {
            const Action action = call.empty() ? table.otherwise : evaluate(table, call, arguments);
            ASSERT_EQ(decide(GetParam(), static_cast<std::uint32_t>(number), arguments), expected(action))
                << call << " (" << number << ") args " << std::hex << arguments[0] << " " << arguments[1] << " "
                << arguments[2];
            ++decisions;
        }
    }
    EXPECT_GE(decisions, 1024U);
}

TEST_P(EveryFilter, NumbersThatNoKernelHasGetTheDefault) {
    const std::uint32_t otherwise = expected(filter_table(GetParam()).otherwise);
    for (const std::uint32_t number : {1024U, 4096U, 0xffffU, 0x10000U, 0x3fffffffU})
        EXPECT_EQ(decide(GetParam(), number), otherwise) << number;
}

#ifdef __x86_64__
TEST_P(EveryFilter, X32CallsEndTheProcess) {
    for (std::uint32_t number = 0; number < 1024; ++number)
        ASSERT_EQ(decide(GetParam(), number | 0x40000000U), kKilled) << number;
    for (const std::uint32_t number : {0x7fffffffU, 0x80000000U, 0xc0000000U, 0xfffffffeU})
        EXPECT_EQ(decide(GetParam(), number), kKilled) << number;
}
#endif

TEST_P(EveryFilter, AnotherArchitectureEndsTheProcess) {
    for (const std::uint32_t arch : kOtherArchs)
        for (std::uint32_t number = 0; number < 1024; ++number)
            ASSERT_EQ(decide(GetParam(), number, {}, arch), kKilled) << std::hex << arch << " " << number;
}

TEST_P(EveryFilter, ProgramFitsTheKernel) {
    EXPECT_GT(filter_program(GetParam()).size(), 10U);
    EXPECT_LT(filter_program(GetParam()).size(), std::size_t{BPF_MAXINSNS});
}

TEST(ServiceFilters, NoServiceCanExecuteOrMakeProcessesOrSockets) {
    for (const FilterRole role : {FilterRole::kBroker, FilterRole::kFiles, FilterRole::kVcs, FilterRole::kCheckpoints,
                                  FilterRole::kCommandInit})
        for (const char* call : {"execve",
                                 "execveat",
                                 "clone",
                                 "clone3",
                                 "fork",
                                 "vfork",
                                 "socket",
                                 "socketpair",
                                 "connect",
                                 "bind",
                                 "listen",
                                 "ptrace",
                                 "mount",
                                 "umount2",
                                 "io_uring_setup",
                                 "bpf",
                                 "process_vm_writev",
                                 "pidfd_getfd",
                                 "prctl",
                                 "memfd_create",
                                 "setns",
                                 "personality",
                                 "pkey_mprotect",
                                 "shmat",
                                 "timer_create"})
            if (call_number(call) >= 0) {
                EXPECT_EQ(decide(role, call), kKilled) << filter_role_name(role) << " " << call;
            }
}

TEST(ServiceFilters, NoServiceCanMakeMemoryExecutable) {
    for (const FilterRole role : {FilterRole::kBroker, FilterRole::kFiles, FilterRole::kVcs, FilterRole::kCheckpoints,
                                  FilterRole::kCommandInit})
        for (const char* call : {"mmap", "mprotect"}) {
            EXPECT_EQ(decide(role, call, {0, 4096, PROT_READ | PROT_WRITE}), kAllowed);
            EXPECT_EQ(decide(role, call, {0, 4096, PROT_READ | PROT_EXEC}), kKilled);
            EXPECT_EQ(decide(role, call, {0, 4096, PROT_EXEC | kHighRubbish}), kKilled);
        }
}

TEST(ServiceFilters, NoServiceCanSendSignalsThroughADescriptor) {
    for (const FilterRole role : {FilterRole::kBroker, FilterRole::kFiles, FilterRole::kVcs, FilterRole::kCheckpoints,
                                  FilterRole::kCommandInit})
        for (const std::uint64_t command :
             {std::uint64_t{F_SETOWN}, std::uint64_t{F_SETSIG}, std::uint64_t{F_SETOWN_EX}, std::uint64_t{F_SETLEASE}})
            EXPECT_EQ(decide(role, "fcntl", {3, command}), kKilled);
}

TEST(BrokerFilter, HotCallsCarryNoConditions) {
    // Only then does the kernel answer from its bitmap.
    for (const char* call :
         {"read", "write", "recvmsg", "sendmsg", "recvfrom", "sendto", "epoll_wait", "epoll_pwait", "futex"})
        for (const Row& row : filter_table(FilterRole::kBroker).rows)
            if (std::string_view(row.call) == call) {
                EXPECT_TRUE(row.when.empty()) << call;
            }
}

TEST(CheckpointsFilter, OpensOnlyThroughOpenat2) {
    for (const char* call : {"open", "openat", "creat", "open_by_handle_at", "linkat", "fchmodat", "inotify_add_watch"})
        if (call_number(call) >= 0) {
            EXPECT_EQ(decide(FilterRole::kCheckpoints, call), kKilled) << call;
        }
    EXPECT_EQ(decide(FilterRole::kCheckpoints, "openat2"), kAllowed);
}

TEST(FilesFilter, OpensOnlyThroughOpenat2) {
    for (const char* call : {"open", "openat", "creat", "open_by_handle_at"})
        if (call_number(call) >= 0) {
            EXPECT_EQ(decide(FilterRole::kFiles, call), kKilled) << call;
        }
    EXPECT_EQ(decide(FilterRole::kFiles, "openat2"), kAllowed);
}

TEST(CommandFilter, RefusesEachNamespaceFlagOfClone) {
    EXPECT_EQ(decide(FilterRole::kCommand, "clone", {SIGCHLD | CLONE_VM | CLONE_VFORK}), kAllowed);
    for (const std::uint64_t flag :
         {CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET}) {
        EXPECT_EQ(decide(FilterRole::kCommand, "clone", {flag | SIGCHLD}), refused(EPERM)) << flag;
        EXPECT_EQ(decide(FilterRole::kCommand, "clone", {flag | kHighRubbish}), refused(EPERM)) << flag;
    }
}

TEST(CommandFilter, ComparesOnlyTheBitsThatTheKernelReads) {
    for (const std::uint64_t rubbish : {std::uint64_t{0}, kHighRubbish}) {
        EXPECT_EQ(decide(FilterRole::kCommand, "ioctl", {0, TIOCSTI | rubbish}), refused(EPERM));
        EXPECT_EQ(decide(FilterRole::kCommand, "prctl", {PR_SET_PTRACER | rubbish}), refused(EPERM));
        EXPECT_EQ(decide(FilterRole::kCommand, "socket", {AF_UNIX | rubbish, SOCK_STREAM}), kAllowed);
        EXPECT_EQ(decide(FilterRole::kCommand, "socket", {38 | rubbish, SOCK_STREAM}), refused(EAFNOSUPPORT));
    }
}

TEST(CommandFilter, TakesOnlyTheSocketsThatWorkNeeds) {
    const auto socket_of = [](int family, int type, int protocol) {
        return decide(FilterRole::kCommand, "socket",
                      {static_cast<std::uint64_t>(family), static_cast<std::uint64_t>(type),
                       static_cast<std::uint64_t>(protocol)});
    };
    constexpr int kFlags = SOCK_CLOEXEC | SOCK_NONBLOCK;
    for (const int family : {AF_INET, AF_INET6}) {
        EXPECT_EQ(socket_of(family, SOCK_STREAM | kFlags, 0), kAllowed);
        EXPECT_EQ(socket_of(family, SOCK_DGRAM | kFlags, IPPROTO_UDP), kAllowed);
        EXPECT_EQ(socket_of(family, SOCK_RAW | kFlags, IPPROTO_ICMP), refused(EPERM));
        EXPECT_EQ(socket_of(family, SOCK_STREAM, IPPROTO_SCTP), refused(EPROTONOSUPPORT));
        EXPECT_EQ(socket_of(family, SOCK_STREAM, 262), refused(EPROTONOSUPPORT)) << "MPTCP";
        EXPECT_EQ(socket_of(family, SOCK_DCCP, 0), refused(EPROTONOSUPPORT));
    }
    EXPECT_EQ(socket_of(AF_INET, SOCK_PACKET, 0), refused(EPERM));
    EXPECT_EQ(socket_of(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), kAllowed);
    EXPECT_EQ(socket_of(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER), refused(EPROTONOSUPPORT));
    for (const int family : {AF_PACKET, AF_VSOCK, AF_ALG, AF_XDP, AF_TIPC, AF_BLUETOOTH, AF_CAN})
        EXPECT_EQ(socket_of(family, SOCK_STREAM, 0), refused(EAFNOSUPPORT)) << family;
}

// --- the real kernel --------------------------------------------------------------------------------------------

struct Ending {
    int exit_code = -1;
    int signal = 0;
};

// What becomes of a child that runs `attempt` under the filter of `role`, or under none.
Ending run_confined(const FilterRole* role, const std::function<int()>& attempt) {
    const pid_t child = ::fork();
    if (child == 0) {
        const rlimit no_core{0, 0};
        ::setrlimit(RLIMIT_CORE, &no_core);
        if (role != nullptr) {
            if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) ::_exit(254);
            if (!install_filter(*role)) ::_exit(253);
        }
        ::_exit(attempt());
    }
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status)) return {-1, WTERMSIG(status)};
    return {WEXITSTATUS(status), 0};
}

// 0 where it succeeded, else its errno.
int errno_of(long result) { return result < 0 ? errno : 0; }

int under(FilterRole role, const std::function<int()>& attempt) {
    const Ending ending = run_confined(&role, attempt);
    EXPECT_EQ(ending.signal, 0);
    return ending.exit_code;
}
int unconfined(const std::function<int()>& attempt) { return run_confined(nullptr, attempt).exit_code; }

int ended_by(FilterRole role, const std::function<int()>& attempt) { return run_confined(&role, attempt).signal; }

TEST(InstalledFilter, NeedsNoNewPrivs) {
    const Ending ending = run_confined(nullptr, [] {
        if (::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1) return 77;
        const auto result = install_filter(FilterRole::kCommand);
        return result || result.error().text().find("seccomp") == std::string::npos ? 1 : 0;
    });
    if (ending.exit_code == 77) GTEST_SKIP() << "this test runner itself is under no_new_privs";
    EXPECT_EQ(ending.exit_code, 0);
}

TEST(InstalledFilter, CoversThreadsThatExistAlready) {
    EXPECT_EQ(unconfined([] {
                  std::atomic<int> answer{-1};
                  std::atomic<bool> go{false};
                  std::thread thread([&] {
                      while (!go) std::this_thread::yield();
                      answer = errno_of(::syscall(SYS_setns, -1, 0));
                  });
                  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || !install_filter(FilterRole::kCommand)) return 1;
                  go = true;
                  thread.join();
                  return answer == EPERM ? 0 : 1;
              }),
              0);
}

TEST(InstalledCommandFilter, RefusesMount) {
    // Positive control: as an ordinary user the kernel itself says EPERM, so ask with a pointer that it looks at
    // before the permission.
    const auto mount_nothing = [] {
        return errno_of(::mount(reinterpret_cast<const char*>(1), "/", "tmpfs", 0, nullptr));
    };
    EXPECT_EQ(unconfined(mount_nothing), EFAULT);
    EXPECT_EQ(under(FilterRole::kCommand, mount_nothing), EPERM);
}

TEST(InstalledCommandFilter, RefusesNewUserNamespaces) {
    const auto unshare_user = [] { return errno_of(::unshare(CLONE_NEWUSER)); };
    if (unconfined(unshare_user) != 0) GTEST_SKIP() << "the kernel gives no user namespaces here";
    EXPECT_EQ(under(FilterRole::kCommand, unshare_user), EPERM);
    EXPECT_EQ(
        under(FilterRole::kCommand, [] { return errno_of(::syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0)); }),
        EPERM);
}

TEST(InstalledCommandFilter, AnswersClone3AndUnknownCallsWithEnosys) {
    EXPECT_EQ(unconfined([] { return errno_of(::syscall(SYS_clone3, nullptr, 0)); }), EINVAL);
    EXPECT_EQ(under(FilterRole::kCommand, [] { return errno_of(::syscall(SYS_clone3, nullptr, 0)); }), ENOSYS);
    EXPECT_EQ(under(FilterRole::kCommand, [] { return errno_of(::syscall(1000)); }), ENOSYS);
}

TEST(InstalledCommandFilter, RefusesSocketsOfOtherFamilies) {
    const auto alg = [] { return errno_of(::socket(AF_ALG, SOCK_SEQPACKET, 0)); };
    EXPECT_EQ(under(FilterRole::kCommand, alg), EAFNOSUPPORT);
    if (unconfined(alg) != 0) std::puts("no positive control: this kernel has no AF_ALG");
    EXPECT_EQ(under(FilterRole::kCommand, [] { return errno_of(::socket(AF_UNIX, SOCK_STREAM, 0)); }), 0);
    EXPECT_EQ(under(FilterRole::kCommand, [] { return errno_of(::socket(AF_INET, SOCK_STREAM, 0)); }), 0);
}

TEST(InstalledCommandFilter, RefusesTypingIntoTheTerminal) {
    const auto type = [] { return errno_of(::syscall(SYS_ioctl, -1, TIOCSTI | kHighRubbish, "x")); };
    EXPECT_EQ(unconfined(type), EBADF);
    EXPECT_EQ(under(FilterRole::kCommand, type), EPERM);
}

TEST(InstalledCommandFilter, RefusesSeccompUserNotification) {
    const auto listen = [] {
        // NEW_LISTENER with a program that is not there.
        return errno_of(::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, nullptr));
    };
    EXPECT_EQ(unconfined(listen), EFAULT);
    EXPECT_EQ(under(FilterRole::kCommand, listen), EPERM);
}

TEST(InstalledCommandFilter, LetsACommandCageItsOwnChildren) {
    EXPECT_EQ(under(FilterRole::kCommand, [] { return install_filter(FilterRole::kFiles) ? 0 : 1; }), 0);
}

TEST(InstalledCommandFilter, LetsAShellRunAPipeline) {
    EXPECT_EQ(under(FilterRole::kCommand,
                    [] {
                        ::execl("/bin/sh", "sh", "-c", "test \"$(echo caged | tr a-z A-Z)\" = CAGED", nullptr);
                        return 126;
                    }),
              0);
}

TEST(InstalledCommandFilter, LetsADebuggerTraceItsOwnChild) {
    EXPECT_EQ(under(FilterRole::kCommand,
                    [] {
                        const pid_t child = ::fork();
                        if (child == 0) {
                            ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
                            ::raise(SIGSTOP);
                            ::_exit(0);
                        }
                        int status = 0;
                        if (::waitpid(child, &status, 0) != child || !WIFSTOPPED(status)) return 1;
                        if (::ptrace(PTRACE_CONT, child, nullptr, nullptr) != 0) return 2;
                        return ::waitpid(child, &status, 0) == child && WIFEXITED(status) ? 0 : 3;
                    }),
              0);
}

#ifdef __x86_64__
TEST(InstalledCommandFilter, EndsAProcessThatUsesThe32BitEntry) {
    // getpid, by its 32-bit number.
    const auto enter = [] {
        long result = 20;
        asm volatile("int $0x80" : "+a"(result) : : "memory", "r8", "r9", "r10", "r11");
        return result == ::getpid() ? 0 : 1;
    };
    if (run_confined(nullptr, enter).exit_code != 0) std::puts("no positive control: no 32-bit entry");
    EXPECT_EQ(ended_by(FilterRole::kCommand, enter), SIGSYS);
}
#endif

TEST(InstalledServiceFilter, ExecuteEndsTheProcess) {
    const auto execute = [] {
        ::execl("/bin/true", "true", nullptr);
        return 126;
    };
    EXPECT_EQ(unconfined(execute), 0);
    for (const FilterRole role : {FilterRole::kBroker, FilterRole::kFiles, FilterRole::kVcs, FilterRole::kCheckpoints,
                                  FilterRole::kCommandInit})
        EXPECT_EQ(ended_by(role, execute), SIGSYS) << filter_role_name(role);
}

TEST(InstalledServiceFilter, SocketForkAndExecutableMemoryEndTheProcess) {
    const std::function<int()> attempts[] = {
        [] { return errno_of(::socket(AF_INET, SOCK_STREAM, 0)); },
        [] { return ::fork() == 0 ? 0 : 0; },
        [] {
            void* memory = ::mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            return memory == MAP_FAILED ? errno : 0;
        },
    };
    for (const auto& attempt : attempts) {
        EXPECT_EQ(unconfined(attempt), 0);
        for (const FilterRole role : {FilterRole::kBroker, FilterRole::kFiles, FilterRole::kVcs,
                                      FilterRole::kCheckpoints, FilterRole::kCommandInit})
            EXPECT_EQ(ended_by(role, attempt), SIGSYS) << filter_role_name(role);
    }
}

TEST(InstalledBrokerFilter, AbortStillSaysAbort) {
    EXPECT_EQ(ended_by(FilterRole::kBroker, []() -> int { std::abort(); }), SIGABRT);
}

// A taken-over broker makes an outgoing connection out of a listener: shut down, it is an unconnected socket in
// the host's network namespace, and MSG_FASTOPEN connects without connect(2).
TEST(InstalledBrokerFilter, AListenerCannotBeTurnedIntoAConnection) {
    const int target = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    const int inherited = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(::bind(target, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(::bind(inherited, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(::listen(target, 8), 0);
    ASSERT_EQ(::listen(inherited, 8), 0);
    socklen_t length = sizeof address;
    ASSERT_EQ(::getsockname(target, reinterpret_cast<sockaddr*>(&address), &length), 0);
    const auto connect_out = [&] {
        ::shutdown(inherited, SHUT_RDWR);
        const auto* to = reinterpret_cast<const sockaddr*>(&address);
        return ::sendto(inherited, "x", 1, MSG_FASTOPEN, to, sizeof address) == 1 ? 0 : 1;
    };
    EXPECT_NE(under(FilterRole::kBroker, connect_out), 0);
    EXPECT_EQ(::accept4(target, nullptr, nullptr, SOCK_CLOEXEC), -1);
    // The control comes second: it spends the listener.
    if (unconfined(connect_out) != 0) std::puts("no positive control: TCP Fast Open is off here");
    ::close(target);
    ::close(inherited);
}

}  // namespace
}  // namespace toren
