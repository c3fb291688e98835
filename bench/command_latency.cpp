// bench_command_latency PORT TOKEN SEGMENT [N]: one caged /bin/true over an open WebSocket, v1 and v2, against a bare
// posix_spawn and bwrap, taken in turn in one run; prints medians in microseconds and their ratios. Then N commands
// each of 64 clients over v2 against as many posix_spawns at a time, in commands per second.
#include <poll.h>

#include <memory>

#include "bench/measure.h"
#include "bench/ws_client.h"

namespace {

constexpr std::size_t kClients = 64;

[[noreturn]] void unexpected(std::string_view answer) {
    std::fprintf(stderr, "unexpected: %.*s\n", static_cast<int>(answer.size()), answer.data());
    std::exit(1);
}

double caged_v1(WsClient& client) {
    const auto start = bench::Clock::now();
    client.send(R"({"type":"Command","request":{"command":"/bin/true","args":[]}})");
    const std::string answer = client.receive();
    if (answer.find("\"Exit\",\"code\":0") == std::string::npos) unexpected(answer);
    return bench::since(start);
}

std::string run_true(const std::string& segment) {
    return v2::request(1, "processes.run", segment, R"("argv":["/bin/true"])");
}

bool ended_well(std::string_view answer) {
    if (!v2::is_result(answer)) return false;
    if (answer.find("\"code\":0") == std::string::npos) unexpected(answer);
    return true;
}

double caged_v2(WsClient& client, const std::string& request) {
    const auto start = bench::Clock::now();
    client.send(request);
    while (!ended_well(client.next().data)) {
    }
    return bench::since(start);
}

// Commands per second.
double at_many_clients(std::uint16_t port, const std::string& token, const std::string& request, int each) {
    struct Client {
        WsClient socket;
        int left;
    };
    std::vector<std::unique_ptr<Client>> clients;
    std::vector<pollfd> waiting;
    for (std::size_t i = 0; i < kClients; ++i) {
        clients.emplace_back(new Client{WsClient(port, "/v2/ws", token), each});
        waiting.push_back({clients.back()->socket.fd(), POLLIN, 0});
    }
    const auto start = bench::Clock::now();
    for (auto& client : clients) client->socket.send(request);
    for (std::size_t running = kClients; running > 0;) {
        ::poll(waiting.data(), waiting.size(), -1);
        for (std::size_t i = 0; i < kClients; ++i) {
            if (waiting[i].revents == 0) continue;
            Client& client = *clients[i];
            client.socket.fill();
            for (WsClient::Message message{}; client.socket.take(message);) {
                if (!ended_well(message.data)) continue;
                if (--client.left > 0) {
                    client.socket.send(request);
                } else {
                    waiting[i].fd = -1;
                    --running;
                }
            }
        }
    }
    return static_cast<double>(kClients) * each / bench::since(start) * 1e6;
}

double at_many_children(int each) {
    char program[] = "/bin/true";
    char* arguments[] = {program, nullptr};
    const auto start = bench::Clock::now();
    int left = static_cast<int>(kClients) * each, running = 0;
    for (; left > 0 || running > 0; --running) {
        for (; left > 0 && running < static_cast<int>(kClients); --left, ++running) {
            pid_t child = 0;
            if (::posix_spawn(&child, program, nullptr, nullptr, arguments, ::environ) != 0) unexpected("posix_spawn");
        }
        ::wait(nullptr);
    }
    return static_cast<double>(kClients) * each / bench::since(start) * 1e6;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 4) return 2;
    const auto port = static_cast<std::uint16_t>(std::atoi(argv[1]));
    const std::string token = argv[2], request = run_true(argv[3]);
    WsClient v1(port), v2(port, "/v2/ws", token);
    v1.send(std::string(R"({"type":"Auth","token":")") + token + R"(","segment":")" + argv[3] + R"("})");
    v1.receive();
    const int runs = argc > 4 ? std::atoi(argv[4]) : 500;
    char folder[] = "/tmp/bench_command_latency.XXXXXX";
    if (::mkdtemp(folder) == nullptr) return 1;
    const std::vector<std::string> bare = {"/bin/true"}, bwrap = bench::bwrap(folder);
    const bool has_bwrap = std::system("bwrap --version >/dev/null 2>&1") == 0;
    bench::print_command("posix_spawn", bare);
    if (has_bwrap) bench::print_command("bwrap", bwrap);
    bench::Samples spawned{"posix_spawn"}, wrapped{"bwrap"}, over_v1{"caged, v1"}, over_v2{"caged, v2"};
    for (int i = 0; i < 20; ++i) caged_v1(v1), caged_v2(v2, request), bench::run(bare);
    for (int i = 0; i < runs; ++i) {
        spawned.wall.push_back(bench::run(bare));
        over_v1.wall.push_back(caged_v1(v1));
        if (has_bwrap) wrapped.wall.push_back(bench::run(bwrap));
        else bench::run(bare);
        over_v2.wall.push_back(caged_v2(v2, request));
    }
    ::rmdir(folder);
    std::printf("ratios are of medians, to posix_spawn's; %d times in turn\n", runs);
    for (const auto* samples : {&spawned, &over_v1, &over_v2}) samples->print(spawned.median());
    if (has_bwrap) {
        wrapped.print(spawned.median());
        std::printf("caged, v2, to bwrap: %.2f\n", over_v2.median() / wrapped.median());
    }
    const int each = std::max(1, runs / 10);
    for (int round = 0; round < 3; ++round) {
        const double children = at_many_children(each), commands = at_many_clients(port, token, request, each);
        std::printf("64 at a time: posix_spawn %.0f/s, caged over v2 %.0f/s, ratio %.2f\n", children, commands,
                    commands / children);
    }
}
