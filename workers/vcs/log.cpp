#include "workers/vcs/answers.h"
#include "workers/vcs/revisions.h"
#include "workers/vcs/walk.h"

namespace toren::vcs {
namespace {

using ipc::VcsCommit;

int tell_commit(VcsCommit& told, git_repository* git, const git_oid& id) {
    Owned<git_commit> commit;
    if (const int code = git_commit_lookup(commit.out(), git, &id); code != 0) return code;
    told.id = hex(id);
    told.tree = hex(*git_commit_tree_id(commit.get()));
    for (unsigned i = 0, count = git_commit_parentcount(commit.get()); i < count; ++i)
        told.parents.push_back(hex(*git_commit_parent_id(commit.get(), i)));
    told.author = signature_of(git_commit_author(commit.get()));
    told.committer = signature_of(git_commit_committer(commit.get()));
    told.message = text_of(git_commit_message(commit.get())).substr(0, VcsCommit::kMostMessage);
    return 0;
}

// What a page's walk is known by to the next page.
std::string key_of(const ipc::VcsLog& request) {
    ipc::VcsLog question = request;
    question.skip = question.max_commits = 0;
    return workers::encoded(question);
}

std::vector<std::string> words_of(const WalkRange& range) {
    std::vector<std::string> words;
    for (const auto& id : range.from) words.push_back(hex(id));
    for (const auto& id : range.without) words.push_back("^" + hex(id));
    return words;
}

// Walks to where the page begins, or goes on where the page before ended.
int come_to(KeptWalk& kept, std::vector<std::string>& began, git_repository* git, const ipc::VcsLog& request) {
    const std::string key = key_of(request);
    if (request.skip > 0 && kept.walk && kept.key == key && kept.place == request.skip) return 0;
    WalkRange range;
    kept = {};
    if (const int code = find_range(range, git, request); code != 0) return code;
    if (!request.all) began = words_of(range);
    if (range.from.empty()) return GIT_ITEROVER;
    if (const int code = begin_walk(kept.walk, git, range, request); code != 0) return code;
    git_oid passed;
    for (kept.place = 0; kept.place < request.skip; ++kept.place)
        if (const int code = kept.walk->next(passed); code != 0) return code;
    // A next page names the commits and not what led to them.
    ipc::VcsLog question = request;
    if (!request.all) question.revisions = began;
    kept.key = key_of(question);
    return 0;
}

int tell_page(KeptWalk& kept, git_repository* git, const ipc::VcsLog& request, const Sink<VcsCommit>& sink) {
    std::map<std::string, std::vector<std::string>> refs;
    if (const int code = refs_by_commit(refs, git); code != 0) return code;
    for (std::uint64_t told = 0; told < request.max_commits; ++told, ++kept.place) {
        VcsCommit commit;
        git_oid id;
        if (const int code = kept.walk->next(id); code != 0) return code;
        if (const int code = tell_commit(commit, git, id); code != 0) return code;
        const auto named = refs.find(commit.id);
        if (named != refs.end()) commit.refs = named->second;
        sink(commit);
    }
    return 0;
}

}  // namespace

Answer answer_log(Repositories& repositories, const ipc::VcsLog& request, const Sink<VcsCommit>& sink) {
    return with_repository(repositories, request.path, in_no_repository(request.path),
                           [&](Repository& repository) -> Answer {
                               ipc::VcsLogEnd end;
                               int code = come_to(*repository.walk, end.from, repository.git, request);
                               if (code == 0) code = tell_page(*repository.walk, repository.git, request, sink);
                               end.more = code == 0;
                               if (code == 0 || code == GIT_ITEROVER) return workers::reply(end);
                               auto refused = git_refusal(code, "read the log of '" + shown(repository) + "'");
                               if (code == GIT_ENOTFOUND || code == GIT_EINVALIDSPEC || code == GIT_EAMBIGUOUS)
                                   refused.failure = ipc::Failure::kNotFound;
                               repositories.forget();
                               return refused;
                           });
}

}  // namespace toren::vcs
