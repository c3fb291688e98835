// Appending: in place, under a lock, to disk before it is answered. What cannot be finished is taken back, so far as
// nobody has written behind it.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <optional>

#include "workers/files/atomic_write.h"
#include "workers/files/condition.h"
#include "workers/files/facts.h"
#include "workers/files/locked_file.h"
#include "workers/files/operations.h"

namespace toren::workers {
namespace {

using ipc::Failure;
using Kind = ipc::Condition::Kind;

constexpr int kTries = 16;

class Append {
public:
    // Opens, locks, and checks the condition: from here on nobody of ours changes the file in place.
    std::optional<Refusal> begin(Call& call, const ipc::AppendFile& request) {
        auto place = place_beneath(call.segment, request.path, false);
        if (!place) return refusal(place.error());
        place_ = std::move(*place);
        // A file that is put in the place of the one that we wait for must be the one that we append to.
        for (int tries = 0; tries < kTries; ++tries) {
            if (auto refused = open(request)) return refused;
            if (auto locked = lock_file(file_.get()); !locked) return refusal(locked.error());
            if (is_in_place()) break;
        }
        struct stat about {};
        if (::fstat(file_.get(), &about) != 0) return refusal(errno_error("fstat '" + request.path + "'"));
        if (request.condition.kind == Kind::kVersion && version_of(about) != request.condition.version)
            return changed(place_.folder.get(), place_.name, request.path);
        start_ = about.st_size;
        return std::nullopt;
    }
    Result<> write(std::string_view bytes) {
        while (!bytes.empty()) {
            const ssize_t length = ::write(file_.get(), bytes.data(), bytes.size());
            if (length < 0 && errno == EINTR) continue;
            if (length < 0) return errno_error("write");
            written_ += length;
            bytes.remove_prefix(static_cast<std::size_t>(length));
        }
        return Ok{};
    }
    void take_back() {
        struct stat about {};
        // Not what others wrote behind where we began.
        if (::fstat(file_.get(), &about) != 0 || about.st_size != start_ + written_) return;
        if (::ftruncate(file_.get(), start_) == 0) written_ = 0;
    }
    std::optional<Refusal> finish(const std::string& path) {
        if (auto stamped = stamp(file_.get()); !stamped) return refusal(stamped.error());
        if (::fsync(file_.get()) != 0) return refusal(errno_error("fsync '" + path + "'"));
        if (made_)
            if (auto synced = sync_folder(place_.folder.get()); !synced) return refusal(synced.error());
        // A write put another file in its place meanwhile: what was appended went with the old one.
        if (!is_in_place()) return changed(place_.folder.get(), place_.name, path);
        return std::nullopt;
    }
    int file() const { return file_.get(); }

private:
    std::optional<Refusal> open(const ipc::AppendFile& request, int tries = 0) {
        const bool create = request.create && request.condition.kind != Kind::kVersion;
        constexpr int kFlags = O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW;
        const int folder = place_.folder.get();
        if (request.condition.kind != Kind::kAbsent) {
            auto file = open_beneath(folder, place_.name, kFlags);
            if (file) {
                file_ = std::move(*file);
                struct stat about {};
                if (::fstat(file_.get(), &about) == 0 && S_ISREG(about.st_mode)) return std::nullopt;
                return Refusal{Failure::kNotRegular, "'" + request.path + "' is no regular file"};
            }
            if (file.error().code != ENOENT) return refusal(file.error());
            if (request.condition.kind == Kind::kVersion) return changed(folder, place_.name, request.path);
            if (!create) return refusal(file.error());
        }
        auto file = open_beneath(folder, place_.name, kFlags | O_CREAT | O_EXCL, 0666);
        if (file) {
            file_ = std::move(*file);
            made_ = true;
            return std::nullopt;
        }
        if (file.error().code != EEXIST) return refusal(file.error());
        if (request.condition.kind == Kind::kAbsent || tries == kTries)
            return changed(folder, place_.name, request.path);
        return open(request, tries + 1);  // somebody made it in between
    }
    bool is_in_place() const {
        struct stat open {
        }, named{};
        return ::fstat(file_.get(), &open) == 0 &&
               ::fstatat(place_.folder.get(), place_.name.c_str(), &named, AT_SYMLINK_NOFOLLOW) == 0 &&
               open.st_ino == named.st_ino && open.st_dev == named.st_dev;
    }

    Place place_;
    UniqueFd file_;
    bool made_ = false;
    off_t start_ = 0, written_ = 0;
};

}  // namespace

Answer append_file(Call& call, const ipc::AppendFile& request) {
    Append append;
    std::optional<Refusal> refused;
    if (request.condition.kind == Kind::kAbsent && !request.create)
        refused = Refusal{Failure::kNotFound, "'" + request.path + "' is not to be made, and must not be there"};
    else refused = append.begin(call, request);
    const bool whole = take_content(call, [&](std::string_view bytes) {
        if (refused) return;
        if (auto written = append.write(bytes); !written) {
            refused = refusal(written.error());
            append.take_back();
        }
    });
    if (!whole) {
        if (!refused) append.take_back();
        return Refusal{Failure::kOther, "the broker has gone"};
    }
    if (!refused) refused = append.finish(request.path);
    if (refused) return *refused;
    SERVE_ASSIGN(const auto facts, facts_of_open(append.file()));
    return reply(facts);
}

}  // namespace toren::workers
