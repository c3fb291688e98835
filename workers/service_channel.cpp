#include "workers/service_channel.h"

#include <unistd.h>

#include <cstring>

#include "base/log.h"
#include "ipc/inherited.h"
#include "policy/landlock.h"

namespace toren::workers {

Result<> confine_service(int argc, char** argv, FilterRole role) {
    const bool landlock = argc < 3 || std::strcmp(argv[2], ipc::kWithoutLandlock) != 0;
    if (landlock) {
        TRY(restrict_to_ruleset(ipc::kServiceRulesetFd));
        ::close(ipc::kServiceRulesetFd);
    }
    return install_filter(role);
}

Refusal refusal(const Error& error) {
    using ipc::Failure;
    const auto failure = [&] {
        switch (error.code) {
            case ENOENT: return Failure::kNotFound;
            case EXDEV: return Failure::kLeavesSegment;  // from RESOLVE_BENEATH
            case ELOOP: return Failure::kDenied;
            case EACCES:
            case EBUSY:  // a guarded name: what is mounted over it can neither be replaced nor moved
            case EPERM:
            case EROFS: return Failure::kDenied;
            case EISDIR: return Failure::kIsFolder;
            case ENOTDIR: return Failure::kNotFolder;
            case EFBIG: return Failure::kTooLarge;
            case EEXIST: return Failure::kExists;
            case ENXIO: return Failure::kNotRegular;  // a socket, opened like a file
            case ENAMETOOLONG: return Failure::kNameTooLong;
            case ENOSPC:
            case EDQUOT: return Failure::kNoSpace;
            default: return Failure::kOther;
        }
    }();
    return {failure, error.text()};
}

std::optional<ipc::Packet> ServiceChannel::next() {
    ipc::Packet packet;
    const auto received = channel_.receive(packet);
    if (received == ipc::Received::kPacket) return packet;
    if (received == ipc::Received::kViolation) {
        log_error("the broker broke a rule: " + channel_.violation());
        exit_status_ = 1;
    }
    channel_.close();
    return std::nullopt;
}

void ServiceChannel::write(std::string_view bytes) {
    while (!bytes.empty()) {
        const std::size_t part = std::min(bytes.size(), ipc::kChunkBytes - pending_.size());
        pending_ += bytes.substr(0, part);
        bytes.remove_prefix(part);
        if (pending_.size() >= ipc::kChunkBytes) flush();
    }
}

void ServiceChannel::flush() {
    if (pending_.empty()) return;
    send(ipc::Chunk{std::move(pending_)});
    pending_.clear();
}

void ServiceChannel::done(const Answer& answer) {
    flush();
    ipc::Done done;
    if (const auto* refused = std::get_if<Refusal>(&answer)) {
        done.failure = refused->failure;
        done.error = refused->error.substr(0, 4096);
    }
    send(done);
}

template <typename T>
void ServiceChannel::send(const T& message) {
    if (!channel_.send(message)) ::_exit(exit_status_);  // the broker has gone
}

void ServiceChannel::run(const std::function<Answer(const ipc::Packet&)>& serve) {
    while (const auto request = next()) done(serve(*request));
    ::_exit(exit_status_);
}

}  // namespace toren::workers
