// What the files and the vcs worker share: the ladder that both climb down at start, and the conversation with the
// broker: one request at a time, answered by Chunks and one Done. A broker that breaks a rule ends the worker.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "ipc/channel.h"
#include "policy/seccomp.h"

namespace toren::workers {

// Landlock (unless --without-landlock), then the role's filter; after it only the segment is left.
Result<> confine_service(int argc, char** argv, FilterRole role);
// Its first rung, for a worker that has something to do before the filter.
Result<> hold_service_to_segment(int argc, char** argv);

struct Refusal {
    ipc::Failure failure;
    std::string error;        // for the client: what was tried and on what
    std::string result = {};  // the record that the failure names, encoded
};
// The record that the request names, encoded.
struct Reply {
    std::string result;
};
// The answer was a message of its own, and no Done follows.
struct Silence {};
using Answer = std::variant<Ok, Refusal, Reply, Silence>;

template <typename Record>
std::string encoded(const Record& record) {
    std::string bytes;
    ipc::Writer(bytes).write(record);
    return bytes;
}
template <typename Record>
Reply reply(const Record& record) {
    return {encoded(record)};
}

// The failure that an errno value of a file call means for the client.
Refusal refusal(const Error& error);

class ServiceChannel {
public:
    explicit ServiceChannel(UniqueFd socket)
        : channel_(std::move(socket), ipc::Role::kService, ipc::Role::kBroker, ipc::Phase::kOpen) {}

    // The next packet; nothing once the broker has gone or broken a rule: then a request is left as if it never was.
    std::optional<ipc::Packet> next();
    // Whether one is there already, or the broker has gone.
    bool waits() const;
    // Parts of the answer. Sent in chunks as they fill; the broker reads at its own pace and this waits for it.
    void write(std::string_view bytes);
    template <typename T>
    void write_record(const T& record) {
        ipc::Writer(pending_).write(record);
        if (pending_.size() >= ipc::kChunkBytes - 16 * 1024) flush();
    }
    // Sends now what has been written so far.
    void flush();
    void done(const Answer& answer);
    void send_opened(const ipc::Opened& opened, const UniqueFd& file);

    int fd() const { return channel_.fd(); }
    int exit_status() const { return exit_status_; }
    // Runs `serve` for each request until the broker goes.
    [[noreturn]] void run(const std::function<Answer(const ipc::Packet&)>& serve);

private:
    template <typename T>
    void send(const T& message);

    ipc::Channel channel_;
    std::string pending_;
    int exit_status_ = 0;  // 1 once the broker has broken a rule
};

}  // namespace toren::workers
