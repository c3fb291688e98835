// One thread more for work that waits for the kernel: started before the filter, which then allows no other. Without it
// (in tests) the caller does all of the work.
#pragma once

#include <functional>

#include "base/result.h"

namespace toren::vcs {

// Once, and after Landlock, whose rules a thread takes over from the one that starts it.
Result<> start_second_thread();

// Calls `work` here and on the second thread, and returns when both have come back. It takes its parts from what both
// share, and touches no libgit2.
void work_together(const std::function<void()>& work);

}  // namespace toren::vcs
