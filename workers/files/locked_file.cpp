#include "workers/files/locked_file.h"

#include <fcntl.h>
#include <time.h>

namespace toren::workers {

Result<> lock_file(int file) {
    struct flock whole {};
    whole.l_type = F_WRLCK;
    whole.l_whence = SEEK_SET;
    constexpr int kTries = 200;
    constexpr timespec kPause = {0, 10'000'000};
    for (int tries = 0; ::fcntl(file, F_OFD_SETLK, &whole) != 0; ++tries) {
        if (errno == EINTR) continue;
        if (errno != EAGAIN && errno != EACCES) return errno_error("lock");
        if (tries == kTries) return Error{EBUSY, "somebody holds a lock on it"};
        ::nanosleep(&kPause, nullptr);
    }
    return Ok{};
}

}  // namespace toren::workers
