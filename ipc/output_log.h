// The output log of one command: a ring in a sealed memfd that the command's init writes and the broker maps read-only,
// so that output is copied once on its way and any position still in the ring can be read without a message.
//
// The memory is a header page and a ring of `capacity` bytes. A position counts every byte ever put in; the ring
// holds the last `capacity` of them. Records lie one after another, each eight bytes of header (length, stream) and the
// data, padded to eight, so a header never wraps. The broker trusts nothing of it: it copies, with bounds of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace toren::ipc {

enum class Stream : std::uint8_t { kStdout = 1, kStderr = 2 };

inline constexpr std::uint64_t kSmallestRing = 64 * 1024;
inline constexpr std::uint64_t kLargestRing = 64 * 1024 * 1024;

struct LogHeader;

class LogWriter {
public:
    // Bytes: a power of two from kSmallestRing to kLargestRing. Whoever gets the descriptor can only read.
    static Result<LogWriter> create(std::uint64_t capacity);
    LogWriter(LogWriter&& other) noexcept;
    LogWriter(const LogWriter&) = delete;
    LogWriter& operator=(const LogWriter&) = delete;
    LogWriter& operator=(LogWriter&&) = delete;
    ~LogWriter();

    int fd() const { return memory_.get(); }
    void close_fd() { memory_.reset(); }
    std::uint64_t position() const { return position_; }
    // Whether a record fits without overwriting what the reader has not consumed.
    bool has_room(std::uint64_t consumed) const;
    // Moves what a pipe holds into the ring with one read: > 0 bytes, 0 at its end, < 0 with errno.
    std::ptrdiff_t append_from(int pipe, Stream stream, std::uint64_t consumed);

private:
    LogWriter() = default;

    UniqueFd memory_;
    LogHeader* header_ = nullptr;
    std::uint64_t capacity_ = 0;
    std::uint64_t position_ = 0;
};

class LogReader {
public:
    // Maps a log that a cell made. Refuses memory that its maker could shrink or still write through this descriptor.
    static Result<LogReader> map(UniqueFd memory);
    LogReader() = default;
    LogReader(LogReader&& other) noexcept;
    LogReader& operator=(LogReader&& other) noexcept;
    ~LogReader();

    // Where the writer is now.
    std::uint64_t head() const;
    std::uint64_t position() const { return position_; }

    enum class Next { kRecord, kNothing, kMalformed };
    // Copies the next record before `end` (a head or the position that Exited told).
    Next next(std::uint64_t end, Stream& stream, std::string& data);

private:
    void unmap();

    const LogHeader* header_ = nullptr;
    std::uint64_t capacity_ = 0;
    std::uint64_t position_ = 0;
};

}  // namespace toren::ipc
