#include "workers/files/atomic_write.h"

#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>

namespace toren::workers {
namespace {

std::string temporary_name() {
    std::uint64_t random = 0;
    if (::getrandom(&random, sizeof random, 0) != sizeof random) random = static_cast<std::uint64_t>(::getpid());
    char name[48];
    std::snprintf(name, sizeof name, ".toren-write-%016llx", static_cast<unsigned long long>(random));
    return name;
}

}  // namespace

Result<AtomicWrite> AtomicWrite::begin(int segment, const std::string& path, bool create_parents) {
    AtomicWrite write;
    write.path_ = path;
    TRY_ASSIGN(write.place_, place_beneath(segment, path, create_parents));
    mode_t mode = 0666;
    struct stat about {};
    const bool exists =
        ::fstatat(write.place_.folder.get(), write.place_.name.c_str(), &about, AT_SYMLINK_NOFOLLOW) == 0;
    if (exists) {
        if (S_ISDIR(about.st_mode)) return Error{EISDIR, "'" + path + "'"};
        if (!S_ISREG(about.st_mode)) return Error{EPERM, "'" + path + "' is no regular file"};
        mode = about.st_mode & 07777;
    }
    const std::string name = temporary_name();
    TRY_ASSIGN(write.file_, open_beneath(write.place_.folder.get(), name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW,
                                         exists ? 0600 : 0666));
    write.temporary_ = name;
    if (exists && ::fchmod(write.file_.get(), mode) != 0) return errno_error("fchmod '" + path + "'");
    return write;
}

AtomicWrite::~AtomicWrite() {
    if (file_ && !temporary_.empty()) ::unlinkat(place_.folder.get(), temporary_.c_str(), 0);
}

Result<> AtomicWrite::write(std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t length = ::write(file_.get(), bytes.data(), bytes.size());
        if (length < 0 && errno == EINTR) continue;
        if (length < 0) return errno_error("write '" + path_ + "'");
        bytes.remove_prefix(static_cast<std::size_t>(length));
    }
    return Ok{};
}

Result<> AtomicWrite::commit() {
    if (::fsync(file_.get()) != 0) return errno_error("fsync '" + path_ + "'");
    if (::renameat(place_.folder.get(), temporary_.c_str(), place_.folder.get(), place_.name.c_str()) != 0)
        return errno_error("rename '" + path_ + "'");
    temporary_.clear();
    TRY_ASSIGN(const auto folder, open_beneath(place_.folder.get(), ".", O_RDONLY | O_DIRECTORY));
    if (::fsync(folder.get()) != 0) return errno_error("fsync the folder of '" + path_ + "'");
    return Ok{};
}

}  // namespace toren::workers
