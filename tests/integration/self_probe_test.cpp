// Invariant 1, the self-probe: the daemon proves its cage before it listens, and a layer that silently does nothing is
// found. Real cells, real processes; and each attempt is seen to succeed where nothing stops it.
#include "supervisor/self_probe.h"

#include <fcntl.h>
#include <pty.h>
#include <sys/ioctl.h>

#include <cstdlib>
#include <map>

#include "policy/landlock.h"
#include "supervisor/programs.h"
#include "tests/integration/daemon_folder.h"

namespace toren::supervisor {
namespace {

ProbeReport probe(const std::string& folder) {
    Programs programs;  // all but the broker, which has no part in it
    for (const auto& [slot, name] : {std::pair{&programs.spawner, "toren-spawner"},
                                     {&programs.files_worker, "toren-files-worker"},
                                     {&programs.vcs_worker, "toren-vcs-worker"},
                                     {&programs.checkpoint_worker, "toren-checkpoint-worker"},
                                     {&programs.probe, "toren-probe"}})
        slot->reset(::open((std::string(TOREN_BINARY_DIR "/bin/") + name).c_str(), O_PATH | O_CLOEXEC));
    auto report = probe_the_cage(programs, folder, Config{}, static_cast<bool>(landlock_abi()));
    EXPECT_TRUE(report) << report.error().text();
    return report ? std::move(*report) : ProbeReport{};
}

std::string first_word(const char* path) {
    std::string word;
    std::ifstream(path) >> word;
    return word;
}

TEST(SelfProbe, ARealCellHoldsAndNothingIsLeftBehind) {
    const TempFolder state;
    state.folder("probe");
    state.file("probe/left-by-a-crash", "x");
    state.file("probe-canary", "x");
    const auto report = probe(state.path());
    EXPECT_TRUE(report.holds());
    for (const auto& result : report.results) EXPECT_EQ(result.fault, "") << result.attempt->name;
    EXPECT_TRUE(std::filesystem::is_empty(state.path()));
    EXPECT_EQ(std::getenv("TOREN_PROBE_VARIABLE"), nullptr);
    RecordProperty("microseconds", static_cast<int>(report.time.count()));
}

TEST(SelfProbe, EveryAttemptSucceedsOutsideWhereThisMachineLetsAnybodyDoIt) {
    // Why an attempt may fail on a machine without any cage: the machine's own policy, or that there is nothing to try.
    std::map<std::string, std::string> excused = {{"unknown-call", "no kernel has it; clone3 is its control"}};
    if (first_word("/proc/sys/kernel/unprivileged_bpf_disabled") != "0")
        excused["bpf"] = "kernel.unprivileged_bpf_disabled";
    if (const auto off = first_word("/proc/sys/kernel/io_uring_disabled"); !off.empty() && off != "0")
        excused["io-uring"] = "kernel.io_uring_disabled";
    if (first_word("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1")
        excused["mount"] = excused["write-kernel-setting"] = "kernel.apparmor_restrict_unprivileged_userns";
    const TempFolder state;
    // With a controlling terminal, so that there is one to open.
    int master = -1, slave = -1, ends[2] = {-1, -1};
    ASSERT_EQ(::openpty(&master, &slave, nullptr, nullptr, nullptr), 0);
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    auto child = ChildProcess::fork();
    ASSERT_TRUE(child);
    if (!*child) {
        ::setsid();
        ::ioctl(slave, TIOCSCTTY, 0);
        std::string failed;
        for (const auto& result : probe(state.path()).results)
            if (!result.outside || !result.outside->succeeded)
                if (!excused.contains(result.attempt->name)) failed += std::string(result.attempt->name) + " ";
        failed += "done";
        ::_exit(::write(ends[1], failed.data(), failed.size()) > 0 ? 0 : 1);
    }
    ::close(ends[1]);
    char failed[1024] = {};
    EXPECT_GT(::read(ends[0], failed, sizeof failed - 1), 0);
    EXPECT_STREQ(failed, "done") << "these did not succeed outside";
    for (const int fd : {master, slave, ends[0]}) ::close(fd);
}

class Invariant1CarelessSpawner : public testing::TestWithParam<const char*> {};

TEST_P(Invariant1CarelessSpawner, IsFoundBeforeTheDaemonListens) {
    const std::string layer = GetParam();
    if (layer == "landlock" && !landlock_abi()) GTEST_SKIP() << "the kernel has no Landlock";
    const DaemonFolder daemon;
    daemon.put_program("careless_spawner_" + layer, "toren-spawner");
    const auto ended = daemon.run(daemon.serve());
    EXPECT_EQ(ended.status, 1) << ended.log;
    EXPECT_EQ(ended.out, "");
    EXPECT_NE(ended.log.find("the cage does not hold. Layer " + layer + ", attempt '"), std::string::npos) << ended.log;
    EXPECT_NE(ended.log.find("the way out: "), std::string::npos) << ended.log;
    EXPECT_EQ(ended.log.find("serving "), std::string::npos) << "it bound its listeners";
    EXPECT_FALSE(std::filesystem::exists(daemon.state() + "/probe"));
}

INSTANTIATE_TEST_SUITE_P(Layers, Invariant1CarelessSpawner, testing::Values("capabilities", "landlock", "seccomp"),
                         [](const auto& layer) { return std::string(layer.param); });

TEST(Invariant1SelfProbe, AProbeThatSaysNothingIsNoProof) {
    const DaemonFolder daemon;
    daemon.put_program("/bin/true", "toren-probe");
    const auto ended = daemon.run(daemon.serve());
    EXPECT_EQ(ended.status, 1);
    EXPECT_NE(ended.log.find("the probe did not say"), std::string::npos) << ended.log;
}

}  // namespace
}  // namespace toren::supervisor
