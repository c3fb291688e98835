// libgit2 as Toren uses it: told to read nothing but the repository, its objects owned, its errors as refusals.
// libgit2 never executes: no hook, no external filter or diff, no fsmonitor. `crlf` and `ident` are all its filters.
#pragma once

#include <git2.h>

#include <optional>
#include <string>

#include "base/result.h"
#include "workers/service_channel.h"

namespace toren::vcs {

// How each kind of object ends.
inline void release(git_repository* object) { git_repository_free(object); }
inline void release(git_odb* object) { git_odb_free(object); }
inline void release(git_reference* object) { git_reference_free(object); }
inline void release(git_reference_iterator* object) { git_reference_iterator_free(object); }
inline void release(git_object* object) { git_object_free(object); }
inline void release(git_tag* object) { git_tag_free(object); }
inline void release(git_commit* object) { git_commit_free(object); }
inline void release(git_tree* object) { git_tree_free(object); }
inline void release(git_tree_entry* object) { git_tree_entry_free(object); }
inline void release(git_blob* object) { git_blob_free(object); }
inline void release(git_revwalk* object) { git_revwalk_free(object); }
inline void release(git_patch* object) { git_patch_free(object); }
inline void release(git_worktree* object) { git_worktree_free(object); }
inline void release(git_diff* object) { git_diff_free(object); }
inline void release(git_status_list* object) { git_status_list_free(object); }
inline void release(git_config* object) { git_config_free(object); }
inline void release(git_config_iterator* object) { git_config_iterator_free(object); }
inline void release(git_index* object) { git_index_free(object); }
inline void release(git_index_conflict_iterator* object) { git_index_conflict_iterator_free(object); }

// An object of libgit2's and the duty to release it. libgit2 fills it: git_diff_...(diff.out(), …).
template <typename T>
class Owned {
public:
    Owned() = default;
    Owned(Owned&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
    Owned& operator=(Owned&& other) noexcept {
        std::swap(object_, other.object_);
        return *this;
    }
    Owned(const Owned&) = delete;
    Owned& operator=(const Owned&) = delete;
    ~Owned() { reset(); }

    T* get() const { return object_; }
    T** out() {
        reset();
        return &object_;
    }
    void reset() {
        if (object_ != nullptr) release(object_);
        object_ = nullptr;
    }

private:
    T* object_ = nullptr;
};

// Once, before the filter and before any repository is opened.
Result<> prepare_libgit2();

// What libgit2 just failed at with `code`, in its own words: "read the status of 'src': invalid index …".
workers::Refusal git_refusal(int code, const std::string& what);

// Why libgit2 would tell another state of the work tree than git: an external filter. Nothing where it would not.
std::optional<std::string> needs_git(git_repository* git);

// Between requests: whether so much memory is still in use that the process should make way for a new one. libgit2
// before 1.6 loses memory for each submodule that it looks up (its pull request 6382), whatever is released.
bool memory_outgrown();

}  // namespace toren::vcs
