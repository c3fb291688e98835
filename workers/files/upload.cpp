// Uploads: a file beside its target that grows by what arrives, lasts between requests and connections, and is put in
// the target's place by the same steps as a write.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <optional>

#include "workers/files/atomic_write.h"
#include "workers/files/condition.h"
#include "workers/files/facts.h"
#include "workers/files/locked_file.h"
#include "workers/files/operations.h"
#include "workers/tree/folder_reader.h"
#include "workers/tree/own_names.h"

namespace toren::workers {
namespace {

using ipc::Failure;

constexpr time_t kLeftForGood = 24 * 60 * 60;

// Removes what uploads and writes have left in a folder and nobody has touched for a day. Best effort.
void remove_leftovers(int folder) {
    auto reader = FolderReader::open(folder);
    if (!reader) return;
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    while (const auto name = reader->next()) {
        struct stat about {};
        if (!is_own_name(*name) || ::fstatat(folder, name->c_str(), &about, AT_SYMLINK_NOFOLLOW) != 0) continue;
        if (S_ISREG(about.st_mode) && about.st_mtime < now.tv_sec - kLeftForGood) ::unlinkat(folder, name->c_str(), 0);
    }
}

struct Upload {
    Place place;  // of the target
    std::string name;
    UniqueFd file;
    std::uint64_t size = 0;
};

std::variant<Upload, Refusal> find_upload(int segment, const std::string& path, const std::string& id) {
    const Refusal none{Failure::kNoUpload, "no upload '" + id + "' to '" + path + "'"};
    // It becomes a part of a file's name.
    if (!is_id(id)) return none;
    auto place = place_beneath(segment, path, false);
    if (!place) return place.error().code == ENOENT ? none : refusal(place.error());
    Upload upload{std::move(*place), std::string(kUploadPrefix) + id, {}, 0};
    auto file = open_beneath(upload.place.folder.get(), upload.name, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (!file) return file.error().code == ENOENT ? none : refusal(file.error());
    struct stat about {};
    if (::fstat(file->get(), &about) != 0 || !S_ISREG(about.st_mode)) return none;
    upload.file = std::move(*file);
    upload.size = static_cast<std::uint64_t>(about.st_size);
    return upload;
}

Result<std::uint64_t> size_of(int file) {
    struct stat about {};
    if (::fstat(file, &about) != 0) return errno_error("fstat");
    return static_cast<std::uint64_t>(about.st_size);
}

Refusal wrong_offset(const std::string& id, std::uint64_t offset) {
    return {Failure::kWrongOffset, "the upload has " + std::to_string(offset) + " bytes",
            encoded(ipc::UploadState{id, offset})};
}

// An existing target's mode where none is given, as with a write.
Result<> set_mode(const Upload& upload, std::uint32_t mode) {
    struct stat about {};
    if (mode == ipc::kKeepMode &&
        ::fstatat(upload.place.folder.get(), upload.place.name.c_str(), &about, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISREG(about.st_mode))
        mode = about.st_mode & 07777;
    if (mode != ipc::kKeepMode && ::fchmod(upload.file.get(), mode & 07777) != 0) return errno_error("fchmod");
    return Ok{};
}

}  // namespace

Answer begin_upload(Call& call, const ipc::BeginUpload& request) {
    SERVE_ASSIGN(const auto place, place_beneath(call.segment, request.path, request.create_parents));
    remove_leftovers(place.folder.get());
    struct stat about {};
    const bool exists = ::fstatat(place.folder.get(), place.name.c_str(), &about, AT_SYMLINK_NOFOLLOW) == 0;
    if (exists && S_ISDIR(about.st_mode)) return Refusal{Failure::kIsFolder, "'" + request.path + "' is a folder"};
    if (exists && !S_ISREG(about.st_mode))
        return Refusal{Failure::kDenied, "'" + request.path + "' is no regular file"};
    const std::string id = random_id();
    // Nobody reads more of the new content than of the old one, while it arrives either.
    SERVE_ASSIGN(const auto file, open_beneath(place.folder.get(), std::string(kUploadPrefix) + id,
                                               O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, exists ? 0600 : 0666));
    return reply(ipc::UploadState{id, 0});
}

Answer append_upload(Call& call, const ipc::AppendUpload& request) {
    auto found = find_upload(call.segment, request.path, request.upload);
    auto* upload = std::get_if<Upload>(&found);
    std::optional<Refusal> refused;
    const auto note = [&](const auto& result) {
        if (!result && !refused) refused = refusal(result.error());
    };
    std::uint64_t offset = request.offset;
    if (upload == nullptr) {
        refused = std::get<Refusal>(found);
    } else {
        // Two at once would put their bytes at one place.
        note(lock_file(upload->file.get()));
        const auto size = size_of(upload->file.get());
        note(size);
        if (!refused && *size != offset) refused = wrong_offset(request.upload, *size);
        if (!refused && ::lseek(upload->file.get(), static_cast<off_t>(offset), SEEK_SET) < 0)
            refused = refusal(errno_error("lseek"));
    }
    const bool whole = take_content(call, [&](std::string_view bytes) {
        if (refused) return;
        note(write_all(upload->file.get(), bytes));
        offset += bytes.size();
    });
    if (!whole) return Refusal{Failure::kOther, "the broker has gone"};
    if (refused) return *refused;
    return reply(ipc::UploadState{request.upload, offset});
}

Answer stat_upload(Call& call, const ipc::StatUpload& request) {
    const auto found = find_upload(call.segment, request.path, request.upload);
    if (const auto* refused = std::get_if<Refusal>(&found)) return *refused;
    return reply(ipc::UploadState{request.upload, std::get<Upload>(found).size});
}

Answer finish_upload(Call& call, const ipc::FinishUpload& request) {
    auto found = find_upload(call.segment, request.path, request.upload);
    if (const auto* refused = std::get_if<Refusal>(&found)) return *refused;
    auto& upload = std::get<Upload>(found);
    const int file = upload.file.get();
    SERVE_TRY(lock_file(file));
    SERVE_ASSIGN(const auto size, size_of(file));
    if (request.check_size && size != request.size) return wrong_offset(request.upload, size);
    SERVE_TRY(set_mode(upload, request.mode));
    SERVE_TRY(stamp(file));
    if (::fsync(file) != 0) return refusal(errno_error("fsync '" + request.path + "'"));
    SERVE_ASSIGN(const bool held,
                 put_in_place(upload.place.folder.get(), upload.name, upload.place.name, request.condition));
    // What was uploaded stays, for another try with the tag that is there now.
    if (!held) return changed(upload.place.folder.get(), upload.place.name, request.path);
    SERVE_TRY(sync_folder(upload.place.folder.get()));
    SERVE_ASSIGN(const auto facts, facts_of_open(file));
    return reply(facts);
}

Answer abort_upload(Call& call, const ipc::AbortUpload& request) {
    const auto found = find_upload(call.segment, request.path, request.upload);
    if (const auto* refused = std::get_if<Refusal>(&found)) return *refused;
    const auto& upload = std::get<Upload>(found);
    if (::unlinkat(upload.place.folder.get(), upload.name.c_str(), 0) != 0) return refusal(errno_error("unlink"));
    return Ok{};
}

}  // namespace toren::workers
