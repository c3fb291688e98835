#include "workers/vcs/answers.h"
#include "workers/vcs/revisions.h"

namespace toren::vcs {
namespace {

int find_in_index(ipc::VcsContentEnd& end, Owned<git_blob>& blob, git_repository* git, const ipc::VcsContent& request) {
    Owned<git_index> index;
    if (const int code = git_repository_index(index.out(), git); code != 0) return code;
    if (const int code = git_index_read(index.get(), 0); code != 0) return code;
    const git_index_entry* entry = git_index_get_bypath(index.get(), request.file.c_str(), request.stage);
    if (entry == nullptr) return GIT_ENOTFOUND;
    end.mode = entry->mode;
    return git_blob_lookup(blob.out(), git, &entry->id);
}

int find_in_revision(ipc::VcsContentEnd& end, Owned<git_blob>& blob, git_repository* git,
                     const ipc::VcsContent& request) {
    Owned<git_object> tree;
    Owned<git_tree_entry> entry;
    if (const int code = resolve(tree, git, request.revision, GIT_OBJECT_TREE); code != 0) return code;
    if (const int code =
            git_tree_entry_bypath(entry.out(), reinterpret_cast<git_tree*>(tree.get()), request.file.c_str());
        code != 0)
        return code;
    end.mode = git_tree_entry_filemode_raw(entry.get());
    return git_blob_lookup(blob.out(), git, git_tree_entry_id(entry.get()));
}

}  // namespace

Answer answer_content(Repositories& repositories, const ipc::VcsContent& request, const TextSink& sink) {
    return with_repository(
        repositories, request.path, in_no_repository(request.path), [&](Repository& repository) -> Answer {
            ipc::VcsContentEnd end;
            Owned<git_blob> blob;
            const int code = request.revision.empty() ? find_in_index(end, blob, repository.git, request)
                                                      : find_in_revision(end, blob, repository.git, request);
            if (code != 0) {
                if (code == GIT_ENOTFOUND && blob.get() == nullptr)
                    git_error_set_str(GIT_ERROR_TREE, "it has no such file, or there is no such revision");
                auto refused = git_refusal(code, "'" + request.file + "'");
                if (code == GIT_ENOTFOUND || code == GIT_EINVALIDSPEC || code == GIT_EAMBIGUOUS)
                    refused.failure = ipc::Failure::kNotFound;
                return refused;
            }
            end.id = hex(*git_blob_id(blob.get()));
            end.size = git_blob_rawsize(blob.get());
            end.binary = git_blob_is_binary(blob.get()) != 0;
            if (end.size > request.max_bytes)
                return Refusal{ipc::Failure::kTooLarge,
                               "'" + request.file + "' has " + std::to_string(end.size) + " bytes"};
            sink({static_cast<const char*>(git_blob_rawcontent(blob.get())), end.size});
            return workers::reply(end);
        });
}

}  // namespace toren::vcs
