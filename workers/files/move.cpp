// Moving a name, whatever it is, within its segment.
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "workers/files/condition.h"
#include "workers/files/facts.h"
#include "workers/files/operations.h"
#include "workers/tree/beneath.h"

namespace toren::workers {
namespace {

using Kind = ipc::Condition::Kind;

// errno of a rename as clients are told: EXDEV is between mounts of the cage here, and EINVAL a folder into itself.
Refusal rename_refusal(const Error& error) {
    if (error.code == EXDEV) return {ipc::Failure::kDenied, error.what + ": lies on another file system"};
    if (error.code == EINVAL) return {ipc::Failure::kDenied, error.what + ": a folder cannot be moved into itself"};
    return refusal(error);
}

Result<> rename_over(const Place& from, const Place& to) {
    if (::renameat(from.folder.get(), from.name.c_str(), to.folder.get(), to.name.c_str()) != 0)
        return errno_error("rename '" + from.name + "' to '" + to.name + "'");
    return Ok{};
}

// Moves, then looks at what has come, and moves it back where it is not what was meant (condition.h). A file that is to
// be replaced is kept under the old name until then.
Result<bool> move_version(const Place& from, const Place& to, bool replace, const std::string& version) {
    struct stat moved {};
    const auto arrived = [&] {
        return ::fstatat(to.folder.get(), to.name.c_str(), &moved, AT_SYMLINK_NOFOLLOW) == 0 &&
               same_content(moved, version);
    };
    const auto exchange = [&] {
        return ::renameat2(from.folder.get(), from.name.c_str(), to.folder.get(), to.name.c_str(), RENAME_EXCHANGE) ==
               0;
    };
    auto renamed = rename_new(from.folder.get(), from.name, to.folder.get(), to.name);
    if (renamed) {
        if (arrived()) return true;
        static_cast<void>(rename_new(to.folder.get(), to.name, from.folder.get(), from.name));
        return false;
    }
    if (!replace || renamed.error().code != EEXIST) return renamed.error();
    if (::fstatat(to.folder.get(), to.name.c_str(), &moved, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(moved.st_mode))
        return Error{EISDIR, "rename '" + from.name + "' to '" + to.name + "'"};
    if (!exchange()) {
        if (errno != EINVAL) return errno_error("exchange '" + from.name + "' and '" + to.name + "'");
        TRY(rename_over(from, to));
        return true;
    }
    if (!arrived()) {
        exchange();
        return false;
    }
    if (::unlinkat(from.folder.get(), from.name.c_str(), 0) != 0) return errno_error("unlink '" + from.name + "'");
    return true;
}

}  // namespace

Answer move_path(Call& call, const ipc::MovePath& request) {
    SERVE_ASSIGN(const auto from, place_of_name(call.segment, request.from));
    SERVE_ASSIGN(const auto to, place_of_name(call.segment, request.to));
    const Refusal not_held = changed(from.folder.get(), from.name, request.from);
    SERVE_ASSIGN(const bool held, holds(from.folder.get(), from.name, request.condition));
    if (!held || request.condition.kind == Kind::kAbsent) return not_held;
    if (request.condition.kind == Kind::kVersion) {
        const auto moved = move_version(from, to, request.replace, request.condition.version);
        if (!moved) return rename_refusal(moved.error());
        if (!*moved) return changed(from.folder.get(), from.name, request.from);
    } else {
        const auto moved = request.replace ? rename_over(from, to)
                                           : rename_new(from.folder.get(), from.name, to.folder.get(), to.name);
        if (!moved) return rename_refusal(moved.error());
    }
    SERVE_TRY(sync_folder(to.folder.get()));
    SERVE_TRY(sync_folder(from.folder.get()));
    SERVE_ASSIGN(const auto facts, facts_at(to.folder.get(), to.name));
    return reply(facts);
}

}  // namespace toren::workers
