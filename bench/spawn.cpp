// bench_spawn N PROGRAM [ARG…]: the floor that a caged command is measured against: a bare posix_spawn of the program,
// waited for, N times; prints the median in microseconds.
#include <spawn.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

extern char** environ;

int main(int argc, char** argv) {
    if (argc < 3) return 2;
    std::vector<double> times(static_cast<std::size_t>(std::atoi(argv[1])));
    for (double& time : times) {
        const auto start = std::chrono::steady_clock::now();
        pid_t child = 0;
        if (::posix_spawn(&child, argv[2], nullptr, nullptr, argv + 2, environ) != 0) return 1;
        int status = 0;
        ::waitpid(child, &status, 0);
        time = std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count();
    }
    std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2), times.end());
    std::printf("%.1f\n", times[times.size() / 2]);
}
