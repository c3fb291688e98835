// DaemonFolder: a folder with Toren's programs, a configuration and a state folder of a test's own, for a daemon that
// is expected to end by itself.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include "base/child_process.h"
#include "tests/unit/temp_folder.h"

namespace toren {

struct Ended {
    int status = -1;  // the exit status; -1: it did not end by itself in time
    std::string out, log;
};

class DaemonFolder {
public:
    DaemonFolder() {
        std::filesystem::create_directories(root_ / "bin");
        for (const char* name : {"toren", "toren-spawner", "toren-files-worker", "toren-vcs-worker",
                                 "toren-checkpoint-worker", "toren-probe"})
            put_program(name, name);
        put_program("/bin/true", "toren-broker");  // it never greets, so no daemon here announces itself
        std::filesystem::create_directories(root_ / "projects" / "one");
        std::ofstream(root_ / "toren.toml") << "[segments]\npaths = [\"projects/one\"]\n";
    }

    void put_program(const std::string& from, const std::string& name) const {
        std::filesystem::copy_file(std::filesystem::path(TOREN_BINARY_DIR) / "bin" / from, root_ / "bin" / name,
                                   std::filesystem::copy_options::overwrite_existing);
    }
    std::string config() const { return root_ / "toren.toml"; }
    std::string state() const { return root_ / "state"; }
    std::vector<std::string> serve() const {
        return {"serve", "--config", config(), "--listen", "127.0.0.1:0", "--state", state()};
    }

    // Runs toren in a child with these clone flags, which does `before` first; waits for its end.
    Ended run(
        const std::vector<std::string>& arguments, std::uint64_t clone_flags = 0,
        const std::function<bool()>& before = [] { return true; }) const {
        constexpr int kLongestMilliseconds = 30'000, kNotPrepared = 99;
        auto child = ChildProcess::fork(clone_flags);
        if (!child) {
            ADD_FAILURE() << child.error().text();
            return {};
        }
        if (!*child) {
            const std::string program = root_ / "bin" / "toren";
            std::vector<const char*> argv{"toren"};
            for (const auto& argument : arguments) argv.push_back(argument.c_str());
            argv.push_back(nullptr);
            for (const auto& [fd, name] : {std::pair{1, "out"}, {2, "log"}})
                ::dup2(::open((root_ / name).c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), fd);
            if (!before()) ::_exit(kNotPrepared);
            ::execv(program.c_str(), const_cast<char* const*>(argv.data()));
            ::_exit(127);
        }
        pollfd end{(*child)->pidfd(), POLLIN, 0};
        Ended ended;
        if (::poll(&end, 1, kLongestMilliseconds) > 0)
            if (const auto status = (*child)->try_wait(); status && status->signal == 0) ended.status = status->code;
        ended.out = content(root_ / "out");
        ended.log = content(root_ / "log");
        return ended;
    }

    static std::string content(const std::filesystem::path& file) {
        std::ostringstream text;
        text << std::ifstream(file).rdbuf();
        return text.str();
    }

private:
    TempFolder temp_;
    std::filesystem::path root_ = temp_.path();
};

}  // namespace toren
