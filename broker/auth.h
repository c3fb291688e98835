// Who a request comes from. Pairing turns a PIN into a session token once; a token is 256 random bits, and only its
// hash is kept.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "broker/store.h"
#include "ipc/messages.h"

namespace toren::broker {

struct Identity {
    std::string session_id;
};

struct NewSession {
    std::string token;
    std::string id;
};

class Auth {
public:
    static Result<Auth> begin(Store& store, const ipc::BrokerWelcome& settings);

    // Nothing where the PIN is wrong, used up, too old, or has seen five wrong tries: a caller is not told which.
    Result<std::optional<NewSession>> pair(std::string_view pin, const std::string& device_name);
    std::optional<Identity> check_token(std::string_view token);

private:
    Auth(Store& store, const ipc::BrokerWelcome& settings);

    Store* store_;
    std::string pin_;
    std::string pin_hash_;  // the key of this PIN's row in the store
    std::uint64_t session_seconds_;
};

}  // namespace toren::broker
