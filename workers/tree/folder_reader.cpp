#include "workers/tree/folder_reader.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "workers/tree/beneath.h"

namespace toren::workers {

Result<FolderReader> FolderReader::open(int folder) {
    // A description of its own: a reading position that is shared would be moved by others.
    TRY_ASSIGN(auto fd, open_beneath(folder, ".", O_RDONLY | O_DIRECTORY));
    return FolderReader(std::move(fd));
}

std::optional<std::string> FolderReader::next() {
    while (true) {
        if (at_ >= end_) {
            const long length = ::syscall(SYS_getdents64, fd_.get(), buffer_.get(), kBufferBytes);
            if (length < 0) error_ = errno;
            if (length <= 0) return std::nullopt;
            at_ = 0;
            end_ = static_cast<std::size_t>(length);
        }
        // struct linux_dirent64: inode, offset, u16 length of the record, u8 type, then the name.
        const char* record = buffer_.get() + at_;
        std::uint16_t length = 0;
        std::memcpy(&length, record + 16, sizeof length);
        type_ = static_cast<unsigned char>(record[18]);
        at_ += length;
        const char* name = record + 19;
        if (std::strcmp(name, ".") != 0 && std::strcmp(name, "..") != 0) return std::string(name);
    }
}

Result<SortedNames> SortedNames::read(int folder, std::string_view from) {
    TRY_ASSIGN(auto reader, FolderReader::open(folder));
    SortedNames names;
    while (const auto name = reader.next()) {
        if (*name < from) continue;
        names.entries_.push_back({names.bytes_.size(), name->size(), reader.type()});
        names.bytes_ += *name;
    }
    if (reader.error() != 0) return Error{reader.error(), "read a folder"};
    std::sort(names.entries_.begin(), names.entries_.end(), [&](const Entry& a, const Entry& b) {
        return std::string_view(names.bytes_.data() + a.at, a.length) <
               std::string_view(names.bytes_.data() + b.at, b.length);
    });
    return names;
}

}  // namespace toren::workers
