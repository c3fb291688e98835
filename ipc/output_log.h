// The output log of one command: a ring in a sealed memfd that the command's init writes and the broker maps read-only,
// so that output is copied once on its way, any number of readers cost no message, and what it holds outlives both.
//
// The memory is a header page and a ring of `capacity` bytes. A *place* counts every byte ever put into the ring, which
// holds the last `capacity` of them; a *position* counts the bytes of output alone, and is what clients are told.
// Records lie one after another, each sixteen bytes of header (length, stream, position of its first byte) and the
// data, padded to sixteen, so a header never wraps. Before the writer overwrites a record it moves `tail` past it; so a
// reader that finds `tail` where it was when it began has read what was written. The broker trusts nothing of it: it
// copies each header once, with bounds of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"
#include "ipc/messages.h"

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
    std::uint64_t place() const { return place_; }
    std::uint64_t tail() const { return tail_; }
    std::uint64_t position() const { return position_; }
    // Whether a record fits without overwriting anything from the place `kept` on.
    bool has_room(std::uint64_t kept) const;
    // Moves what a pipe holds into the ring with one read: > 0 bytes, 0 at its end, < 0 with errno (EAGAIN also where
    // there is no room).
    std::ptrdiff_t append_from(int pipe, Stream stream, std::uint64_t kept);
    // Whether a full log makes the command wait, for whoever maps the log later.
    void set_held(bool held);
    // How the command ended, for whoever maps the log later. Last of all.
    void finish(const Exited& exited);

private:
    LogWriter() = default;
    void make_room();

    UniqueFd memory_;
    LogHeader* header_ = nullptr;
    std::uint64_t capacity_ = 0;
    std::uint64_t place_ = 0;
    std::uint64_t tail_ = 0;
    std::uint64_t position_ = 0;
};

// A piece of output where it lies in the ring.
struct LogPiece {
    Stream stream = Stream::kStdout;
    std::uint64_t position = 0;    // of its first byte
    std::string_view parts[2];     // one after the other; the second is empty where the ring did not end in between
    std::uint64_t next_place = 0;  // behind it
    std::size_t size() const { return parts[0].size() + parts[1].size(); }
};

// A log that a cell made, mapped to read. Shared by its readers.
class LogView {
public:
    // Refuses memory that its maker could shrink or still write through this descriptor.
    static Result<std::shared_ptr<LogView>> map(const UniqueFd& memory);
    LogView(const LogView&) = delete;
    LogView& operator=(const LogView&) = delete;
    ~LogView();

    std::uint64_t head() const;      // the place where the next record will be
    std::uint64_t tail() const;      // the place of the oldest record that is kept
    std::uint64_t position() const;  // how many bytes of output there have been
    std::uint64_t capacity() const { return capacity_; }
    std::optional<Exited> exited() const;  // once its init has told
    bool held() const;                     // whether a full log makes the command wait

    enum class Next { kPiece, kNothing, kOverrun, kMalformed };
    // The record at `place`, before `end` (a head or the place that Exited told). kOverrun: it is no longer kept.
    Next look(std::uint64_t place, std::uint64_t end, LogPiece& piece) const;
    // Whether what look() gave is still what was written there.
    bool kept(std::uint64_t place) const { return tail() <= place; }
    // The place of the record that holds the byte at `position`, or of the oldest one where that is gone, or `end`.
    std::uint64_t find(std::uint64_t position, std::uint64_t end) const;
    // So many overruns one after another are no bad luck: the log's maker plays with its reader, who gives up.
    static constexpr int kMostOverruns = 1000;

private:
    LogView() = default;

    const LogHeader* header_ = nullptr;
    std::uint64_t capacity_ = 0;
    // Places that find() has passed, by position: the next one need not begin with the oldest record.
    mutable std::map<std::uint64_t, std::uint64_t> passed_;
};

// One reader's way through a log.
class LogReader {
public:
    static Result<LogReader> map(const UniqueFd& memory);
    LogReader() = default;
    explicit LogReader(std::shared_ptr<const LogView> view) : view_(std::move(view)) {}

    std::uint64_t head() const { return view_->head(); }
    std::uint64_t place() const { return place_; }

    // Copies the next record before `end`.
    LogView::Next next(std::uint64_t end, Stream& stream, std::string& data);

private:
    std::shared_ptr<const LogView> view_;
    std::uint64_t place_ = 0;
};

}  // namespace toren::ipc
