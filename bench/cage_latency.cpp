// bench_cage_latency [N]: `toren run -- /bin/true` from nothing and a new cell with its first slot, against a bare
// posix_spawn and bwrap, taken in turn in one run in a new empty folder (of TMPDIR: guards make folders, and file
// systems differ). As an ordinary user; bwrap is needed.
#include <poll.h>
#include <sys/stat.h>

#include "bench/measure.h"
#include "supervisor/children.h"

using namespace toren;
using bench::Samples;

namespace {

[[noreturn]] void fail(const std::string& what) {
    std::fprintf(stderr, "%s\n", what.c_str());
    std::exit(1);
}

template <typename T>
T or_fail(Result<T> result) {
    if (!result) fail(result.error().text());
    return std::move(*result);
}

template <typename T>
T expect(ipc::Channel& channel) {
    ipc::Packet packet;
    if (channel.receive(packet) != ipc::Received::kPacket) fail("a cell ended: " + channel.violation());
    auto message = packet.as<T>();
    if (!message) fail("an unexpected message of a cell");
    return std::move(*message);
}

class Cells {
public:
    explicit Cells(const std::string& segment)
        : programs_(or_fail(supervisor::Programs::open_beside_this_one())),
          plan_(or_fail(supervisor::plan_cell({config_, segments_, "/nonexistent", "/nonexistent"},
                                              Segment{"bench", segment, Segment::kPath}))) {}

    // What the supervisor does from OpenCell to CellReady, then the first slot, as a broker asks for it.
    double make_one() {
        const auto start = bench::Clock::now();
        auto cell = or_fail(supervisor::start_cell(programs_, plan_, "", true, -1));
        expect<ipc::CellReady>(cell.channel);
        auto ends = or_fail(ipc::socket_pair());
        const int given[] = {ends.first.get()};
        or_fail(cell.channel.send(ipc::AttachBroker{}, given));
        ipc::Channel broker(std::move(ends.second), ipc::Role::kBroker, ipc::Role::kSpawner, ipc::Phase::kOpen);
        or_fail(broker.send(ipc::NewSlot{0}));
        if (expect<ipc::Slot>(broker).code != 0) fail("a cell makes no slot");
        const double took = bench::since(start);
        or_fail(broker.send(ipc::Retire{}));
        pollfd ended{cell.process.pidfd(), POLLIN, 0};
        while (!cell.process.try_wait()) ::poll(&ended, 1, -1);
        return took;
    }

private:
    const Config config_;
    const SegmentSet segments_;
    const supervisor::Programs programs_;
    const supervisor::CellPlan plan_;
};

}  // namespace

int main(int argc, char** argv) {
    const int runs = argc > 1 ? std::atoi(argv[1]) : 200;
    const char* temporary = std::getenv("TMPDIR");
    std::string folder = std::string(temporary == nullptr ? "/tmp" : temporary) + "/bench_cage_latency.XXXXXX";
    char self[4096] = {};
    if (::readlink("/proc/self/exe", self, sizeof self - 1) <= 0 || ::mkdtemp(folder.data()) == nullptr ||
        ::chdir(folder.c_str()) != 0)
        fail("a folder for the measurements could not be made");
    const std::string path = self;
    const std::vector<std::string> bare = {"/bin/true"}, bwrap = bench::bwrap(folder),
                                   toren = {path.substr(0, path.rfind('/')) + "/toren", "run", "--", "/bin/true"};
    bench::print_command("posix_spawn", bare);
    bench::print_command("bwrap", bwrap);
    bench::print_command("toren run", toren);
    std::printf("new cell: OpenCell to CellReady and a first slot; all in turn, %d times, in %s\n", runs,
                folder.c_str());
    Cells cells(folder);
    Samples spawned{"posix_spawn"}, wrapped{"bwrap"}, caged{"toren run"}, made{"new cell"};
    for (int i = -5; i < runs; ++i) {
        bench::add(spawned, [&] { return bench::run(bare); });
        bench::add(wrapped, [&] { return bench::run(bwrap); });
        bench::add(caged, [&] { return bench::run(toren); });
        bench::add(made, [&] { return cells.make_one(); });
        if (i < 0) spawned = {"posix_spawn"}, wrapped = {"bwrap"}, caged = {"toren run"}, made = {"new cell"};
    }
    std::printf("ratios are of medians, to bwrap's\n");
    for (const auto* samples : {&spawned, &wrapped, &caged, &made}) samples->print(wrapped.median());
    if (::rmdir(folder.c_str()) != 0) fail(folder + ": something was left behind");
}
