#include "workers/files/condition.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "workers/files/facts.h"

namespace toren::workers {
namespace {

using Kind = ipc::Condition::Kind;

Result<bool> put_where_version(int folder, std::string& temporary, const std::string& name,
                               const ipc::Condition& condition) {
    TRY_ASSIGN(const bool held, holds(folder, name, condition));
    if (!held) return false;
    const auto exchange = [&] {
        return ::renameat2(folder, temporary.c_str(), folder, name.c_str(), RENAME_EXCHANGE) == 0;
    };
    if (!exchange()) {
        if (errno == ENOENT) return false;
        if (errno != EINVAL) return errno_error("exchange '" + name + "'");
        // A file system that cannot exchange (some network ones): what was looked at just now has to do.
        if (::renameat(folder, temporary.c_str(), folder, name.c_str()) != 0)
            return errno_error("rename '" + name + "'");
        temporary.clear();
        return true;
    }
    struct stat displaced {};
    if (::fstatat(folder, temporary.c_str(), &displaced, AT_SYMLINK_NOFOLLOW) == 0 &&
        same_content(displaced, condition.version)) {
        ::unlinkat(folder, temporary.c_str(), 0);
        temporary.clear();
        return true;
    }
    if (exchange()) return false;
    // Ours was removed or moved in between: theirs goes back to its name, and if that is taken, stays where it is.
    const auto restored = rename_new(folder, temporary, folder, name);
    temporary.clear();
    if (!restored && restored.error().code != EEXIST) return restored.error();
    return false;
}

}  // namespace

Result<bool> holds(int folder, const std::string& name, const ipc::Condition& condition) {
    if (condition.kind == Kind::kNone) return true;
    struct stat about {};
    if (::fstatat(folder, name.c_str(), &about, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno != ENOENT) return errno_error("stat '" + name + "'");
        return condition.kind == Kind::kAbsent;
    }
    return condition.kind == Kind::kVersion && S_ISREG(about.st_mode) && version_of(about) == condition.version;
}

Refusal changed(int folder, const std::string& name, const std::string& path) {
    Refusal refused{ipc::Failure::kChanged, "'" + path + "' has changed"};
    if (const auto facts = facts_at(folder, name)) refused.result = encoded(*facts);
    return refused;
}

Result<> rename_new(int from_folder, const std::string& from, int to_folder, const std::string& to) {
    const std::string what = "rename '" + from + "' to '" + to + "'";
    if (::renameat2(from_folder, from.c_str(), to_folder, to.c_str(), RENAME_NOREPLACE) == 0) return Ok{};
    if (errno != EINVAL) return errno_error(what);
    struct stat about {};
    if (::fstatat(from_folder, from.c_str(), &about, AT_SYMLINK_NOFOLLOW) != 0) return errno_error(what);
    if (S_ISDIR(about.st_mode)) return Error{EINVAL, what};  // into itself, or a file system that cannot
    if (::linkat(from_folder, from.c_str(), to_folder, to.c_str(), 0) != 0) return errno_error(what);
    if (::unlinkat(from_folder, from.c_str(), 0) != 0) return errno_error(what);
    return Ok{};
}

Result<bool> put_in_place(int folder, std::string& temporary, const std::string& name,
                          const ipc::Condition& condition) {
    if (condition.kind == Kind::kVersion) return put_where_version(folder, temporary, name, condition);
    if (condition.kind == Kind::kAbsent) {
        const auto renamed = rename_new(folder, temporary, folder, name);
        if (!renamed && renamed.error().code == EEXIST) return false;
        if (!renamed) return renamed.error();
    } else if (::renameat(folder, temporary.c_str(), folder, name.c_str()) != 0) {
        return errno_error("rename '" + name + "'");
    }
    temporary.clear();
    return true;
}

}  // namespace toren::workers
