// The requests that the files worker serves.
#pragma once

#include "base/unique_fd.h"
#include "ipc/messages.h"
#include "workers/service_channel.h"

namespace toren::workers {

class Files {
public:
    explicit Files(UniqueFd segment) : segment_(std::move(segment)) {}

    Answer serve(ServiceChannel& channel, const ipc::Packet& request);

private:
    UniqueFd segment_;
};

}  // namespace toren::workers
