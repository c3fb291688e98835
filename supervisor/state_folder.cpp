#include "supervisor/state_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "policy/canonical.h"

namespace toren::supervisor {
namespace {

// mkdir -p with 0700 for what is made.
Result<> make_private_folders(const std::string& path) {
    for (std::size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
        const std::string part = path.substr(0, end);
        if (::mkdir(part.c_str(), 0700) != 0 && errno != EEXIST) return errno_error("mkdir '" + part + "'");
        if (end == std::string::npos) return Ok{};
    }
}

std::string absolute(const std::string& path) {
    if (path.starts_with('/')) return path;
    char* here = ::getcwd(nullptr, 0);
    const std::string folder = here == nullptr ? "." : here;
    std::free(here);
    return folder + "/" + path;
}

}  // namespace

Result<StateFolder> StateFolder::open(const std::string& path) {
    StateFolder state;
    TRY(make_private_folders(absolute(path)));
    TRY_ASSIGN(auto canonical, canonicalize(absolute(path)));
    state.path_ = std::move(canonical.path);
    TRY(make_private_folders(state.broker_path()));
    state.lock_.reset(::open((state.path_ + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!state.lock_) return errno_error("open '" + state.path_ + "/lock'");
    if (::flock(state.lock_.get(), LOCK_EX | LOCK_NB) != 0)
        return Error{errno, "state folder '" + state.path_ + "': another daemon uses it"};
    return state;
}

Result<StateFolder> StateFolder::look_at(const std::string& path) {
    StateFolder state;
    TRY_ASSIGN(state.path_, canonicalize_existing_part(absolute(path)));
    return state;
}

// As one name, or folders in each other where that is too long: "/home/me/my site" is "+home+me+my%20site". What is not
// the last part ends with '=', which no other name does: none lies in another one.
Result<std::string> StateFolder::checkpoints_of(const std::string& segment) const {
    constexpr std::size_t kLongestName = 200;
    std::string name;
    for (const char c : segment) {
        const auto byte = static_cast<unsigned char>(c);
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                           c == '_' || c == '.';
        char escaped[4];
        std::snprintf(escaped, sizeof escaped, "%%%02X", byte);
        if (c == '/') name += '+';
        else if (plain) name += c;
        else name += escaped;
    }
    std::string path = path_ + "/checkpoints/";
    for (; name.size() > kLongestName; name.erase(0, kLongestName)) path += name.substr(0, kLongestName) + "=/";
    path += name;
    TRY(make_private_folders(path));
    return path;
}

Result<std::vector<std::string>> StateFolder::created_segments() const {
    const std::string name = path_ + "/created-segments";
    std::vector<std::string> paths;
    UniqueFd file(::open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!file && errno == ENOENT) return paths;
    if (!file) return errno_error("open '" + name + "'");
    std::string text;
    char buffer[4096];
    ssize_t length = 0;
    while ((length = ::read(file.get(), buffer, sizeof buffer)) > 0)
        text.append(buffer, static_cast<std::size_t>(length));
    if (length < 0) return errno_error("read '" + name + "'");
    for (std::size_t start = 0, end = 0; (end = text.find('\n', start)) != std::string::npos; start = end + 1)
        if (end > start) paths.push_back(text.substr(start, end - start));
    return paths;
}

Result<> StateFolder::remember_segment(const std::string& path) const {
    const std::string name = path_ + "/created-segments";
    UniqueFd file(::open(name.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
    // A line of its own even after one that a crash cut off.
    const std::string line = "\n" + path + "\n";
    if (!file || ::write(file.get(), line.data(), line.size()) != static_cast<ssize_t>(line.size()) ||
        ::fdatasync(file.get()) != 0)
        return errno_error("write '" + name + "'");
    return Ok{};
}

std::string default_state_path(const std::string& home) {
    const char* state = std::getenv("XDG_STATE_HOME");
    return (state != nullptr && *state == '/' ? std::string(state) : home + "/.local/state") + "/toren";
}

}  // namespace toren::supervisor
