#include "workers/tree/write_all.h"

#include <unistd.h>

namespace toren::workers {

Result<> write_all(int file, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t length = ::write(file, bytes.data(), bytes.size());
        if (length < 0 && errno == EINTR) continue;
        if (length < 0) return errno_error("write");
        bytes.remove_prefix(static_cast<std::size_t>(length));
    }
    return Ok{};
}

}  // namespace toren::workers
