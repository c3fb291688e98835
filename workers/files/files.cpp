#include "workers/files/files.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <optional>

#include "base/log.h"
#include "workers/files/atomic_write.h"
#include "workers/files/beneath.h"

namespace toren::workers {
namespace {

[[noreturn]] void malformed() {
    log_error("the broker sent a malformed request");
    ::_exit(1);
}

}  // namespace

Answer Files::serve(ServiceChannel& channel, const ipc::Packet& request) {
    if (const auto read_request = request.as<ipc::ReadFile>()) return read(channel, *read_request);
    if (const auto write_request = request.as<ipc::WriteFile>()) return write(channel, *write_request);
    if (const auto list_request = request.as<ipc::ListFolder>()) return list(channel, *list_request);
    malformed();
}

Answer Files::read(ServiceChannel& channel, const ipc::ReadFile& request) {
    // O_NONBLOCK, so that a FIFO is opened at once and then refused as what it is.
    auto file = open_beneath(segment_.get(), request.path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (!file) return refusal(file.error());
    struct stat about {};
    if (::fstat(file->get(), &about) != 0) return refusal(errno_error("fstat '" + request.path + "'"));
    if (S_ISDIR(about.st_mode)) return Refusal{ipc::Failure::kIsFolder, "'" + request.path + "' is a folder"};
    if (!S_ISREG(about.st_mode)) return Refusal{ipc::Failure::kNotRegular, "'" + request.path + "' is no regular file"};
    std::uint64_t total = 0;
    char buffer[32 * 1024];
    while (true) {
        const ssize_t length = ::read(file->get(), buffer, sizeof buffer);
        if (length < 0 && errno == EINTR) continue;
        if (length < 0) return refusal(errno_error("read '" + request.path + "'"));
        if (length == 0) return Ok{};
        total += static_cast<std::uint64_t>(length);
        if (total > request.max_bytes)
            return Refusal{ipc::Failure::kTooLarge, "'" + request.path + "' is larger than " +
                                                        std::to_string(request.max_bytes) +
                                                        " bytes (limits.read_bytes)"};
        channel.write({buffer, static_cast<std::size_t>(length)});
    }
}

Answer Files::write(ServiceChannel& channel, const ipc::WriteFile& request) {
    auto file = AtomicWrite::begin(segment_.get(), request.path, request.create_parents);
    std::optional<Refusal> refused;
    if (!file) refused = refusal(file.error());
    // The content comes whether it can be written or not, so that the conversation stays in step.
    while (true) {
        const auto packet = channel.next();
        if (!packet) return Refusal{ipc::Failure::kOther, "the broker has gone"};  // and the temporary file with it
        const auto chunk = packet->as<ipc::Chunk>();
        if (!chunk) malformed();
        if (chunk->bytes.empty()) break;
        if (refused) continue;
        if (auto written = file->write(chunk->bytes); !written) refused = refusal(written.error());
    }
    if (refused) return *refused;
    if (auto committed = file->commit(); !committed) return refusal(committed.error());
    return Ok{};
}

Answer Files::list(ServiceChannel& channel, const ipc::ListFolder& request) {
    auto folder = open_beneath(segment_.get(), request.path, O_RDONLY | O_DIRECTORY);
    if (!folder) return refusal(folder.error());
    const int descriptor = folder->get();
    const std::unique_ptr<DIR, int (*)(DIR*)> entries(::fdopendir(folder->release()), ::closedir);
    if (!entries) return refusal(errno_error("read folder '" + request.path + "'"));
    std::uint64_t count = 0;
    while (true) {
        errno = 0;
        const dirent* entry = ::readdir(entries.get());
        if (entry == nullptr && errno != 0) return refusal(errno_error("read folder '" + request.path + "'"));
        if (entry == nullptr) return Ok{};
        const std::string name = entry->d_name;
        if (name == "." || name == "..") continue;
        struct stat about {};
        if (::fstatat(descriptor, name.c_str(), &about, AT_SYMLINK_NOFOLLOW) != 0) continue;  // gone since
        if (++count > request.max_entries)
            return Refusal{ipc::Failure::kTooLarge, "'" + request.path + "' has more than " +
                                                        std::to_string(request.max_entries) +
                                                        " entries (limits.list_entries)"};
        channel.write_record(
            ipc::FolderEntry{name, S_ISDIR(about.st_mode), static_cast<std::uint64_t>(about.st_size), about.st_mtime});
    }
}

}  // namespace toren::workers
