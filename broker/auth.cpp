#include "broker/auth.h"

#include <openssl/crypto.h>
#include <sys/random.h>

#include <ctime>

#include "broker/digest.h"

namespace toren::broker {
namespace {

constexpr std::int64_t kPairingTries = 5;
constexpr std::size_t kTokenBytes = 32;
constexpr std::size_t kSessionIdBytes = 16;

bool equal_in_constant_time(std::string_view a, std::string_view b) {
    return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

Result<std::string> random_hex(std::size_t bytes) {
    std::string random(bytes, '\0'), hex;
    if (::getrandom(random.data(), bytes, 0) != static_cast<ssize_t>(bytes)) return errno_error("getrandom");
    static constexpr char kDigits[] = "0123456789abcdef";
    for (const char c : random)
        (hex += kDigits[static_cast<unsigned char>(c) >> 4]) += kDigits[static_cast<unsigned char>(c) & 15];
    return hex;
}

}  // namespace

Auth::Auth(Store& store, const ipc::BrokerWelcome& settings)
    : store_(&store),
      pin_(settings.pairing_pin),
      pin_hash_(sha256(settings.pairing_pin + ":" + std::to_string(settings.pairing_expires))),
      session_seconds_(settings.session_seconds) {}

Result<Auth> Auth::begin(Store& store, const ipc::BrokerWelcome& settings) {
    Auth auth(store, settings);
    TRY(store.begin_pairing(auth.pin_hash_, {static_cast<std::int64_t>(settings.pairing_expires),
                                             static_cast<std::int64_t>(settings.pairing_uses), kPairingTries}));
    return auth;
}

Result<std::optional<NewSession>> Auth::pair(std::string_view pin, const std::string& device_name) {
    const std::optional<NewSession> refused;
    auto pairing = store_->find_pairing(pin_hash_);
    const std::int64_t now = std::time(nullptr);
    if (!pairing || pairing->uses_left <= 0 || pairing->tries_left <= 0 || now >= pairing->expires_at) return refused;
    const bool right = !pin_.empty() && equal_in_constant_time(pin, pin_);
    // Counted on disk before the answer leaves: a broker that is made to die forgets no try.
    if (right) --pairing->uses_left;
    else --pairing->tries_left;
    TRY(store_->update_pairing(pin_hash_, *pairing));
    if (!right) return refused;
    NewSession session;
    TRY_ASSIGN(session.token, random_hex(kTokenBytes));
    TRY_ASSIGN(session.id, random_hex(kSessionIdBytes));
    TRY(store_->add_session({session.id, sha256(session.token), now}, device_name));
    return std::optional(session);
}

std::optional<Identity> Auth::check_token(std::string_view token) {
    if (token.size() != 2 * kTokenBytes) return std::nullopt;
    const std::string hash = sha256(token);
    const auto session = store_->find_session(hash);
    if (!session || !equal_in_constant_time(session->token_hash, hash)) return std::nullopt;
    const auto age = std::time(nullptr) - session->created_at;
    if (session_seconds_ != 0 && age >= static_cast<std::int64_t>(session_seconds_)) return std::nullopt;
    return Identity{session->id};
}

}  // namespace toren::broker
