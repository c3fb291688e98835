// Real groups, real processes. They need a delegated cgroup v2 subtree with this process alone in it:
//   systemd-run --user --scope -p Delegate=yes build/dev/tests/unit_tests --gtest_filter='Cgroup*'
// Without one they skip, and say why; with TOREN_TEST_CGROUP=required in the environment they fail instead.
#include "policy/cgroup.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <optional>
#include <sstream>
#include <string>

#include "base/child_process.h"
#include "policy/cage.h"
#include "policy/cgroup_files.h"
#include "policy/cgroup_tree.h"
#include "policy/namespaces.h"
#include "policy/privileges.h"
#include "policy/roles.h"
#include "tests/unit/temp_folder.h"

namespace toren {
namespace {

constexpr std::uint64_t kMegabyte = 1 << 20;
constexpr int kPatience = 120'000;  // milliseconds; an emulated machine is slow

struct Pipe {
    UniqueFd read, write;
    Pipe() {
        int ends[2];
        EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
        read.reset(ends[0]);
        write.reset(ends[1]);
    }
};

std::string text_of(const std::string& path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

// What a child found wrong, or nothing; it says so in words, for its assertions would be lost with it.
using Finding = std::string;

Finding of(const Result<>& result) { return result ? "" : result.error().text(); }

struct Process {
    ChildProcess child;
    UniqueFd answer;

    Finding finding() {
        pollfd ended{child.pidfd(), POLLIN, 0};
        if (::poll(&ended, 1, kPatience) != 1) return "the process does not end";
        const auto status = child.try_wait();
        if (!status) return "no status";
        if (status->signal != 0 || status->code != 0) return describe(*status);
        char text[1024] = {};
        return ::read(answer.get(), text, sizeof text - 1) > 0 ? std::string(text + 1) : "it says nothing";
    }
    ExitStatus end() {
        pollfd ended{child.pidfd(), POLLIN, 0};
        if (::poll(&ended, 1, kPatience) != 1) return {-1, -1};
        return child.try_wait().value_or(ExitStatus{-1, -1});
    }
};

Process start(const std::function<Finding()>& body, std::uint64_t flags = 0, int cgroup = -1) {
    Pipe answer;
    auto child = ChildProcess::fork(flags, cgroup);
    if (!child) {
        Process none = start([why = child.error().text()] { return "clone3: " + why; });
        return none;
    }
    if (!*child) {
        const std::string text = "." + body();
        ::_exit(::write(answer.write.get(), text.data(), text.size()) > 0 ? 0 : 99);
    }
    return {std::move(**child), std::move(answer.read)};
}

bool touch(std::size_t bytes) {
    void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return false;
    ::memset(memory, 1, bytes);
    return true;
}

[[noreturn]] void wait_forever() {
    while (true) ::pause();
}

class CgroupTest : public ::testing::Test {
protected:
    void SetUp() override {
        auto taken = CgroupTree::take_over();
        if (!taken) {
            const char* required = std::getenv("TOREN_TEST_CGROUP");
            if (required != nullptr && std::string(required) == "required") FAIL() << taken.error().text();
            GTEST_SKIP() << taken.error().text();
        }
        tree_.emplace(std::move(*taken));
    }

    Group cell(const SegmentLimits& limits = {}) {
        auto made = tree_->make_cell(limits);
        EXPECT_TRUE(made) << made.error().text();
        return std::move(*made);
    }

    // Runs `body` as the spawner of a cell is run: in all its namespaces and its own root, with its group's descriptor.
    Finding in_cell(const std::function<Finding(int)>& body, const SegmentLimits& limits = {}) {
        const TempFolder segment;
        const Group group = cell(limits);
        const unsigned user = ::geteuid(), gid = ::getegid();
        const CellSpec spec{.root = cell_root(segment.path(), workspace_write_profile({}), {}, user, gid),
                            .limits = {},
                            .user = user,
                            .group = gid,
                            .in_cgroup = true,
                            .oom_victim = true};
        Process spawner = start(
            [&]() -> Finding {
                auto inside = enter_cell(spec);
                if (!inside) return inside.error().text();
                return body(inside->get());
            },
            kAllNamespaces, group.fd());
        return spawner.finding();
    }

    std::optional<CgroupTree> tree_;
};

// A group below this process's, delegated in turn: what systemd makes for a unit with Delegate=yes.
class Delegated {
public:
    explicit Delegated(CgroupTree& tree) : group_(std::move(*tree.make_cell({}))) {}
    int fd() const { return group_.fd(); }

private:
    Group group_;
};

// --- taking a subtree over

TEST_F(CgroupTest, TheDaemonIsInALeafAndTheControllersAreOn) {
    EXPECT_EQ(text_of("/proc/self/cgroup"), "0::" + tree_->path() + "/daemon\n");
    EXPECT_TRUE(tree_->has("memory"));
    EXPECT_TRUE(tree_->has("pids"));
    EXPECT_FALSE(tree_->has("mem"));
    const Group group = cell();
    EXPECT_EQ(::faccessat(group.fd(), "cpu.weight", F_OK, 0) == 0, tree_->has("cpu"));
    EXPECT_EQ(::faccessat(group.fd(), "io.stat", F_OK, 0) == 0, tree_->has("io"));
}

TEST_F(CgroupTest, ASubtreeHasOneDaemonAtATime) {
    const auto second = CgroupTree::take_over();
    ASSERT_FALSE(second);
    EXPECT_NE(second.error().what.find("another daemon"), std::string::npos) << second.error().text();
    tree_.reset();
    const auto next = CgroupTree::take_over();
    EXPECT_TRUE(next) << next.error().text();
}

TEST_F(CgroupTest, OtherProcessesInTheGroupAreNamedWithTheWayOut) {
    const Delegated delegated(*tree_);
    const Process shell = start([]() -> Finding { wait_forever(); }, 0, delegated.fd());
    Process daemon = start(
        [&]() -> Finding {
            const auto taken = CgroupTree::take_over();
            return taken ? "taken" : taken.error().text();
        },
        0, delegated.fd());
    const auto finding = daemon.finding();
    EXPECT_NE(finding.find(std::to_string(shell.child.pid()) + " ("), std::string::npos) << finding;
    EXPECT_NE(finding.find("systemd-run --user --scope -p Delegate=yes"), std::string::npos) << finding;
}

TEST_F(CgroupTest, AGroupThatIsNotDelegatedIsRefusedAndSaysSo) {
    const Delegated delegated(*tree_);
    if (::geteuid() == 0) GTEST_SKIP() << "root may write to every group";
    ASSERT_EQ(::fchmodat(delegated.fd(), "cgroup.subtree_control", 0444, 0), 0);
    Process daemon = start(
        [&]() -> Finding {
            const auto taken = CgroupTree::take_over();
            return taken ? "taken" : taken.error().text();
        },
        0, delegated.fd());
    const auto finding = daemon.finding();
    EXPECT_NE(finding.find("is not delegated to this account"), std::string::npos) << finding;
}

TEST_F(CgroupTest, WhatADeadDaemonLeftIsEndedAndRemovedByTheNext) {
    const Delegated delegated(*tree_);
    Pipe left_over;  // at its end when the process that is left has gone
    // It dies without the end of its objects; a process in a group of a group stays, with nothing of the daemon's open.
    Process dead = start(
        [&]() -> Finding {
            auto taken = CgroupTree::take_over();
            if (!taken) return taken.error().text();
            auto cell = taken->make_cell({});
            if (!cell) return cell.error().text();
            ::mkdirat(cell->fd(), "inner", 0755);
            const UniqueFd inner(::openat(cell->fd(), "inner", O_PATH | O_DIRECTORY | O_CLOEXEC));
            auto process = ChildProcess::fork(0, inner.get());
            if (!process) return process.error().text();
            if (!*process) {
                if (::dup2(left_over.write.get(), 1) != 1 || !inherit_only({})) ::_exit(1);
                [[maybe_unused]] const auto said = ::write(1, "x", 1);
                wait_forever();
            }
            char byte = 0;
            if (::read(left_over.read.get(), &byte, 1) == 1) ::kill(::getpid(), SIGKILL);
            return "the process that is to be left does not stand";
        },
        0, delegated.fd());
    EXPECT_EQ(dead.end().signal, SIGKILL);
    left_over.write.reset();
    ASSERT_EQ(::faccessat(delegated.fd(), "cell-1/inner", F_OK, 0), 0) << "the control: it is left";
    pollfd gone{left_over.read.get(), POLLIN, 0};
    ASSERT_EQ(::poll(&gone, 1, 0), 0) << "the control: a process is in it";
    // Nobody is put into a group that has enabled controllers: the next daemon starts where the first one was.
    const UniqueFd leaf(::openat(delegated.fd(), "daemon", O_PATH | O_DIRECTORY | O_CLOEXEC));
    Process next = start(
        [&]() -> Finding {
            auto taken = CgroupTree::take_over();
            if (!taken) return taken.error().text();
            return ::faccessat(delegated.fd(), "cell-1", F_OK, 0) == 0 ? "it is still there" : "";
        },
        0, leaf.get());
    EXPECT_EQ(next.finding(), "");
    EXPECT_EQ(::poll(&gone, 1, kPatience), 1) << "its process lives";
}

// --- a cell's group

TEST_F(CgroupTest, ASegmentsLimitsStandInItsGroup) {
    const Group group = cell({.memory_bytes = 512 * kMegabyte,
                              .swap_bytes = 0,
                              .processes = 300,
                              .cpu_weight = 50,
                              .cpu_percent = 150,
                              .io_weight = 70});
    const auto value = [&](const char* file) {
        auto text = read_cgroup_file(group.fd(), file);
        return text ? *text : text.error().text();
    };
    EXPECT_EQ(value("memory.max"), std::to_string(512 * kMegabyte) + "\n");
    EXPECT_EQ(value("pids.max"), "300\n");
    EXPECT_EQ(value("memory.oom.group"), "0\n");
    if (::faccessat(group.fd(), "memory.swap.max", F_OK, 0) == 0) {
        EXPECT_EQ(value("memory.swap.max"), "0\n");
    }
    if (tree_->has("cpu")) {
        EXPECT_EQ(value("cpu.weight"), "50\n");
        EXPECT_EQ(value("cpu.max"), "150000 100000\n");
    }
    const Group free = cell();
    const auto memory = read_cgroup_file(free.fd(), "memory.max");
    ASSERT_TRUE(memory);
    EXPECT_EQ(*memory, "max\n");
}

TEST_F(CgroupTest, TheEndOfACellsGroupEndsEverythingInIt) {
    Process inside;
    {
        Group group = cell();
        inside = start([]() -> Finding { wait_forever(); }, 0, group.fd());
        const Group moved = std::move(group);
        EXPECT_TRUE(inside.child.running());
    }
    EXPECT_EQ(inside.end().signal, SIGKILL);
}

TEST_F(CgroupTest, ACellIsTheRootOfItsNamespaceAndItsSpawnerIsInALeaf) {
    EXPECT_EQ(
        in_cell([](int) { return text_of("/proc/self/cgroup") == "0::/init\n" ? "" : text_of("/proc/self/cgroup"); }),
        "");
}

TEST_F(CgroupTest, NothingAboveItsGroupIsReachedFromACell) {
    EXPECT_EQ(in_cell([](int group) -> Finding {
                  struct stat own {
                  }, above{};
                  if (::fstat(group, &own) != 0 || ::fstatat(group, "../../../..", &above, 0) != 0) return "fstat";
                  if (own.st_ino != above.st_ino || own.st_dev != above.st_dev) return "'..' leads out of the group";
                  if (::faccessat(group, "../daemon", F_OK, 0) == 0) return "the daemon's group is there";
                  return ::faccessat(AT_FDCWD, "/sys/fs/cgroup", F_OK, 0) == 0 ? "/sys/fs/cgroup is there" : "";
              }),
              "");
}

// systemd mounts with nsdelegate: then a cell's own limits are its parent's to write, whoever holds the descriptor.
TEST_F(CgroupTest, ACellCannotRaiseItsOwnLimits) {
    if (text_of("/proc/self/mountinfo").find("nsdelegate") == std::string::npos)
        GTEST_SKIP()
            << "cgroup2 is mounted without nsdelegate: only the file's mode protects it, and it is the spawner's";
    EXPECT_EQ(in_cell(
                  [](int group) -> Finding {
                      const auto raised = write_cgroup_file(group, "memory.max", "max");
                      if (raised) return "memory.max was written";
                      return raised.error().code == EPERM ? "" : raised.error().text();
                  },
                  {.memory_bytes = 64 * kMegabyte}),
              "");
}

// --- a command's group, made by a spawner that sees no cgroup file system

TEST_F(CgroupTest, ACommandThatTakesTooMuchMemoryEndsWholeAndNobodyElseDoes) {
    EXPECT_EQ(in_cell([](int cell) -> Finding {
                  const Process outside = start([]() -> Finding { wait_forever(); });
                  auto group = make_command_group(cell, 7, {.memory_bytes = 48 * kMegabyte});
                  if (!group) return group.error().text();
                  auto meter = group->meter();
                  if (!meter) return meter.error().text();
                  Process small = start([]() -> Finding { wait_forever(); }, 0, group->fd());
                  Process bomb = start([]() -> Finding { return touch(200 * kMegabyte) ? "survived" : "refused"; }, 0,
                                       group->fd());
                  if (const auto end = bomb.end(); end.signal != SIGKILL) return "the bomb " + describe(end);
                  if (const auto end = small.end(); end.signal != SIGKILL) return "its sibling " + describe(end);
                  if (meter->memory_kills() == 0) return "no kill is told";
                  const auto peak = meter->peak_memory_bytes();
                  if (peak != 0 && (peak < 40 * kMegabyte || peak > 48 * kMegabyte))
                      return "peak " + std::to_string(peak);
                  siginfo_t info{};
                  ::waitid(P_PID, static_cast<id_t>(outside.child.pid()), &info, WEXITED | WNOHANG | WNOWAIT);
                  return info.si_pid == 0 ? "" : "a process outside ended";
              }),
              "");
}

TEST_F(CgroupTest, ACommandWithinItsMemoryIsNotEnded) {
    EXPECT_EQ(in_cell([](int cell) -> Finding {
                  auto group = make_command_group(cell, 1, {.memory_bytes = 64 * kMegabyte});
                  if (!group) return group.error().text();
                  auto meter = group->meter();
                  if (!meter) return meter.error().text();
                  Process command =
                      start([]() -> Finding { return touch(30 * kMegabyte) ? "" : "refused"; }, 0, group->fd());
                  if (auto finding = command.finding(); !finding.empty()) return finding;
                  return meter->memory_kills() == 0 ? "" : "a kill is told";
              }),
              "");
}

// The segment's own limit: the command goes, not the cell.
TEST_F(CgroupTest, WhereTheCellsMemoryRunsOutACommandEndsAndItsSpawnerLives) {
    EXPECT_EQ(in_cell(
                  [](int cell) -> Finding {
                      auto group = make_command_group(cell, 1, {});
                      if (!group) return group.error().text();
                      auto meter = group->meter();
                      if (!meter) return meter.error().text();
                      Process bomb = start([]() -> Finding { return touch(300 * kMegabyte) ? "survived" : "refused"; },
                                           0, group->fd());
                      if (const auto end = bomb.end(); end.signal != SIGKILL) return "the bomb " + describe(end);
                      return meter->memory_kills() > 0 ? "" : "no kill is told";
                  },
                  {.memory_bytes = 96 * kMegabyte}),
              "");
}

TEST_F(CgroupTest, AForkBombStopsAtItsLimitAndOthersFork) {
    EXPECT_EQ(in_cell([](int cell) -> Finding {
                  constexpr unsigned kLimit = 20;
                  auto group = make_command_group(cell, 1, {.processes = kLimit});
                  if (!group) return group.error().text();
                  Process bomb = start(
                      []() -> Finding {
                          unsigned made = 1;  // itself
                          pid_t pid = 0;
                          while ((pid = ::fork()) > 0 && made < 5 * kLimit) ++made;
                          if (pid == 0) wait_forever();
                          if (pid > 0) return "nobody stops it";
                          if (errno != EAGAIN) return std::strerror(errno);
                          return made == kLimit ? "" : std::to_string(made) + " processes";
                      },
                      0, group->fd());
                  if (auto finding = bomb.finding(); !finding.empty()) return finding;
                  return start([]() -> Finding { return ""; }).finding();
              }),
              "");
}

TEST_F(CgroupTest, AKillEndsATreeThatLeftItsParentAndItsSession) {
    EXPECT_EQ(in_cell([](int cell) -> Finding {
                  auto group = make_command_group(cell, 1, {});
                  if (!group) return group.error().text();
                  auto meter = group->meter();
                  if (!meter) return meter.error().text();
                  Pipe alive;  // at its end when the last process that holds it has gone
                  Process command = start(
                      [&]() -> Finding {
                          if (::fork() != 0) return "";
                          ::setsid();
                          if (::fork() != 0) ::_exit(0);
                          [[maybe_unused]] const auto said = ::write(alive.write.get(), "x", 1);
                          wait_forever();
                      },
                      0, group->fd());
                  if (auto finding = command.finding(); !finding.empty()) return finding;
                  alive.write.reset();
                  char byte = 0;
                  if (::read(alive.read.get(), &byte, 1) != 1) return "the control: it does not stand";
                  meter->kill();
                  pollfd gone{alive.read.get(), POLLIN, 0};
                  if (::poll(&gone, 1, kPatience) != 1) return "it lives";
                  return ::read(alive.read.get(), &byte, 1) == 0 ? "" : "it writes";
              }),
              "");
}

TEST_F(CgroupTest, ProcessorTimeOfACommandIsTold) {
    EXPECT_EQ(in_cell([](int cell) -> Finding {
                  auto group = make_command_group(cell, 1, {});
                  if (!group) return group.error().text();
                  auto meter = group->meter();
                  if (!meter) return meter.error().text();
                  Process command = start(
                      []() -> Finding {
                          ::signal(SIGCHLD, SIG_IGN);  // a child that nobody reaps counts like any other
                          const pid_t child = ::fork();
                          timespec used{};
                          while (child == 0 && used.tv_sec == 0 && used.tv_nsec < 300'000'000)
                              ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
                          if (child == 0) ::_exit(0);
                          ::waitpid(-1, nullptr, 0);
                          return "";
                      },
                      0, group->fd());
                  if (auto finding = command.finding(); !finding.empty()) return finding;
                  const auto used = meter->cpu_microseconds() / 1000;
                  return used >= 280 && used < 60'000 ? "" : std::to_string(used) + " ms";
              }),
              "");
}

TEST_F(CgroupTest, ACagedCommandCannotReachTheCgroupFileSystem) {
    EXPECT_EQ(in_cell([](int cell) -> Finding {
                  auto group = make_command_group(cell, 3, {});
                  if (!group) return group.error().text();
                  // As a command's init does it: a pid and a mount namespace of its own, which stay in `init`.
                  Process init = start(
                      [&]() -> Finding {
                          if (auto mounted = mount_own_proc(); !mounted) return mounted.error().text();
                          if (text_of("/proc/self/cgroup") != "0::/init\n") return text_of("/proc/self/cgroup");
                          Process caged = start(
                              []() -> Finding {
                                  if (auto confined = confine_command(-1); !confined) return of(confined);
                                  if (text_of("/proc/self/cgroup") != "0::/command-3\n")
                                      return text_of("/proc/self/cgroup");
                                  if (text_of("/proc/self/mountinfo").find("cgroup") != std::string::npos)
                                      return "a cgroup mount";
                                  if (::mount("cgroup2", "/tmp", "cgroup2", 0, nullptr) == 0) return "mounted";
                                  if (::unshare(CLONE_NEWCGROUP) == 0 || ::unshare(CLONE_NEWUSER) == 0)
                                      return "unshared";
                                  return ::open("/proc/self/oom_score_adj", O_WRONLY) < 0 ? "" : "oom_score_adj opens";
                              },
                              0, group->fd());
                          return caged.finding();
                      },
                      kCommandNamespaces);
                  return init.finding();
              }),
              "");
}

TEST_F(CgroupTest, AGroupOfACommandThatHasEndedIsRemoved) {
    EXPECT_EQ(in_cell([](int cell) -> Finding {
                  for (int i = 0; i < 20; ++i) {
                      auto group = make_command_group(cell, 5, {.memory_bytes = 64 * kMegabyte});
                      if (!group) return group.error().text();
                      Process command = start([]() -> Finding { wait_forever(); }, 0, group->fd());
                      *group = Group();
                      if (command.end().signal != SIGKILL) return "its process lives";
                      if (::faccessat(cell, "command-5", F_OK, 0) == 0) return "it is still there";
                  }
                  return "";
              }),
              "");
}

}  // namespace
}  // namespace toren
