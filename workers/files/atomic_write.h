// A file is written whole or not at all (invariant 6): to a temporary file beside it, synced, then renamed over it.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "base/result.h"
#include "workers/files/beneath.h"

namespace toren::workers {

class AtomicWrite {
public:
    // Opens the temporary file. An existing file's mode is kept; a new one gets 0666 less the umask.
    static Result<AtomicWrite> begin(int segment, const std::string& path, bool create_parents);
    AtomicWrite(AtomicWrite&&) = default;
    AtomicWrite& operator=(AtomicWrite&&) = delete;
    // Without commit() nothing of it stays.
    ~AtomicWrite();

    Result<> write(std::string_view bytes);
    // On disk when it returns.
    Result<> commit();

private:
    AtomicWrite() = default;

    std::string path_;  // for errors
    Place place_;
    std::string temporary_;
    UniqueFd file_;
};

}  // namespace toren::workers
