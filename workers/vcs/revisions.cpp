#include "workers/vcs/revisions.h"

namespace toren::vcs {
namespace {

constexpr std::size_t kLongestRevision = 4096;

}  // namespace

std::string hex(const git_oid& id) { return git_oid_is_zero(&id) != 0 ? "" : git_oid_tostr_s(&id); }

std::string text_of(const char* text) { return text == nullptr ? "" : text; }

std::string short_name(std::string name) {
    for (const std::string_view prefix : {"refs/heads/", "refs/remotes/", "refs/tags/", "refs/"})
        if (name.starts_with(prefix)) return name.substr(prefix.size());
    return name;
}

int resolve(Owned<git_object>& object, git_repository* git, const std::string& revision, git_object_t type) {
    if (revision.empty() || revision.size() > kLongestRevision || revision.front() == '-') {
        git_error_set_str(GIT_ERROR_INVALID, "no revision");
        return GIT_EINVALIDSPEC;
    }
    Owned<git_object> found;
    if (const int code = git_revparse_single(found.out(), git, revision.c_str()); code != 0) return code;
    return git_object_peel(object.out(), found.get(), type);
}

int head_commit(Owned<git_object>& commit, git_repository* git) {
    Owned<git_reference> head;
    if (const int code = git_repository_head(head.out(), git); code != 0) return code;
    return git_reference_peel(commit.out(), head.get(), GIT_OBJECT_COMMIT);
}

ipc::VcsSignature signature_of(const git_signature* signature) {
    ipc::VcsSignature result;
    if (signature == nullptr) return result;
    result.name = text_of(signature->name);
    result.email = text_of(signature->email);
    result.time = signature->when.time;
    result.offset = signature->when.offset;
    return result;
}

int head_branch(std::string& name, git_repository* git) {
    Owned<git_reference> head;
    if (const int code = git_reference_lookup(head.out(), git, "HEAD"); code != 0) return code;
    const char* target = git_reference_symbolic_target(head.get());
    name = target == nullptr ? "" : target;
    return 0;
}

std::string upstream_of(git_repository* git, const std::string& branch) {
    git_buf name = GIT_BUF_INIT;
    std::string result;
    Owned<git_reference> there;
    if (git_branch_upstream_name(&name, git, branch.c_str()) == 0) result.assign(name.ptr, name.size);
    git_buf_dispose(&name);
    if (!result.empty() && git_reference_lookup(there.out(), git, result.c_str()) != 0) result.clear();
    return result;
}

int refs_by_commit(std::map<std::string, std::vector<std::string>>& refs, git_repository* git) {
    Owned<git_reference_iterator> all;
    if (const int code = git_reference_iterator_new(all.out(), git); code != 0) return code;
    while (true) {
        Owned<git_reference> one;
        const int code = git_reference_next(one.out(), all.get());
        if (code == GIT_ITEROVER) return 0;
        if (code != 0) return code;
        const std::string name = git_reference_name(one.get());
        Owned<git_object> commit;
        if (!name.starts_with("refs/heads/") && !name.starts_with("refs/remotes/") && !name.starts_with("refs/tags/"))
            continue;
        if (git_reference_peel(commit.out(), one.get(), GIT_OBJECT_COMMIT) != 0) continue;
        refs[hex(*git_object_id(commit.get()))].push_back(name);
    }
}

}  // namespace toren::vcs
