#include "ipc/output_log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <array>
#include <atomic>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

namespace toren::ipc {
namespace {

// As ipc/output_log.cpp lays a log out; the hostile logs below are made by hand.
constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kHeader = 16;
constexpr std::uint64_t kRecord = kSmallestRing / 4;  // the largest in the smallest ring
constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE;

UniqueFd duplicate(int fd) { return UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 3)); }

struct Pipe {
    UniqueFd read, write;
    Pipe() {
        int ends[2];
        EXPECT_EQ(::pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
        read.reset(ends[0]);
        write.reset(ends[1]);
        EXPECT_GE(::fcntl(write.get(), F_SETPIPE_SZ, 256 * 1024), 0);
    }
    void put(const std::string& bytes) const {
        ASSERT_EQ(::write(write.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    }
};

// A log that a cell wrote by hand: the header's page and the ring, mapped writable as long as the test needs.
class HostileLog {
public:
    explicit HostileLog(std::uint64_t size = kPage + kSmallestRing, int seals = kSeals)
        : size_(size), memory_(::memfd_create("hostile", MFD_CLOEXEC | MFD_ALLOW_SEALING)) {
        EXPECT_EQ(::ftruncate(memory_.get(), static_cast<off_t>(size)), 0);
        if (size != 0)
            map_ = static_cast<char*>(::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, memory_.get(), 0));
        EXPECT_NE(map_, MAP_FAILED);
        EXPECT_TRUE(seals == 0 || ::fcntl(memory_.get(), F_ADD_SEALS, seals) == 0) << std::strerror(errno);
    }
    HostileLog(const HostileLog&) = delete;
    HostileLog& operator=(const HostileLog&) = delete;
    ~HostileLog() {
        if (map_ != nullptr) ::munmap(map_, size_);
    }

    int fd() const { return memory_.get(); }
    char* ring() const { return map_ + kPage; }
    void set_head(std::uint64_t head) const { std::memcpy(map_, &head, sizeof head); }
    void put_record(std::uint64_t at, std::uint32_t length, std::uint32_t stream, std::uint64_t position = 0) const {
        std::memcpy(ring() + at, &length, sizeof length);
        std::memcpy(ring() + at + sizeof length, &stream, sizeof stream);
        std::memcpy(ring() + at + 2 * sizeof length, &position, sizeof position);
    }
    LogReader reader() const {
        auto log = LogReader::map(duplicate(fd()));
        if (log) return std::move(*log);
        ADD_FAILURE() << log.error().text();
        return {};
    }

private:
    std::uint64_t size_;
    UniqueFd memory_;
    char* map_ = nullptr;
};

LogWriter writer(std::uint64_t capacity = kSmallestRing) {
    auto log = LogWriter::create(capacity);
    EXPECT_TRUE(log) << log.error().text();
    return std::move(*log);
}

LogView::Next next_of(LogReader& reader, std::uint64_t end) {
    Stream stream{};
    std::string data;
    return reader.next(end, stream, data);
}

TEST(OutputLogTest, EachStreamComesOutAsItWentInOverManyTimesTheRing) {
    std::mt19937_64 random(11);
    LogWriter log = writer();
    auto mapped = LogReader::map(duplicate(log.fd()));
    ASSERT_TRUE(mapped) << mapped.error().text();
    LogReader reader = std::move(*mapped);
    const std::array<Pipe, 2> pipes;
    std::array<std::string, 2> put, got;
    while (put[0].size() + put[1].size() < 40 * kSmallestRing) {
        // Some records into the ring, as many as fit, then some out of it: the two ends are seldom at the same place.
        for (auto records = random() % 8; records > 0 && log.has_room(reader.place()); --records) {
            const std::size_t which = random() % 2;
            std::string bytes(1 + random() % (random() % 4 == 0 ? kRecord : 200), '\0');
            for (char& c : bytes) c = static_cast<char>(random());
            pipes[which].put(bytes);
            ASSERT_EQ(log.append_from(pipes[which].read.get(), which == 0 ? Stream::kStdout : Stream::kStderr,
                                      reader.place()),
                      static_cast<std::ptrdiff_t>(bytes.size()));
            put[which] += bytes;
        }
        for (auto records = random() % 8; records > 0; --records) {
            Stream stream{};
            std::string data;
            const auto next = reader.next(reader.head(), stream, data);
            if (next == LogView::Next::kNothing) break;
            ASSERT_EQ(next, LogView::Next::kPiece);
            got[stream == Stream::kStdout ? 0 : 1] += data;
        }
    }
    Stream stream{};
    std::string data;
    while (reader.next(log.place(), stream, data) == LogView::Next::kPiece)
        got[stream == Stream::kStdout ? 0 : 1] += data;
    EXPECT_EQ(reader.place(), log.place());
    EXPECT_TRUE(put[0] == got[0]);
    EXPECT_TRUE(put[1] == got[1]);
}

TEST(OutputLogTest, ARecordIsAtMostSoLargeThatTheRestStaysInThePipe) {
    LogWriter log = writer();
    const Pipe pipe;
    pipe.put(std::string(kRecord + 5, 'x'));
    EXPECT_EQ(log.append_from(pipe.read.get(), Stream::kStdout, 0), static_cast<std::ptrdiff_t>(kRecord));
    EXPECT_EQ(log.place(), kHeader + kRecord);
    LogReader reader = std::move(*LogReader::map(duplicate(log.fd())));
    EXPECT_EQ(next_of(reader, reader.head()), LogView::Next::kPiece);
    EXPECT_EQ(log.append_from(pipe.read.get(), Stream::kStdout, reader.place()), 5);
}

TEST(OutputLogTest, AFullRingTakesNothingUntilItWasRead) {
    LogWriter log = writer();
    LogReader reader = std::move(*LogReader::map(duplicate(log.fd())));
    const Pipe pipe;
    while (log.has_room(0)) {
        pipe.put(std::string(1000, 'a'));
        ASSERT_EQ(log.append_from(pipe.read.get(), Stream::kStdout, 0), 1000);
        ASSERT_LE(log.place(), kSmallestRing) << "nothing unread is overwritten";
    }
    const auto full = log.place();
    EXPECT_GT(full, kSmallestRing - kHeader - kRecord);
    pipe.put("more");
    EXPECT_EQ(log.append_from(pipe.read.get(), Stream::kStdout, 0), -1);
    EXPECT_EQ(errno, EAGAIN);
    EXPECT_EQ(log.place(), full);
    EXPECT_EQ(reader.head(), full);

    while (!log.has_room(reader.place())) ASSERT_EQ(next_of(reader, reader.head()), LogView::Next::kPiece);
    EXPECT_EQ(log.append_from(pipe.read.get(), Stream::kStderr, reader.place()), 4) << "what waited is still there";
    Stream stream{};
    std::string data;
    while (reader.next(reader.head(), stream, data) == LogView::Next::kPiece) {
    }
    EXPECT_EQ(data, "more");
    EXPECT_EQ(stream, Stream::kStderr);
}

TEST(OutputLogTest, TheEndOfAPipeAndAnEmptyPipeLeaveNoRecord) {
    LogWriter log = writer();
    Pipe pipe;
    EXPECT_EQ(log.append_from(pipe.read.get(), Stream::kStdout, 0), -1);
    EXPECT_EQ(errno, EAGAIN);
    pipe.write.reset();
    EXPECT_EQ(log.append_from(pipe.read.get(), Stream::kStdout, 0), 0);
    EXPECT_EQ(log.place(), 0U);
    LogReader reader = std::move(*LogReader::map(duplicate(log.fd())));
    EXPECT_EQ(next_of(reader, reader.head()), LogView::Next::kNothing);
}

TEST(OutputLogTest, ARingIsAPowerOfTwoWithinItsBounds) {
    for (const std::uint64_t capacity : {kSmallestRing, kSmallestRing * 4, kLargestRing})
        EXPECT_TRUE(LogWriter::create(capacity)) << capacity;
    for (const std::uint64_t capacity : {std::uint64_t{0}, std::uint64_t{1}, kSmallestRing / 2, kSmallestRing + 4096,
                                         kSmallestRing * 3, kLargestRing * 2, ~std::uint64_t{0}})
        EXPECT_FALSE(LogWriter::create(capacity)) << capacity;
}

TEST(OutputLogTest, WhoeverHasTheDescriptorCanReadAndNotWrite) {
    LogWriter log = writer();
    const UniqueFd brokers = duplicate(log.fd());
    const std::size_t size = kPage + kSmallestRing;
    EXPECT_EQ(::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, brokers.get(), 0), MAP_FAILED);
    EXPECT_EQ(errno, EPERM);
    EXPECT_LT(::pwrite(brokers.get(), "x", 1, 0), 0);
    EXPECT_EQ(errno, EPERM);
    EXPECT_NE(::ftruncate(brokers.get(), 0), 0);
    EXPECT_NE(::ftruncate(brokers.get(), 1 << 30), 0);
    EXPECT_NE(::fallocate(brokers.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), 0);
    EXPECT_NE(::fcntl(brokers.get(), F_ADD_SEALS, F_SEAL_WRITE), 0) << "and nobody can seal the writer out";
    void* readable = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, brokers.get(), 0);
    ASSERT_NE(readable, MAP_FAILED) << "the control: it can be read";
    EXPECT_NE(::mprotect(readable, size, PROT_READ | PROT_WRITE), 0) << "and a mapping stays what it was";
    ::munmap(readable, size);
    // Another way to a writable descriptor: opening it anew.
    const UniqueFd again(::open(("/proc/self/fd/" + std::to_string(brokers.get())).c_str(), O_RDWR | O_CLOEXEC));
    if (again) {
        EXPECT_EQ(::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, again.get(), 0), MAP_FAILED);
        EXPECT_LT(::pwrite(again.get(), "x", 1, 0), 0);
    }
}

TEST(OutputLogTest, OnlySealedMemoryIsMapped) {
    EXPECT_TRUE(LogReader::map(duplicate(HostileLog().fd()))) << "the control: every seal that is needed";
    for (const int missing : {F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_FUTURE_WRITE}) {
        const HostileLog log(kPage + kSmallestRing, kSeals & ~missing);
        EXPECT_FALSE(LogReader::map(duplicate(log.fd()))) << "without seal " << missing;
    }
    const HostileLog bare(kPage + kSmallestRing, 0);
    EXPECT_FALSE(LogReader::map(duplicate(bare.fd())));
    char name[] = "/tmp/toren-test-XXXXXX";
    const UniqueFd file(::mkostemp(name, O_CLOEXEC));
    ::unlink(name);
    ASSERT_EQ(::ftruncate(file.get(), kPage + kSmallestRing), 0);
    EXPECT_FALSE(LogReader::map(duplicate(file.get()))) << "a file, which could shrink under the reader";
    EXPECT_FALSE(LogReader::map(UniqueFd(::open("/dev/null", O_RDWR | O_CLOEXEC))));
    EXPECT_FALSE(LogReader::map(UniqueFd()));
}

TEST(OutputLogTest, OnlyMemoryOfARightSizeIsMapped) {
    for (const std::uint64_t size : {std::uint64_t{0}, std::uint64_t{1}, kPage - 1, kPage, kPage + 1,
                                     kPage + kSmallestRing / 2, kPage + kSmallestRing - 1, kPage + kSmallestRing + 1,
                                     kSmallestRing, kPage + 3 * kSmallestRing, kPage + 2 * kLargestRing}) {
        const HostileLog log(size);
        EXPECT_FALSE(LogReader::map(duplicate(log.fd()))) << size;
    }
}

TEST(OutputLogTest, AnHonestRecordInAHandMadeLogIsRead) {
    // The control of the tests below: their logs are refused for what each says, and not for being made by hand.
    const HostileLog log;
    log.put_record(0, 5, 2);
    std::memcpy(log.ring() + kHeader, "hello", 5);
    log.set_head(32);
    LogReader reader = log.reader();
    Stream stream{};
    std::string data;
    ASSERT_EQ(reader.next(reader.head(), stream, data), LogView::Next::kPiece);
    EXPECT_EQ(stream, Stream::kStderr);
    EXPECT_EQ(data, "hello");
    EXPECT_EQ(reader.next(reader.head(), stream, data), LogView::Next::kNothing);
}

TEST(OutputLogTest, ALengthBeyondTheRecordTheHeadOrTheRingIsMalformed) {
    const HostileLog log;
    for (const std::uint32_t length : {17U, 4096U, static_cast<unsigned>(kRecord), static_cast<unsigned>(kRecord + 1),
                                       static_cast<unsigned>(kSmallestRing), 0x7fffffffU, 0xfffffff9U, 0xffffffffU}) {
        log.put_record(0, length, 1);
        log.set_head(32);
        LogReader reader = log.reader();
        EXPECT_EQ(next_of(reader, reader.head()), LogView::Next::kMalformed) << length << " with 16 bytes of data";
        EXPECT_EQ(reader.place(), 0U);
    }
    log.put_record(0, kRecord + 1, 1);
    log.set_head(kSmallestRing);
    LogReader reader = log.reader();
    EXPECT_EQ(next_of(reader, reader.head()), LogView::Next::kMalformed) << "more than a record may hold";
}

TEST(OutputLogTest, AStreamThatIsNoneIsMalformed) {
    const HostileLog log;
    log.set_head(32);
    for (const std::uint32_t stream : {0U, 3U, 9U, 256U, 257U, 0xffffffffU}) {
        log.put_record(0, 8, stream);
        LogReader reader = log.reader();
        EXPECT_EQ(next_of(reader, reader.head()), LogView::Next::kMalformed) << stream;
    }
}

TEST(OutputLogTest, AHeadThatGoesBackOrBeyondTheRingIsMalformed) {
    const HostileLog log;
    for (const std::uint64_t head :
         {std::uint64_t{1}, std::uint64_t{15}, kSmallestRing + 1, kSmallestRing + 16, ~std::uint64_t{0}}) {
        log.put_record(0, 0, 1);
        log.set_head(head);
        LogReader reader = log.reader();
        EXPECT_EQ(next_of(reader, reader.head()), LogView::Next::kMalformed) << head;
    }
    log.put_record(0, 8, 1);
    log.set_head(32);
    LogReader reader = log.reader();
    ASSERT_EQ(next_of(reader, reader.head()), LogView::Next::kPiece);
    log.set_head(16);
    EXPECT_EQ(next_of(reader, reader.head()), LogView::Next::kMalformed);
}

TEST(OutputLogTest, NoContentMakesTheReaderReadOutsideOrGiveTooMuch) {
    // Random rings and heads, with plausible lengths among them. AddressSanitizer and the page after the mapping find
    // what reads outside; what is checked here is that a record is bounded and that every one moves the reader on.
    std::mt19937_64 random(12);
    const HostileLog log;
    int records = 0, malformed = 0;
    for (int round = 0; round < 3000; ++round) {
        for (std::uint64_t at = 0; at < kSmallestRing; at += 16) {
            if (random() % 8 == 0 && round % 8 != 0) continue;
            log.put_record(at, static_cast<std::uint32_t>(random() % 16 == 0 ? random() : random() % (kRecord + 64)),
                           static_cast<std::uint32_t>(1 + random() % 2));
            if (round != 0) at += random() % 4096 / 16 * 16;
        }
        LogReader reader = log.reader();
        for (int step = 0; step < 50; ++step) {
            const std::uint64_t end = random() % 8 == 0 ? random() : reader.place() + random() % (kSmallestRing + 16);
            const auto before = reader.place();
            Stream stream{};
            std::string data;
            const auto next = reader.next(end, stream, data);
            if (next == LogView::Next::kPiece) {
                ++records;
                ASSERT_LE(data.size(), kRecord);
                ASSERT_GE(reader.place(), before + kHeader + data.size());
                ASSERT_LE(reader.place(), end);
                ASSERT_EQ(reader.place() % 16, 0U) << "or a header could wrap";
            } else {
                ASSERT_EQ(reader.place(), before);
                malformed += next == LogView::Next::kMalformed ? 1 : 0;
            }
        }
    }
    EXPECT_GT(records, 1000);
    EXPECT_GT(malformed, 1000);
}

TEST(OutputLogTest, AReaderThatWasMovedReadsOn) {
    LogWriter log = writer();
    const Pipe pipe;
    pipe.put("one");
    ASSERT_EQ(log.append_from(pipe.read.get(), Stream::kStdout, 0), 3);
    LogReader first = std::move(*LogReader::map(duplicate(log.fd())));
    ASSERT_EQ(next_of(first, first.head()), LogView::Next::kPiece);
    LogReader second = std::move(first), third;
    third = std::move(second);
    EXPECT_EQ(next_of(third, third.head()), LogView::Next::kNothing);
    pipe.put("two");
    ASSERT_EQ(log.append_from(pipe.read.get(), Stream::kStderr, third.place()), 3);
    Stream stream{};
    std::string data;
    ASSERT_EQ(third.next(third.head(), stream, data), LogView::Next::kPiece);
    EXPECT_EQ(data, "two");
}

TEST(OutputLogTest, TheWriterClosesItsDescriptorAndWritesOn) {
    LogWriter log = writer();
    LogReader reader = std::move(*LogReader::map(duplicate(log.fd())));
    log.close_fd();
    EXPECT_EQ(log.fd(), -1);
    const Pipe pipe;
    pipe.put("still");
    ASSERT_EQ(log.append_from(pipe.read.get(), Stream::kStdout, 0), 5);
    EXPECT_EQ(next_of(reader, reader.head()), LogView::Next::kPiece);
}

// --- readers that the writer does not wait for

// One record of `bytes`, whatever lies in its way.
void append_freely(LogWriter& log, const Pipe& pipe, const std::string& bytes) {
    pipe.put(bytes);
    ASSERT_EQ(log.append_from(pipe.read.get(), Stream::kStdout, log.place()),
              static_cast<std::ptrdiff_t>(bytes.size()));
}

TEST(OutputLogTest, WhatIsOverwrittenIsOverrunAndTheRestIsWhole) {
    LogWriter log = writer();
    const auto view = std::move(*LogView::map(duplicate(log.fd())));
    const Pipe pipe;
    std::string all;
    for (int line = 0; all.size() < 3 * kSmallestRing; ++line) {
        const std::string text = "line " + std::to_string(line) + "\n";
        append_freely(log, pipe, text);
        all += text;
    }
    LogPiece piece;
    EXPECT_EQ(view->look(0, view->head(), piece), LogView::Next::kOverrun);
    EXPECT_EQ(view->position(), all.size());
    std::uint64_t place = view->tail();
    ASSERT_EQ(view->look(place, view->head(), piece), LogView::Next::kPiece);
    const std::uint64_t first = piece.position;
    EXPECT_LE(view->head() - place, kSmallestRing);
    EXPECT_GE(view->head() - place, kSmallestRing / 2) << "no more is given up than is needed";
    std::string kept;
    while (view->look(place, view->head(), piece) == LogView::Next::kPiece) {
        EXPECT_EQ(piece.position, first + kept.size());
        kept += std::string(piece.parts[0]) + std::string(piece.parts[1]);
        place = piece.next_place;
    }
    EXPECT_EQ(kept, all.substr(first));
}

TEST(OutputLogTest, APositionIsFoundInTheRecordThatHoldsIt) {
    LogWriter log = writer();
    const auto view = std::move(*LogView::map(duplicate(log.fd())));
    const Pipe pipe;
    for (int i = 0; i < 5000; ++i) append_freely(log, pipe, std::string(37, 'x'));
    LogPiece piece;
    const std::uint64_t end = view->head();
    for (const std::uint64_t position : {view->position() - 1, view->position() - 37, view->position() - 5000}) {
        ASSERT_EQ(view->look(view->find(position, end), end, piece), LogView::Next::kPiece);
        EXPECT_LE(piece.position, position);
        EXPECT_GT(piece.position + piece.size(), position);
    }
    EXPECT_EQ(view->find(0, end), view->tail()) << "it is no longer kept";
    EXPECT_EQ(view->find(view->position(), end), end);
    EXPECT_EQ(view->find(~std::uint64_t{0}, end), end);
}

TEST(OutputLogTest, AReaderBesideAWriterThatDoesNotWaitSeesNothingTorn) {
    LogWriter log = writer();
    const auto view = std::move(*LogView::map(duplicate(log.fd())));
    std::atomic<bool> over = false;
    std::thread writing([&] {
        const Pipe pipe;
        for (std::uint64_t i = 0; i < 60'000; ++i) {
            // Every byte tells its record.
            append_freely(log, pipe, std::string(1 + i % 900, static_cast<char>('a' + i % 26)));
        }
        over = true;
    });
    std::uint64_t read = 0, overrun = 0, place = 0, position = 0;
    for (bool last = false; !last;) {
        last = over;
        LogPiece piece;
        const std::uint64_t end = view->head();
        switch (view->look(place, end, piece)) {
            case LogView::Next::kNothing: continue;
            case LogView::Next::kMalformed: FAIL() << "at place " << place;
            case LogView::Next::kOverrun:
                ++overrun;
                place = view->tail();
                continue;
            case LogView::Next::kPiece: break;
        }
        const std::string data = std::string(piece.parts[0]) + std::string(piece.parts[1]);
        if (!view->kept(place)) continue;
        EXPECT_EQ(data.find_first_not_of(data[0]), data.npos) << "a torn record at " << place;
        EXPECT_GE(piece.position, position);
        position = piece.position + piece.size();
        place = piece.next_place;
        ++read;
        last = false;
    }
    writing.join();
    EXPECT_GT(read, 100U);
    RecordProperty("overrun", static_cast<int>(overrun));
}

TEST(OutputLogTest, TheEndAndThePaceAreThereForWhoeverMapsItLater) {
    LogWriter log = writer();
    const auto view = std::move(*LogView::map(duplicate(log.fd())));
    EXPECT_FALSE(view->exited());
    EXPECT_TRUE(view->held());
    log.set_held(false);
    EXPECT_FALSE(view->held());
    Exited exited;
    exited.code = 7;
    exited.ended_by = EndedBy::kMemory;
    exited.wall_us = 1234;
    log.finish(exited);
    const auto told = view->exited();
    ASSERT_TRUE(told);
    EXPECT_EQ(told->code, 7);
    EXPECT_EQ(told->ended_by, EndedBy::kMemory);
    EXPECT_EQ(told->wall_us, 1234U);
}

}  // namespace
}  // namespace toren::ipc
