// Making folders and symlinks.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "workers/files/facts.h"
#include "workers/files/operations.h"
#include "workers/tree/beneath.h"

namespace toren::workers {
namespace {

using ipc::Failure;

Answer facts_of_name(const Place& place) {
    SERVE_TRY(sync_folder(place.folder.get()));
    SERVE_ASSIGN(const auto facts, facts_at(place.folder.get(), place.name));
    return reply(facts);
}

// Of the parts behind a name that leads nowhere: whether they lead above the folder that the name is in. There is
// nothing that the kernel could follow.
bool leads_above(std::string_view rest) {
    int depth = 1;
    while (!rest.empty()) {
        const auto end = rest.find('/');
        const auto part = rest.substr(0, end);
        rest.remove_prefix(end == rest.npos ? rest.size() : end + 1);
        if (part == "..") --depth;
        else if (!part.empty() && part != ".") ++depth;
        if (depth < 0) return true;
    }
    return false;
}

// Where a link in `folder`, a path in the segment, would lead: followed by the kernel as far as it is there.
Result<> target_stays(int segment, const std::string& folder, const std::string& target) {
    const Error outside{EXDEV, "'" + target + "'"};
    if (target.starts_with('/')) return outside;
    for (std::size_t end = 0; end != target.npos;) {
        end = target.find('/', end == 0 ? 0 : end + 1);
        const auto reached = open_beneath(segment, folder + "/" + target.substr(0, end), O_PATH);
        if (reached) continue;
        // Not there, a file on the way, or links without end.
        const int code = reached.error().code;
        if (code != ENOENT && code != ENOTDIR && code != ELOOP) return reached.error();
        if (end != target.npos && leads_above(std::string_view(target).substr(end + 1))) return outside;
        return Ok{};
    }
    return Ok{};
}

}  // namespace

Answer make_folder(Call& call, const ipc::MakeFolder& request) {
    auto place = place_beneath(call.segment, request.path, request.parents);
    // A path that ends in "." or ".." names a folder that is there.
    if (!place && place.error().code == EISDIR) {
        SERVE_ASSIGN(const auto folder, open_beneath(call.segment, request.path, O_PATH | O_DIRECTORY));
        if (!request.parents) return Refusal{Failure::kExists, "'" + request.path + "' is there"};
        SERVE_ASSIGN(const auto facts, facts_of_open(folder.get()));
        return reply(facts);
    }
    if (!place) return refusal(place.error());
    if (::mkdirat(place->folder.get(), place->name.c_str(), 0777) != 0) {
        if (errno != EEXIST) return refusal(errno_error("mkdir '" + request.path + "'"));
        SERVE_ASSIGN(const auto facts, facts_at(place->folder.get(), place->name));
        if (!request.parents || facts.kind != ipc::FileKind::kFolder)
            return Refusal{Failure::kExists, "'" + request.path + "' is there"};
        return reply(facts);
    }
    return facts_of_name(*place);
}

Answer make_symlink(Call& call, const ipc::MakeSymlink& request) {
    SERVE_ASSIGN(const auto place, place_of_name(call.segment, request.path));
    SERVE_TRY(target_stays(call.segment, split_path(request.path).folder, request.target));
    if (::symlinkat(request.target.c_str(), place.folder.get(), place.name.c_str()) != 0)
        return refusal(errno_error("symlink '" + request.path + "'"));
    return facts_of_name(place);
}

}  // namespace toren::workers
