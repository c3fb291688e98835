// Which hosts and origins may speak to the broker: what keeps a website in somebody's browser from driving the daemon
// (DNS rebinding, cross-site requests and WebSockets).
#pragma once

#include <string_view>

#include "ipc/messages.h"

namespace toren::broker {

// An IP address, localhost, or a name that the operator allowed: a name that an attacker's DNS owns is none of these.
bool host_allowed(std::string_view host, const ipc::BrokerWelcome& settings);

enum class OriginKind { kNone, kSame, kAllowed, kForeign };
// kSame: the page came from this daemon. kAllowed: from an origin that the operator named.
OriginKind judge_origin(std::string_view origin, std::string_view host, const ipc::BrokerWelcome& settings);

}  // namespace toren::broker
