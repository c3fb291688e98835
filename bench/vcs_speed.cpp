// bench_vcs_speed PORT TOKEN SEGMENT FOLDER [N]: status, diff and a page of the log over an open WebSocket, beside git
// in the same FOLDER, which is SEGMENT's: in turn, in one run. `first` is a status that looks at the whole tree.
#include "bench/measure.h"
#include "bench/ws_client.h"

namespace {

double ask(WsClient& client, const std::string& request) {
    const auto start = bench::Clock::now();
    client.send(request);
    const std::string answer = client.receive();
    if (v2::is_result(answer)) return bench::since(start);
    std::fprintf(stderr, "unexpected: %.200s\n", answer.c_str());
    std::exit(1);
}

void end_workers() {
    if (std::system("pkill -KILL -u $(id -u) -x toren-vcs-worke") != 0) return;  // none has started yet
    while (std::system("pgrep -u $(id -u) -x toren-vcs-worke >/dev/null") == 0) continue;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 5) {
        std::fprintf(stderr, "bench_vcs_speed PORT TOKEN SEGMENT FOLDER [N]\n");
        return 2;
    }
    const std::string segment = argv[3];
    const int runs = argc > 5 ? std::atoi(argv[5]) : 20;
    if (::chdir(argv[4]) != 0) {
        std::perror(argv[4]);
        return 1;
    }
    WsClient client(static_cast<std::uint16_t>(std::atoi(argv[1])), "/v2/ws", argv[2]);
    const auto request = [&](const char* operation, const char* fields) {
        return v2::request(1, operation, segment, fields);
    };
    const std::vector<std::string> git_status = {"git", "--no-optional-locks", "status", "--porcelain=v2", "--branch"},
                                   git_diff = {"git", "--no-optional-locks", "diff", "HEAD"},
                                   git_log = {"git", "log", "-n", "50", "--format=raw"};
    bench::Samples plain_status{"git status"}, first{"first status"}, repeated{"repeated status"},
        plain_diff{"git diff HEAD"}, first_diff{"first diff"}, diff{"diff"}, plain_log{"git log -n 50"},
        log{"log page"};
    for (int i = -2; i < runs; ++i) {
        bench::add(plain_status, [&] { return bench::run(git_status); });
        end_workers();
        bench::add(first, [&] { return ask(client, request("vcs.status", R"("path":".")")); });
        // The worker is about to watch; what it does then is not in the figures.
        ask(client, request("vcs.status", R"("path":".")"));
        bench::add(repeated, [&] { return ask(client, request("vcs.status", R"("path":".")")); });
        bench::add(plain_diff, [&] { return bench::run(git_diff); });
        end_workers();
        bench::add(first_diff, [&] { return ask(client, request("vcs.diff", R"("limit":1000)")); });
        ask(client, request("vcs.status", R"("path":".")"));
        ask(client, request("vcs.status", R"("path":".")"));
        bench::add(diff, [&] { return ask(client, request("vcs.diff", R"("limit":1000)")); });
        bench::add(plain_log, [&] { return bench::run(git_log); });
        bench::add(log, [&] { return ask(client, request("vcs.log", R"("limit":50)")); });
        if (i >= 0) continue;
        for (auto* samples : {&plain_status, &first, &repeated, &plain_diff, &first_diff, &diff, &plain_log, &log})
            samples->wall.clear();
    }
    std::printf("ratios are to git's; %d times in turn\n", runs);
    plain_status.print(plain_status.median());
    first.print(plain_status.median());
    repeated.print(plain_status.median());
    plain_diff.print(plain_diff.median());
    first_diff.print(plain_diff.median());
    diff.print(plain_diff.median());
    plain_log.print(plain_log.median());
    log.print(plain_log.median());
}
