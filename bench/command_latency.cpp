// bench_command_latency PORT TOKEN SEGMENT [N]: one caged /bin/true over an open v1 WebSocket against a bare
// posix_spawn and bwrap, taken in turn in one run; prints medians in microseconds and their ratios.
#include "bench/measure.h"
#include "bench/ws_client.h"

namespace {

double caged(WsClient& client) {
    const auto start = bench::Clock::now();
    client.send(R"({"type":"Command","request":{"command":"/bin/true","args":[]}})");
    const std::string answer = client.receive();
    if (answer.find("\"Exit\",\"code\":0") == std::string::npos) {
        std::fprintf(stderr, "unexpected: %s\n", answer.c_str());
        std::exit(1);
    }
    return bench::since(start);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 4) return 2;
    WsClient client(static_cast<std::uint16_t>(std::atoi(argv[1])));
    client.send(std::string(R"({"type":"Auth","token":")") + argv[2] + R"(","segment":")" + argv[3] + R"("})");
    client.receive();
    const int runs = argc > 4 ? std::atoi(argv[4]) : 500;
    char folder[] = "/tmp/bench_command_latency.XXXXXX";
    if (::mkdtemp(folder) == nullptr) return 1;
    const std::vector<std::string> bare = {"/bin/true"}, bwrap = bench::bwrap(folder);
    const bool has_bwrap = std::system("bwrap --version >/dev/null 2>&1") == 0;
    bench::print_command("posix_spawn", bare);
    if (has_bwrap) bench::print_command("bwrap", bwrap);
    bench::Samples spawned{"posix_spawn"}, wrapped{"bwrap"}, command{"caged command"};
    for (int i = 0; i < 20; ++i) caged(client), bench::run(bare);
    for (int i = 0; i < runs; ++i) {
        spawned.wall.push_back(bench::run(bare));
        if (has_bwrap) wrapped.wall.push_back(bench::run(bwrap));
        command.wall.push_back(caged(client));
    }
    ::rmdir(folder);
    std::printf("ratios are of medians, to posix_spawn's; %d times in turn\n", runs);
    for (const auto* samples : {&spawned, &command}) samples->print(spawned.median());
    if (!has_bwrap) return 0;
    wrapped.print(spawned.median());
    std::printf("caged command to bwrap: %.2f\n", command.median() / wrapped.median());
}
