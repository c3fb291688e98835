// Reads the segment's tree as it is. What has not changed since the last time is known by its stat alone, as git's
// index knows it; everything else is read and handed on. Every name is opened by descriptor from its folder, no link is
// followed, and nothing but regular files is opened at all.
//
// Never in it: .git and .jj, and whatever is in them; names of Toren's own making; what a mount of the cell's guards
// stands for.
#pragma once

#include <functional>
#include <vector>

#include "base/result.h"
#include "ipc/messages.h"
#include "workers/checkpoints/listing.h"

namespace toren::checkpoints {

struct WalkTerms {
    int segment;
    bool ignored = false;  // takes in what .gitignore files leave out
    std::uint64_t file_bytes = 0;
    const Listing* known = nullptr;  // of the last time
    const Listing* also = nullptr;   // what is in it is taken in, ignored or not
    // Each object that is new; none where only names are asked for.
    std::function<Result<>(ObjectType, const ObjectId&, std::string_view)> keep = {};
};

struct Walked {
    Listing listing;
    std::uint64_t files = 0, bytes = 0;
    std::uint64_t left_out[static_cast<int>(ipc::LeftOut::kLast) + 1] = {};
    std::vector<ipc::LeftOutFile> told;  // the first of them
};

Result<Walked> walk(const WalkTerms& terms);

// A regular file's content, read until it was the same before and after; nothing where it is something else, or larger.
struct FileContent {
    enum class State : std::uint8_t { kRead, kGone, kUnreadable, kTooLarge, kSpecial };
    State state = State::kGone;
    std::string bytes;
    Stat stat;
    std::uint16_t mode = 0;
    bool settled = false;  // a later change will show in `stat`
    bool torn = false;     // it changed during each reading
};
FileContent read_content(int folder, const std::string& name, std::uint64_t most);

}  // namespace toren::checkpoints
