// Store's housekeeping: which checkpoints go, and which objects nobody needs any more.
#include <unistd.h>

#include <algorithm>
#include <unordered_set>

#include "base/log.h"
#include "workers/checkpoints/store.h"

namespace toren::checkpoints {
namespace {

constexpr std::size_t kMostPacks = 48;    // each is looked at for each object
constexpr std::size_t kMostDropped = 24;  // checkpoints between two collections
constexpr std::uint64_t kSmallPack = std::uint64_t{8} << 20;
constexpr std::uint64_t kLargestTree = std::uint64_t{256} << 20;

// A pack is made anew when this part of it is no longer needed: half, or a sixteenth where space is short.
constexpr std::uint64_t kLazy = 2, kThrifty = 16;

using Ids = std::unordered_set<ObjectId, ObjectIdHash>;

Result<> mark(const Store& store, const ObjectId& tree, Ids& live) {
    std::vector<ObjectId> trees = {tree};
    while (!trees.empty()) {
        const ObjectId id = trees.back();
        trees.pop_back();
        if (!live.insert(id).second) continue;
        TRY_ASSIGN(const auto object, store.read(id, ObjectType::kTree, kLargestTree));
        TRY_ASSIGN(const auto names, parse_tree(object.content));
        for (const auto& one : names) {
            if (one.kind == Kind::kFolder) trees.push_back(one.id);
            else live.insert(one.id);
        }
    }
    return Ok{};
}

}  // namespace

std::uint64_t Store::bytes() const {
    std::uint64_t sum = 0;
    for (const Pack& pack : packs_) sum += pack.bytes();
    return sum;
}

bool Store::repack_due() const { return packs_.size() > kMostPacks || dropped_ > kMostDropped; }

Result<> Store::tidy(const ipc::CheckpointLimits& limits) {
    const auto drop_oldest = [this](std::size_t count) -> Result<> {
        for (; count > 0 && checkpoints_.size() > 1; --count) TRY(remove(checkpoints_.begin()->first));
        return Ok{};
    };
    if (checkpoints_.size() > limits.kept) TRY(drop_oldest(checkpoints_.size() - limits.kept));
    if (bytes() > limits.bytes) TRY(collect(kThrifty));
    else if (repack_due()) TRY(collect(kLazy));
    // Some at a time: how much one alone takes is not known before it is gone.
    while (bytes() > limits.bytes && checkpoints_.size() > 1) {
        TRY(drop_oldest(std::max<std::size_t>(1, checkpoints_.size() / 8)));
        TRY(collect(kThrifty));
    }
    return Ok{};
}

// Packs of which nothing is needed go; of those of which little is, and of many small ones, the rest becomes one new
// pack. That one stands before any of them goes.
Result<> Store::collect(std::uint64_t share) {
    Ids live;
    for (const auto& [number, checkpoint] : checkpoints_) {
        live.insert(checkpoint.commit);
        TRY(mark(*this, checkpoint.tree, live));
    }
    std::vector<std::string> leaving;
    std::vector<const Pack*> joined;
    for (const Pack& pack : packs_) {
        std::uint64_t needed = 0;
        for (const auto& entry : pack.entries())
            if (live.contains(entry.id)) needed += entry.end - entry.offset;
        if (needed == 0) leaving.push_back(pack.name());
        else if (needed < pack.bytes() - pack.bytes() / share ||
                 (packs_.size() > kMostPacks / 2 && pack.bytes() < kSmallPack))
            joined.push_back(&pack);
    }
    std::string made;
    if (!joined.empty()) {
        PackWriter writer(packs_folder_.get(), ~std::uint64_t{0});
        for (const Pack* pack : joined) {
            for (const auto& entry : pack->entries()) {
                if (!live.contains(entry.id)) continue;
                TRY_ASSIGN(const auto raw, pack->raw(entry));
                TRY(writer.add_raw(entry, raw));
            }
            leaving.push_back(pack->name());
        }
        TRY_ASSIGN(made, writer.finish());
        TRY(add_pack(made));
    }
    for (const auto& name : leaving) {
        if (name == made) continue;
        // Its index first: a pack without one is no pack.
        const std::string index = name.substr(0, name.size() - 5) + ".idx";
        ::unlinkat(packs_folder_.get(), index.c_str(), 0);
        ::unlinkat(packs_folder_.get(), name.c_str(), 0);
        packs_.remove_if([&](const Pack& pack) { return pack.name() == name; });
    }
    dropped_ = 0;
    return sync_names(packs_folder_.get());
}

}  // namespace toren::checkpoints
