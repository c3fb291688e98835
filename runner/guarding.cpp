#include "runner/guarding.h"

#include <fcntl.h>

#include "base/unique_fd.h"

namespace toren::runner {

Result<Usage> usage_of_cage(std::uint64_t exact_beyond) {
    const UniqueFd proc(::open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!proc) return errno_error("limits: open '/proc'");
    return measure_usage(proc.get(), 1, exact_beyond);
}

}  // namespace toren::runner
