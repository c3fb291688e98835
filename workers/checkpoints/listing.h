// A tree as it was or is: every name in it in one list, a folder's own right behind it, names in the order of their
// bytes. With what tells without reading whether a file is still the one that was read.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "workers/checkpoints/object_id.h"

namespace toren::checkpoints {

enum class Kind : std::uint8_t { kFile, kLink, kFolder };

// Of the file as it was read.
struct Stat {
    std::uint64_t device = 0, inode = 0, size = 0;
    std::int64_t modified_ns = 0, changed_ns = 0;
    bool operator==(const Stat&) const = default;
};

struct Entry {
    std::string name;
    Kind kind = Kind::kFile;
    std::uint16_t mode = 0;  // permission bits
    std::uint32_t end = 0;   // the place behind it and, of a folder, behind all that is in it
    ObjectId id;
    Stat stat = {};        // of the work tree only
    bool settled = false;  // nothing can have changed since without a trace in `stat`
    bool operator==(const Entry&) const = default;
};

struct Listing {
    std::vector<Entry> entries;  // the first is the tree's own folder, without a name; none: there is no tree

    const Entry* root() const { return entries.empty() ? nullptr : entries.data(); }
    // How many are no folders.
    std::uint64_t files() const;
};

// The names in one folder of a listing, passed in their order.
class Children {
public:
    Children() = default;
    Children(const Listing* listing, std::size_t folder);
    // Of a folder's entry in the listing; null: none at all.
    Children(const Listing* listing, const Entry* folder)
        : Children(folder == nullptr ? Children() : Children(listing, place(listing, folder))) {}

    // The next one; null at the end.
    const Entry* peek() const { return at_ < end_ ? &listing_->entries[at_] : nullptr; }
    void pass() { at_ = listing_->entries[at_].end; }
    // The one of that name, passing all before it; null where there is none.
    const Entry* seek(std::string_view name);

private:
    static std::size_t place(const Listing* listing, const Entry* entry) {
        return static_cast<std::size_t>(entry - listing->entries.data());
    }
    const Listing* listing_ = nullptr;
    std::size_t at_ = 0, end_ = 0;
};

// git's own form of one folder: (mode, name, id) of each name in it, in git's order.
struct TreeName {
    std::string_view name;
    Kind kind;
    bool executable;
    ObjectId id;
};
std::string tree_content(std::vector<TreeName> names);
// Where the bytes are no tree, EBADMSG.
Result<std::vector<TreeName>> parse_tree(std::string_view content);

// Permission bits that git's trees have no room for: those that are not 0644, or 0755 of folders and programs.
std::string modes_content(const Listing& listing);
Result<> apply_modes(std::string_view content, Listing& listing);

enum class Change : std::uint8_t { kAdded, kModified, kDeleted, kTypeChanged, kModeChanged };
using ChangeSink = std::function<void(Change, const std::string& path, const Entry* before, const Entry* after)>;
// What is different, in the order of paths. Folders only where they are empty or have another mode.
void compare(const Listing& before, const Listing& after, const ChangeSink& sink);

// The stat cache: a listing on disk. What cannot be read is as none.
struct SavedListing {
    std::uint64_t checkpoint = 0;  // whose tree it is
    Listing listing;
};
std::string saved_bytes(const SavedListing& saved);
SavedListing parse_saved(std::string_view bytes);

}  // namespace toren::checkpoints
