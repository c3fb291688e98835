#include "policy/canonical.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <climits>

namespace toren {
namespace {

constexpr std::size_t kMostLinks = 40;  // as the kernel

// Takes the first component off `rest`; empty when none is left.
std::string take_component(std::string& rest) {
    const auto start = rest.find_first_not_of('/');
    if (start == rest.npos) return rest.clear(), std::string();
    const auto end = std::min(rest.find('/', start), rest.size());
    std::string component = rest.substr(start, end - start);
    rest.erase(0, end);
    return component;
}

std::string parent_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

}  // namespace

Result<Canonical> canonicalize(const std::string& path) {
    if (!path.starts_with('/')) return Error{EINVAL, "not an absolute path: '" + path + '\''};
    Canonical done;  // done.path is "" for the root folder while the loop runs
    std::string rest = path;
    for (std::string part = take_component(rest); !part.empty(); part = take_component(rest)) {
        if (part == ".") continue;
        if (part == "..") {
            done.path = parent_of(done.path);
            continue;
        }
        const std::string here = done.path + '/' + part;
        struct stat info {};
        if (::lstat(here.c_str(), &info) != 0) return errno_error('\'' + path + '\'');
        if (!S_ISLNK(info.st_mode)) {
            // lstat says so for a file in the middle only when a name follows, and not for "file/..".
            if (!rest.empty() && !S_ISDIR(info.st_mode)) return Error{ENOTDIR, '\'' + path + '\''};
            done.path = here;
            continue;
        }
        if (done.links.size() == kMostLinks) return Error{ELOOP, '\'' + path + '\''};
        char target[PATH_MAX];
        const ssize_t length = ::readlink(here.c_str(), target, sizeof target);
        if (length < 0) return errno_error('\'' + path + '\'');
        if (length == sizeof target) return Error{ENAMETOOLONG, '\'' + path + '\''};
        done.links.push_back(here);
        rest.insert(0, target, static_cast<std::size_t>(length));
        if (target[0] == '/') done.path.clear();
    }
    if (done.path.empty()) done.path = "/";
    return done;
}

Result<std::string> canonicalize_existing_part(const std::string& path) {
    std::string existing = path, rest;
    for (;;) {
        auto canonical = canonicalize(existing);
        if (canonical) return canonical->path == "/" && !rest.empty() ? rest : canonical->path + rest;
        if (canonical.error().code != ENOENT) return canonical.error();
        while (existing.size() > 1 && existing.back() == '/') existing.pop_back();
        const auto slash = existing.rfind('/');
        const std::string last = existing.substr(slash + 1);
        // What ".." after a missing folder, or a dangling link, will mean is not known yet.
        struct stat info {};
        if (last == ".." || ::lstat(existing.c_str(), &info) == 0) return canonical.error();
        if (last != ".") rest = '/' + last + rest;
        existing.erase(slash == 0 ? 1 : slash);
    }
}

}  // namespace toren
