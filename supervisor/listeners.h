// The listeners: bound by the supervisor, in the host's network, and inherited by every broker, so that a broker that
// dies leaves no gap: connections wait in the kernel for the next one.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace toren::supervisor {

struct Listener {
    UniqueFd socket;
    std::string host;  // as it stands in a URL: "127.0.0.1", "[::1]"
    std::uint16_t port = 0;
};

// Every address that `host` names. Port 0 takes a free one, the same for all.
Result<std::vector<Listener>> bind_listeners(const std::string& host, std::uint16_t port);

}  // namespace toren::supervisor
