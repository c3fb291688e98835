#include "workers/service_channel.h"

#include <poll.h>
#include <time.h>
#include <unistd.h>

#include <cstring>

#include "base/log.h"
#include "ipc/inherited.h"
#include "policy/landlock.h"

namespace toren::workers {

Result<> hold_service_to_segment(int argc, char** argv) {
    // The C library opens /etc/localtime with the first time that it writes out, in UTC too. That would be the log's,
    // and the filter would end the worker in the place of what it had to say.
    ::tzset();
    const bool landlock = argc < 3 || std::strcmp(argv[2], ipc::kWithoutLandlock) != 0;
    if (landlock) {
        TRY(restrict_to_ruleset(ipc::kServiceRulesetFd));
        ::close(ipc::kServiceRulesetFd);
    }
    return Ok{};
}

Result<> confine_service(int argc, char** argv, FilterRole role) {
    TRY(hold_service_to_segment(argc, argv));
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
            case ETXTBSY: return Failure::kDenied;  // a swap file, or a program that runs
            case EISDIR: return Failure::kIsFolder;
            case ENOTDIR: return Failure::kNotFolder;
            case EFBIG: return Failure::kTooLarge;
            case EEXIST: return Failure::kExists;
            case ENOTEMPTY: return Failure::kNotEmpty;
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

bool ServiceChannel::waits() const {
    pollfd ready{channel_.fd(), POLLIN, 0};
    return ::poll(&ready, 1, 0) != 0;
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
    ipc::Done done;
    if (std::holds_alternative<Silence>(answer)) return;
    if (const auto* refused = std::get_if<Refusal>(&answer)) {
        pending_.clear();  // whoever is refused has no use for half an answer
        done.failure = refused->failure;
        done.error = refused->error.substr(0, 4096);
        done.result = refused->result;
    }
    if (const auto* replied = std::get_if<Reply>(&answer)) done.result = replied->result;
    done.bytes = std::move(pending_);
    pending_.clear();
    send(done);
}

void ServiceChannel::send_opened(const ipc::Opened& opened, const UniqueFd& file) {
    const int descriptors[] = {file.get()};
    if (!channel_.send(opened, descriptors)) ::_exit(exit_status_);
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
