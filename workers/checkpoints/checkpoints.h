// The requests that the checkpoint worker serves.
#pragma once

#include <optional>

#include "base/unique_fd.h"
#include "ipc/messages.h"
#include "workers/checkpoints/store.h"
#include "workers/service_channel.h"

namespace toren::checkpoints {

class Checkpoints {
public:
    Checkpoints(UniqueFd segment, Store store) : segment_(std::move(segment)), store_(std::move(store)) {}

    workers::Answer serve(workers::ServiceChannel& channel, const ipc::Packet& request);
    // Between requests: what the last one has left to be dropped.
    void tidy();

private:
    template <typename Request>
    using Serve = workers::Answer (Checkpoints::*)(workers::ServiceChannel&, const Request&);
    template <typename Request, Serve<Request> serve>
    workers::Answer decode(workers::ServiceChannel& channel, const ipc::Packet& packet);
    struct Row {
        ipc::Type type;
        workers::Answer (Checkpoints::*serve)(workers::ServiceChannel&, const ipc::Packet&);
    };
    static const Row kRows[];

    workers::Answer make(workers::ServiceChannel& channel, const ipc::MakeCheckpoint& request);
    workers::Answer list(workers::ServiceChannel& channel, const ipc::ListCheckpoints& request);
    workers::Answer compare_with(workers::ServiceChannel& channel, const ipc::CompareCheckpoint& request);
    workers::Answer read(workers::ServiceChannel& channel, const ipc::ReadCheckpoint& request);
    workers::Answer diff(workers::ServiceChannel& channel, const ipc::DiffCheckpoint& request);
    workers::Answer restore_to(workers::ServiceChannel& channel, const ipc::RestoreCheckpoint& request);
    workers::Answer remove(workers::ServiceChannel& channel, const ipc::DeleteCheckpoint& request);

    struct Made {
        ipc::CheckpointMade told;
        std::vector<ipc::LeftOutFile> left_out;
        Listing listing;  // where `also` was given
    };
    Result<Made> record(const ipc::MakeCheckpoint& request, const Listing* also);
    const Checkpoint* find(std::uint64_t number) const;

    // One file of a checkpoint, or of the work tree as it is.
    struct Side {
        ipc::TreeFacts facts;
        std::string content;
    };
    Result<Side> side(const Checkpoint* checkpoint, const std::string& path, std::uint64_t most) const;

    UniqueFd segment_;
    Store store_;
    std::optional<ipc::CheckpointLimits> tidy_to_;
};

}  // namespace toren::checkpoints
