// A file that grows in place, under a lock that ours heed: an append, an upload.
#pragma once

#include "base/result.h"

namespace toren::workers {

// Takes the file's lock for as long as its descriptor is open. Waits for two seconds at most: a command can hold it for
// ever. EBUSY: it did.
Result<> lock_file(int file);

}  // namespace toren::workers
