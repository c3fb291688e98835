#include "ipc/output_log.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <utility>

#include "ipc/codec.h"

namespace toren::ipc {

struct LogHeader {
    std::atomic<std::uint64_t> head;
    std::atomic<std::uint64_t> tail;
    std::atomic<std::uint64_t> position;
    std::atomic<std::uint32_t> free_running;  // 0: held
    std::atomic<std::uint32_t> exited_bytes;  // 0: it has not ended
    char exited[256];
};

namespace {

constexpr std::uint64_t kHeaderPage = 4096;
constexpr std::uint64_t kRecordHeader = 16;
constexpr std::uint64_t kLargestRecord = 128 * 1024;
constexpr std::uint64_t kNotes = 64;  // of places, for one turn of the ring
static_assert(std::atomic<std::uint64_t>::is_always_lock_free && sizeof(LogHeader) <= kHeaderPage);

constexpr std::uint64_t padded(std::uint64_t bytes) { return (bytes + 15) & ~std::uint64_t{15}; }

// A small ring is not filled by one record.
constexpr std::uint64_t largest_record(std::uint64_t capacity) { return std::min(kLargestRecord, capacity / 4); }

struct RecordHeader {
    std::uint32_t length;
    std::uint32_t stream;
    std::uint64_t position;
};
static_assert(sizeof(RecordHeader) == kRecordHeader);

char* ring_of(LogHeader* header) { return reinterpret_cast<char*>(header) + kHeaderPage; }
const char* ring_of(const LogHeader* header) { return reinterpret_cast<const char*>(header) + kHeaderPage; }

}  // namespace

Result<LogWriter> LogWriter::create(std::uint64_t capacity) {
    if (capacity < kSmallestRing || capacity > kLargestRing || (capacity & (capacity - 1)) != 0)
        return Error{EINVAL, "output log of " + std::to_string(capacity) + " bytes"};
    LogWriter log;
    log.memory_.reset(::memfd_create("toren-output", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!log.memory_) return errno_error("memfd_create");
    if (::ftruncate(log.memory_.get(), static_cast<off_t>(kHeaderPage + capacity)) != 0)
        return errno_error("ftruncate");
    void* memory = ::mmap(nullptr, kHeaderPage + capacity, PROT_READ | PROT_WRITE, MAP_SHARED, log.memory_.get(), 0);
    if (memory == MAP_FAILED) return errno_error("mmap");
    log.header_ = static_cast<LogHeader*>(memory);
    log.capacity_ = capacity;
    // This mapping is the last that can write.
    if (::fcntl(log.memory_.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) != 0)
        return errno_error("F_ADD_SEALS");
    return log;
}

LogWriter::LogWriter(LogWriter&& other) noexcept
    : memory_(std::move(other.memory_)),
      header_(std::exchange(other.header_, nullptr)),
      capacity_(other.capacity_),
      place_(other.place_),
      tail_(other.tail_),
      position_(other.position_) {}

LogWriter::~LogWriter() {
    if (header_ != nullptr) ::munmap(header_, kHeaderPage + capacity_);
}

bool LogWriter::has_room(std::uint64_t kept) const {
    return capacity_ - (place_ - kept) >= kRecordHeader + largest_record(capacity_);
}

// Readers see the tail move before what lies there changes.
void LogWriter::make_room() {
    const std::uint64_t before = tail_;
    while (!has_room(tail_)) {
        RecordHeader oldest{};
        std::memcpy(&oldest, ring_of(header_) + (tail_ & (capacity_ - 1)), sizeof oldest);
        tail_ += kRecordHeader + padded(oldest.length);
    }
    if (tail_ == before) return;
    header_->tail.store(tail_, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_seq_cst);
}

std::ptrdiff_t LogWriter::append_from(int pipe, Stream stream, std::uint64_t kept) {
    if (!has_room(kept)) {
        errno = EAGAIN;
        return -1;
    }
    make_room();
    char* ring = ring_of(header_);
    const std::uint64_t most = largest_record(capacity_);
    const std::uint64_t data = (place_ + kRecordHeader) & (capacity_ - 1);
    const std::uint64_t until_end = std::min(most, capacity_ - data);
    const iovec parts[] = {{ring + data, until_end}, {ring, most - until_end}};
    const ssize_t length = ::readv(pipe, parts, 2);
    if (length <= 0) return length;
    const RecordHeader record{static_cast<std::uint32_t>(length), static_cast<std::uint32_t>(stream), position_};
    std::memcpy(ring + (place_ & (capacity_ - 1)), &record, sizeof record);
    place_ += kRecordHeader + padded(static_cast<std::uint64_t>(length));
    position_ += static_cast<std::uint64_t>(length);
    header_->position.store(position_, std::memory_order_release);
    header_->head.store(place_, std::memory_order_release);
    return length;
}

void LogWriter::set_held(bool held) { header_->free_running.store(held ? 0 : 1, std::memory_order_release); }

void LogWriter::finish(const Exited& exited) {
    std::string bytes;
    Writer(bytes).write(exited);
    static_assert(sizeof(Exited) < sizeof(LogHeader::exited));
    std::memcpy(header_->exited, bytes.data(), bytes.size());
    header_->exited_bytes.store(static_cast<std::uint32_t>(bytes.size()), std::memory_order_release);
}

Result<std::shared_ptr<LogView>> LogView::map(const UniqueFd& memory) {
    constexpr int kNeeded = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE;
    const int seals = ::fcntl(memory.get(), F_GET_SEALS);
    struct stat about {};
    if (seals < 0 || (seals & kNeeded) != kNeeded || ::fstat(memory.get(), &about) != 0)
        return error("an output log that is not sealed");
    const std::uint64_t capacity = static_cast<std::uint64_t>(about.st_size) - kHeaderPage;
    if (about.st_size <= static_cast<off_t>(kHeaderPage) || capacity < kSmallestRing || capacity > kLargestRing ||
        (capacity & (capacity - 1)) != 0)
        return error("an output log of a wrong size");
    void* mapped = ::mmap(nullptr, kHeaderPage + capacity, PROT_READ, MAP_SHARED, memory.get(), 0);
    if (mapped == MAP_FAILED) return errno_error("mmap an output log");
    std::shared_ptr<LogView> view(new LogView);
    view->header_ = static_cast<const LogHeader*>(mapped);
    view->capacity_ = capacity;
    return view;
}

LogView::~LogView() {
    if (header_ != nullptr) ::munmap(const_cast<LogHeader*>(header_), kHeaderPage + capacity_);
}

std::uint64_t LogView::head() const { return header_->head.load(std::memory_order_acquire); }

std::uint64_t LogView::tail() const {
    std::atomic_thread_fence(std::memory_order_seq_cst);  // what was read before is not read again after this
    return header_->tail.load(std::memory_order_acquire);
}

std::uint64_t LogView::position() const { return header_->position.load(std::memory_order_acquire); }

bool LogView::held() const { return header_->free_running.load(std::memory_order_acquire) == 0; }

std::optional<Exited> LogView::exited() const {
    const std::uint32_t length = header_->exited_bytes.load(std::memory_order_acquire);
    if (length == 0 || length > sizeof header_->exited) return std::nullopt;
    char bytes[sizeof header_->exited];
    std::memcpy(bytes, header_->exited, length);
    Exited exited;
    Reader reader({bytes, length});
    if (!reader.read(exited) || !reader.at_end()) return std::nullopt;
    return exited;
}

LogView::Next LogView::look(std::uint64_t place, std::uint64_t end, LogPiece& piece) const {
    if (end == place) return Next::kNothing;
    if (place < tail()) return Next::kOverrun;
    if (end < place || place % kRecordHeader != 0) return Next::kMalformed;
    RecordHeader record{};
    const char* ring = ring_of(header_);
    std::memcpy(&record, ring + (place & (capacity_ - 1)), sizeof record);
    if (!kept(place)) return Next::kOverrun;
    const std::uint64_t whole = kRecordHeader + padded(record.length);
    if (end - place > capacity_ || record.length == 0 || record.length > largest_record(capacity_) ||
        whole > end - place || record.position > place ||
        (record.stream != static_cast<std::uint32_t>(Stream::kStdout) &&
         record.stream != static_cast<std::uint32_t>(Stream::kStderr)))
        return Next::kMalformed;
    const std::uint64_t start = (place + kRecordHeader) & (capacity_ - 1);
    const std::uint64_t until_end = std::min<std::uint64_t>(record.length, capacity_ - start);
    piece.stream = static_cast<Stream>(record.stream);
    piece.position = record.position;
    piece.parts[0] = {ring + start, until_end};
    piece.parts[1] = {ring, record.length - until_end};
    piece.next_place = place + whole;
    return Next::kPiece;
}

std::uint64_t LogView::find(std::uint64_t position, std::uint64_t end) const {
    const std::uint64_t oldest = tail();
    std::erase_if(passed_, [&](const auto& one) { return one.second < oldest; });
    if (passed_.size() > 2 * kNotes) passed_.clear();  // only a false log gives so many
    const auto after = passed_.upper_bound(position);
    std::uint64_t place = after == passed_.begin() ? oldest : std::prev(after)->second;
    std::uint64_t noted = place;
    LogPiece piece;
    for (int overruns = 0; overruns < kMostOverruns;) {
        const auto next = look(place, end, piece);
        if (next == Next::kOverrun) {
            ++overruns;
            noted = place = std::max(place, tail());
            continue;
        }
        if (next != Next::kPiece || piece.position + piece.size() > position) return std::min(place, end);
        if (place - noted >= capacity_ / kNotes) passed_[piece.position] = noted = place;
        place = piece.next_place;
    }
    return end;
}

Result<LogReader> LogReader::map(const UniqueFd& memory) {
    TRY_ASSIGN(auto view, LogView::map(memory));
    return LogReader(std::move(view));
}

LogView::Next LogReader::next(std::uint64_t end, Stream& stream, std::string& data) {
    LogPiece piece;
    const auto next = view_->look(place_, end, piece);
    if (next != LogView::Next::kPiece) return next;
    stream = piece.stream;
    data.assign(piece.parts[0]);
    data.append(piece.parts[1]);
    if (!view_->kept(place_)) return LogView::Next::kOverrun;
    place_ = piece.next_place;
    return next;
}

}  // namespace toren::ipc
