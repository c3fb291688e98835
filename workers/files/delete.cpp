// Deleting: a file, a link, a folder, a tree.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vector>

#include "workers/files/condition.h"
#include "workers/files/delete_tree.h"
#include "workers/files/facts.h"
#include "workers/files/operations.h"
#include "workers/tree/beneath.h"
#include "workers/tree/folder_reader.h"
#include "workers/tree/folder_stack.h"
#include "workers/tree/own_names.h"

namespace toren::workers {
namespace {

enum class Removed { kGone, kFolder };

// A name that is no folder, or an empty one; else says that it is one.
Result<Removed> remove_one(int folder, const std::string& name) {
    if (::unlinkat(folder, name.c_str(), 0) == 0) return Removed::kGone;
    if (errno != EISDIR) return errno_error("delete '" + name + "'");
    if (::unlinkat(folder, name.c_str(), AT_REMOVEDIR) == 0) return Removed::kGone;
    if (errno == ENOTEMPTY || errno == EEXIST) return Removed::kFolder;
    return errno_error("delete '" + name + "'");
}

// Everything in the folder up to the first folder that is not empty, whose name it gives back; "" when all is gone.
Result<std::string> empty_folder(int folder, std::uint64_t& deleted) {
    TRY_ASSIGN(auto reader, FolderReader::open(folder));
    while (const auto name = reader.next()) {
        auto removed = remove_one(folder, *name);
        if (!removed && removed.error().code == ENOENT) continue;  // somebody was faster
        if (!removed) return removed.error();
        if (*removed == Removed::kFolder) return *name;
        ++deleted;
    }
    if (reader.error() != 0) return Error{reader.error(), "read a folder"};
    return std::string();
}

// Only where the tag is the file's: it is taken out under another name, looked at, and put back if it is not.
Result<bool> delete_version(const Place& place, const std::string& version) {
    const std::string taken = temporary_name();
    const int folder = place.folder.get();
    TRY(rename_new(folder, place.name, folder, taken));
    struct stat about {};
    if (::fstatat(folder, taken.c_str(), &about, AT_SYMLINK_NOFOLLOW) != 0 || !same_content(about, version)) {
        TRY(rename_new(folder, taken, folder, place.name));
        return false;
    }
    if (::unlinkat(folder, taken.c_str(), 0) != 0) return errno_error("delete '" + place.name + "'");
    return true;
}

}  // namespace

Result<> delete_tree(int folder, const std::string& name, bool recursive, std::uint64_t& deleted) {
    TRY_ASSIGN(const auto removed, remove_one(folder, name));
    if (removed == Removed::kGone) {
        ++deleted;
        return Ok{};
    }
    if (!recursive) return Error{ENOTEMPTY, "delete '" + name + "'"};
    TRY_ASSIGN(auto above, open_beneath(folder, ".", O_RDONLY | O_DIRECTORY));
    TRY_ASSIGN(auto stack, FolderStack::at(std::move(above)));
    TRY(stack.push(name));
    std::vector<std::string> names = {name};
    while (!names.empty()) {
        TRY_ASSIGN(const int top, stack.top());
        TRY_ASSIGN(auto deeper, empty_folder(top, deleted));
        if (!deeper.empty()) {
            TRY(stack.push(deeper));
            names.push_back(std::move(deeper));
            continue;
        }
        stack.pop();
        TRY_ASSIGN(const int parent, stack.top());
        // ENOTEMPTY: something was made in it meanwhile; then it is emptied again.
        if (::unlinkat(parent, names.back().c_str(), AT_REMOVEDIR) == 0) ++deleted;
        else if (errno == ENOTEMPTY || errno == EEXIST) {
            TRY(stack.push(names.back()));
            continue;
        } else if (errno != ENOENT) return errno_error("delete '" + names.back() + "'");
        names.pop_back();
    }
    return Ok{};
}

Answer delete_path(Call& call, const ipc::DeletePath& request) {
    SERVE_ASSIGN(const auto place, place_of_name(call.segment, request.path));
    const int folder = place.folder.get();
    SERVE_ASSIGN(const auto facts, facts_at(folder, place.name));
    SERVE_ASSIGN(bool held, holds(folder, place.name, request.condition));
    ipc::DeleteEnd end;
    if (held && request.condition.kind == ipc::Condition::Kind::kVersion) {
        SERVE_ASSIGN(held, delete_version(place, request.condition.version));
        end.deleted = 1;
    } else if (held) {
        SERVE_TRY(delete_tree(folder, place.name, request.recursive, end.deleted));
    }
    if (!held) return changed(folder, place.name, request.path);
    SERVE_TRY(sync_folder(folder));
    return reply(end);
}

}  // namespace toren::workers
