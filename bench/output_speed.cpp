// bench_output_speed PORT TOKEN SEGMENT [ROUNDS [MEGABYTES]]: how fast the output of one process reaches a client: a
// pipe that is read in C, v2's binary messages, v1's JSON lines, and ten viewers against one. In turn, in one run;
// medians of MB/s (10^6 bytes of output a second) and ratios to the pipe's.
#include <poll.h>

#include <memory>

#include "bench/measure.h"
#include "bench/ws_client.h"

namespace {

struct Daemon {
    std::uint16_t port;
    std::string token, segment;
};

using Argv = std::vector<std::string>;

std::string json_of(const Argv& argv) {
    std::string text = "[";
    for (const auto& one : argv) text += (text.size() > 1 ? ",\"" : "\"") + one + "\"";
    return text + "]";
}

// Seconds.
double through_pipe(const Argv& argv, std::uint64_t bytes) {
    const auto start = bench::Clock::now();
    int ends[2];
    if (::pipe(ends) != 0) std::exit(1);
    std::vector<char*> arguments;
    for (const auto& word : argv) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t streams;
    ::posix_spawn_file_actions_init(&streams);
    ::posix_spawn_file_actions_adddup2(&streams, ends[1], 1);
    ::posix_spawn_file_actions_addclose(&streams, ends[0]);
    ::posix_spawn_file_actions_addclose(&streams, ends[1]);
    pid_t child = 0;
    if (::posix_spawnp(&child, arguments[0], &streams, nullptr, arguments.data(), ::environ) != 0) std::exit(1);
    ::posix_spawn_file_actions_destroy(&streams);
    ::close(ends[1]);
    static char buffer[65536];
    std::uint64_t got = 0;
    for (ssize_t length = 0; (length = ::read(ends[0], buffer, sizeof buffer)) > 0;)
        got += static_cast<std::uint64_t>(length);
    ::close(ends[0]);
    ::waitpid(child, nullptr, 0);
    if (got != bytes) std::fprintf(stderr, "the pipe brought %lu bytes\n", got), std::exit(1);
    return bench::since(start) / 1e6;
}

double through_v2(const Daemon& daemon, const Argv& argv, std::uint64_t bytes) {
    WsClient client(daemon.port, "/v2/ws", daemon.token);
    const auto start = bench::Clock::now();
    client.send(v2::request(1, "processes.run", daemon.segment, "\"argv\":" + json_of(argv)));
    std::uint64_t got = 0;
    while (true) {
        const auto message = client.next();
        if (message.binary) got += v2::take_output(client, message);
        else if (v2::is_result(message.data)) break;
        else if (message.data.find("\"error\"") < 24)
            std::fprintf(stderr, "%s\n", std::string(message.data).c_str()), std::exit(1);
    }
    const double took = bench::since(start) / 1e6;
    if (got != bytes) std::fprintf(stderr, "v2 brought %lu bytes\n", got), std::exit(1);
    return took;
}

double through_v1(const Daemon& daemon, const Argv& argv, std::uint64_t lines) {
    WsClient client(daemon.port);
    client.send(R"({"type":"Auth","token":")" + daemon.token + R"(","segment":")" + daemon.segment + R"("})");
    client.receive();
    Argv arguments(argv.begin() + 1, argv.end());
    const auto start = bench::Clock::now();
    client.send(R"({"type":"Command","request":{"command":")" + argv[0] + R"(","args":)" + json_of(arguments) + "}}");
    std::uint64_t got = 0;
    while (client.next().data.find("\"Exit\"") > 64) ++got;
    const double took = bench::since(start) / 1e6;
    if (got != lines) std::fprintf(stderr, "v1 brought %lu lines\n", got), std::exit(1);
    return took;
}

// Until the last of them has seen its end. What each sees must be whole or a gap that it was told.
double with_viewers(const Daemon& daemon, const Argv& argv, std::size_t viewers) {
    WsClient starter(daemon.port, "/v2/ws", daemon.token);
    std::vector<std::unique_ptr<WsClient>> clients;
    std::vector<pollfd> waiting;
    for (std::size_t i = 0; i < viewers; ++i) {
        clients.push_back(std::make_unique<WsClient>(daemon.port, "/v2/ws", daemon.token));
        waiting.push_back({clients.back()->fd(), POLLIN, 0});
    }
    // It begins when all of them follow.
    Argv waits = {"sh", "-c", "read line; exec \\\"$@\\\"", "sh"};
    waits.insert(waits.end(), argv.begin(), argv.end());
    starter.send(v2::request(1, "processes.start", daemon.segment, "\"input\":true,\"argv\":" + json_of(waits)));
    const std::string started = starter.receive();
    const auto at = started.find("\"process\":\"");
    if (at == started.npos) std::fprintf(stderr, "%s\n", started.c_str()), std::exit(1);
    const std::string process = "\"process\":\"" + started.substr(at + 11, 16) + "\"";
    for (auto& client : clients) client->send(v2::request(1, "processes.follow", daemon.segment, process));
    for (auto& client : clients) client->send(R"({"id":2,"op":"ping"})"), client->next();
    const auto start = bench::Clock::now();
    starter.send(v2::request(2, "processes.input", daemon.segment, process + ",\"content\":\"\\n\""));
    std::size_t running = viewers;
    while (running > 0) {
        ::poll(waiting.data(), waiting.size(), -1);
        for (std::size_t i = 0; i < viewers; ++i) {
            if (waiting[i].revents == 0) continue;
            clients[i]->fill();
            for (WsClient::Message message{}; clients[i]->take(message);) {
                if (message.binary) v2::take_output(*clients[i], message);
                else if (v2::is_result(message.data)) waiting[i].fd = -1, --running;
            }
        }
    }
    const double took = bench::since(start) / 1e6;
    starter.receive();
    starter.send(v2::request(3, "processes.remove", daemon.segment, process));
    starter.receive();
    return took;
}

double median(std::vector<double> values) { return bench::Samples::at(std::move(values), 50); }

}  // namespace

int main(int argc, char** argv) {
    if (argc < 4) return 2;
    const Daemon daemon{static_cast<std::uint16_t>(std::atoi(argv[1])), argv[2], argv[3]};
    const int rounds = argc > 4 ? std::atoi(argv[4]) : 5;
    const std::uint64_t whole = (argc > 5 ? std::strtoull(argv[5], nullptr, 10) : 1024) << 20, quarter = whole / 4;
    constexpr std::uint64_t kLine = 79;
    const std::uint64_t lines = quarter / kLine;
    struct Case {
        const char* name;
        Argv argv;
        std::uint64_t bytes;
        bool v1;
    };
    const Case cases[] = {
        {"zeros", {"head", "-c", std::to_string(whole), "/dev/zero"}, whole, false},
        {"yes", {"sh", "-c", "yes | head -c " + std::to_string(quarter)}, quarter, false},
        {"79-byte lines",
         {"sh", "-c", "yes " + std::string(kLine - 1, 'x') + " | head -c " + std::to_string(lines * kLine)},
         lines * kLine,
         true},
    };
    for (const Case& one : cases) {
        std::vector<double> pipe, binary, text;
        for (int round = 0; round < rounds; ++round) {
            pipe.push_back(through_pipe(one.argv, one.bytes));
            binary.push_back(through_v2(daemon, one.argv, one.bytes));
            if (one.v1) text.push_back(through_v1(daemon, one.argv, lines));
        }
        const auto speed = [&](const std::vector<double>& seconds) {
            return static_cast<double>(one.bytes) / median(seconds) / 1e6;
        };
        std::printf("%-14s pipe %5.0f MB/s, v2 %5.0f MB/s, ratio %.2f", one.name, speed(pipe), speed(binary),
                    speed(binary) / speed(pipe));
        if (one.v1) std::printf(", v1 %5.0f MB/s, ratio %.2f", speed(text), speed(text) / speed(pipe));
        std::printf("\n");
        std::fflush(stdout);
    }
    std::vector<double> one, ten;
    const Argv paced = {"sh", "-c", "yes | head -c " + std::to_string(quarter)};
    for (int round = 0; round < rounds; ++round) {
        one.push_back(with_viewers(daemon, paced, 1));
        ten.push_back(with_viewers(daemon, paced, 10));
    }
    std::printf("viewers        one %.3f s, ten %.3f s, ratio %.2f\n", median(one), median(ten),
                median(ten) / median(one));
}
