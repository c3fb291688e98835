#include "policy/explain_guards.h"

#include <algorithm>

#include "policy/name_patterns.h"
#include "policy/segment_names.h"

namespace toren {
namespace {

// What the walk down a path is in.
enum class In : std::uint8_t { kPlain, kGit, kModules, kWorktrees, kWorktree, kJj, kJjRepo, kJjStore, kData };

struct RepositoryRule {
    In in;
    const char* name;
    In next = In::kData;  // a folder of that name leads there; kData: the name is read-only
};

constexpr RepositoryRule kRepositoryRules[] = {
    {In::kGit, "hooks"},
    {In::kGit, "config"},
    {In::kGit, "config.worktree"},
    {In::kGit, "commondir"},
    {In::kGit, "modules", In::kModules},
    {In::kGit, "worktrees", In::kWorktrees},
    {In::kWorktree, "config.worktree"},
    {In::kWorktree, "commondir"},
    {In::kWorktree, "modules", In::kModules},
    {In::kJj, "repo", In::kJjRepo},
    {In::kJj, "workspace-config.toml"},
    {In::kJjRepo, "config.toml"},
    {In::kJjRepo, "store", In::kJjStore},
    {In::kJjStore, "type"},
    {In::kJjStore, "git_target"},
};

class Walk {
public:
    Walk(const GuardSpec& guards, const std::string& tree, const LookUp& look_up)
        : guards_(guards), tree_(tree), look_up_(look_up) {}

    std::optional<GuardRuling> down(const std::string& relative) {
        for (std::size_t start = 0; start < relative.size();) {
            const auto end = std::min(relative.find('/', start), relative.size());
            path_ = relative.substr(0, end);
            name_ = relative.substr(start, end - start);
            start = end + 1;
            step(start > relative.size());
            if (found_ && found_->effect == GuardRuling::kHidden) break;
        }
        return found_;
    }

private:
    void step(bool last) {
        const bool folder = !last || kind_of(path_) == HostEntry::kFolder;
        if (in_ == In::kPlain) return step_outside(folder, last);
        if (in_ == In::kModules) return step_to_module();
        if (in_ == In::kWorktrees) {
            in_ = In::kWorktree;
            return;
        }
        const auto* rule =
            std::ranges::find_if(kRepositoryRules, [&](const auto& row) { return row.in == in_ && name_ == row.name; });
        if (rule == std::end(kRepositoryRules)) in_ = In::kData;
        else if (rule->next != In::kData && folder) in_ = rule->next;
        else read_only(repository_text());
    }

    void step_outside(bool folder, bool last) {
        if (guards_.git && (name_ == ".git" || name_ == ".jj")) {
            if (!folder) return read_only(repository_text());
            in_ = name_ == ".git" ? In::kGit : In::kJj;
            if (last) held_in_place();
            return;
        }
        const std::string* pattern = deciding_pattern(guards_.secrets, path_);
        if (pattern != nullptr && !pattern->starts_with('!'))
            found_ = {GuardRuling::kHidden, DecidedBy::kSecret,
                      "'" + name_ + "' matches the secret pattern '" + *pattern + "' (confinement.secrets)"};
        else if (std::ranges::find(guards_.protect, name_) != guards_.protect.end())
            read_only("'" + name_ + "' is a protected name (confinement.protect)");
        if (guards_.git && folder && looks_like_gitdir(path_)) in_ = In::kGit;
    }

    // A submodule's name may have slashes, so folders stand between `modules` and the repository.
    void step_to_module() {
        if (looks_like_gitdir(path_)) in_ = In::kGit;
    }

    bool looks_like_gitdir(const std::string& folder) const {
        return kind_of(folder + "/HEAD") != HostEntry::kMissing && kind_of(folder + "/objects") == HostEntry::kFolder &&
               kind_of(folder + "/refs") == HostEntry::kFolder;
    }

    HostEntry::Kind kind_of(const std::string& relative) const { return look_up_(tree_ + '/' + relative).kind; }

    std::string repository_text() const {
        return "'" + path_ + "' decides what git or jj runs (confinement.protect_repositories)";
    }
    void read_only(std::string rule) {
        found_ = {GuardRuling::kReadOnly, DecidedBy::kGuard, std::move(rule)};
        if (in_ != In::kPlain) in_ = In::kData;
    }
    void held_in_place() {
        if (found_) return;
        found_ = {GuardRuling::kHeldInPlace, DecidedBy::kGuard,
                  "what is in it may be written; itself it cannot be moved aside"};
    }

    const GuardSpec& guards_;
    const std::string& tree_;
    const LookUp& look_up_;
    std::string path_, name_;  // relative to the tree; its last component
    In in_ = In::kPlain;
    std::optional<GuardRuling> found_;
};

}  // namespace

std::optional<GuardRuling> guard_ruling(const GuardSpec& guards, const std::string& path, const LookUp& look_up) {
    std::optional<GuardRuling> strictest;
    for (const auto& tree : guards.trees) {
        if (!is_within(path, tree) || path == tree) continue;
        auto ruling = Walk(guards, tree, look_up).down(path.substr(tree.size() + 1));
        if (ruling && (!strictest || ruling->effect < strictest->effect)) strictest = std::move(ruling);
    }
    return strictest;
}

}  // namespace toren
