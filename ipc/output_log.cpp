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

namespace toren::ipc {

struct LogHeader {
    std::atomic<std::uint64_t> head;
};

namespace {

constexpr std::uint64_t kHeaderPage = 4096;
constexpr std::uint64_t kRecordHeader = 8;
constexpr std::uint64_t kLargestRecord = 32 * 1024;
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

constexpr std::uint64_t padded(std::uint64_t bytes) { return (bytes + 7) & ~std::uint64_t{7}; }

struct RecordHeader {
    std::uint32_t length;
    std::uint32_t stream;
};

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
      position_(other.position_) {}

LogWriter::~LogWriter() {
    if (header_ != nullptr) ::munmap(header_, kHeaderPage + capacity_);
}

bool LogWriter::has_room(std::uint64_t consumed) const {
    return capacity_ - (position_ - consumed) >= kRecordHeader + kLargestRecord;
}

std::ptrdiff_t LogWriter::append_from(int pipe, Stream stream, std::uint64_t consumed) {
    if (!has_room(consumed)) {
        errno = EAGAIN;
        return -1;
    }
    char* ring = ring_of(header_);
    const std::uint64_t data = (position_ + kRecordHeader) & (capacity_ - 1);
    const std::uint64_t until_end = std::min(kLargestRecord, capacity_ - data);
    const iovec parts[] = {{ring + data, until_end}, {ring, kLargestRecord - until_end}};
    const ssize_t length = ::readv(pipe, parts, 2);
    if (length <= 0) return length;
    const RecordHeader record{static_cast<std::uint32_t>(length), static_cast<std::uint32_t>(stream)};
    std::memcpy(ring + (position_ & (capacity_ - 1)), &record, sizeof record);
    position_ += kRecordHeader + padded(static_cast<std::uint64_t>(length));
    header_->head.store(position_, std::memory_order_release);
    return length;
}

Result<LogReader> LogReader::map(UniqueFd memory) {
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
    LogReader log;
    log.header_ = static_cast<const LogHeader*>(mapped);
    log.capacity_ = capacity;
    return log;
}

LogReader::LogReader(LogReader&& other) noexcept
    : header_(std::exchange(other.header_, nullptr)), capacity_(other.capacity_), position_(other.position_) {}

LogReader& LogReader::operator=(LogReader&& other) noexcept {
    if (this != &other) {
        unmap();
        header_ = std::exchange(other.header_, nullptr);
        capacity_ = other.capacity_;
        position_ = other.position_;
    }
    return *this;
}

LogReader::~LogReader() { unmap(); }

void LogReader::unmap() {
    if (header_ != nullptr) ::munmap(const_cast<LogHeader*>(header_), kHeaderPage + capacity_);
}

std::uint64_t LogReader::head() const { return header_->head.load(std::memory_order_acquire); }

LogReader::Next LogReader::next(std::uint64_t end, Stream& stream, std::string& data) {
    if (end == position_) return Next::kNothing;
    if (end < position_ || end - position_ > capacity_ || end - position_ < kRecordHeader) return Next::kMalformed;
    RecordHeader record{};
    std::memcpy(&record, ring_of(header_) + (position_ & (capacity_ - 1)), sizeof record);
    const std::uint64_t whole = kRecordHeader + padded(record.length);
    if (record.length > kLargestRecord || whole > end - position_ ||
        (record.stream != static_cast<std::uint32_t>(Stream::kStdout) &&
         record.stream != static_cast<std::uint32_t>(Stream::kStderr)))
        return Next::kMalformed;
    stream = static_cast<Stream>(record.stream);
    const std::uint64_t start = (position_ + kRecordHeader) & (capacity_ - 1);
    const std::uint64_t until_end = std::min<std::uint64_t>(record.length, capacity_ - start);
    data.assign(ring_of(header_) + start, until_end);
    data.append(ring_of(header_), record.length - until_end);
    position_ += whole;
    return Next::kRecord;
}

}  // namespace toren::ipc
