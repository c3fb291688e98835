// A segment's checkpoints on disk: a bare git repository that only this process opens, by its descriptor. Each
// checkpoint is a commit without a parent, with a ref refs/checkpoints/NUMBER; its tree has `files`, the segment's
// tree, and where some permission bits are unusual `modes`.
//
// Invariant: a checkpoint that is listed is whole. Its objects are synced before its ref moves; a ref that leads to
// something else is dropped when the store is opened, and so are temporary files.
#pragma once

#include <list>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"
#include "ipc/messages.h"
#include "workers/checkpoints/listing.h"
#include "workers/checkpoints/pack.h"

namespace toren::checkpoints {

struct Checkpoint {
    ipc::CheckpointFacts facts;
    ObjectId commit, tree;  // of what is in the commit
    ObjectId files;         // the segment's tree
    std::optional<ObjectId> modes;
};

class Store;

// Objects for a checkpoint in the making. What is never committed is garbage, and goes with the next tidying.
class Additions {
public:
    Additions(Store& store, std::uint64_t most);
    // Unless it is there already.
    Result<> keep(ObjectType type, const ObjectId& id, std::string_view content);
    Result<ObjectId> put(ObjectType type, std::string_view content);
    Result<> finish();
    std::uint64_t written() const { return written_; }

private:
    Result<> roll();

    Store& store_;
    std::uint64_t most_;
    std::optional<PackWriter> writer_;
    std::uint64_t written_ = 0;
};

class Store {
public:
    // Waits until no other process has it. `pack_bytes`: no pack becomes much larger.
    static Result<Store> open(UniqueFd folder, std::uint64_t pack_bytes);

    const std::map<std::uint64_t, Checkpoint>& checkpoints() const { return checkpoints_; }
    bool has(const ObjectId& id) const { return find(id).pack != nullptr; }
    Result<Object> read(const ObjectId& id, ObjectType type, std::uint64_t most) const;
    // A checkpoint's tree, all of it.
    Result<Listing> listing(const Checkpoint& checkpoint) const;
    Result<std::uint64_t> size_of(const Entry& entry) const;

    // The tree objects that a checkpoint of this listing has.
    struct Roots {
        ObjectId tree, files;
        std::optional<ObjectId> modes;
    };
    Result<Roots> put_roots(const Listing& listing, Additions& additions) const;
    // `facts.number` is given here. On disk when it returns.
    Result<const Checkpoint*> commit(ipc::CheckpointFacts facts, const Roots& roots, Additions& additions);
    Result<> remove(std::uint64_t number);

    // What the last walk has found, by whether it took in ignored files. The checkpoint is one that is there.
    const SavedListing* saved(bool ignored);
    void save(bool ignored, SavedListing saved);

    // Drops the oldest beyond `limits`, and what no checkpoint needs any more, when that is due.
    Result<> tidy(const ipc::CheckpointLimits& limits);

private:
    friend class Additions;
    struct Found {
        const Pack* pack = nullptr;
        const PackedEntry* entry = nullptr;
    };

    Found find(const ObjectId& id) const;
    Result<> add_pack(const std::string& name);
    Result<> load_packs();
    Result<> load_refs();
    Result<Checkpoint> load(const ObjectId& commit) const;
    Result<> put_file(int folder, const std::string& name, std::string_view bytes, bool sync) const;
    std::uint64_t bytes() const;
    bool repack_due() const;
    Result<> collect(std::uint64_t share);
    std::uint64_t next_number() const;

    UniqueFd folder_, lock_, packs_folder_, refs_folder_;
    std::uint64_t pack_bytes_ = 0;
    std::list<Pack> packs_;
    std::map<std::uint64_t, Checkpoint> checkpoints_;
    std::uint64_t least_next_ = 1;  // numbers below it have been given
    std::size_t dropped_ = 0;       // since the last collection
    std::optional<SavedListing> saved_[2];
};

}  // namespace toren::checkpoints
