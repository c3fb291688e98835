// Attempts on what is hidden or held inside the segment: secrets, and what makes tools run code later.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstdio>
#include <cstring>

#include "tests/escape/hostile/hostile.h"

namespace hostile {
namespace {

std::string at(const World& world, const char* name) { return world["segment"] + "/" + name; }

Outcome read_file(const World& world, const std::string& path) {
    return read_secret(world, static_cast<int>(raw(SYS_openat, AT_FDCWD, path.c_str(), O_RDONLY | O_CLOEXEC, 0)),
                       "open " + path);
}

Outcome write_file(const World& world, const char* name, int flags = 0) {
    const long fd = raw(SYS_openat, AT_FDCWD, at(world, name).c_str(), O_WRONLY | O_CLOEXEC | flags, 0755);
    if (fd < 0) return refused(std::string("open ") + name);
    return judge(raw(SYS_write, fd, "x", 1L), std::string("write ") + name);
}

Outcome make_file(const World& world, const char* name) { return write_file(world, name, O_CREAT); }

// As git itself changes its configuration: a new file in its place.
Outcome replace_file(const World& world, const char* name) {
    const std::string own = at(world, "replacement");
    const int fd = static_cast<int>(raw(SYS_openat, AT_FDCWD, own.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0755));
    if (fd < 0) return untried("a file in the segment");
    const std::string whole = at(world, name);
    return first_escape(
        {judge(raw(SYS_renameat2, AT_FDCWD, own.c_str(), AT_FDCWD, whole.c_str(), 2), "RENAME_EXCHANGE"),
         judge(raw(SYS_unlinkat, AT_FDCWD, whole.c_str(), 0), "unlink"),
         judge(raw(SYS_unlinkat, AT_FDCWD, whole.c_str(), AT_REMOVEDIR), "rmdir"),
         judge(raw(SYS_renameat2, AT_FDCWD, own.c_str(), AT_FDCWD, whole.c_str(), 0), "rename over it")});
}

// Then anything can stand in its place.
Outcome move_aside(const World& world, const char* name) {
    const std::string whole = at(world, name), aside = at(world, "aside");
    ::mkdir(aside.c_str(), 0755);
    return first_escape(
        {judge(raw(SYS_renameat2, AT_FDCWD, whole.c_str(), AT_FDCWD, aside.c_str(), 2), "RENAME_EXCHANGE"),
         judge(raw(SYS_renameat2, AT_FDCWD, whole.c_str(), AT_FDCWD, (aside + "2").c_str(), 0), "rename")});
}

Outcome move_secret(const World& world, unsigned flags) {
    const std::string target = at(world, flags == 2 ? "file" : "moved");
    if (raw(SYS_renameat2, AT_FDCWD, at(world, ".env").c_str(), AT_FDCWD, target.c_str(), flags) != 0)
        return refused("rename");
    return read_file(world, target);
}

Outcome link_secret(const World& world) {
    const std::string target = at(world, "linked-secret");
    if (raw(SYS_linkat, AT_FDCWD, at(world, ".env").c_str(), AT_FDCWD, target.c_str(), 0) != 0) return refused("link");
    return read_file(world, target);
}

Outcome read_any_secret(const World& world) {
    const std::string link = at(world, "secret-link");
    if (::symlink(".env", link.c_str()) != 0) return untried("symlink");
    const int path_only = static_cast<int>(raw(SYS_openat, AT_FDCWD, at(world, ".env").c_str(), O_PATH, 0));
    return first_escape({read_file(world, link), read_file(world, "/proc/self/root" + at(world, ".env")),
                         read_file(world, "/proc/self/fd/" + std::to_string(path_only)),
                         read_file(world, "/proc/1/root" + at(world, ".env")),
                         read_file(world, at(world, "folder/../.env")), read_file(world, at(world, ".env"))});
}

// What a commit does to a repository, without git: index, objects and refs, each by a new file in the old one's place.
Outcome commit(const World& world) {
    const auto place = [&](const char* name) {
        const std::string whole = at(world, name), lock = whole + ".lock";
        const int fd =
            static_cast<int>(raw(SYS_openat, AT_FDCWD, lock.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
        const bool written = fd >= 0 && ::write(fd, "x", 1) == 1;
        ::close(fd);
        return written && ::rename(lock.c_str(), whole.c_str()) == 0;
    };
    if (::mkdir(at(world, ".git/objects/ab").c_str(), 0755) != 0) return refused("mkdir in objects");
    for (const char* name :
         {".git/index", ".git/objects/ab/cdef", ".git/refs/heads/main", ".git/HEAD", ".git/COMMIT_EDITMSG",
          ".git/modules/sub/index", ".git/worktrees/wt/HEAD", "vendor/deep/.git/index"})
        if (!place(name)) return refused(std::string("write ") + name);
    return escaped("wrote what a commit writes");
}

Outcome segment_socket(const World& world) {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::snprintf(address.sun_path, sizeof address.sun_path, "%s", at(world, "agent.sock").c_str());
    if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return refused("connect");
    return read_secret(world, fd, "connect");
}

constexpr Attempt kAttempts[] = {
    {"read_env", [](const World& w) { return read_file(w, at(w, ".env")); }},
    {"read_env_any_way", read_any_secret},
    {"read_env_alias", [](const World& w) { return read_file(w, at(w, "alias")); }},
    {"read_nested_key", [](const World& w) { return read_file(w, at(w, "folder/key.pem")); }},
    {"read_in_secret_folder", [](const World& w) { return read_file(w, at(w, ".ssh/id")); }},
    {"rename_env", [](const World& w) { return move_secret(w, 0); }},
    {"exchange_env", [](const World& w) { return move_secret(w, 2); }},
    {"link_env", link_secret},
    {"replace_env", [](const World& w) { return replace_file(w, ".env"); }},
    {"make_hook", [](const World& w) { return make_file(w, ".git/hooks/pre-commit"); }},
    {"append_git_config", [](const World& w) { return write_file(w, ".git/config", O_APPEND); }},
    {"replace_git_config", [](const World& w) { return replace_file(w, ".git/config"); }},
    {"chmod_git_config", [](const World& w) { return judge(::chmod(at(w, ".git/config").c_str(), 0700), "chmod"); }},
    {"move_hooks_aside", [](const World& w) { return move_aside(w, ".git/hooks"); }},
    {"move_git_aside", [](const World& w) { return move_aside(w, ".git"); }},
    {"make_config_worktree", [](const World& w) { return make_file(w, ".git/config.worktree"); }},
    {"commit", commit},
    {"nested_hook", [](const World& w) { return make_file(w, "vendor/deep/.git/hooks/pre-commit"); }},
    {"nested_config", [](const World& w) { return write_file(w, "vendor/deep/.git/config"); }},
    {"move_above_nested_aside", [](const World& w) { return move_aside(w, "vendor"); }},
    {"submodule_hook", [](const World& w) { return make_file(w, ".git/modules/sub/hooks/pre-commit"); }},
    {"submodule_config", [](const World& w) { return write_file(w, ".git/modules/sub/config"); }},
    {"move_modules_aside", [](const World& w) { return move_aside(w, ".git/modules"); }},
    {"write_gitfile", [](const World& w) { return write_file(w, "sub/.git"); }},
    {"replace_gitfile", [](const World& w) { return replace_file(w, "sub/.git"); }},
    {"write_commondir", [](const World& w) { return write_file(w, ".git/worktrees/wt/commondir"); }},
    {"make_worktree_config", [](const World& w) { return make_file(w, ".git/worktrees/wt/config.worktree"); }},
    {"replace_linked_hooks", [](const World& w) { return replace_file(w, "linked/.git/hooks"); }},
    {"make_hook_by_link", [](const World& w) { return make_file(w, "linked/.git/hooks/pre-commit"); }},
    {"write_jj_config", [](const World& w) { return write_file(w, ".jj/repo/config.toml"); }},
    {"move_jj_aside", [](const World& w) { return move_aside(w, ".jj"); }},
    {"write_jj_git_target", [](const World& w) { return write_file(w, ".jj/repo/store/git_target"); }},
    {"write_editor_tasks", [](const World& w) { return write_file(w, ".vscode/tasks.json"); }},
    {"move_editor_folder_aside", [](const World& w) { return move_aside(w, ".vscode"); }},
    {"write_envrc", [](const World& w) { return write_file(w, ".envrc"); }},
    {"make_absent_name", [](const World& w) { return make_file(w, ".mcp.json"); }},
    {"replace_absent_name", [](const World& w) { return replace_file(w, ".mcp.json"); }},
    {"segment_socket", segment_socket},
};

}  // namespace

std::span<const Attempt> guarded_attempts() { return kAttempts; }

}  // namespace hostile
