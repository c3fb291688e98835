#include "base/child_process.h"

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <set>
#include <vector>

namespace toren {
namespace {

constexpr int kPatience = 20'000;  // milliseconds that a test waits for what must come

// A child that runs `body` and exits with what it returns.
ChildProcess start(const std::function<int()>& body) {
    auto child = ChildProcess::fork();
    if (child && !*child) ::_exit(body());
    EXPECT_TRUE(child) << child.error().text();
    return std::move(**child);
}

int wait_forever() {
    while (true) ::pause();
}

bool readable(int fd, int milliseconds = kPatience) {
    pollfd ready{fd, POLLIN, 0};
    return ::poll(&ready, 1, milliseconds) == 1;
}

ExitStatus end_of(ChildProcess& child) {
    EXPECT_TRUE(readable(child.pidfd())) << "the child does not end";
    const auto status = child.try_wait();
    EXPECT_TRUE(status);
    return status.value_or(ExitStatus{-1, -1});
}

bool is_child(pid_t pid) {
    siginfo_t info{};
    return ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

struct Pipe {
    UniqueFd read, write;
    Pipe() {
        int ends[2];
        EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
        read.reset(ends[0]);
        write.reset(ends[1]);
    }
};

TEST(ChildProcessTest, TheExitCodeOfAChildIsTold) {
    for (const int code : {0, 1, 3, 127, 255}) {
        ChildProcess child = start([&] { return code; });
        EXPECT_TRUE(child.running());
        EXPECT_GT(child.pid(), 0);
        const ExitStatus status = end_of(child);
        EXPECT_EQ(status.code, code);
        EXPECT_EQ(status.signal, 0);
        EXPECT_FALSE(child.running());
    }
}

TEST(ChildProcessTest, TheSignalThatEndedAChildIsTold) {
    for (const int signal : {SIGTERM, SIGKILL, SIGUSR1}) {
        ChildProcess child = start(wait_forever);
        child.kill(signal);
        const ExitStatus status = end_of(child);
        EXPECT_EQ(status.signal, signal);
        EXPECT_EQ(status.code, 0);
    }
}

TEST(ChildProcessTest, AChildThatDumpsCoreIsTakenForEndedByItsSignal) {
    ChildProcess child = start([] {
        const rlimit none{0, 0};
        ::setrlimit(RLIMIT_CORE, &none);
        ::signal(SIGABRT, SIG_DFL);
        std::abort();
        return 0;
    });
    EXPECT_EQ(end_of(child).signal, SIGABRT);
}

TEST(ChildProcessTest, AStatusIsSaidInWords) {
    EXPECT_EQ(describe({3, 0}), "exited with code 3");
    EXPECT_EQ(describe({0, SIGKILL}), "ended by signal 9 (Killed)");
}

TEST(ChildProcessTest, AChildThatRunsHasNoStatusYet) {
    ChildProcess child = start(wait_forever);
    EXPECT_FALSE(child.try_wait());
    EXPECT_TRUE(child.running());
    child.kill(SIGKILL);
    EXPECT_EQ(end_of(child).signal, SIGKILL);
    EXPECT_FALSE(child.try_wait()) << "and it is told once";
    child.kill(SIGKILL);  // of a child that has ended: nothing, and nobody else gets it
}

TEST(ChildProcessTest, TheEndOfTheObjectKillsAndReapsTheChild) {
    const Pipe pipe;
    pid_t pid = 0;
    {
        ChildProcess child = start([&] {
            ::signal(SIGTERM, SIG_IGN);
            return wait_forever();
        });
        pid = child.pid();
        EXPECT_TRUE(is_child(pid)) << "the control: it is there";
    }
    EXPECT_FALSE(is_child(pid)) << "no zombie is left";
    EXPECT_EQ(errno, ECHILD);
    EXPECT_NE(::kill(pid, 0), 0);
    EXPECT_EQ(errno, ESRCH);
}

TEST(ChildProcessTest, TheEndOfTheObjectReapsAChildThatEndedUnseen) {
    pid_t pid = 0;
    {
        ChildProcess child = start([] { return 0; });
        pid = child.pid();
        EXPECT_TRUE(readable(child.pidfd()));
        EXPECT_TRUE(is_child(pid)) << "the control: it is a zombie until then";
    }
    EXPECT_FALSE(is_child(pid));
}

TEST(ChildProcessTest, AnotherChildInItsPlaceEndsTheFirst) {
    ChildProcess child = start(wait_forever);
    const pid_t first = child.pid();
    child = start(wait_forever);
    EXPECT_FALSE(is_child(first));
    EXPECT_TRUE(is_child(child.pid()));
    EXPECT_TRUE(child.running());
}

TEST(ChildProcessTest, AMovedChildIsEndedOnceByItsLastOwner) {
    ChildProcess child = start(wait_forever);
    const pid_t pid = child.pid();
    {
        ChildProcess moved = std::move(child);
        EXPECT_FALSE(child.running());
        EXPECT_TRUE(moved.running());
        EXPECT_EQ(moved.pid(), pid);
        child = ChildProcess();  // an empty one: nothing to end
        EXPECT_TRUE(is_child(pid));
    }
    EXPECT_FALSE(is_child(pid));
}

TEST(ChildProcessTest, ThePidfdIsCloseOnExec) {
    const ChildProcess child = start(wait_forever);
    EXPECT_EQ(::fcntl(child.pidfd(), F_GETFD), FD_CLOEXEC);
}

TEST(ChildProcessTest, FlagsThatTheKernelRefusesAreAnErrorAndNoChild) {
    const auto child = ChildProcess::fork(1);  // a signal's number, which is no flag of clone3
    ASSERT_FALSE(child);
    EXPECT_EQ(child.error().code, EINVAL);
    siginfo_t info{};
    EXPECT_NE(::waitid(P_ALL, 0, &info, WEXITED | WNOHANG), 0);
}

// --- inherit_only

UniqueFd memory_that_says(const char* text) {
    UniqueFd memory(::memfd_create("inherited", MFD_CLOEXEC));
    EXPECT_EQ(::write(memory.get(), text, 1), 1);
    return memory;
}

char letter_at(int fd) {
    char letter = '-';
    return ::pread(fd, &letter, 1, 0) == 1 ? letter : '-';
}

std::set<int> open_from_3() {
    std::set<int> open;
    DIR* folder = ::opendir("/proc/self/fd");
    while (const dirent* entry = ::readdir(folder))
        if (const int fd = std::atoi(entry->d_name); fd >= 3 && fd != ::dirfd(folder)) open.insert(fd);
    ::closedir(folder);
    return open;
}

// Puts memories that say 'a', 'b', 'c' at the numbers `from` in a child, hands them on as `wanted` says, and
// expects each at its number, nothing else open, and no number lost at an exec.
void expect_handed_on(const std::vector<int>& from, const std::vector<InheritedFd>& wanted) {
    ChildProcess child = start([&] {
        std::vector<int> high;  // out of the way first
        for (std::size_t i = 0; i < from.size(); ++i) {
            const UniqueFd memory = memory_that_says(std::string(1, static_cast<char>('a' + i)).c_str());
            high.push_back(::fcntl(memory.get(), F_DUPFD_CLOEXEC, 200));
        }
        for (std::size_t i = 0; i < from.size(); ++i)
            if (::dup3(high[i], from[i], O_CLOEXEC) < 0) return 10;
        ::open("/dev/null", O_RDONLY);
        if (::dup2(0, 500) != 500) return 11;  // far above, and without close-on-exec
        if (!inherit_only(wanted)) return 12;
        std::set<int> expected;
        for (const auto& [fd, number] : wanted) {
            const auto which = std::find(from.begin(), from.end(), fd) - from.begin();
            if (letter_at(number) != static_cast<char>('a' + which)) return 13;
            if (::fcntl(number, F_GETFD) != 0) return 14;
            expected.insert(number);
        }
        return open_from_3() == expected ? 0 : 15;
    });
    EXPECT_EQ(end_of(child).code, 0)
        << "10 and 11: the test itself; 12: refused; 13: a wrong descriptor; 14: lost at an "
           "exec; 15: others are open";
}

TEST(InheritOnlyTest, NothingIsInheritedWhereNothingIsNamed) { expect_handed_on({20, 21}, {}); }

TEST(InheritOnlyTest, ADescriptorStaysWhereItIs) { expect_handed_on({3, 4, 7}, {{3, 3}, {7, 7}}); }

TEST(InheritOnlyTest, DescriptorsTradePlaces) { expect_handed_on({3, 4}, {{3, 4}, {4, 3}}); }

TEST(InheritOnlyTest, DescriptorsMoveRoundInACircle) {
    expect_handed_on({5, 6, 7}, {{5, 6}, {6, 7}, {7, 5}});
    expect_handed_on({5, 6, 7}, {{7, 6}, {6, 5}, {5, 7}});
}

TEST(InheritOnlyTest, ADescriptorThatStandsWhereTheCopiesWouldGoIsCopiedFirst) {
    expect_handed_on({8, 9, 10}, {{9, 3}, {10, 4}, {8, 5}});
    expect_handed_on({6, 7, 8}, {{8, 3}, {7, 40}, {6, 4}});
}

TEST(InheritOnlyTest, OneDescriptorMayHaveTwoNumbers) { expect_handed_on({9}, {{9, 3}, {9, 4}}); }

TEST(InheritOnlyTest, StandardStreamsStayAsTheyAre) {
    const Pipe pipe;
    ChildProcess child = start([&] {
        if (::dup2(pipe.write.get(), 1) < 0 || !inherit_only({})) return 1;
        return ::write(1, "x", 1) == 1 ? 0 : 2;
    });
    EXPECT_EQ(end_of(child).code, 0);
    EXPECT_TRUE(readable(pipe.read.get(), 0));
}

TEST(InheritOnlyTest, ADescriptorThatIsNotOpenIsAnError) {
    ChildProcess child = start([] {
        const InheritedFd missing[] = {{999, 3}};
        const auto done = inherit_only(missing);
        return !done && done.error().code == EBADF ? 0 : 1;
    });
    EXPECT_EQ(end_of(child).code, 0);
}

TEST(InheritOnlyTest, MoreDescriptorsThanAnyProgramGetsAreRefusedWithNothingClosed) {
    ChildProcess child = start([] {
        const UniqueFd memory = memory_that_says("a");
        const auto before = open_from_3();
        std::vector<InheritedFd> many;
        for (int number = 3; number < 3 + 65; ++number) many.push_back({memory.get(), number});
        const auto done = inherit_only(many);
        return !done && done.error().code == E2BIG && open_from_3() == before ? 0 : 1;
    });
    EXPECT_EQ(end_of(child).code, 0);
}

// --- die_with_parent

// A parent that ends while its child waits. Returns whether that child has ended too: it answers no more.
bool ends_with_its_parent(bool asks) {
    Pipe answers;
    const Pipe questions, end_of_parent;
    int channel[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel), 0);
    UniqueFd parents(channel[0]), childs(channel[1]);
    ChildProcess parent = start([&] {
        ::setpgid(0, 0);  // so that the test can end a grandchild that outlives its parent
        auto grandchild = ChildProcess::fork();
        if (!grandchild) return 1;
        char byte = 0;
        if (!*grandchild) {
            parents.reset();
            if (asks && !die_with_parent(childs.get())) ::_exit(1);
            while (::write(answers.write.get(), "x", 1) == 1 && ::read(questions.read.get(), &byte, 1) == 1) {
            }
            ::_exit(0);
        }
        if (::read(end_of_parent.read.get(), &byte, 1) != 1) ::_exit(1);
        ::_exit(0);  // without the end of ChildProcess, which would kill it itself
    });
    const pid_t group = parent.pid();
    answers.write.reset();
    parents.reset();
    char byte = 0;
    EXPECT_TRUE(readable(answers.read.get()));
    EXPECT_EQ(::read(answers.read.get(), &byte, 1), 1) << "the grandchild does not stand";
    EXPECT_EQ(::write(end_of_parent.write.get(), "x", 1), 1);
    EXPECT_EQ(end_of(parent).code, 0);
    EXPECT_EQ(::write(questions.write.get(), "x", 1), 1);
    EXPECT_TRUE(readable(answers.read.get()));
    const bool answered = ::read(answers.read.get(), &byte, 1) == 1;
    ::kill(-group, SIGKILL);
    return !answered;
}

TEST(DieWithParentTest, AChildThatAskedForItEndsWithItsParent) {
    EXPECT_TRUE(ends_with_its_parent(true));
    EXPECT_FALSE(ends_with_its_parent(false)) << "the control: one that did not ask lives on";
}

TEST(DieWithParentTest, AParentThatHasEndedAlreadyIsSeenByItsChannel) {
    ChildProcess child = start([] {
        int channel[2];
        if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel) != 0) return 1;
        if (!die_with_parent(channel[1])) return 2;  // the other end is there: a parent that lives
        ::close(channel[0]);
        return die_with_parent(channel[1]) ? 3 : 0;
    });
    EXPECT_EQ(end_of(child).code, 0);
}

}  // namespace
}  // namespace toren
