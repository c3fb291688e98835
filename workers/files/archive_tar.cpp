// tar: POSIX.1-2001 (pax), holes as GNU tar's sparse format 1.0 has them, all of it through zstd.
#include <zstd.h>

#include <cstring>

#include "workers/files/archive_writer.h"

namespace toren::workers {
namespace {

constexpr std::size_t kBlock = 512;
constexpr std::uint64_t kLargestOctal = 0777'7777'7777ULL;  // eleven digits

class Zstd {
public:
    explicit Zstd(ArchiveWriter::Sink sink)
        : sink_(std::move(sink)), context_(ZSTD_createCCtx()), out_(128 * 1024, '\0') {
        ZSTD_CCtx_setParameter(context_, ZSTD_c_checksumFlag, 1);
    }
    Zstd(const Zstd&) = delete;
    Zstd& operator=(const Zstd&) = delete;
    ~Zstd() { ZSTD_freeCCtx(context_); }

    Result<> write(std::string_view bytes, ZSTD_EndDirective how = ZSTD_e_continue) {
        ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
        while (true) {
            ZSTD_outBuffer out{out_.data(), out_.size(), 0};
            const std::size_t left = ZSTD_compressStream2(context_, &out, &in, how);
            if (ZSTD_isError(left) != 0) return error(std::string("zstd: ") + ZSTD_getErrorName(left));
            sink_({out_.data(), out.pos});
            if (how == ZSTD_e_continue ? in.pos == in.size : left == 0) return Ok{};
        }
    }

private:
    ArchiveWriter::Sink sink_;
    ZSTD_CCtx* context_;
    std::string out_;
};

void put_octal(char* field, std::size_t width, std::uint64_t number) {
    field[width - 1] = '\0';
    for (std::size_t at = width - 1; at-- > 0; number >>= 3U) field[at] = static_cast<char>('0' + (number & 7U));
}

std::string header(const std::string& path, char type, mode_t mode, std::uint64_t size, std::uint64_t seconds,
                   const std::string& target) {
    char block[kBlock] = {};
    std::memcpy(block, path.data(), std::min<std::size_t>(path.size(), 100));
    put_octal(block + 100, 8, mode & 07777);
    put_octal(block + 108, 8, 0);  // nobody's: who unpacks it is the owner
    put_octal(block + 116, 8, 0);
    put_octal(block + 124, 12, std::min(size, kLargestOctal));
    put_octal(block + 136, 12, std::min(seconds, kLargestOctal));
    block[156] = type;
    std::memcpy(block + 157, target.data(), std::min<std::size_t>(target.size(), 100));
    std::memcpy(block + 257, "ustar\00000", 8);
    std::memset(block + 148, ' ', 8);
    unsigned sum = 0;
    for (const char c : block) sum += static_cast<unsigned char>(c);
    put_octal(block + 148, 7, sum);
    return {block, kBlock};
}

std::string padding(std::uint64_t size) { return std::string((kBlock - size % kBlock) % kBlock, '\0'); }

// "LENGTH key=value\n", the length counting itself.
std::string pax_record(const std::string& key, const std::string& value) {
    const std::size_t rest = 1 + key.size() + 1 + value.size() + 1;
    std::size_t length = rest + 1;
    while (std::to_string(length).size() + rest != length) length = std::to_string(length).size() + rest;
    return std::to_string(length) + " " + key + "=" + value + "\n";
}

// Seconds, and nanoseconds as a fraction; before 1970 both count down.
std::string pax_time(const timespec& when) {
    std::int64_t seconds = when.tv_sec;
    long fraction = when.tv_nsec;
    std::string sign;
    if (seconds < 0) {
        sign = "-";
        seconds = -seconds;
        if (fraction > 0) {
            --seconds;
            fraction = 1'000'000'000 - fraction;
        }
    }
    const std::string digits = std::to_string(1'000'000'000 + fraction).substr(1);
    return sign + std::to_string(seconds) + "." + digits;
}

class TarZst : public ArchiveWriter {
public:
    explicit TarZst(Sink sink) : zstd_(std::move(sink)) {}

    Result<> begin(const ArchiveEntry& entry) override {
        const bool folder = S_ISDIR(entry.mode), link = S_ISLNK(entry.mode);
        const std::string path = folder ? entry.path + "/" : entry.path;
        std::uint64_t stored = 0;
        for (const Extent& extent : entry.extents) stored += extent.length;
        const bool sparse = !folder && !link && stored < entry.size;
        const std::string map = sparse ? sparse_map(entry) : "";
        size_ = folder || link ? 0 : stored + map.size();
        std::string pax;
        if (sparse)
            pax += pax_record("GNU.sparse.major", "1") + pax_record("GNU.sparse.minor", "0") +
                   pax_record("GNU.sparse.name", path) + pax_record("GNU.sparse.realsize", std::to_string(entry.size));
        else if (path.size() > 100) pax += pax_record("path", path);
        if (entry.target.size() > 100) pax += pax_record("linkpath", entry.target);
        if (size_ > kLargestOctal) pax += pax_record("size", std::to_string(size_));
        if (entry.modified.tv_nsec != 0 || entry.modified.tv_sec < 0)
            pax += pax_record("mtime", pax_time(entry.modified));
        const auto seconds = static_cast<std::uint64_t>(std::max<std::int64_t>(entry.modified.tv_sec, 0));
        if (!pax.empty())
            TRY(zstd_.write(header("PaxHeader", 'x', 0644, pax.size(), seconds, "") + pax + padding(pax.size())));
        TRY(zstd_.write(header(path, folder ? '5' : link ? '2' : '0', entry.mode, size_, seconds, entry.target)));
        return zstd_.write(map);
    }
    Result<> data(std::string_view bytes) override { return zstd_.write(bytes); }
    Result<> end() override { return zstd_.write(padding(size_)); }
    Result<> finish() override { return zstd_.write(std::string(2 * kBlock, '\0'), ZSTD_e_end); }
    bool keeps_holes() const override { return true; }

private:
    // How many stretches, then where each is and how long, in front of their bytes. The last one is empty, at the end.
    static std::string sparse_map(const ArchiveEntry& entry) {
        std::string map = std::to_string(entry.extents.size() + 1) + "\n";
        for (const Extent& extent : entry.extents)
            map += std::to_string(extent.at) + "\n" + std::to_string(extent.length) + "\n";
        map += std::to_string(entry.size) + "\n0\n";
        return map + padding(map.size());
    }

    Zstd zstd_;
    std::uint64_t size_ = 0;  // of the entry, as stored
};

}  // namespace

std::unique_ptr<ArchiveWriter> make_tar_zst_writer(ArchiveWriter::Sink sink) {
    return std::make_unique<TarZst>(std::move(sink));
}

}  // namespace toren::workers
