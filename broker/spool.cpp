#include "broker/spool.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "broker/base64.h"
#include "broker/digest.h"

namespace toren::broker {
namespace {

constexpr const char* kFolder = "/spool";
constexpr const char* kBytes = ".output";
constexpr const char* kMarks = ".marks";

Result<> write_all(int fd, std::string_view bytes, std::uint64_t at) {
    while (!bytes.empty()) {
        const ssize_t length = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(at));
        if (length < 0 && errno == EINTR) continue;
        if (length <= 0) return errno_error("write a process's output");
        bytes.remove_prefix(static_cast<std::size_t>(length));
        at += static_cast<std::uint64_t>(length);
    }
    return Ok{};
}

Result<UniqueFd> open_file(const std::string& path) {
    UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file) return errno_error("open '" + path + "'");
    return file;
}

std::uint64_t size_of(const UniqueFd& file) {
    struct stat about {};
    return ::fstat(file.get(), &about) == 0 ? static_cast<std::uint64_t>(about.st_size) : 0;
}

std::uint64_t space_of(const UniqueFd& file) {
    struct stat about {};
    return ::fstat(file.get(), &about) == 0 ? static_cast<std::uint64_t>(about.st_blocks) * 512 : 0;
}

}  // namespace

std::string spool_folder(const std::string& state, const std::string& segment) {
    const std::string spools = state + kFolder, folder = spools + "/" + to_base64_url(sha256(segment));
    ::mkdir(spools.c_str(), 0700);
    ::mkdir(folder.c_str(), 0700);
    return folder;
}

std::string spool_path(const std::string& folder, const std::string& id) { return folder + "/" + id; }

void remove_other_spools(const std::string& state, const std::set<std::string>& paths) {
    namespace fs = std::filesystem;
    std::error_code failed;  // whatever cannot be removed stays
    for (const auto& folder : fs::directory_iterator(state + kFolder, failed)) {
        for (const auto& file : fs::directory_iterator(folder.path(), failed)) {
            fs::path path = file.path();
            if (!paths.contains(path.replace_extension().string())) ::unlink(file.path().c_str());
        }
        ::unlinkat(AT_FDCWD, folder.path().c_str(), AT_REMOVEDIR);  // where it is empty; the filter knows no rmdir()
    }
}

Result<std::unique_ptr<Spool>> Spool::open(const std::string& folder, const std::string& id, SpoolQuota& quota) {
    std::unique_ptr<Spool> spool(new Spool(spool_path(folder, id), quota));
    TRY_ASSIGN(spool->bytes_, open_file(spool->path_ + kBytes));
    TRY_ASSIGN(spool->marks_, open_file(spool->path_ + kMarks));
    spool->end_ = size_of(spool->bytes_);
    spool->count_ = size_of(spool->marks_) / sizeof(Mark);
    // A mark is written before its bytes: the last ones may have none.
    while (spool->count_ > 0 && spool->mark_at(spool->count_ - 1).position >= spool->end_) --spool->count_;
    if (spool->count_ > 0) spool->last_ = spool->mark_at(spool->count_ - 1);
    else spool->end_ = 0;
    spool->charged_ = space_of(spool->bytes_) + space_of(spool->marks_);  // a gap takes none
    quota.used += spool->charged_;
    return spool;
}

Spool::~Spool() { quota_.used -= charged_; }

void Spool::remove() {
    ::unlink((path_ + kBytes).c_str());
    ::unlink((path_ + kMarks).c_str());
}

Result<> Spool::charge(std::uint64_t bytes) {
    if (quota_.used + bytes > quota_.limit) return Error{EDQUOT, "limits.spool_bytes is reached"};
    quota_.used += bytes;
    charged_ += bytes;
    return Ok{};
}

Result<> Spool::add_mark(Mark mark) {
    TRY(charge(sizeof mark));
    TRY(write_all(marks_.get(), {reinterpret_cast<const char*>(&mark), sizeof mark}, count_ * sizeof mark));
    ++count_;
    last_ = mark;
    return Ok{};
}

Result<> Spool::append(ipc::Stream stream, std::uint64_t position, std::string_view bytes) {
    if (position < end_) {  // of a broker before this one
        const auto there = std::min<std::uint64_t>(end_ - position, bytes.size());
        position += there;
        bytes.remove_prefix(there);
    }
    if (bytes.empty()) return Ok{};
    if (position > end_) TRY(add_mark({end_, 0}));
    if (last_.stream != static_cast<std::uint64_t>(stream))
        TRY(add_mark({position, static_cast<std::uint64_t>(stream)}));
    TRY(charge(bytes.size()));
    TRY(write_all(bytes_.get(), bytes, position));
    end_ = position + bytes.size();
    return Ok{};
}

Spool::Mark Spool::mark_at(std::uint64_t number) const {
    Mark mark{0, 0};
    const auto at = static_cast<off_t>(number * sizeof mark);
    if (::pread(marks_.get(), &mark, sizeof mark, at) != static_cast<ssize_t>(sizeof mark)) return {0, 0};
    return mark;
}

std::optional<Spool::Run> Spool::run_at(std::uint64_t position) const {
    if (position >= end_ || count_ == 0) return std::nullopt;
    std::uint64_t first = 0, behind = count_;  // the last mark at or before the position
    while (behind - first > 1) {
        const std::uint64_t middle = first + (behind - first) / 2;
        (mark_at(middle).position <= position ? first : behind) = middle;
    }
    Mark mark = mark_at(first);
    if (mark.stream == 0) {
        if (++first == count_) return std::nullopt;
        mark = mark_at(first);
    }
    const std::uint64_t until = first + 1 < count_ ? std::min(mark_at(first + 1).position, end_) : end_;
    const std::uint64_t from = std::max(position, mark.position);
    if (from >= until || (mark.stream != static_cast<std::uint64_t>(ipc::Stream::kStderr) &&
                          mark.stream != static_cast<std::uint64_t>(ipc::Stream::kStdout)))
        return std::nullopt;
    return Run{static_cast<ipc::Stream>(mark.stream), from, until};
}

std::string Spool::read(std::uint64_t position, std::uint64_t bytes) const {
    std::string read(bytes, '\0');
    const ssize_t length = ::pread(bytes_.get(), read.data(), read.size(), static_cast<off_t>(position));
    read.resize(static_cast<std::size_t>(std::max<ssize_t>(length, 0)));
    return read;
}

}  // namespace toren::broker
