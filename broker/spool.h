// Output of one process on disk: all of it, where a client asked for that, for whoever reads what its log no longer
// holds. In the broker's state folder, two files: the bytes, each at its own position, and marks of sixteen bytes that
// say from which position on the bytes are of which stream. The next broker finds them again by segment and id.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"
#include "ipc/output_log.h"

namespace toren::broker {

// What all spools together may take (limits.spool_bytes).
struct SpoolQuota {
    std::uint64_t limit;
    std::uint64_t used = 0;
};

class Spool {
public:
    // Of a new process, or with what an earlier broker has written. `folder` is of the process's segment.
    static Result<std::unique_ptr<Spool>> open(const std::string& folder, const std::string& id, SpoolQuota& quota);
    Spool(const Spool&) = delete;
    Spool& operator=(const Spool&) = delete;
    ~Spool();

    // The position behind its last byte.
    std::uint64_t end() const { return end_; }
    // The next bytes; a position beyond end() leaves a gap. An error once the quota or the disk is full.
    Result<> append(ipc::Stream stream, std::uint64_t position, std::string_view bytes);

    struct Run {
        ipc::Stream stream;
        std::uint64_t position, until;
    };
    // What is kept of one stream on end, from `position` or, in a gap, from its end on. Nothing where nothing is kept.
    std::optional<Run> run_at(std::uint64_t position) const;
    // The bytes from there on, at most so many; none where they cannot be read.
    std::string read(std::uint64_t position, std::uint64_t bytes) const;

    // Its files go.
    void remove();

private:
    struct Mark {
        std::uint64_t position, stream;  // 0: a gap
    };
    Spool(std::string path, SpoolQuota& quota) : path_(std::move(path)), quota_(quota) {}
    Mark mark_at(std::uint64_t number) const;
    Result<> add_mark(Mark mark);
    Result<> charge(std::uint64_t bytes);

    std::string path_;
    SpoolQuota& quota_;
    UniqueFd bytes_, marks_;
    std::uint64_t end_ = 0, count_ = 0;  // of marks
    std::uint64_t charged_ = 0;
    Mark last_{0, 0};
};

// <state>/spool/SEGMENT, made where it is not there. A segment's name has any characters: the folder's are a hash of
// it.
std::string spool_folder(const std::string& state, const std::string& segment);
// Removes the spools of processes that are no more: all but these paths.
void remove_other_spools(const std::string& state, const std::set<std::string>& paths);
std::string spool_path(const std::string& folder, const std::string& id);

}  // namespace toren::broker
