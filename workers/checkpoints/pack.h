// Packs: where a checkpoint's objects lie, all that one checkpoint added in one file (git's own format, version 2,
// without deltas). A pack counts once its .idx stands beside it, and that comes last; both are synced before.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "workers/checkpoints/object_id.h"

namespace toren::checkpoints {

struct Object {
    ObjectType type;
    std::string content;
};

// What is in a pack, and where.
struct PackedEntry {
    ObjectId id;
    std::uint64_t offset = 0;
    std::uint64_t end = 0;  // where the next one begins
    std::uint32_t crc = 0;
};

// A pack that is whole.
class Pack {
public:
    // `name`: "pack-….pack" in the folder.
    static Result<Pack> open(int folder, const std::string& name);

    const PackedEntry* find(const ObjectId& id) const;
    const std::vector<PackedEntry>& entries() const { return entries_; }  // by id
    // EFBIG: its content is larger than `most`.
    Result<Object> read(const PackedEntry& entry, std::uint64_t most) const;
    // How large an object is, without reading it.
    Result<std::uint64_t> size(const PackedEntry& entry) const;
    // The bytes of an entry as they lie there.
    Result<std::string> raw(const PackedEntry& entry) const;
    const std::string& name() const { return name_; }
    std::uint64_t bytes() const { return bytes_; }  // with its index

private:
    std::string name_;
    UniqueFd file_;
    std::vector<PackedEntry> entries_;
    std::uint64_t bytes_ = 0;
};

// A pack in the making: a temporary file until finish().
class PackWriter {
public:
    // `most`: bytes that it may have; beyond them EDQUOT.
    PackWriter(int folder, std::uint64_t most) : folder_(folder), most_(most) {}
    PackWriter(PackWriter&&) = default;
    PackWriter& operator=(PackWriter&&) = delete;
    ~PackWriter();

    bool has(const ObjectId& id) const { return known_.contains(id); }
    Result<> add(ObjectType type, const ObjectId& id, std::string_view content);
    // An entry of another pack, as it is.
    Result<> add_raw(const PackedEntry& entry, std::string_view raw);
    std::uint64_t bytes() const { return at_; }
    bool empty() const { return entries_.empty(); }

    // On disk and in its place; its name.
    Result<std::string> finish();

private:
    Result<> begin();
    Result<> put(std::string_view bytes);
    Result<> flush();
    Result<ObjectId> seal();
    std::string index(const ObjectId& checksum);

    int folder_;
    std::uint64_t most_;
    std::string temporary_;
    UniqueFd file_;
    std::string pending_;
    std::uint64_t at_ = 0;
    std::vector<PackedEntry> entries_;
    std::unordered_set<ObjectId, ObjectIdHash> known_;
};

inline constexpr std::string_view kTemporaryPrefix = "tmp-";

// A new file beside others, and its name.
struct Temporary {
    std::string name;
    UniqueFd file;
};
Result<Temporary> make_temporary(int folder);

// The content of a file beneath a folder of the store; at most `most` bytes.
Result<std::string> read_whole(int folder, const std::string& name, std::uint64_t most);
Result<> sync_names(int folder);

}  // namespace toren::checkpoints
