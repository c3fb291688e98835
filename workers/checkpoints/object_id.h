// The name of an object: the SHA-256 of its type, size and content, as git has it with --object-format=sha256. Not
// SHA-1: whoever writes files here may choose them so that two have one name.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace toren::checkpoints {

inline constexpr std::size_t kIdBytes = 32;

struct ObjectId {
    std::array<unsigned char, kIdBytes> bytes{};
    auto operator<=>(const ObjectId&) const = default;
    std::string_view raw() const { return {reinterpret_cast<const char*>(bytes.data()), kIdBytes}; }
    std::string hex() const;
    static std::optional<ObjectId> from_hex(std::string_view text);
    // Of exactly kIdBytes.
    static ObjectId from_raw(std::string_view raw);
};

struct ObjectIdHash {
    std::size_t operator()(const ObjectId& id) const {
        std::size_t hash = 0;
        std::memcpy(&hash, id.bytes.data(), sizeof hash);
        return hash;
    }
};

class Sha256 {
public:
    Sha256();
    ~Sha256();
    Sha256(const Sha256&) = delete;
    Sha256& operator=(const Sha256&) = delete;
    void add(std::string_view bytes);
    ObjectId finish();

private:
    struct State;
    std::unique_ptr<State> state_;
};

// As packs number them.
enum class ObjectType : std::uint8_t { kCommit = 1, kTree = 2, kBlob = 3 };

ObjectId id_of(ObjectType type, std::string_view content);

}  // namespace toren::checkpoints
