#include "workers/checkpoints/pack.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>

#include "workers/tree/beneath.h"
#include "workers/tree/own_names.h"
#include "workers/tree/write_all.h"

namespace toren::checkpoints {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 20;
constexpr std::uint64_t kLargestIndex = std::uint64_t{4} << 30;
constexpr std::string_view kIndexMagic = std::string_view("\377tOc\0\0\0\2", 8);
constexpr std::size_t kFanoutEnd = 8 + 256 * 4;
constexpr std::uint64_t kHeaderBytes = 12;  // "PACK", version, count
constexpr std::uint32_t kIsLarge = 0x80000000U;

std::uint32_t number_at(const std::string& bytes, std::size_t at) {
    std::uint32_t number = 0;
    for (int i = 0; i < 4; ++i) number = number << 8 | static_cast<unsigned char>(bytes[at + i]);
    return number;
}

void put_number(std::string& out, std::uint64_t number, int bytes) {
    for (int i = bytes - 1; i >= 0; --i) out += static_cast<char>(number >> (8 * i) & 0xff);
}

Error broken(const std::string& name) { return Error{EBADMSG, "the store's '" + name + "'"}; }

Result<std::string> read_range(int file, std::uint64_t at, std::uint64_t length, const std::string& name) {
    std::string bytes(length, '\0');
    for (std::uint64_t done = 0; done < length;) {
        const ssize_t part = ::pread(file, bytes.data() + done, length - done, static_cast<off_t>(at + done));
        if (part < 0 && errno == EINTR) continue;
        if (part < 0) return errno_error("read the store's '" + name + "'");
        if (part == 0) return broken(name);
        done += static_cast<std::uint64_t>(part);
    }
    return bytes;
}

std::string index_name(const std::string& pack) { return pack.substr(0, pack.size() - 5) + ".idx"; }

}  // namespace

Result<Temporary> make_temporary(int folder) {
    Temporary made{std::string(kTemporaryPrefix) + workers::random_id(), {}};
    TRY_ASSIGN(made.file,
               workers::open_beneath(folder, made.name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, S_IRUSR | S_IWUSR));
    return made;
}

Result<std::string> read_whole(int folder, const std::string& name, std::uint64_t most) {
    TRY_ASSIGN(const auto file, workers::open_without_links(folder, name, O_RDONLY | O_NONBLOCK));
    struct stat about {};
    if (::fstat(file.get(), &about) != 0) return errno_error("fstat '" + name + "'");
    if (!S_ISREG(about.st_mode) || static_cast<std::uint64_t>(about.st_size) > most) return broken(name);
    return read_range(file.get(), 0, static_cast<std::uint64_t>(about.st_size), name);
}

Result<> sync_names(int folder) { return workers::sync_folder(folder); }

// --- reading

Result<Pack> Pack::open(int folder, const std::string& name) {
    Pack pack;
    pack.name_ = name;
    TRY_ASSIGN(const auto index, read_whole(folder, index_name(name), kLargestIndex));
    TRY_ASSIGN(pack.file_, workers::open_without_links(folder, name, O_RDONLY | O_NONBLOCK));
    struct stat about {};
    if (::fstat(pack.file_.get(), &about) != 0) return errno_error("fstat '" + name + "'");
    const auto size = static_cast<std::uint64_t>(about.st_size);
    if (index.size() < kFanoutEnd + 2 * kIdBytes || !index.starts_with(kIndexMagic) || size < kHeaderBytes + kIdBytes)
        return broken(name);
    const std::size_t count = number_at(index, kFanoutEnd - 4);
    const std::size_t crcs = kFanoutEnd + count * kIdBytes, offsets = crcs + count * 4, large = offsets + count * 4;
    if (index.size() < large + 2 * kIdBytes) return broken(name);
    const std::size_t larges = (index.size() - 2 * kIdBytes - large) / 8;
    pack.entries_.resize(count);
    for (std::size_t i = 0; i < count; ++i) {
        PackedEntry& entry = pack.entries_[i];
        entry.id = ObjectId::from_raw(std::string_view(index).substr(kFanoutEnd + i * kIdBytes, kIdBytes));
        entry.crc = number_at(index, crcs + i * 4);
        const std::uint32_t offset = number_at(index, offsets + i * 4);
        entry.offset = offset;
        if ((offset & kIsLarge) != 0) {
            if ((offset & ~kIsLarge) >= larges) return broken(name);
            const std::size_t at = large + std::size_t{offset & ~kIsLarge} * 8;
            entry.offset = std::uint64_t{number_at(index, at)} << 32 | number_at(index, at + 4);
        }
        if (entry.offset < kHeaderBytes || entry.offset >= size - kIdBytes) return broken(name);
        if (i > 0 && !(pack.entries_[i - 1].id < entry.id)) return broken(name);
    }
    std::vector<PackedEntry*> by_place;
    for (auto& entry : pack.entries_) by_place.push_back(&entry);
    std::ranges::sort(by_place, {}, [](const PackedEntry* entry) { return entry->offset; });
    for (std::size_t i = 0; i < by_place.size(); ++i)
        by_place[i]->end = i + 1 < by_place.size() ? by_place[i + 1]->offset : size - kIdBytes;
    pack.bytes_ = size + index.size();
    return pack;
}

const PackedEntry* Pack::find(const ObjectId& id) const {
    const auto found = std::ranges::lower_bound(entries_, id, {}, &PackedEntry::id);
    return found != entries_.end() && found->id == id ? &*found : nullptr;
}

Result<std::string> Pack::raw(const PackedEntry& entry) const {
    return read_range(file_.get(), entry.offset, entry.end - entry.offset, name_);
}

namespace {

// What stands before an object's bytes.
struct Head {
    ObjectType type = ObjectType::kBlob;
    std::uint64_t size = 0;
    std::size_t length = 0;
};

std::optional<Head> parse_head(std::string_view bytes) {
    Head head;
    bool more = true;
    for (int shift = 0; more; shift += shift == 0 ? 4 : 7) {
        if (head.length >= bytes.size() || shift > 57) return std::nullopt;
        const auto byte = static_cast<unsigned char>(bytes[head.length++]);
        more = (byte & 0x80) != 0;
        if (shift != 0) {
            head.size |= std::uint64_t{byte & 0x7fU} << shift;
            continue;
        }
        const int type = byte >> 4 & 7;
        if (type < 1 || type > 3) return std::nullopt;  // nobody writes deltas here
        head.type = static_cast<ObjectType>(type);
        head.size = byte & 15U;
    }
    return head;
}

}  // namespace

Result<std::uint64_t> Pack::size(const PackedEntry& entry) const {
    TRY_ASSIGN(const auto bytes,
               read_range(file_.get(), entry.offset, std::min<std::uint64_t>(16, entry.end - entry.offset), name_));
    const auto head = parse_head(bytes);
    if (!head) return broken(name_);
    return head->size;
}

Result<Object> Pack::read(const PackedEntry& entry, std::uint64_t most) const {
    TRY_ASSIGN(const auto bytes, raw(entry));
    const auto head = parse_head(bytes);
    if (!head) return broken(name_);
    const std::uint64_t size = head->size;
    if (size > most) return Error{EFBIG, "an object of " + std::to_string(size) + " bytes"};
    // One byte at least: there must be somewhere to write to.
    Object object{head->type, std::string(std::max<std::uint64_t>(size, 1), '\0')};
    uLongf length = object.content.size();
    if (::uncompress(reinterpret_cast<Bytef*>(object.content.data()), &length,
                     reinterpret_cast<const Bytef*>(bytes.data() + head->length),
                     bytes.size() - head->length) != Z_OK ||
        length != size)
        return broken(name_);
    object.content.resize(size);
    if (id_of(object.type, object.content) != entry.id) return broken(name_);
    return object;
}

// --- writing

PackWriter::~PackWriter() {
    if (!temporary_.empty()) ::unlinkat(folder_, temporary_.c_str(), 0);
}

Result<> PackWriter::begin() {
    if (file_) return Ok{};
    TRY_ASSIGN(auto made, make_temporary(folder_));
    temporary_ = std::move(made.name);
    file_ = std::move(made.file);
    pending_ = std::string("PACK\0\0\0\2\0\0\0\0", kHeaderBytes);  // the count follows at the end
    at_ = kHeaderBytes;
    return Ok{};
}

Result<> PackWriter::put(std::string_view bytes) {
    if (at_ + bytes.size() > most_) return Error{EDQUOT, "the checkpoint is larger than limits.checkpoint_bytes"};
    at_ += bytes.size();
    pending_ += bytes;
    return pending_.size() < kBufferBytes ? Result<>(Ok{}) : flush();
}

Result<> PackWriter::flush() {
    TRY(workers::write_all(file_.get(), pending_));
    pending_.clear();
    return Ok{};
}

Result<> PackWriter::add(ObjectType type, const ObjectId& id, std::string_view content) {
    if (!known_.insert(id).second) return Ok{};
    std::string packed;
    std::uint64_t rest = content.size() >> 4;
    packed +=
        static_cast<char>((rest != 0 ? 0x80 : 0) | static_cast<int>(type) << 4 | static_cast<int>(content.size() & 15));
    for (; rest != 0; rest >>= 7) packed += static_cast<char>((rest > 0x7f ? 0x80 : 0) | static_cast<int>(rest & 0x7f));
    const std::size_t head = packed.size();
    uLongf length = ::compressBound(content.size());
    packed.resize(head + length);
    if (::compress2(reinterpret_cast<Bytef*>(packed.data() + head), &length,
                    reinterpret_cast<const Bytef*>(content.data()), content.size(), Z_BEST_SPEED) != Z_OK)
        return Error{ENOMEM, "compress an object"};
    packed.resize(head + length);
    TRY(begin());
    const auto crc =
        static_cast<std::uint32_t>(::crc32_z(0, reinterpret_cast<const Bytef*>(packed.data()), packed.size()));
    entries_.push_back({id, at_, at_ + packed.size(), crc});
    return put(packed);
}

Result<> PackWriter::add_raw(const PackedEntry& entry, std::string_view raw) {
    if (!known_.insert(entry.id).second) return Ok{};
    TRY(begin());
    entries_.push_back({entry.id, at_, at_ + raw.size(), entry.crc});
    return put(raw);
}

// The count into the header, the checksum of all of it to the end.
Result<ObjectId> PackWriter::seal() {
    TRY(flush());
    std::string count;
    put_number(count, entries_.size(), 4);
    if (::pwrite(file_.get(), count.data(), count.size(), kHeaderBytes - 4) != 4) return errno_error("write a pack");
    Sha256 sum;
    for (std::uint64_t at = 0; at < at_;) {
        TRY_ASSIGN(const auto part,
                   read_range(file_.get(), at, std::min<std::uint64_t>(kBufferBytes, at_ - at), temporary_));
        sum.add(part);
        at += part.size();
    }
    const ObjectId checksum = sum.finish();
    TRY(workers::write_all(file_.get(), checksum.raw()));
    return checksum;
}

std::string PackWriter::index(const ObjectId& checksum) {
    std::ranges::sort(entries_, {}, &PackedEntry::id);
    std::string bytes(kIndexMagic);
    std::uint32_t upto[256] = {};
    for (const auto& entry : entries_) ++upto[entry.id.bytes[0]];
    std::uint32_t sum = 0;
    for (const auto count : upto) put_number(bytes, sum += count, 4);
    for (const auto& entry : entries_) bytes += entry.id.raw();
    for (const auto& entry : entries_) put_number(bytes, entry.crc, 4);
    std::string large;
    for (const auto& entry : entries_) {
        if (entry.offset < kIsLarge) {
            put_number(bytes, entry.offset, 4);
        } else {
            put_number(bytes, kIsLarge | large.size() / 8, 4);
            put_number(large, entry.offset, 8);
        }
    }
    bytes += large;
    bytes += checksum.raw();
    Sha256 own;
    own.add(bytes);
    return bytes + std::string(own.finish().raw());
}

Result<std::string> PackWriter::finish() {
    TRY_ASSIGN(const auto checksum, seal());
    const std::string name = "pack-" + checksum.hex() + ".pack";
    TRY_ASSIGN(auto idx, make_temporary(folder_));
    const auto whole = [&]() -> Result<> {
        TRY(workers::write_all(idx.file.get(), index(checksum)));
        if (::fsync(file_.get()) != 0 || ::fsync(idx.file.get()) != 0) return errno_error("fsync of a pack");
        if (::renameat(folder_, temporary_.c_str(), folder_, name.c_str()) != 0) return errno_error("rename a pack");
        temporary_.clear();
        if (::renameat(folder_, idx.name.c_str(), folder_, index_name(name).c_str()) != 0)
            return errno_error("rename a pack's index");
        return sync_names(folder_);
    }();
    if (!whole) {
        ::unlinkat(folder_, idx.name.c_str(), 0);
        return whole.error();
    }
    return name;
}

}  // namespace toren::checkpoints
