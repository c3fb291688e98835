// A file is written whole or not at all (invariant 6): to a temporary file beside it, synced, then renamed over it.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "base/result.h"
#include "ipc/messages.h"
#include "workers/tree/beneath.h"
#include "workers/tree/write_all.h"

namespace toren::workers {

class AtomicWrite {
public:
    // Opens the temporary file. With kKeepMode an existing file's mode is kept, and a new one gets 0666 less the umask.
    static Result<AtomicWrite> begin(int segment, const std::string& path, bool create_parents,
                                     std::uint32_t mode = ipc::kKeepMode);
    static Result<AtomicWrite> begin(Place place, const std::string& path, std::uint32_t mode = ipc::kKeepMode);
    AtomicWrite(AtomicWrite&&) = default;
    AtomicWrite& operator=(AtomicWrite&&) = delete;
    // Without commit() nothing of it stays.
    ~AtomicWrite();

    Result<> write(std::string_view bytes);
    // On disk when it returns true; false: the condition does not hold, and the file stands as it is.
    Result<bool> commit(const ipc::Condition& condition = {});

    const Place& place() const { return place_; }
    int file() const { return file_.get(); }

private:
    AtomicWrite() = default;

    std::string path_;  // for errors
    Place place_;
    std::string temporary_;
    UniqueFd file_;
};

}  // namespace toren::workers
