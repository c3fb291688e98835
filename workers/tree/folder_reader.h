// The names in a folder, as the kernel gives them: one after another, or all of them sorted by their bytes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace toren::workers {

class FolderReader {
public:
    // Of a descriptor of the folder, O_PATH or not.
    static Result<FolderReader> open(int folder);

    // Without "." and "..". Nothing at the end, or after an error.
    std::optional<std::string> next();
    unsigned char type() const { return type_; }  // of the last one: DT_DIR, …; DT_UNKNOWN where it is not told
    int error() const { return error_; }          // an errno value

private:
    explicit FolderReader(UniqueFd fd) : fd_(std::move(fd)), buffer_(new char[kBufferBytes]) {}

    static constexpr std::size_t kBufferBytes = 32 * 1024;
    UniqueFd fd_;
    std::unique_ptr<char[]> buffer_;
    std::size_t at_ = 0, end_ = 0;
    unsigned char type_ = 0;
    int error_ = 0;
};

// All the names of a folder that come behind `after`, one allocation for all of their bytes: a folder may hold
// millions.
class SortedNames {
public:
    static Result<SortedNames> read(int folder, std::string_view from = {});

    std::size_t size() const { return entries_.size(); }
    std::string_view name(std::size_t index) const {
        return {bytes_.data() + entries_[index].at, entries_[index].length};
    }
    unsigned char type(std::size_t index) const { return entries_[index].type; }

private:
    struct Entry {
        std::uint64_t at : 48;
        std::uint64_t length : 9;
        std::uint64_t type : 7;
    };
    std::string bytes_;
    std::vector<Entry> entries_;
};

}  // namespace toren::workers
