// For descriptors whose last close has to wait, in a process that somebody waits for: an inotify instance waits for a
// grace period of SRCU (ten milliseconds and more), a removed folder for its disk to discard a block.
#pragma once

#include <vector>

#include "base/unique_fd.h"

namespace toren {

// Sends them through a socket that is on its way through itself: nobody can receive it, and the kernel's collector of
// such sockets closes them, since Linux 6.9 on a thread of its own. Where that fails they are closed here.
void leave_to_kernel(std::vector<UniqueFd> descriptors);

}  // namespace toren
