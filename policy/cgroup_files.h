// The files of a cgroup: one short text each, reached from the descriptor of the group's folder and never by a path of
// the host, so that it works where the cgroup file system is not in the root.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace toren {

inline Result<> write_cgroup_file(int group, const char* name, const std::string& text) {
    UniqueFd file(::openat(group, name, O_WRONLY | O_CLOEXEC));
    if (!file || ::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
        return errno_error(std::string("cgroup: write '") + text + "' to " + name);
    return Ok{};
}

inline Result<std::string> read_cgroup_file(int group, const char* name) {
    UniqueFd file(::openat(group, name, O_RDONLY | O_CLOEXEC));
    if (!file) return errno_error(std::string("cgroup: open ") + name);
    std::string text;
    char part[4096];
    ssize_t length = 0;
    while ((length = ::read(file.get(), part, sizeof part)) > 0) text.append(part, static_cast<std::size_t>(length));
    if (length < 0) return errno_error(std::string("cgroup: read ") + name);
    return text;
}

}  // namespace toren
