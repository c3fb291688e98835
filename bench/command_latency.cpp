// bench_command_latency PORT TOKEN SEGMENT [N]: one caged /bin/true over an open v1 WebSocket against a bare
// posix_spawn of it, taken in turn in one run; prints the medians in microseconds and their ratio.
#include <spawn.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "bench/ws_client.h"

extern char** environ;

namespace {

using Clock = std::chrono::steady_clock;

double since(Clock::time_point start) {
    return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

double bare_spawn() {
    const auto start = Clock::now();
    char name[] = "/bin/true";
    char* arguments[] = {name, nullptr};
    pid_t child = 0;
    if (::posix_spawn(&child, name, nullptr, nullptr, arguments, environ) != 0) std::exit(1);
    ::waitpid(child, nullptr, 0);
    return since(start);
}

double caged(WsClient& client) {
    const auto start = Clock::now();
    client.send(R"({"type":"Command","request":{"command":"/bin/true","args":[]}})");
    const std::string answer = client.receive();
    if (answer.find("\"Exit\",\"code\":0") == std::string::npos) {
        std::fprintf(stderr, "unexpected: %s\n", answer.c_str());
        std::exit(1);
    }
    return since(start);
}

double median(std::vector<double>& values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 4) return 2;
    WsClient client(static_cast<std::uint16_t>(std::atoi(argv[1])));
    client.send(std::string(R"({"type":"Auth","token":")") + argv[2] + R"(","segment":")" + argv[3] + R"("})");
    client.receive();
    const int runs = argc > 4 ? std::atoi(argv[4]) : 500;
    std::vector<double> bare, cage;
    for (int i = 0; i < 20; ++i) caged(client), bare_spawn();
    for (int i = 0; i < runs; ++i) {
        bare.push_back(bare_spawn());
        cage.push_back(caged(client));
    }
    const double floor = median(bare), ours = median(cage);
    std::printf("bare posix_spawn %.0f us, caged over WebSocket %.0f us, ratio %.2f (p95 %.0f us, %d runs)\n", floor,
                ours, ours / floor, cage[cage.size() * 95 / 100], runs);
}
