#include "workers/tree/folder_stack.h"

#include <fcntl.h>

#include <algorithm>
#include <climits>

#include "workers/tree/beneath.h"

namespace toren::workers {
namespace {

constexpr std::size_t kOpen = 64;  // descriptors at most, beside the root's

Result<UniqueFd> open_child(int folder, const std::string& name) {
    return open_beneath(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK);
}

}  // namespace

Result<FolderStack> FolderStack::at(UniqueFd root) {
    struct stat about {};
    if (::fstat(root.get(), &about) != 0) return errno_error("fstat");
    FolderStack stack;
    stack.levels_.push_back({".", std::move(root), about.st_dev, about.st_ino});
    return stack;
}

Result<> FolderStack::push(const std::string& name) {
    TRY_ASSIGN(const int above, top());
    TRY_ASSIGN(auto fd, open_child(above, name));
    struct stat about {};
    if (::fstat(fd.get(), &about) != 0) return errno_error("fstat '" + name + "'");
    levels_.push_back({name, std::move(fd), about.st_dev, about.st_ino});
    if (levels_.size() - open_from_ > kOpen) levels_[open_from_++].fd.reset();
    return Ok{};
}

void FolderStack::pop() {
    levels_.pop_back();
    open_from_ = std::min(open_from_, levels_.size());
}

Result<int> FolderStack::top() {
    if (!levels_.back().fd) TRY(open_again(levels_.size() - 1));
    return levels_.back().fd.get();
}

// From the root down, as many names in a call as a path can hold; the last ones one by one, to be kept: the way up then
// costs one such way in kOpen levels.
Result<> FolderStack::open_again(std::size_t index) {
    const std::size_t keep_from = index < kOpen ? 1 : index - kOpen + 1;
    UniqueFd passing;
    int above = levels_[0].fd.get();
    for (std::size_t at = 1; at <= index;) {
        std::string path = levels_[at].name;
        std::size_t last = at;
        while (last + 1 < keep_from && path.size() + 1 + levels_[last + 1].name.size() < PATH_MAX)
            path += '/' + levels_[++last].name;
        Level& level = levels_[last];
        auto opened = open_without_links(above, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK);
        struct stat about {};
        if (!opened || ::fstat(opened->get(), &about) != 0 || about.st_dev != level.device ||
            about.st_ino != level.inode)
            return Error{ESTALE, "'" + level.name + "' was moved meanwhile"};
        above = opened->get();
        (last >= keep_from ? level.fd : passing) = std::move(*opened);
        at = last + 1;
    }
    open_from_ = keep_from;
    return Ok{};
}

}  // namespace toren::workers
