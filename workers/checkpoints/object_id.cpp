#include "workers/checkpoints/object_id.h"

// The plain functions: the newer interface brings half of the library into a static program.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

namespace toren::checkpoints {
namespace {

constexpr char kDigits[] = "0123456789abcdef";

}  // namespace

struct Sha256::State {
    SHA256_CTX context;
};

Sha256::Sha256() : state_(std::make_unique<State>()) { SHA256_Init(&state_->context); }
Sha256::~Sha256() = default;
void Sha256::add(std::string_view bytes) { SHA256_Update(&state_->context, bytes.data(), bytes.size()); }
ObjectId Sha256::finish() {
    ObjectId id;
    SHA256_Final(id.bytes.data(), &state_->context);
    return id;
}

std::string ObjectId::hex() const {
    std::string text;
    for (const unsigned char byte : bytes) {
        text += kDigits[byte >> 4];
        text += kDigits[byte & 15];
    }
    return text;
}

std::optional<ObjectId> ObjectId::from_hex(std::string_view text) {
    if (text.size() != 2 * kIdBytes) return std::nullopt;
    ObjectId id;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char* digit = std::strchr(kDigits, text[i]);
        if (digit == nullptr || *digit == '\0') return std::nullopt;
        id.bytes[i / 2] = static_cast<unsigned char>(id.bytes[i / 2] << 4 | (digit - kDigits));
    }
    return id;
}

ObjectId ObjectId::from_raw(std::string_view raw) {
    ObjectId id;
    std::memcpy(id.bytes.data(), raw.data(), kIdBytes);
    return id;
}

ObjectId id_of(ObjectType type, std::string_view content) {
    const char* const names[] = {"", "commit", "tree", "blob"};
    std::string head = names[static_cast<int>(type)] + (" " + std::to_string(content.size()));
    head += '\0';
    Sha256 sum;
    sum.add(head);
    sum.add(content);
    return sum.finish();
}

}  // namespace toren::checkpoints
