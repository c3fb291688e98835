#include "workers/files/atomic_write.h"

#include <sys/stat.h>
#include <unistd.h>

#include "workers/files/condition.h"
#include "workers/files/facts.h"
#include "workers/tree/own_names.h"

namespace toren::workers {

Result<AtomicWrite> AtomicWrite::begin(int segment, const std::string& path, bool create_parents, std::uint32_t mode) {
    TRY_ASSIGN(auto place, place_beneath(segment, path, create_parents));
    return begin(std::move(place), path, mode);
}

Result<AtomicWrite> AtomicWrite::begin(Place place, const std::string& path, std::uint32_t mode) {
    AtomicWrite write;
    write.path_ = path;
    write.place_ = std::move(place);
    struct stat about {};
    const bool exists =
        ::fstatat(write.place_.folder.get(), write.place_.name.c_str(), &about, AT_SYMLINK_NOFOLLOW) == 0;
    if (exists) {
        if (S_ISDIR(about.st_mode)) return Error{EISDIR, "'" + path + "'"};
        if (!S_ISREG(about.st_mode)) return Error{EPERM, "'" + path + "' is no regular file"};
        if (mode == ipc::kKeepMode) mode = about.st_mode & 07777;
    }
    const std::string name = temporary_name();
    TRY_ASSIGN(write.file_, open_beneath(write.place_.folder.get(), name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW,
                                         mode == ipc::kKeepMode ? 0666 : 0600));
    write.temporary_ = name;
    if (mode != ipc::kKeepMode && ::fchmod(write.file_.get(), mode & 07777) != 0)
        return errno_error("fchmod '" + path + "'");
    return write;
}

AtomicWrite::~AtomicWrite() {
    if (file_ && !temporary_.empty()) ::unlinkat(place_.folder.get(), temporary_.c_str(), 0);
}

Result<> AtomicWrite::write(std::string_view bytes) {
    auto written = write_all(file_.get(), bytes);
    if (!written) written.error().what += " '" + path_ + "'";
    return written;
}

Result<bool> AtomicWrite::commit(const ipc::Condition& condition) {
    TRY(stamp(file_.get()));
    if (::fsync(file_.get()) != 0) return errno_error("fsync '" + path_ + "'");
    TRY_ASSIGN(const bool held, put_in_place(place_.folder.get(), temporary_, place_.name, condition));
    if (held) TRY(sync_folder(place_.folder.get()));
    return held;
}

}  // namespace toren::workers
