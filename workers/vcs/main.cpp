// toren-vcs-worker: tells the state of one segment's repositories, through libgit2.
// PROCESS    one per active segment, executed by its cell's spawner on the first vcs request
// PRIVILEGE  no capabilities, no exec, no sockets but its channel; its segment's folder, to read
// DISTRUSTS  the broker; every byte in the repository, .git/config included: what it says to run cannot run here, where
//            it says to look leads nowhere but into the segment
// IF OWNED   the attacker can read this segment; no tokens, no network, no other segment, nothing to write
#include <unistd.h>

#include "base/log.h"
#include "ipc/inherited.h"
#include "policy/privileges.h"
#include "policy/seccomp.h"
#include "workers/service_channel.h"
#include "workers/vcs/answers.h"
#include "workers/vcs/second_thread.h"

using namespace toren;

namespace {

using workers::Answer;
using workers::ServiceChannel;

[[noreturn]] void malformed() {
    log_error("the broker sent a malformed request");
    ::_exit(1);
}

// The request as its own type; a broker that sends another ends the worker.
template <typename Request>
Request request_of(const ipc::Packet& packet) {
    auto request = packet.as<Request>();
    if (!request) malformed();
    return std::move(*request);
}

// Records as they come: a patch may be larger than a Chunk.
template <typename Record>
vcs::Sink<Record> records(ServiceChannel& channel) {
    return [&channel](const Record& record) { channel.write(workers::encoded(record)); };
}
vcs::TextSink text(ServiceChannel& channel) {
    return [&channel](std::string_view bytes) { channel.write(bytes); };
}

Answer find(ServiceChannel&, vcs::Repositories& repositories, const ipc::Packet& packet) {
    return vcs::answer_find(repositories, request_of<ipc::VcsFind>(packet));
}

Answer status(ServiceChannel& channel, vcs::Repositories& repositories, const ipc::Packet& packet) {
    return vcs::answer_status(repositories, request_of<ipc::VcsStatus>(packet), records<ipc::VcsChange>(channel));
}

Answer diff(ServiceChannel& channel, vcs::Repositories& repositories, const ipc::Packet& packet) {
    return vcs::answer_diff(repositories, request_of<ipc::VcsDiff>(packet), records<ipc::VcsFileDiff>(channel));
}

Answer log(ServiceChannel& channel, vcs::Repositories& repositories, const ipc::Packet& packet) {
    return vcs::answer_log(repositories, request_of<ipc::VcsLog>(packet), records<ipc::VcsCommit>(channel));
}

Answer content(ServiceChannel& channel, vcs::Repositories& repositories, const ipc::Packet& packet) {
    return vcs::answer_content(repositories, request_of<ipc::VcsContent>(packet), text(channel));
}

Answer lists(ServiceChannel& channel, vcs::Repositories& repositories, const ipc::Packet& packet) {
    const vcs::ListSinks sinks{records<ipc::VcsRef>(channel), records<ipc::VcsConflicted>(channel),
                               records<ipc::VcsStash>(channel), records<ipc::VcsWorktree>(channel)};
    return vcs::answer_lists(repositories, request_of<ipc::VcsLists>(packet), sinks);
}

struct Handler {
    ipc::Type type;
    Answer (*serve)(ServiceChannel&, vcs::Repositories&, const ipc::Packet&);
};

constexpr Handler kHandlers[] = {{ipc::Type::kVcsFind, find},       {ipc::Type::kVcsStatus, status},
                                 {ipc::Type::kVcsDiff, diff},       {ipc::Type::kVcsLog, log},
                                 {ipc::Type::kVcsContent, content}, {ipc::Type::kVcsLists, lists}};

Answer serve(ServiceChannel& channel, vcs::Repositories& repositories, const ipc::Packet& request) {
    for (const Handler& handler : kHandlers)
        if (handler.type == request.type) return handler.serve(channel, repositories, request);
    malformed();
}

Result<> ladder(int argc, char** argv) {
    TRY(set_not_dumpable());
    TRY(vcs::prepare_libgit2());  // before the filter: it seeds itself and reads what only TLS would need
    TRY(workers::hold_service_to_segment(argc, argv));
    TRY(vcs::start_second_thread());
    return install_filter(FilterRole::kVcs);
}

}  // namespace

int main(int argc, char** argv) {
    set_log_process("vcs-worker");
    if (argc < 2) {
        log_error("toren-vcs-worker is started by a cell's spawner");
        return 2;
    }
    if (auto confined = ladder(argc, argv); !confined) {
        log_error(confined.error().text());
        return 1;
    }
    ServiceChannel channel{UniqueFd(ipc::kServiceBrokerFd)};
    vcs::Repositories repositories{UniqueFd(ipc::kServiceSegmentFd), argv[1]};
    while (const auto request = channel.next()) {
        channel.done(serve(channel, repositories, *request));
        while (repositories.can_prepare() && !channel.waits()) repositories.prepare();
        if (!vcs::memory_outgrown()) continue;
        log_info("ends to give memory back; the next request starts it again");
        break;
    }
    return channel.exit_status();
}
