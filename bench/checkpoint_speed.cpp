// A checkpoint of a large tree with few changes, by the worker in its filter, beside `git status` of the same tree: in
// turn, in one run. bench_checkpoint_speed FOLDER [FILES [CHANGES [RUNS]]]: the folder must not exist.
#include <fcntl.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>

#include "base/child_process.h"
#include "bench/measure.h"
#include "policy/privileges.h"
#include "policy/seccomp.h"
#include "workers/checkpoints/checkpoints.h"

using namespace toren;

namespace {

constexpr ipc::CheckpointLimits kLimits{200, std::uint64_t{8} << 30, std::uint64_t{64} << 20};

[[noreturn]] void unexpected(const char* what) {
    std::fprintf(stderr, "%s failed\n", what);
    std::exit(1);
}

UniqueFd open_folder(const std::string& path) {
    return UniqueFd(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
}

class Worker {
public:
    Worker(const std::string& segment, const std::string& store) {
        auto ends = ipc::socket_pair();
        auto child = ChildProcess::fork();
        if (!ends || !child) unexpected("fork");
        if (!*child) {
            ends->first.reset();
            UniqueFd in_segment = open_folder(segment), in_store = open_folder(store);
            ::tzset();
            if (!set_no_new_privileges() || !install_filter(FilterRole::kCheckpoints)) ::_exit(3);
            auto opened = checkpoints::Store::open(std::move(in_store), std::uint64_t{1} << 30);
            if (!opened) ::_exit(4);
            workers::ServiceChannel channel(std::move(ends->second));
            checkpoints::Checkpoints checkpoints(std::move(in_segment), std::move(*opened));
            while (const auto request = channel.next()) {
                channel.done(checkpoints.serve(channel, *request));
                checkpoints.tidy();
            }
            ::_exit(0);
        }
        ends->second.reset();
        process_ = std::move(**child);
        channel_ = ipc::Channel(std::move(ends->first), ipc::Role::kBroker, ipc::Role::kService, ipc::Phase::kOpen);
    }

    template <typename T>
    std::pair<double, std::string> ask(const T& message) {
        const auto start = bench::Clock::now();
        if (!channel_.send(message)) unexpected("send");
        ipc::Packet packet;
        while (channel_.receive(packet) == ipc::Received::kPacket) {
            if (packet.as<ipc::Chunk>()) continue;
            const auto done = packet.as<ipc::Done>();
            if (!done || done->failure != ipc::Failure::kNone) unexpected("a checkpoint");
            return {bench::since(start), done->result};
        }
        unexpected("the worker");
    }
    std::pair<double, ipc::CheckpointMade> make() {
        ipc::MakeCheckpoint request;
        request.limits = kLimits;
        auto [took, result] = ask(request);
        ipc::CheckpointMade made;
        ipc::Reader reader(result);
        if (!reader.read(made)) unexpected("an answer");
        return {took, made};
    }

private:
    ChildProcess process_;
    ipc::Channel channel_;
};

std::string name_of(const std::string& segment, int file) {
    return segment + "/d" + std::to_string(file / 1000) + "/d" + std::to_string(file / 50 % 20) + "/file" +
           std::to_string(file) + ".txt";
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2 || std::filesystem::exists(argv[1])) return 2;
    const std::string folder = argv[1], segment = folder + "/segment", store = folder + "/store";
    const int files = argc > 2 ? std::atoi(argv[2]) : 50'000, changes = argc > 3 ? std::atoi(argv[3]) : 100,
              runs = argc > 4 ? std::atoi(argv[4]) : 30;
    std::mt19937 random(1);
    std::filesystem::create_directories(store);
    std::uint64_t bytes = 0;
    for (int i = 0; i < files; ++i) {
        const std::string name = name_of(segment, i);
        std::filesystem::create_directories(std::filesystem::path(name).parent_path());
        std::string text;
        for (unsigned words = random() % 800; words > 0; --words)
            text += "word" + std::to_string(random() % 1000) + '\n';
        std::ofstream(name) << text;
        bytes += text.size();
    }
    std::ofstream(segment + "/.gitignore") << "*.o\nbuild/\nnode_modules/\n*.log\n";
    const std::string git = "git -c gc.auto=0 -C '" + segment + "' ";
    if (std::system((git + "init -q && " + git + "add -A && " + git +
                     "-c user.name=b -c user.email=b@example.org commit -qm all")
                        .c_str()) != 0)
        unexpected("git");
    std::printf("%d files, %.1f MiB, %d changes before each\n", files, static_cast<double>(bytes) / (1 << 20), changes);
    Worker worker(segment, store);
    const auto [first, whole] = worker.make();
    std::printf("the first checkpoint: %.0f ms, %.1f MiB written\n", first / 1000,
                static_cast<double>(whole.written) / (1 << 20));
    bench::Samples status{"git status"}, checkpoint{"checkpoint"}, unchanged{"unchanged"};
    const std::vector<std::string> ask = {"git", "-C", segment, "status", "--porcelain"};
    for (int run = 0; run < runs; ++run) {
        for (int i = 0; i < changes; ++i)
            std::ofstream(name_of(segment, static_cast<int>(random() % static_cast<unsigned>(files))), std::ios::app)
                << random() << '\n';
        status.wall.push_back(bench::run(ask));
        checkpoint.wall.push_back(worker.make().first);
        unchanged.wall.push_back(worker.make().first);
    }
    std::printf("ratios are of medians, to git status's; %d times in turn\n", runs);
    for (const auto* samples : {&status, &checkpoint, &unchanged}) samples->print(status.median());
    const auto restore = worker.ask(ipc::RestoreCheckpoint{whole.facts.number, {}, kLimits}).first;
    std::printf("restored to the first: %.0f ms\n", restore / 1000);
    std::fflush(stdout);
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
}
