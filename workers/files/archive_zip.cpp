// zip, as PKWARE's APPNOTE 6.3 has it: sizes behind the data, for it is a stream; 64-bit ones where 32 do not do.
#include <zlib.h>

#include <algorithm>

#include "workers/files/archive_writer.h"
#include "workers/tree/utf8.h"

namespace toren::workers {
namespace {

constexpr std::uint64_t kSmall = 0xf0000000;  // a file that deflate cannot make larger than 32 bits count
constexpr std::size_t kLargestDirectory = 64 << 20;

void put(std::string& out, std::uint64_t number, int bytes) {
    for (int i = 0; i < bytes; ++i, number >>= 8U) out += static_cast<char>(number & 0xffU);
}

// Two-second steps since 1980, in UTC; the exact time is in an extra field. By hand: gmtime_r opens /etc/localtime.
std::uint32_t dos_time(time_t when) {
    constexpr time_t k1980 = 315'532'800, k2108 = 4'354'819'200;
    const auto at = static_cast<std::uint32_t>(std::clamp(when, k1980, k2108 - 1) - k1980);
    // Days since 1980-01-01. Of that span only 2100 is no leap year, though it could be by four.
    std::uint32_t days = at / 86'400, year = 0, month = 0;
    const auto leap = [&] { return year % 4 == 0 && year != 120; };
    while (days >= (leap() ? 366U : 365U)) days -= leap() ? 366 : 365, ++year;
    constexpr std::uint32_t kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const auto length = [&] { return kDays[month] + (month == 1 && leap() ? 1 : 0); };
    while (days >= length()) days -= length(), ++month;
    const std::uint32_t seconds = at % 86'400;
    return (year << 25U) | ((month + 1) << 21U) | ((days + 1) << 16U) | ((seconds / 3600) << 11U) |
           ((seconds / 60 % 60) << 5U) | (seconds % 60 / 2);
}

class Zip : public ArchiveWriter {
public:
    explicit Zip(Sink sink) : sink_(std::move(sink)), out_(128 * 1024, '\0') {
        ready_ =
            ::deflateInit2(&deflate_, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK;
    }
    ~Zip() override {
        if (ready_) ::deflateEnd(&deflate_);
    }

    Result<> begin(const ArchiveEntry& entry) override {
        if (!ready_) return Error{ENOMEM, "deflate"};
        if (directory_.size() > kLargestDirectory) return Error{EFBIG, "a zip archive with so many names"};
        name_ = S_ISDIR(entry.mode) ? entry.path + "/" : entry.path;
        now_ = {};
        now_.mode = entry.mode;
        now_.modified = entry.modified.tv_sec;
        now_.offset = written_;
        now_.large = entry.size > kSmall;
        now_.deflated = S_ISREG(entry.mode);
        std::string head = "PK\3\4";
        put_common(head);
        // The crc and both sizes come behind the data; of what has none they are known: those of a link's target.
        put(head, 0, 4);
        put(head, now_.large ? 0xffffffffU : 0, 4);
        put(head, now_.large ? 0xffffffffU : 0, 4);
        std::string extra = times();
        if (now_.large) {
            put(extra, 0x0001, 2);
            put(extra, 16, 2);
            put(extra, 0, 8);
            put(extra, 0, 8);
        }
        put(head, name_.size(), 2);
        put(head, extra.size(), 2);
        emit(head + name_ + extra);
        ::deflateReset(&deflate_);
        if (S_ISLNK(entry.mode)) store(entry.target);
        return Ok{};
    }
    Result<> data(std::string_view bytes) override {
        now_.crc = ::crc32(now_.crc, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size()));
        now_.size += bytes.size();
        return compress(bytes, Z_NO_FLUSH);
    }
    Result<> end() override {
        if (now_.deflated) TRY(compress({}, Z_FINISH));
        std::string behind = "PK\7\x08";
        const int width = now_.large ? 8 : 4;
        put(behind, now_.crc, 4);
        put(behind, now_.stored, width);
        put(behind, now_.size, width);
        emit(behind);
        put_directory();
        return Ok{};
    }
    Result<> finish() override {
        const std::uint64_t at = written_, size = directory_.size();
        emit(directory_);
        std::string tail;
        const std::uint64_t record = written_;
        tail += "PK\6\6";
        put(tail, 44, 8);
        put(tail, 45 | (3U << 8U), 2);
        put(tail, 45, 2);
        put(tail, 0, 4);
        put(tail, 0, 4);
        put(tail, count_, 8);
        put(tail, count_, 8);
        put(tail, size, 8);
        put(tail, at, 8);
        tail += "PK\6\7";
        put(tail, 0, 4);
        put(tail, record, 8);
        put(tail, 1, 4);
        if (count_ < 0xffff && at + size < 0xffffffffU) tail.clear();  // what everybody reads does
        tail += "PK\5\6";
        put(tail, 0, 4);
        put(tail, std::min<std::uint64_t>(count_, 0xffff), 2);
        put(tail, std::min<std::uint64_t>(count_, 0xffff), 2);
        put(tail, std::min<std::uint64_t>(size, 0xffffffffU), 4);
        put(tail, std::min<std::uint64_t>(at, 0xffffffffU), 4);
        put(tail, 0, 2);
        emit(tail);
        return Ok{};
    }
    bool keeps_holes() const override { return false; }

private:
    struct Now {
        mode_t mode = 0;
        time_t modified = 0;
        std::uint64_t offset = 0, size = 0, stored = 0;
        uLong crc = 0;
        bool large = false, deflated = false;
    };

    void emit(std::string_view bytes) {
        sink_(bytes);
        written_ += bytes.size();
    }
    // Version needed, flags (sizes behind; a name that is UTF-8), method, time.
    void put_common(std::string& out) const {
        put(out, now_.large ? 45 : 20, 2);
        put(out, (1U << 3U) | (is_utf8(name_) ? 1U << 11U : 0), 2);
        put(out, now_.deflated ? 8 : 0, 2);
        put(out, dos_time(now_.modified), 4);
    }
    std::string times() const {
        std::string extra;
        if (now_.modified < 0 || now_.modified > 0x7fffffff) return extra;
        put(extra, 0x5455, 2);
        put(extra, 5, 2);
        put(extra, 1, 1);
        put(extra, static_cast<std::uint64_t>(now_.modified), 4);
        return extra;
    }
    void store(std::string_view bytes) {
        now_.crc = ::crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size()));
        now_.size = now_.stored = bytes.size();
        emit(bytes);
    }
    Result<> compress(std::string_view bytes, int how) {
        deflate_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
        deflate_.avail_in = static_cast<uInt>(bytes.size());
        int state = Z_OK;
        do {
            deflate_.next_out = reinterpret_cast<Bytef*>(out_.data());
            deflate_.avail_out = static_cast<uInt>(out_.size());
            state = ::deflate(&deflate_, how);
            const std::size_t length = out_.size() - deflate_.avail_out;
            now_.stored += length;
            emit({out_.data(), length});
        } while (how == Z_FINISH ? state == Z_OK : deflate_.avail_in > 0);
        return Ok{};
    }
    void put_directory() {
        ++count_;
        const bool large = now_.large || now_.offset >= 0xffffffffU;
        std::string extra = times();
        if (large) {
            put(extra, 0x0001, 2);
            put(extra, 24, 2);
            put(extra, now_.size, 8);
            put(extra, now_.stored, 8);
            put(extra, now_.offset, 8);
        }
        std::string& out = directory_;
        out += "PK\1\2";
        put(out, 45 | (3U << 8U), 2);  // of Unix: the mode is above the attributes
        put_common(out);
        put(out, now_.crc, 4);
        put(out, large ? 0xffffffffU : now_.stored, 4);
        put(out, large ? 0xffffffffU : now_.size, 4);
        put(out, name_.size(), 2);
        put(out, extra.size(), 2);
        put(out, 0, 2);
        put(out, 0, 2);
        put(out, 0, 2);
        put(out, (static_cast<std::uint64_t>(now_.mode) << 16U) | (S_ISDIR(now_.mode) ? 0x10U : 0), 4);
        put(out, large ? 0xffffffffU : now_.offset, 4);
        out += name_ + extra;
    }

    Sink sink_;
    std::string out_, name_, directory_;
    z_stream deflate_{};
    bool ready_ = false;
    Now now_;
    std::uint64_t written_ = 0, count_ = 0;
};

}  // namespace

std::unique_ptr<ArchiveWriter> make_zip_writer(ArchiveWriter::Sink sink) {
    return std::make_unique<Zip>(std::move(sink));
}

}  // namespace toren::workers
