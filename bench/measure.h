// How the benches time programs: in turn, in one run, so that a busy machine is as unfair to one as to another.
#pragma once

#include <fcntl.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace bench {

using Clock = std::chrono::steady_clock;

inline double since(Clock::time_point start) {
    return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

// User and system time of every descendant that was waited for up to now.
inline double processor_time_of_children() {
    rusage usage{};
    ::getrusage(RUSAGE_CHILDREN, &usage);
    const auto microseconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec * 1'000'000 + time.tv_usec);
    };
    return microseconds(usage.ru_utime) + microseconds(usage.ru_stime);
}

// Microseconds of one thing, of each time it was done.
struct Samples {
    std::string name;
    std::vector<double> wall = {}, processor = {};

    static double at(std::vector<double> values, std::size_t percent) {
        std::sort(values.begin(), values.end());
        return values[std::min(values.size() - 1, values.size() * percent / 100)];
    }
    double median() const { return at(wall, 50); }
    void print(double against) const {
        std::printf("%-16s median %6.0f us, least %6.0f us, p95 %6.0f us, processor %6.0f us, ratio %.2f\n",
                    name.c_str(), median(), at(wall, 0), at(wall, 95), processor.empty() ? 0 : at(processor, 50),
                    median() / against);
    }
};

inline void print_command(const std::string& name, const std::vector<std::string>& command) {
    std::printf("%s:", name.c_str());
    for (const auto& word : command) std::printf(" %s", word.c_str());
    std::printf("\n");
}

// From posix_spawn to its end. Its standard streams are /dev/null, so that nobody makes a terminal.
inline double run(const std::vector<std::string>& command) {
    std::vector<char*> arguments;
    for (const auto& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t streams;
    ::posix_spawn_file_actions_init(&streams);
    ::posix_spawn_file_actions_addopen(&streams, 0, "/dev/null", O_RDWR, 0);
    ::posix_spawn_file_actions_adddup2(&streams, 0, 1);
    const auto start = Clock::now();
    pid_t child = 0;
    int status = 0;
    const int failed = ::posix_spawnp(&child, arguments[0], &streams, nullptr, arguments.data(), ::environ);
    if (failed == 0) ::waitpid(child, &status, 0);
    const double took = since(start);
    ::posix_spawn_file_actions_destroy(&streams);
    if (failed == 0 && status == 0) return took;
    std::fprintf(stderr, "'%s' failed\n", arguments[0]);
    std::exit(1);
}

template <typename Measure>
void add(Samples& samples, Measure measure) {
    const double before = processor_time_of_children();
    samples.wall.push_back(measure());
    samples.processor.push_back(processor_time_of_children() - before);
}

// What an agent's command is commonly wrapped in: every namespace, the system's programs, one writable folder.
inline std::vector<std::string> bwrap(const std::string& folder) {
    return {"bwrap",         "--unshare-all",
            "--ro-bind",     "/usr",
            "/usr",          "--symlink",
            "usr/lib",       "/lib",
            "--symlink",     "usr/lib64",
            "/lib64",        "--symlink",
            "usr/bin",       "/bin",
            "--proc",        "/proc",
            "--dev",         "/dev",
            "--tmpfs",       "/tmp",
            "--bind",        folder,
            folder,          "--chdir",
            folder,          "--die-with-parent",
            "--new-session", "/bin/true"};
}

}  // namespace bench
