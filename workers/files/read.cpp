// Reading: whole, by bytes or by lines, streamed; and handing out a descriptor to send from.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <optional>

#include "workers/files/facts.h"
#include "workers/files/operations.h"
#include "workers/tree/beneath.h"

namespace toren::workers {
namespace {

using ipc::Failure;

constexpr std::size_t kBufferBytes = 64 * 1024;

struct OpenedFile {
    UniqueFd file;
    struct stat about {};
};

// A regular file to read, or a refusal that says what it is.
std::variant<OpenedFile, Refusal> open_regular(int segment, const std::string& path) {
    OpenedFile opened;
    // O_NONBLOCK, so that a FIFO is opened at once and then refused as what it is.
    auto file = open_beneath(segment, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (!file) return refusal(file.error());
    opened.file = std::move(*file);
    if (::fstat(opened.file.get(), &opened.about) != 0) return refusal(errno_error("fstat '" + path + "'"));
    if (S_ISDIR(opened.about.st_mode)) return Refusal{Failure::kIsFolder, "'" + path + "' is a folder"};
    if (!S_ISREG(opened.about.st_mode)) return Refusal{Failure::kNotRegular, "'" + path + "' is no regular file"};
    return opened;
}

// Reads from a position on, a buffer at a time.
class Source {
public:
    Source(int file, std::uint64_t position) : file_(file), position_(position) {}

    // The bytes at position(); empty at the end.
    Result<std::string_view> peek() {
        while (rest_.empty()) {
            if (position_ > std::uint64_t{std::numeric_limits<off_t>::max()}) return std::string_view();
            const ssize_t length = ::pread(file_, buffer_, sizeof buffer_, static_cast<off_t>(position_));
            if (length < 0 && errno == EINTR) continue;
            if (length < 0) return errno_error("read");
            if (length == 0) return std::string_view();
            rest_ = {buffer_, static_cast<std::size_t>(length)};
        }
        return rest_;
    }
    void skip(std::size_t length) {
        rest_.remove_prefix(length);
        position_ += length;
    }
    std::uint64_t position() const { return position_; }

private:
    int file_;
    std::uint64_t position_;
    std::string_view rest_;
    char buffer_[kBufferBytes];
};

// Goes to the beginning of the line with that number (the first is 1), or to the end.
Result<> seek_line(Source& source, std::uint64_t line) {
    for (std::uint64_t at = 1; at < line;) {
        TRY_ASSIGN(const auto bytes, source.peek());
        if (bytes.empty()) break;
        const auto newline = bytes.find('\n');
        if (newline != bytes.npos) ++at;
        source.skip(newline == bytes.npos ? bytes.size() : newline + 1);
    }
    return Ok{};
}

// Sends at most max_bytes, and of lines at most as many as were asked for; counts those begun.
Result<> send(Call& call, Source& source, const ipc::ReadFile& request, ipc::ReadEnd& end) {
    std::uint64_t room = request.max_bytes;
    const bool by_lines = request.from_line > 0;
    for (bool at_line_start = true; room > 0;) {
        if (by_lines && at_line_start && request.lines > 0 && end.lines == request.lines) break;
        TRY_ASSIGN(auto bytes, source.peek());
        if (bytes.empty()) break;
        bytes = bytes.substr(0, std::min<std::uint64_t>(bytes.size(), room));
        if (by_lines) {
            if (at_line_start) ++end.lines;
            bytes =
                bytes.substr(0, std::min(bytes.size(), bytes.find('\n') + 1 == 0 ? bytes.npos : bytes.find('\n') + 1));
            at_line_start = bytes.ends_with('\n');
        }
        call.channel.write(bytes);
        room -= bytes.size();
        source.skip(bytes.size());
    }
    TRY_ASSIGN(const auto rest, source.peek());
    end.more = !rest.empty();
    return Ok{};
}

}  // namespace

Answer read_file(Call& call, const ipc::ReadFile& request) {
    auto found = open_regular(call.segment, request.path);
    if (const auto* refused = std::get_if<Refusal>(&found)) return *refused;
    const auto& opened = std::get<OpenedFile>(found);
    ipc::ReadEnd end;
    // From before the first byte: where somebody writes meanwhile, the tag that goes with a mixture is of neither.
    end.facts = facts_of(opened.about);
    Source source(opened.file.get(), request.whole || request.from_line > 0 ? 0 : request.offset);
    const Refusal too_large{Failure::kTooLarge, "'" + request.path + "' is larger than " +
                                                    std::to_string(request.max_bytes) + " bytes (limits.read_bytes)"};
    if (request.whole && end.facts.size > request.max_bytes) return too_large;
    if (!request.whole && request.from_line > 0) SERVE_TRY(seek_line(source, request.from_line));
    end.offset = source.position();
    if (request.whole) {
        const ipc::ReadFile all{.path = request.path, .max_bytes = request.max_bytes};
        SERVE_TRY(send(call, source, all, end));
        if (end.more) return too_large;  // it grew
    } else {
        SERVE_TRY(send(call, source, request, end));
    }
    return reply(end);
}

Answer open_file(Call& call, const ipc::OpenFile& request) {
    auto found = open_regular(call.segment, request.path);
    if (const auto* refused = std::get_if<Refusal>(&found)) return *refused;
    const auto& opened = std::get<OpenedFile>(found);
    ::fcntl(opened.file.get(), F_SETFL, 0);  // O_NONBLOCK was for the opening
    call.channel.send_opened({facts_of(opened.about)}, opened.file);
    return Silence{};
}

Answer stat_file(Call& call, const ipc::StatFile& request) {
    SERVE_ASSIGN(const auto file, open_beneath(call.segment, request.path, O_PATH | (request.follow ? 0 : O_NOFOLLOW)));
    SERVE_ASSIGN(const auto facts, facts_of_open(file.get()));
    return reply(facts);
}

}  // namespace toren::workers
