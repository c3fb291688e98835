// A folder as an archive, streamed while it is walked. What cannot be read is left out and named at the archive's end.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "workers/files/archive_writer.h"
#include "workers/files/facts.h"
#include "workers/files/operations.h"
#include "workers/tree/beneath.h"
#include "workers/tree/folder_reader.h"
#include "workers/tree/folder_stack.h"
#include "workers/tree/ignore_rules.h"
#include "workers/tree/own_names.h"

namespace toren::workers {
namespace {

constexpr std::size_t kLongestPath = 32 * 1024;  // zip counts a name's bytes with 16 bits
constexpr std::size_t kMostExtents = 10'000;     // of a file; what comes behind is one
constexpr std::size_t kLongestReport = 1 << 20;
constexpr const char* kReport = ".toren-not-archived";

std::vector<Extent> extents_of(int file, std::uint64_t size, bool keep_holes) {
    std::vector<Extent> extents;
    if (size == 0) return extents;
    const auto end = static_cast<off_t>(size);
    for (off_t at = 0; at < end;) {
        const off_t data = keep_holes && extents.size() < kMostExtents ? ::lseek(file, at, SEEK_DATA) : at;
        if (data < 0 && errno == ENXIO) break;  // a hole to the end
        const off_t start = data < 0 ? at : data;
        off_t hole = data < 0 || !keep_holes || extents.size() >= kMostExtents ? end : ::lseek(file, start, SEEK_HOLE);
        if (hole < 0 || hole > end) hole = end;
        if (start >= end) break;
        extents.push_back({static_cast<std::uint64_t>(start), static_cast<std::uint64_t>(hole - start)});
        at = hole;
    }
    return extents;
}

class Archive {
public:
    Archive(Call& call, const ipc::ArchiveFolder& request)
        : call_(call),
          request_(request),
          writer_(request.format == ipc::ArchiveFormat::kZip
                      ? make_zip_writer([this](auto bytes) { call_.channel.write(bytes); })
                      : make_tar_zst_writer([this](auto bytes) { call_.channel.write(bytes); })) {}

    Answer run() {
        SERVE_ASSIGN(auto folder, open_beneath(call_.segment, request_.path, O_RDONLY | O_DIRECTORY));
        IgnoreRules::Chain rules;
        if (request_.ignore) rules = IgnoreRules::of_path(call_.segment, request_.path, folder.get(), prefix_);
        SERVE_ASSIGN(auto stack, FolderStack::at(std::move(folder)));
        SERVE_TRY(enter(stack, std::move(rules)));
        while (!levels_.empty()) SERVE_TRY(step(stack));
        if (!report_.empty()) SERVE_TRY(write_report());
        SERVE_TRY(writer_->finish());
        return Ok{};
    }

private:
    struct Level {
        SortedNames names;
        std::size_t next = 0;
        std::size_t path_length = 0;
        IgnoreRules::Chain rules;
    };

    void leave_out(const std::string& why) {
        if (report_.size() > kLongestReport) return;
        report_ += path_ + ": " + why + "\n";
        if (report_.size() > kLongestReport) report_ += "and more\n";
    }

    Result<> enter(FolderStack& stack, IgnoreRules::Chain rules) {
        TRY_ASSIGN(const int folder, stack.top());
        TRY_ASSIGN(auto names, SortedNames::read(folder));
        levels_.push_back({std::move(names), 0, path_.size(), std::move(rules)});
        return Ok{};
    }

    // An error ends the archive; what only one name has is told in the report.
    Result<> step(FolderStack& stack) {
        Level& level = levels_.back();
        path_.resize(level.path_length);
        if (level.next == level.names.size()) {
            levels_.pop_back();
            if (!levels_.empty()) stack.pop();
            return Ok{};
        }
        const std::string name(level.names.name(level.next++));
        if (is_own_name(name)) return Ok{};
        path_ += name;
        if (path_.size() > kLongestPath) {
            leave_out("its path is too long");
            return Ok{};
        }
        const auto folder = stack.top();
        struct stat about {};
        if (!folder || ::fstatat(*folder, name.c_str(), &about, AT_SYMLINK_NOFOLLOW) != 0) return Ok{};  // gone
        const bool is_folder = S_ISDIR(about.st_mode);
        if (request_.ignore && IgnoreRules::ignores(level.rules, prefix_ + path_, is_folder)) return Ok{};
        ArchiveEntry entry{path_, about.st_mode, about.st_mtim, 0, {}, {}};
        if (S_ISREG(about.st_mode)) return add_file(*folder, name, entry);
        if (S_ISLNK(about.st_mode)) {
            const auto facts = facts_at(*folder, name);
            if (!facts) return Ok{};
            entry.target = facts->target;
        } else if (!is_folder) {
            leave_out("no regular file");
            return Ok{};
        }
        TRY(writer_->begin(entry));
        TRY(writer_->end());
        return is_folder ? descend(stack, level.rules, name) : Result<>(Ok{});
    }

    Result<> descend(FolderStack& stack, IgnoreRules::Chain rules, const std::string& name) {
        if (const auto pushed = stack.push(name); !pushed) {
            leave_out(pushed.error().text());
            return Ok{};
        }
        const std::size_t length = path_.size();
        path_ += '/';
        if (request_.ignore)
            if (const auto folder = stack.top()) rules = IgnoreRules::enter(rules, *folder, prefix_ + path_);
        if (const auto entered = enter(stack, std::move(rules)); !entered) {
            path_.resize(length);
            leave_out(entered.error().text());
            stack.pop();
        }
        return Ok{};
    }

    Result<> add_file(int folder, const std::string& name, ArchiveEntry& entry) {
        const auto file = open_beneath(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
        struct stat about {};
        if (!file || ::fstat(file->get(), &about) != 0 || !S_ISREG(about.st_mode)) {
            leave_out(file ? "it was replaced meanwhile" : file.error().text());
            return Ok{};
        }
        entry.size = static_cast<std::uint64_t>(about.st_size);
        entry.mode = about.st_mode;
        entry.modified = about.st_mtim;
        entry.extents = extents_of(file->get(), entry.size, writer_->keeps_holes());
        TRY(writer_->begin(entry));
        for (const Extent& extent : entry.extents) TRY(add_extent(file->get(), extent));
        return writer_->end();
    }

    // As many bytes as were announced, whatever becomes of the file meanwhile.
    Result<> add_extent(int file, const Extent& extent) {
        static char buffer[64 * 1024];
        for (std::uint64_t done = 0; done < extent.length;) {
            const auto part = std::min<std::uint64_t>(sizeof buffer, extent.length - done);
            ssize_t length = ::pread(file, buffer, part, static_cast<off_t>(extent.at + done));
            if (length < 0 && errno == EINTR) continue;
            if (length <= 0) {
                if (!short_)
                    leave_out(length < 0 ? errno_error("read").text() : "it became shorter meanwhile; zeros follow");
                short_ = true;
                std::fill_n(buffer, part, '\0');
                length = static_cast<ssize_t>(part);
            }
            TRY(writer_->data({buffer, static_cast<std::size_t>(length)}));
            done += static_cast<std::uint64_t>(length);
        }
        short_ = false;
        return Ok{};
    }

    Result<> write_report() {
        timespec now{};
        ::clock_gettime(CLOCK_REALTIME, &now);
        TRY(writer_->begin({kReport, S_IFREG | 0644, now, report_.size(), {{0, report_.size()}}, {}}));
        TRY(writer_->data(report_));
        return writer_->end();
    }

    Call& call_;
    const ipc::ArchiveFolder& request_;
    std::unique_ptr<ArchiveWriter> writer_;
    std::string prefix_;  // of the folder, as the ignore rules see it
    std::string path_;
    std::vector<Level> levels_;
    std::string report_;
    bool short_ = false;  // the extent that is read has ended early
};

}  // namespace

Answer archive_folder(Call& call, const ipc::ArchiveFolder& request) { return Archive(call, request).run(); }

}  // namespace toren::workers
