// toren-checkpoint-worker: records one segment's tree, and puts it back.
// PROCESS    one per active segment, executed by its cell's spawner on the first checkpoint request
// PRIVILEGE  no capabilities, no exec, no sockets but its channel; its segment's folder and its store, which nothing
//            else in the cell can reach
// DISTRUSTS  the broker; every name and every byte in the segment, which it copies and does not read but for .gitignore
// IF OWNED   the attacker has this segment's files and its checkpoints; no tokens, no network, no other segment
#include <signal.h>
#include <sys/resource.h>

#include <algorithm>

#include "base/log.h"
#include "ipc/inherited.h"
#include "policy/privileges.h"
#include "workers/checkpoints/checkpoints.h"
#include "workers/service_channel.h"

using namespace toren;

namespace {

// Half of limits.file_bytes, where there is one: a pack is a file, too.
std::uint64_t pack_bytes() {
    constexpr std::uint64_t kMost = std::uint64_t{1} << 30;
    rlimit file{};
    if (::getrlimit(RLIMIT_FSIZE, &file) != 0 || file.rlim_cur == RLIM_INFINITY) return kMost;
    return std::min<std::uint64_t>(kMost, file.rlim_cur / 2);
}

}  // namespace

int main(int argc, char** argv) {
    set_log_process("checkpoint-worker");
    if (auto confined = set_not_dumpable(); !confined) return 1;
    ::signal(SIGXFSZ, SIG_IGN);  // limits.file_bytes is an answer to the client, not an end
    const std::uint64_t most = pack_bytes();
    if (auto confined = workers::confine_service(argc, argv, FilterRole::kCheckpoints); !confined) {
        log_error(confined.error().text());
        return 1;
    }
    auto store = checkpoints::Store::open(UniqueFd(ipc::kServiceStoreFd), most);
    if (!store) {
        log_error(store.error().text());
        return 1;
    }
    workers::ServiceChannel channel{UniqueFd(ipc::kServiceBrokerFd)};
    checkpoints::Checkpoints checkpoints{UniqueFd(ipc::kServiceSegmentFd), std::move(*store)};
    while (const auto request = channel.next()) {
        channel.done(checkpoints.serve(channel, *request));
        checkpoints.tidy();
    }
    return channel.exit_status();
}
