// What is told of a name, and the version tag: inode, size, and both times to the nanosecond. Any change of content
// moves one of them, because our own writes stamp the clock's full precision (see stamp()).
#pragma once

#include <sys/stat.h>

#include <string>

#include "base/result.h"
#include "ipc/messages.h"

namespace toren::workers {

// Of a regular file; at most 67 characters. The ctime is in it because a command can set the mtime back.
std::string version_of(const struct stat& about);
// Whether it is the content that the tag was given for, whatever its ctime: a rename moves that.
bool same_content(const struct stat& about, const std::string& version);

// Without a symlink's target.
ipc::FileFacts facts_of(const struct stat& about);
// Of a name, by lstat, with a symlink's target.
Result<ipc::FileFacts> facts_at(int folder, const std::string& name);
// Of an open file, or of a symlink that was opened with O_PATH | O_NOFOLLOW.
Result<ipc::FileFacts> facts_of_open(int file);

// Sets the mtime to the clock's full precision. The kernel's own stamp moves with its tick, so that two writes of one
// size within a tick would have one tag.
Result<> stamp(int file);

}  // namespace toren::workers
