// Makes the segment's tree what a listing says, by as little as possible. Only what `now` has recorded is replaced or
// removed, for that can be had again: what it left out stays, and is told where it is in the way.
//
// A file is written beside its name and renamed over it, some at a time behind one sync; so each is whole whenever this
// ends, and doing it again finishes it. No link is followed: each folder is opened from the one above.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "ipc/messages.h"
#include "workers/checkpoints/store.h"

namespace toren::checkpoints {

struct RestoreTerms {
    int segment;
    const Store& store;
    const Listing& now;
    const Listing& wanted;
    const std::vector<std::string>& paths;              // only what is at or in one of them; none: everything
    std::function<void(const ipc::NotRestored&)> tell;  // the first of them
};

// `undo` is left to the caller.
Result<ipc::CheckpointRestored> restore(const RestoreTerms& terms);

// Whether a path is one of `paths` or in one of them; every path is, where there are none.
bool is_selected(const std::vector<std::string>& paths, std::string_view path);
// Whether one of `paths` is in the folder at this path.
bool leads_to_selected(const std::vector<std::string>& paths, std::string_view path);

}  // namespace toren::checkpoints
