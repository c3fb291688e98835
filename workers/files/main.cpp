// toren-files-worker: reads and writes the files of one segment.
// PROCESS    one per active segment, executed by its cell's spawner on the first file request
// PRIVILEGE  no capabilities, no exec, no sockets but its channel; its segment's folder only
// DISTRUSTS  the broker: every path is resolved by the kernel beneath the descriptor that it was born with
// IF OWNED   the attacker has this segment's files; no tokens, no network, no other segment
#include <signal.h>

#include "base/log.h"
#include "ipc/inherited.h"
#include "policy/privileges.h"
#include "workers/files/files.h"
#include "workers/service_channel.h"

using namespace toren;

int main(int argc, char** argv) {
    set_log_process("files-worker");
    if (auto confined = set_not_dumpable(); !confined) return 1;
    ::signal(SIGXFSZ, SIG_IGN);  // limits.file_bytes is an answer to the client, not an end
    if (auto confined = workers::confine_service(argc, argv, FilterRole::kFiles); !confined) {
        log_error(confined.error().text());
        return 1;
    }
    workers::ServiceChannel channel{UniqueFd(ipc::kServiceBrokerFd)};
    workers::Files files{UniqueFd(ipc::kServiceSegmentFd)};
    channel.run([&](const ipc::Packet& request) { return files.serve(channel, request); });
}
