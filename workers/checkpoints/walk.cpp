#include "workers/checkpoints/walk.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <climits>
#include <ctime>
#include <limits>
#include <optional>

#include "workers/tree/beneath.h"
#include "workers/tree/folder_reader.h"
#include "workers/tree/folder_stack.h"
#include "workers/tree/ignore_rules.h"
#include "workers/tree/own_names.h"

namespace toren::checkpoints {
namespace {

using ipc::LeftOut;
using workers::FolderStack;
using workers::IgnoreRules;
using workers::SortedNames;

constexpr int kTries = 3;
constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kIsMountRoot = 0x2000;  // STATX_ATTR_MOUNT_ROOT, from Linux 5.8

std::int64_t nanoseconds(const timespec& when) { return std::int64_t{when.tv_sec} * kSecond + when.tv_nsec; }

// By the clock that the kernel stamps files with.
std::int64_t stamping_clock() {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
    return nanoseconds(now);
}

Stat stat_of(const struct stat& about) {
    return {about.st_dev, about.st_ino, static_cast<std::uint64_t>(about.st_size), nanoseconds(about.st_mtim),
            nanoseconds(about.st_ctim)};
}

// Whether every write from `now` on gets another stamp than these. A file system may count in ticks of the clock, or in
// whole seconds.
bool is_settled(const Stat& stat, std::int64_t now) {
    const bool whole_seconds = stat.modified_ns % kSecond == 0 && stat.changed_ns % kSecond == 0;
    const std::int64_t step = whole_seconds ? 2 * kSecond : kSecond / 50;
    return stat.changed_ns < now - step && stat.modified_ns < now - step;
}

bool read_all(int file, std::uint64_t most, std::string& bytes) {
    while (bytes.size() <= most) {
        const std::size_t at = bytes.size();
        const std::size_t room = std::min<std::uint64_t>(std::max<std::size_t>(at, 64 * 1024), most + 1 - at);
        bytes.resize(at + room);
        ssize_t length = -1;
        while ((length = ::pread(file, bytes.data() + at, room, static_cast<off_t>(at))) < 0 && errno == EINTR) {
        }
        bytes.resize(at + static_cast<std::size_t>(std::max<ssize_t>(length, 0)));
        if (length <= 0) return length == 0;
    }
    return true;
}

FileContent::State state_of(int code) {
    switch (code) {
        case ENOENT:
        case ENOTDIR:
        case ELOOP:
        case ESTALE: return FileContent::State::kGone;  // or another kind by now
        case ENXIO: return FileContent::State::kSpecial;
        default: return FileContent::State::kUnreadable;
    }
}

}  // namespace

FileContent read_content(int folder, const std::string& name, std::uint64_t most) {
    FileContent content;
    const auto file = workers::open_without_links(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (!file) {
        content.state = state_of(file.error().code);
        return content;
    }
    struct stat about {};
    for (int tries = 0; tries < kTries; ++tries) {
        const std::int64_t now = stamping_clock();
        if (::fstat(file->get(), &about) != 0) return content;
        content.state = FileContent::State::kSpecial;
        if (!S_ISREG(about.st_mode)) return content;
        content.stat = stat_of(about);
        content.mode = about.st_mode & 0777;
        content.state = FileContent::State::kTooLarge;
        if (content.stat.size > most) return content;
        content.bytes.clear();
        content.bytes.reserve(content.stat.size + 1);
        content.state = FileContent::State::kUnreadable;
        if (!read_all(file->get(), most, content.bytes)) return content;
        content.state = FileContent::State::kTooLarge;
        if (content.bytes.size() > most) return content;
        content.state = FileContent::State::kRead;
        if (::fstat(file->get(), &about) != 0) return content;
        content.torn = !(stat_of(about) == content.stat) || content.bytes.size() != content.stat.size;
        content.settled = !content.torn && is_settled(content.stat, now);
        if (!content.torn) break;
    }
    return content;
}

namespace {

class Walk {
public:
    explicit Walk(const WalkTerms& terms) : terms_(terms) {}

    Result<Walked> run() {
        TRY_ASSIGN(auto root, workers::open_beneath(terms_.segment, ".", O_RDONLY | O_DIRECTORY));
        struct stat about {};
        if (::fstat(root.get(), &about) != 0) return errno_error("fstat of the segment");
        TRY_ASSIGN(auto stack, FolderStack::at(std::move(root)));
        stack_ = std::move(stack);
        const Entry* known = terms_.known == nullptr ? nullptr : terms_.known->root();
        const Entry* also = terms_.also == nullptr ? nullptr : terms_.also->root();
        TRY_ASSIGN(auto names, SortedNames::read(terms_.segment));
        TRY(folder("", about.st_mode & 0777, std::move(names), known, also, nullptr, false));
        return std::move(walked_);
    }

private:
    std::vector<Entry>& entries() { return walked_.listing.entries; }

    void leave_out(LeftOut why, std::uint64_t size = 0) {
        ++walked_.left_out[static_cast<int>(why)];
        if (walked_.told.size() < ipc::kMostLeftOutTold) walked_.told.push_back({path_, why, size});
    }

    // The stack's top, whose names have been read. `ignored`: only what is in `also` is taken in.
    Result<> folder(std::string name, mode_t mode, SortedNames names, const Entry* known, const Entry* also,
                    IgnoreRules::Chain rules, bool ignored) {
        const std::size_t place = entries().size();
        entries().push_back(
            {.name = std::move(name), .kind = Kind::kFolder, .mode = static_cast<std::uint16_t>(mode), .id = {}});
        const std::size_t length = path_.size();
        if (!path_.empty()) path_ += '/';
        if (!terms_.ignored && has_rules(names)) {
            TRY_ASSIGN(const int top, stack_->top());
            rules = IgnoreRules::enter(std::move(rules), top, path_, IgnoreRules::Which::kGitOnly);
        }
        Children olds(terms_.known, known), others(terms_.also, also);
        std::size_t taken = 0, same = 0;
        for (std::size_t i = 0; i < names.size(); ++i) {
            const std::string_view one = names.name(i);
            const Entry *old = olds.seek(one), *other = others.seek(one);
            const std::size_t before = entries().size(), own_length = path_.size();
            path_ += one;
            const auto done = take(std::string(one), names.type(i), old, other, rules, ignored);
            path_.resize(own_length);
            TRY(done);
            if (entries().size() == before) continue;
            ++taken;
            const Entry& entry = entries()[before];
            if (old != nullptr && old->kind == entry.kind && old->id == entry.id &&
                (entry.kind == Kind::kFolder || ((old->mode ^ entry.mode) & 0100) == 0))
                ++same;
        }
        path_.resize(length);
        Entry& own = entries()[place];
        own.end = static_cast<std::uint32_t>(entries().size());
        if (known != nullptr && known->kind == Kind::kFolder && same == taken && taken == count(*known)) {
            own.id = known->id;  // without making it again
            return Ok{};
        }
        return make_tree(place);
    }

    static bool has_rules(const SortedNames& names) {
        for (std::size_t i = 0; i < names.size() && names.name(i) <= ".gitignore"; ++i)
            if (names.name(i) == ".git" || names.name(i) == ".gitignore") return true;
        return false;
    }

    std::size_t count(const Entry& known) const {
        std::size_t names = 0;
        for (Children all(terms_.known, &known); all.peek() != nullptr; all.pass()) ++names;
        return names;
    }

    Result<> make_tree(std::size_t place) {
        std::vector<TreeName> names;
        for (std::size_t i = place + 1; i < entries()[place].end; i = entries()[i].end) {
            const Entry& entry = entries()[i];
            names.push_back({entry.name, entry.kind, (entry.mode & 0100) != 0, entry.id});
        }
        const std::string content = tree_content(std::move(names));
        entries()[place].id = id_of(ObjectType::kTree, content);
        return keep(ObjectType::kTree, entries()[place].id, content);
    }

    Result<> keep(ObjectType type, const ObjectId& id, std::string_view content) {
        return terms_.keep ? terms_.keep(type, id, content) : Result<>(Ok{});
    }

    Result<> take(std::string name, unsigned char type, const Entry* old, const Entry* other,
                  const IgnoreRules::Chain& rules, bool ignored) {
        if (name == ".git" || name == ".jj") return Ok{};
        if (workers::is_own_name(name)) {
            TRY_ASSIGN(const int top, stack_->top());
            if (workers::is_restore_name(name)) ::unlinkat(top, name.c_str(), 0);
            return Ok{};
        }
        TRY_ASSIGN(const int top, stack_->top());
        struct stat about {};
        if (::fstatat(top, name.c_str(), &about, AT_SYMLINK_NOFOLLOW) != 0) {
            if (errno != ENOENT) leave_out(LeftOut::kUnreadable);
            return Ok{};
        }
        const bool is_folder = S_ISDIR(about.st_mode);
        ignored = ignored || (!terms_.ignored && rules != nullptr && IgnoreRules::ignores(rules, path_, is_folder));
        if (ignored && other == nullptr) return Ok{};
        if (path_.size() > PATH_MAX) {
            leave_out(LeftOut::kLongPath);
            return Ok{};
        }
        if (is_folder) return enter(std::move(name), about, old, other, rules, ignored);
        if (S_ISREG(about.st_mode)) return take_file(top, std::move(name), about, old);
        if (S_ISLNK(about.st_mode)) return take_link(top, std::move(name), about, old);
        leave_out(LeftOut::kSpecial);
        static_cast<void>(type);
        return Ok{};
    }

    Result<> enter(std::string name, const struct stat& about, const Entry* old, const Entry* other,
                   const IgnoreRules::Chain& rules, bool ignored) {
        if (const auto entered = stack_->push(name); !entered) {
            // ENOTDIR and the like: something else stands there by now.
            if (state_of(entered.error().code) != FileContent::State::kGone) leave_out(LeftOut::kUnreadable);
            return Ok{};
        }
        const auto leave = [&](Result<> result) {
            stack_->pop();
            return result;
        };
        const auto top = stack_->top();
        if (!top) return leave(Ok{});
        auto names = SortedNames::read(*top);
        if (!names) {
            leave_out(LeftOut::kUnreadable);
            return leave(Ok{});
        }
        // A guard holds the place of a name that is absent with an empty folder, which is a mount.
        if (names->size() == 0 && is_mount(*top)) return leave(Ok{});
        return leave(folder(std::move(name), about.st_mode & 0777, std::move(*names), old, other, rules, ignored));
    }

    static bool is_mount(int folder) {
        struct statx about {};
        return ::statx(folder, "", AT_EMPTY_PATH, STATX_INO, &about) == 0 && (about.stx_attributes & kIsMountRoot) != 0;
    }

    void add(std::string name, Kind kind, mode_t mode, const ObjectId& id, const Stat& stat, bool settled) {
        const auto end = static_cast<std::uint32_t>(entries().size() + 1);
        entries().push_back({std::move(name), kind, static_cast<std::uint16_t>(mode & 0777), end, id, stat, settled});
        ++walked_.files;
        walked_.bytes += stat.size;
    }

    Result<> take_file(int top, std::string name, const struct stat& about, const Entry* old) {
        const Stat stat = stat_of(about);
        if (stat.size > terms_.file_bytes) {
            leave_out(LeftOut::kTooLarge, stat.size);
            return Ok{};
        }
        if (old != nullptr && old->kind == Kind::kFile && old->settled && old->stat == stat) {
            add(std::move(name), Kind::kFile, about.st_mode, old->id, stat, true);
            return Ok{};
        }
        const FileContent content = read_content(top, name, terms_.file_bytes);
        switch (content.state) {
            case FileContent::State::kGone: return Ok{};
            case FileContent::State::kUnreadable: leave_out(LeftOut::kUnreadable, stat.size); return Ok{};
            case FileContent::State::kTooLarge: leave_out(LeftOut::kTooLarge, content.stat.size); return Ok{};
            case FileContent::State::kSpecial: leave_out(LeftOut::kSpecial); return Ok{};
            case FileContent::State::kRead: break;
        }
        if (content.torn) leave_out(LeftOut::kUnsettled, content.bytes.size());
        const ObjectId id = id_of(ObjectType::kBlob, content.bytes);
        TRY(keep(ObjectType::kBlob, id, content.bytes));
        Stat read = content.stat;
        if (content.torn) read.size = content.bytes.size();
        add(std::move(name), Kind::kFile, content.mode, id, read, content.settled);
        return Ok{};
    }

    Result<> take_link(int top, std::string name, const struct stat& about, const Entry* old) {
        const Stat stat = stat_of(about);
        if (old != nullptr && old->kind == Kind::kLink && old->settled && old->stat == stat) {
            add(std::move(name), Kind::kLink, 0777, old->id, stat, true);
            return Ok{};
        }
        const std::int64_t now = stamping_clock();
        char target[PATH_MAX];
        const ssize_t length = ::readlinkat(top, name.c_str(), target, sizeof target);
        if (length < 0) return Ok{};  // another kind by now
        const std::string_view text(target, static_cast<std::size_t>(length));
        const ObjectId id = id_of(ObjectType::kBlob, text);
        TRY(keep(ObjectType::kBlob, id, text));
        add(std::move(name), Kind::kLink, 0777, id, stat, is_settled(stat, now));
        return Ok{};
    }

    const WalkTerms& terms_;
    std::optional<FolderStack> stack_;
    std::string path_;
    Walked walked_;
};

}  // namespace

Result<Walked> walk(const WalkTerms& terms) { return Walk(terms).run(); }

}  // namespace toren::checkpoints
