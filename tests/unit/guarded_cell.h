// A cell of a test's own: a process in namespaces of its own with a cell's root, as a spawner is, that stands guards
// (or does not: the control) and runs shell scripts as commands under them.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <optional>
#include <string>

#include "base/child_process.h"
#include "policy/cage.h"
#include "policy/guards.h"
#include "policy/landlock.h"
#include "policy/namespaces.h"
#include "policy/privileges.h"
#include "policy/roles.h"

namespace toren {

struct Ran {
    int code = -1;
    std::string output;
};

class GuardedCell {
public:
    GuardedCell(const std::string& segment, const std::optional<GuardSpec>& guards, Profile profile = {}) {
        int ends[2];
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
        auto child = ChildProcess::fork(kAllNamespaces);
        if (child && !*child) {
            ::close(ends[0]);
            serve(ends[1], segment, guards, profile);
        }
        EXPECT_TRUE(child) << child.error().text();
        channel_.reset(ends[0]);
        ::close(ends[1]);
        const timeval patience{60, 0};
        ::setsockopt(channel_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        process_ = std::move(**child);
        error_ = receive();
    }

    // What kept the guards from standing; empty where they stand. "took N" microseconds otherwise.
    const std::string& error() const { return error_; }
    bool stands() const { return error_.starts_with("took "); }
    double milliseconds() const { return std::stod(error_.substr(5)) / 1000; }

    // Refreshes first, as a spawner does.
    Ran run(const std::string& script) {
        start(script);
        return join();
    }
    void start(const std::string& script) { EXPECT_EQ(ask("s" + script), "ok"); }
    Ran join() {
        const auto answer = ask("j");
        return {std::atoi(answer.c_str()), answer.substr(std::min(answer.size(), answer.find(' ') + 1))};
    }
    std::string refresh(bool commands_ran = true) { return ask(commands_ran ? "r" : "i"); }
    void release() { EXPECT_EQ(ask("x"), "ok"); }

private:
    std::string ask(const std::string& request) {
        EXPECT_EQ(::send(channel_.get(), request.data(), request.size(), MSG_NOSIGNAL),
                  static_cast<ssize_t>(request.size()));
        return receive();
    }
    std::string receive() {
        std::string buffer(200000, '\0');
        const ssize_t length = ::recv(channel_.get(), buffer.data(), buffer.size(), 0);
        buffer.resize(length > 0 ? static_cast<std::size_t>(length) : 0);
        if (length <= 0) ADD_FAILURE() << "the cell does not answer";
        return buffer;
    }

    // Everything below runs in the cell.
    static void tell(int channel, const std::string& text) {
        [[maybe_unused]] const auto sent = ::send(channel, text.data(), text.size(), MSG_NOSIGNAL);
    }

    [[noreturn]] static void serve(int channel, const std::string& segment, const std::optional<GuardSpec>& spec,
                                   const Profile& profile) {
        const unsigned user = ::geteuid(), group = ::getegid();
        std::optional<Guards> guards;
        const auto begin = [&]() -> Result<std::string> {
            TRY(enter_cell({cell_root(segment, profile, {}, user, group), {}, user, group}));
            const std::array<cap_value_t, 2> kept = {CAP_SYS_ADMIN, CAP_SETPCAP};
            TRY(keep_only_capabilities(kept));
            const auto before = std::chrono::steady_clock::now();
            if (spec) {
                TRY_ASSIGN(guards, Guards::stand(*spec));
            }
            const auto took = std::chrono::steady_clock::now() - before;
            return "took " + std::to_string(std::chrono::duration_cast<std::chrono::microseconds>(took).count());
        };
        auto ready = begin();
        tell(channel, ready ? *ready : "error: " + ready.error().text());
        if (!ready) ::_exit(1);
        std::string request(200000, '\0');
        UniqueFd output;
        ChildProcess command;
        const auto refresh = [&](bool ran) { return guards ? guards->refresh(ran) : Result<>(Ok{}); };
        const auto answer = [&](const Result<>& done) { tell(channel, done ? "ok" : done.error().text()); };
        for (ssize_t length = 0; (length = ::recv(channel, request.data(), request.size(), 0)) > 0;) {
            const std::string rest = request.substr(1, static_cast<std::size_t>(length) - 1);
            if (request[0] == 'r') answer(refresh(true));
            if (request[0] == 'i') answer(refresh(false));
            if (request[0] == 'x' && guards) guards->release();
            if (request[0] == 'x') tell(channel, "ok");
            if (request[0] == 's') {
                auto done = refresh(true);
                if (done) done = start_command(segment, profile, rest, output, command);
                answer(done);
            }
            if (request[0] == 'j') tell(channel, end_of(output, command));
        }
        ::_exit(0);
    }

    static Result<> start_command(const std::string& segment, const Profile& profile, const std::string& script,
                                  UniqueFd& output, ChildProcess& command) {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC) != 0) return errno_error("pipe2");
        output.reset(ends[0]);
        UniqueFd write(ends[1]);
        TRY_ASSIGN(auto child, ChildProcess::fork(kCommandNamespaces));
        if (!child) {
            become(segment, profile, script, write.get());
            ::_exit(126);
        }
        command = std::move(*child);
        return Ok{};
    }

    static void become(const std::string& segment, const Profile& profile, const std::string& script, int output) {
        ::dup2(output, 1);
        ::dup2(output, 2);
        const auto confine = [&]() -> Result<> {
            TRY(follow_guards());
            TRY(mount_own_proc());
            TRY_ASSIGN(const auto ruleset, make_ruleset(command_landlock(segment, profile)));
            if (::chdir(segment.c_str()) != 0) return errno_error("chdir");
            return confine_command(ruleset.get());
        };
        if (auto confined = confine(); !confined) {
            const auto text = "not confined: " + confined.error().text() + "\n";
            [[maybe_unused]] const auto written = ::write(2, text.data(), text.size());
            ::_exit(126);
        }
        auto environment = command_environment({"GIT_CONFIG_NOSYSTEM=1", "GIT_AUTHOR_NAME=a", "GIT_COMMITTER_NAME=a",
                                                "GIT_AUTHOR_EMAIL=a@example.org", "GIT_COMMITTER_EMAIL=a@example.org",
                                                "GIT_EDITOR=true"});
        std::vector<char*> variables;
        for (auto& entry : environment) variables.push_back(entry.data());
        variables.push_back(nullptr);
        const std::string guarded = "set -e\n" + script;
        const char* arguments[] = {"sh", "-c", guarded.c_str(), nullptr};
        ::execve("/bin/sh", const_cast<char**>(arguments), variables.data());
    }

    static std::string end_of(UniqueFd& output, ChildProcess& command) {
        std::string text(100000, '\0');
        std::size_t filled = 0;
        for (ssize_t length = 0;
             filled < text.size() && (length = ::read(output.get(), text.data() + filled, text.size() - filled)) > 0;)
            filled += static_cast<std::size_t>(length);
        text.resize(filled);
        std::optional<ExitStatus> status;
        siginfo_t info{};
        ::waitid(static_cast<idtype_t>(3), static_cast<id_t>(command.pidfd()), &info, WEXITED | WNOWAIT);
        status = command.try_wait();
        return std::to_string(status ? status->code + status->signal : -1) + " " + text;
    }

    UniqueFd channel_;
    ChildProcess process_;
    std::string error_;
};

}  // namespace toren
