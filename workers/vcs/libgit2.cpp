#include "workers/vcs/libgit2.h"

#include <malloc.h>

namespace toren::vcs {
namespace {

// Objects stay in memory, and packs stay mapped, up to these; a cell's memory is shared with its commands.
constexpr ssize_t kCacheBytes = ssize_t{16} * 1024 * 1024;
constexpr std::size_t kWindowBytes = std::size_t{8} * 1024 * 1024;
constexpr std::size_t kMappedBytes = std::size_t{64} * 1024 * 1024;
constexpr std::size_t kOutgrownBytes = std::size_t{192} * 1024 * 1024;  // an index of a million files takes less

// What a clone with --filter and `git sparse-checkout` write into a configuration. The first matters only to a
// fetch; the second names one file more, .git/config.worktree, which libgit2 does not read.
const char* extensions[] = {"partialclone", "worktreeconfig"};

}  // namespace

Result<> prepare_libgit2() {
    const auto failed = [](int code) { return code < 0; };
    if (failed(git_libgit2_init())) return error("git_libgit2_init: " + git_refusal(-1, "").error);
    // The repository's own configuration is the only one: the operator's is not of this cell, and what an unset
    // HOME or a system folder would lead to is not the segment's.
    for (const auto level :
         {GIT_CONFIG_LEVEL_PROGRAMDATA, GIT_CONFIG_LEVEL_SYSTEM, GIT_CONFIG_LEVEL_XDG, GIT_CONFIG_LEVEL_GLOBAL})
        if (failed(git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, static_cast<int>(level), "")))
            return error("git_libgit2_opts: no search path");
    // Git refuses another owner's repository because its configuration could run programs. Here none can, and the
    // exception that git knows, safe.directory, stands in a file that is not read.
    // No object is made, but for those in memory whose parts are elsewhere (kept_status.cpp).
    if (failed(git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0)) ||
        failed(git_libgit2_opts(GIT_OPT_ENABLE_STRICT_OBJECT_CREATION, 0)) ||
        failed(git_libgit2_opts(GIT_OPT_SET_CACHE_MAX_SIZE, kCacheBytes)) ||
        failed(git_libgit2_opts(GIT_OPT_SET_MWINDOW_SIZE, kWindowBytes)) ||
        failed(git_libgit2_opts(GIT_OPT_SET_MWINDOW_MAPPED_LIMIT, kMappedBytes)) ||
        failed(git_libgit2_opts(GIT_OPT_SET_EXTENSIONS, extensions, std::size(extensions))))
        return error("git_libgit2_opts: refused");
    return Ok{};
}

workers::Refusal git_refusal(int code, const std::string& what) {
    const git_error* last = git_error_last();
    const std::string reason =
        last != nullptr && last->message != nullptr ? last->message : "libgit2 error " + std::to_string(code);
    const auto failure = code == GIT_EBAREREPO ? ipc::Failure::kUnsupported : ipc::Failure::kBroken;
    return {failure, what.empty() ? reason : what + ": " + reason};
}

std::optional<std::string> needs_git(git_repository* git) {
    Owned<git_config> config;
    Owned<git_config_iterator> filters;
    git_config_entry* entry = nullptr;
    if (git_repository_config_snapshot(config.out(), git) != 0 ||
        git_config_iterator_glob_new(filters.out(), config.get(), "^filter\\..*\\.(clean|process)$") != 0 ||
        git_config_next(&entry, filters.get()) != 0)
        return std::nullopt;
    return std::string("the repository has an external filter: ") + entry->name;
}

bool memory_outgrown() {
    const auto use = ::mallinfo2();
    return use.uordblks + use.hblkhd > kOutgrownBytes;
}

}  // namespace toren::vcs
