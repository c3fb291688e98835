// Invariant 3: the supervisor treats the broker as hostile. A real supervisor starts a hostile program in the broker's
// place; each rule that it breaks ends it, with one line in the audit log.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/unique_fd.h"
#include "tests/unit/temp_folder.h"

namespace toren {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

struct Attack {
    const char* name;
    const char* line;  // what the audit log says of it
};

class HostileBroker : public testing::TestWithParam<Attack> {
protected:
    void SetUp() override {
        const fs::path programs = fs::path(TOREN_BINARY_DIR) / "bin";
        fs::create_directories(root_ / "bin");
        for (const char* name : {"toren", "toren-spawner", "toren-files-worker", "toren-vcs-worker",
                                 "toren-checkpoint-worker", "toren-probe"})
            fs::copy_file(programs / name, root_ / "bin" / name);
        fs::copy_file(programs / "hostile_broker", root_ / "bin" / "toren-broker");
        fs::create_directories(root_ / "projects" / "one");
        fs::create_directories(root_ / "state" / "broker");
        std::ofstream(root_ / "toren.toml") << "[segments]\npaths = [\"projects/one\"]\n";
        std::ofstream(root_ / "state" / "broker" / "attack") << GetParam().name << "\n";
    }
    void TearDown() override {
        if (daemon_ > 0) ::kill(daemon_, SIGKILL), ::waitpid(daemon_, nullptr, 0);
    }
    void serve() {
        daemon_ = ::fork();
        ASSERT_GE(daemon_, 0);
        if (daemon_ != 0) return;
        const std::string program = root_ / "bin" / "toren", config = root_ / "toren.toml", state = root_ / "state";
        const int log = ::open((root_ / "log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        ::dup2(log, 1), ::dup2(log, 2);
        ::execl(program.c_str(), "toren", "serve", "--config", config.c_str(), "--listen", "127.0.0.1:0", "--state",
                state.c_str(), nullptr);
        ::_exit(127);
    }
    static std::string content(const fs::path& file) {
        std::ostringstream text;
        text << std::ifstream(file).rdbuf();
        return text.str();
    }
    // Waits for the audit log to say it, woken by each change of the state folder.
    bool audit_says(const std::string& text) {
        const UniqueFd changes(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
        ::inotify_add_watch(changes.get(), (root_ / "state").c_str(), IN_MODIFY | IN_CREATE);
        const auto end = std::chrono::steady_clock::now() + 20s;
        while (std::chrono::steady_clock::now() < end) {
            if (content(root_ / "state" / "audit.log").find(text) != std::string::npos) return true;
            pollfd change{changes.get(), POLLIN, 0};
            ::poll(&change, 1, 1000);
            char events[4096];
            while (::read(changes.get(), events, sizeof events) > 0) {
            }
        }
        return false;
    }

    TempFolder temp_;
    fs::path root_ = temp_.path();
    pid_t daemon_ = -1;
};

TEST_P(HostileBroker, IsEndedWithALineInTheAuditLog) {
    serve();
    EXPECT_TRUE(audit_says(GetParam().line)) << content(root_ / "log") << content(root_ / "state" / "audit.log");
    EXPECT_TRUE(audit_says("event=broker-ended detail=\"ended by signal 9")) << content(root_ / "state" / "audit.log");
}

INSTANTIATE_TEST_SUITE_P(
    Invariant3, HostileBroker,
    testing::Values(Attack{"before-greeting", "broker-violation detail=\"OpenCell out of phase"},
                    Attack{"other-build", "broker-violation detail=\"a broker of another build"},
                    Attack{"greets-twice", "broker-violation detail=\"BrokerHello out of phase"},
                    Attack{"unknown-message", "broker-violation detail=\"no message 4711"},
                    Attack{"spawner-message", "broker-violation detail=\"no message"},
                    Attack{"too-long", "broker-violation detail=\"ListSegments is longer"},
                    Attack{"malformed", "broker-violation detail=\"a malformed OpenCell"},
                    Attack{"unconfigured", "OpenCell of a segment that is not configured"},
                    Attack{"workspace-elsewhere", "a workspace's name that is not allowed"},
                    Attack{"workspace-removal-elsewhere", "a workspace's name that is not allowed"},
                    Attack{"workspace-of-nobody", "workspaces of a segment that has none"},
                    Attack{"workspace-cell-of-nobody", "workspaces of a segment that has none"},
                    Attack{"workspaces-unconfigured", "workspaces of a segment that has none: one"},
                    Attack{"silent", "broker-ended"}),
    [](const auto& attack) {
        std::string name = attack.param.name;
        std::replace(name.begin(), name.end(), '-', '_');
        return name;
    });

}  // namespace
}  // namespace toren
