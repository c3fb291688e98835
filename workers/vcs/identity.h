// Which file or folder an inode is, and where its content matters, in which state.
#pragma once

#include <sys/stat.h>

#include <string>

namespace toren::vcs {

struct Identity {
    dev_t device = 0;
    ino_t inode = 0;
    mode_t mode = 0;
    off_t size = 0;
    timespec modified{};
    timespec changed{};
    bool operator==(const Identity& other) const;
};

// Of a folder the inode alone: a .git folder changes with every lock file made in it.
Identity identity_of(const struct stat& about);
// Of what the path leads to; that of nothing where it leads nowhere.
Identity identity_of(const std::string& path);

}  // namespace toren::vcs
