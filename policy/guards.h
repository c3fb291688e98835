// Guards inside the trees that a cell shows: secrets are hidden, and what makes tools run code later is read-only and
// cannot be moved aside. Kernel-enforced by mounts of the cell's own namespace, made by its spawner (CAP_SYS_ADMIN of
// the cell's user namespace, no Landlock), so that commands and workers alike are under them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"

namespace toren {

struct GuardSpec {
    std::vector<std::string> trees;    // absolute, in the cell: the segment first, then the profile's further folders
    std::vector<std::string> secrets;  // patterns of file names, last match wins, '!' before one that stays visible
    std::vector<std::string> protect;  // names that are read-only wherever they are, and held at the segment's top
                                       // even where absent
    std::vector<std::string> hidden = {};  // absolute: by path, whatever the name; need not be there yet
    bool git = true;                       // hooks, configuration and gitfiles of every repository, jj's the same
    // Of a workspace: the repository's own folder, one of the trees, which its other worktrees share; and the name in
    // it of the one that this cell works in. Theirs is read-only.
    std::string common = {}, worktree = {};
};

class Guards {
public:
    // Walks the trees and puts every mount in place. An error where anything could not be looked at or masked: the
    // caller must not go on.
    static Result<Guards> stand(const GuardSpec& spec);
    Guards(Guards&&) noexcept;
    Guards& operator=(Guards&&) noexcept;
    ~Guards();

    // Readable when something appeared in a tree: call refresh().
    int fd() const;
    // Hides what appeared since, and guards again what the host replaced. Before each command is made ready, and
    // whenever fd() is readable. Repositories and protected names that are new are guarded only where no command can
    // have made them (`commands_ran` is false): a command that runs git init or git clone must be able to finish it,
    // and could have planted anything in it already. After an error no command may run on.
    Result<> refresh(bool commands_ran = true);
    // A workspace of this repository has been made outside of this cell, `entry` among its worktrees: it is guarded
    // like those that were there before. After an error no command may run on.
    Result<> hold_worktree(const std::string& entry);
    // Takes the placeholders of absent names away again, and for that the trees out of this namespace: the last call.
    void release();

private:
    struct Impl;
    explicit Guards(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

// In a mount namespace copied from the guarded one, before anything is mounted there: what guards hide later is hidden
// here too, and what is mounted here stays here.
Result<> follow_guards();

}  // namespace toren
