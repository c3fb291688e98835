// Archives as streams: tar (pax, compressed with zstd) and zip. Nothing is seeked in and nothing is kept but, for zip,
// a line per name. Written here because a library that does it (libarchive 3.6) opens files of the C library's for time
// zones and character sets, which this process cannot, and marks names that it cannot convert in a way that tar warns
// of.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "ipc/messages.h"

namespace toren::workers {

// A stretch of a file that is no hole.
struct Extent {
    std::uint64_t at = 0, length = 0;
};

struct ArchiveEntry {
    std::string path;  // relative, without a '/' at its end
    mode_t mode = 0;   // with its kind: a file, a folder, a symlink
    timespec modified{};
    std::uint64_t size = 0;       // of a file
    std::vector<Extent> extents;  // of a file; their bytes follow, one after another
    std::string target;           // of a symlink
};

class ArchiveWriter {
public:
    using Sink = std::function<void(std::string_view)>;

    ArchiveWriter() = default;
    ArchiveWriter(const ArchiveWriter&) = delete;
    ArchiveWriter& operator=(const ArchiveWriter&) = delete;
    virtual ~ArchiveWriter() = default;

    virtual Result<> begin(const ArchiveEntry& entry) = 0;
    // Of a file: exactly the bytes of its extents.
    virtual Result<> data(std::string_view bytes) = 0;
    virtual Result<> end() = 0;
    virtual Result<> finish() = 0;
    // Whether holes stay holes; else they are data of zeros, and a file is one extent.
    virtual bool keeps_holes() const = 0;
};

std::unique_ptr<ArchiveWriter> make_tar_zst_writer(ArchiveWriter::Sink sink);
std::unique_ptr<ArchiveWriter> make_zip_writer(ArchiveWriter::Sink sink);

}  // namespace toren::workers
