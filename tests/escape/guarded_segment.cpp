#include "tests/escape/guarded_segment.h"

#include <filesystem>
#include <fstream>

namespace toren::escape {
namespace {

namespace fs = std::filesystem;

void write(const std::string& path, const std::string& text) {
    fs::create_directories(fs::path(path).parent_path());
    std::ofstream(path, std::ios::binary) << text;
}

void make_gitdir(const std::string& gitdir) {
    write(gitdir + "/HEAD", "ref: refs/heads/main\n");
    write(gitdir + "/config", "[core]\n\trepositoryformatversion = 0\n");
    fs::create_directories(gitdir + "/objects");
    fs::create_directories(gitdir + "/refs/heads");
}

}  // namespace

void make_guarded_segment(const std::string& segment, const std::string& token) {
    const std::string git = segment + "/.git";
    for (const auto& gitdir : {git, git + "/modules/sub", segment + "/vendor/deep/.git"}) {
        make_gitdir(gitdir);
        fs::create_directory(gitdir + "/hooks");
    }
    write(segment + "/sub/.git", "gitdir: ../.git/modules/sub\n");
    write(git + "/worktrees/wt/HEAD", "ref: refs/heads/wt\n");
    write(git + "/worktrees/wt/commondir", "../..\n");
    write(git + "/worktrees/wt/gitdir", segment + "/wt/.git\n");
    make_gitdir(segment + "/linked/.git");
    fs::create_directory(segment + "/own-hooks");
    fs::create_symlink("../../own-hooks", segment + "/linked/.git/hooks");
    write(segment + "/.jj/repo/config.toml", "");
    write(segment + "/.jj/repo/store/type", "git");
    write(segment + "/.jj/repo/store/git_target", "../../../.git");

    for (const char* secret : {"/.env", "/folder/key.pem", "/.ssh/id"}) write(segment + secret, token);
    fs::create_hard_link(segment + "/.env", segment + "/alias");
    write(segment + "/.vscode/tasks.json", "{}");
    write(segment + "/.envrc", "");
}

GuardSpec guard_spec(const std::string& segment) {
    return {.trees = {segment},
            .secrets = {".env", ".env.*", "!.env.example", "*.pem", ".ssh"},
            .protect = {".vscode", ".envrc", ".mcp.json"}};
}

}  // namespace toren::escape
