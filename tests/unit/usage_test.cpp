#include "policy/usage.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <fstream>
#include <functional>
#include <string>

#include "base/child_process.h"
#include "policy/cage.h"
#include "policy/namespaces.h"

namespace toren {
namespace {

constexpr std::uint64_t kMegabyte = 1 << 20;
constexpr std::uint64_t kNever = ~0ULL;

struct Pipe {
    UniqueFd read, write;
    Pipe() {
        int ends[2];
        EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
        read.reset(ends[0]);
        write.reset(ends[1]);
    }
    void say() const { EXPECT_EQ(::write(write.get(), "x", 1), 1); }
    // Where the other side is gone instead, the end of the file is as good.
    void hear() const {
        char byte = 0;
        [[maybe_unused]] const auto length = ::read(read.get(), &byte, 1);
    }
};

char* touched(std::size_t bytes, int flags = MAP_PRIVATE) {
    void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) ::_exit(90);
    ::memset(memory, 1, bytes);
    return static_cast<char*>(memory);
}

void burn(int milliseconds) {
    const auto now = [] {
        timespec used{};
        ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
        return used.tv_sec * 1000 + used.tv_nsec / 1'000'000;
    };
    const auto until = now() + milliseconds;
    while (now() < until) {
    }
}

[[noreturn]] void wait_forever() {
    while (true) ::pause();
}

// Forks a child in this namespace that does `body`, says so, and stays.
pid_t resident(const std::function<void()>& body) {
    const Pipe ready;
    const pid_t pid = ::fork();
    if (pid == 0) {
        body();
        ready.say();
        wait_forever();
    }
    ready.hear();
    return pid;
}

Usage measure(std::uint64_t exact_beyond = kNever) {
    const UniqueFd proc(::open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const auto usage = measure_usage(proc.get(), ::getpid(), exact_beyond);
    if (!usage) ::_exit(91);
    return *usage;
}

// Runs `body` as pid 1 of a pid namespace with a /proc of its own, as a command's init is. `body` returns what is
// wrong, or nothing.
void in_namespace(const std::function<std::string()>& body) {
    const Pipe answer;
    const unsigned user = ::geteuid(), group = ::getegid();
    auto child = ChildProcess::fork(CLONE_NEWUSER | kCommandNamespaces);
    ASSERT_TRUE(child) << child.error().text();
    if (!*child) {
        std::string wrong;
        ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
        if (auto mapped = map_own_ids(user, group); !mapped) wrong = mapped.error().text();
        else if (auto mounted = mount_own_proc(); !mounted) wrong = mounted.error().text();
        else wrong = body();
        if (wrong.empty()) wrong = "good";
        ::_exit(::write(answer.write.get(), wrong.data(), wrong.size()) > 0 ? 0 : 1);
    }
    pollfd ended{(*child)->pidfd(), POLLIN, 0};
    ASSERT_EQ(::poll(&ended, 1, 60'000), 1) << "the namespace's init does not end";
    const auto status = (*child)->try_wait();
    ASSERT_TRUE(status);
    ASSERT_EQ(describe(*status), "exited with code 0");
    char text[512] = {};
    ASSERT_GT(::read(answer.read.get(), text, sizeof text - 1), 0);
    EXPECT_STREQ(text, "good");
}

std::string unless(bool good, const std::string& what, std::uint64_t number) {
    return good ? "" : what + ": " + std::to_string(number);
}

TEST(UsageTest, ANamespaceWithItsInitAloneUsesNothing) {
    in_namespace([] {
        const Usage usage = measure();
        return unless(usage.processes == 0 && usage.memory_bytes == 0 && usage.cpu_milliseconds == 0, "memory",
                      usage.memory_bytes);
    });
}

// What a process has beside what it touches: little, but for the sanitizer's own memory.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::uint64_t kBeside = 150 * kMegabyte;
#else
constexpr std::uint64_t kBeside = 25 * kMegabyte;
#endif

TEST(UsageTest, TheMemoryOfEveryProcessCounts) {
    in_namespace([] {
        resident([] { touched(60 * kMegabyte); });
        resident([] { touched(30 * kMegabyte); });
        const Usage usage = measure();
        if (usage.processes != 2 || usage.threads != 2) return unless(false, "processes", usage.processes);
        return unless(usage.memory_bytes > 90 * kMegabyte && usage.memory_bytes < 90 * kMegabyte + 2 * kBeside,
                      "memory", usage.memory_bytes);
    });
}

TEST(UsageTest, MemoryThatProcessesShareCountsOnceWhenItIsLookedAtExactly) {
    in_namespace([] {
        resident([] {
            touched(80 * kMegabyte);
            for (int i = 0; i < 3; ++i) resident([] {});
        });
        const Usage quick = measure();
        if (quick.memory_bytes < 300 * kMegabyte) return unless(false, "the control, resident", quick.memory_bytes);
        const Usage exact = measure(100 * kMegabyte);
        return unless(exact.memory_bytes > 80 * kMegabyte && exact.memory_bytes < 80 * kMegabyte + kBeside, "exact",
                      exact.memory_bytes);
    });
}

TEST(UsageTest, AProcessThatHidesItsMapsCountsWithAllThatIsResident) {
    if (::geteuid() == 0) GTEST_SKIP() << "root reads the maps of a process that is not dumpable";
    in_namespace([] {
        resident([] {
            touched(80 * kMegabyte);
            resident([] { ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); });
            ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
        });
        const Usage exact = measure(0);
        return unless(exact.memory_bytes > 160 * kMegabyte, "exact", exact.memory_bytes);
    });
}

TEST(UsageTest, ProcessorTimeOfTheLivingCounts) {
    in_namespace([] {
        resident([] { burn(300); });
        const Usage usage = measure();
        return unless(usage.cpu_milliseconds >= 280 && usage.cpu_milliseconds < 1500, "cpu", usage.cpu_milliseconds);
    });
}

TEST(UsageTest, ProcessorTimeOfChildrenThatEndedCounts) {
    in_namespace([] {
        resident([] {
            const pid_t child = ::fork();
            if (child == 0) {
                burn(300);
                ::_exit(0);
            }
            ::waitpid(child, nullptr, 0);
        });
        const Usage usage = measure();
        if (usage.processes != 1) return unless(false, "processes", usage.processes);
        return unless(usage.cpu_milliseconds >= 280, "cpu", usage.cpu_milliseconds);
    });
}

TEST(UsageTest, ProcessorTimeOfOrphansThatTheInitReapedCounts) {
    in_namespace([] {
        resident([] {
            const Pipe done;
            const pid_t child = ::fork();
            if (child == 0) {
                if (::fork() == 0) {
                    while (::getppid() != 1) ::sched_yield();  // until it is an orphan
                    burn(300);
                    done.say();
                    ::_exit(0);
                }
                ::_exit(0);
            }
            ::waitpid(child, nullptr, 0);
            done.hear();
        });
        if (::waitpid(-1, nullptr, 0) <= 0) return std::string("the control: there is no orphan to reap");
        const Usage usage = measure();
        return unless(usage.processes == 1 && usage.cpu_milliseconds >= 280, "cpu", usage.cpu_milliseconds);
    });
}

TEST(UsageTest, ANameThatImitatesNumbersChangesNothing) {
    in_namespace([] {
        resident([] {
            touched(40 * kMegabyte);
            ::prctl(PR_SET_NAME, ") R 1 1 0 0 0 0", 0, 0, 0);
        });
        const Usage usage = measure();
        return unless(usage.memory_bytes > 40 * kMegabyte && usage.threads == 1, "memory", usage.memory_bytes);
    });
}

// While a tree of processes forks and ends as fast as it can, every measurement succeeds.
TEST(UsageTest, ProcessesThatVanishMeanwhileAreNoError) {
    in_namespace([] {
        for (int i = 0; i < 2; ++i)
            if (::fork() == 0)
                while (true) {
                    const pid_t child = ::fork();
                    if (child == 0) ::_exit(0);
                    ::waitpid(child, nullptr, 0);
                }
        bool saw_many = false;
        for (int i = 0; i < 2000; ++i) saw_many |= measure(0).processes > 2;
        return unless(saw_many, "the control: nobody forks", 0);
    });
}

TEST(UsageTest, ADescriptorThatIsNoFolderIsAnError) {
    const UniqueFd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    EXPECT_FALSE(measure_usage(null.get(), 1, 0));
}

std::string oom_score(const std::string& pid) {
    std::ifstream file("/proc/" + pid + "/oom_score_adj");
    std::string score;
    file >> score;
    return score;
}

TEST(OomVictimTest, AProcessThatAskedForItIsMarkedAndSoIsWhatItForks) {
    const Pipe grandchild;
    auto child = ChildProcess::fork();
    ASSERT_TRUE(child);
    if (!*child) {
        if (!prefer_as_oom_victim()) ::_exit(1);
        const std::string own = oom_score("self");
        const pid_t forked = ::fork();
        if (forked == 0) ::_exit(oom_score("self") == "1000" ? 0 : 2);
        int status = 0;
        ::waitpid(forked, &status, 0);
        ::_exit(own == "1000" && status == 0 ? 0 : 3);
    }
    pollfd ended{(*child)->pidfd(), POLLIN, 0};
    ASSERT_EQ(::poll(&ended, 1, 20'000), 1);
    EXPECT_EQ(describe(*(*child)->try_wait()), "exited with code 0");
    EXPECT_NE(oom_score("self"), "1000") << "the control: this process did not ask";
}

// Not a test of speed: prints what a measurement costs. --gtest_also_run_disabled_tests --gtest_filter=*Cost*
TEST(UsageTest, DISABLED_Cost) {
    for (const int count : {5, 50, 500})
        for (const bool exact : {false, true})
            in_namespace([count, exact] {
                resident([] { touched(256 * kMegabyte, MAP_SHARED); });
                for (int i = 1; i < count; ++i) resident([] { touched(kMegabyte); });
                constexpr int kRounds = 100;
                measure(exact ? 0 : kNever);
                const auto begin = std::chrono::steady_clock::now();
                for (int i = 0; i < kRounds; ++i) measure(exact ? 0 : kNever);
                const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - begin;
                fprintf(stderr, "%4d processes, %s: %.0f us\n", count, exact ? "exact" : "quick",
                        took.count() / kRounds);
                return std::string();
            });
}

}  // namespace
}  // namespace toren
