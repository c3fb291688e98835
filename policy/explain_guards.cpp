#include "policy/explain_guards.h"

#include <algorithm>

#include "policy/guard_rules.h"
#include "policy/segment_names.h"

namespace toren {
namespace {

// Down one path as GuardWalk goes down all of them.
class WayDown {
public:
    WayDown(const GuardRules& rules, const std::string& tree, const LookUp& look_up)
        : rules_(rules), tree_(tree), look_up_(look_up) {}

    std::optional<GuardRuling> follow(FolderKind top, const std::string& relative) {
        enter(top);
        for (std::size_t start = 0; start < relative.size();) {
            const auto end = std::min(relative.find('/', start), relative.size());
            path_ = relative.substr(0, end);
            const auto next = step(relative.substr(start, end - start), end == relative.size());
            if (!next) break;
            enter(*next);
            start = end + 1;
        }
        return found_;
    }

private:
    void enter(FolderKind kind) {
        folder_ = path_;
        const bool repository = kind == FolderKind::kModules && is_there("HEAD");
        kind_ = repository ? FolderKind::kGit : kind;
        bare_ = kind <= FolderKind::kTop && rules_.git() && is_there("HEAD") &&
                kind_of("objects") == HostEntry::kFolder && kind_of("refs") == HostEntry::kFolder;
    }

    // What a folder of this name is walked as; absent: guards say nothing about what is in it.
    std::optional<FolderKind> step(const std::string& name, bool last) {
        const auto entry = look_up_(tree_ + '/' + path_).kind;
        const bool in_missing = missing_;
        missing_ = in_missing || entry == HostEntry::kMissing;
        const bool folder = !last || entry == HostEntry::kFolder || entry == HostEntry::kMissing;
        const auto next = walked_as(name, folder, in_missing);
        if (last && next && *next > FolderKind::kTop && folder && !missing_ && !found_)
            found_ = {GuardRuling::kNoted, DecidedBy::kGuard,
                      "what is in it may be written; itself it cannot be moved aside"};
        return next;
    }

    std::optional<FolderKind> walked_as(const std::string& name, bool folder, bool in_missing) {
        if (kind_ == FolderKind::kModules) return FolderKind::kModules;
        if (kind_ == FolderKind::kWorktrees) return FolderKind::kLinked;
        if (by_table(kind_)) return by_rule(find_guard_rule(kind_, name), folder, in_missing);
        const auto verdict = rules_.verdict(kind_, folder_, name, folder);
        if (verdict.action == GuardAction::kHide) {
            found_ = {GuardRuling::kHidden, DecidedBy::kSecret,
                      "'" + name + "' matches the secret pattern '" + verdict.pattern + "' (confinement.secrets)"};
            return std::nullopt;
        }
        if (verdict.action == GuardAction::kReadOnly)
            read_only(verdict.pattern == nullptr ? repository_text()
                                                 : "'" + name + "' is a protected name (confinement.protect)",
                      !in_missing && is_held_at_top(name));
        if (const auto* rule = bare_ ? find_guard_rule(FolderKind::kBare, name) : nullptr)
            return by_rule(rule, folder, in_missing).value_or(FolderKind::kPlain);
        return verdict.walk_as;
    }

    std::optional<FolderKind> by_rule(const GuardRule* rule, bool folder, bool in_missing) {
        if (rule == nullptr) return std::nullopt;
        if (folder && rule->walk_as != FolderKind::kPlain) return rule->walk_as;
        read_only(repository_text(), !in_missing && rule->absent != Absent::kLeave);
        return std::nullopt;
    }

    bool is_held_at_top(const std::string& name) const {
        if (kind_ != FolderKind::kTop) return false;
        const bool home_like =
            std::ranges::any_of(rules_.home_names(), [&](const auto& each) { return is_there(each); });
        const auto held = rules_.held_at_top(home_like);
        return std::ranges::find(held, name) != held.end();
    }

    // In the folder that the way has come to.
    HostEntry::Kind kind_of(const std::string& name) const {
        return look_up_(tree_ + '/' + (folder_.empty() ? "" : folder_ + '/') + name).kind;
    }
    bool is_there(const std::string& name) const { return kind_of(name) != HostEntry::kMissing; }

    std::string repository_text() const {
        return "'" + path_ + "' decides what git or jj runs (confinement.protect_repositories)";
    }

    void read_only(const std::string& rule, bool held_where_absent) {
        if (!missing_ || held_where_absent) found_ = {GuardRuling::kReadOnly, DecidedBy::kGuard, rule};
        else if (!found_)
            found_ = {GuardRuling::kNoted, DecidedBy::kGuard,
                      rule + ": it is not there, and what a command makes stays writable until its cell starts again"};
    }

    const GuardRules& rules_;
    const std::string& tree_;
    const LookUp& look_up_;
    std::string path_, folder_;  // relative to the tree: what the step is about, and the folder that it is in
    FolderKind kind_ = FolderKind::kPlain;
    bool bare_ = false;
    bool missing_ = false;
    std::optional<GuardRuling> found_;
};

bool lies_in_another(const std::string& tree, const std::vector<std::string>& trees) {
    return std::ranges::any_of(trees, [&](const auto& other) { return tree != other && is_within(tree, other); });
}

}  // namespace

std::optional<GuardRuling> guard_ruling(const GuardSpec& guards, const std::string& path, const LookUp& look_up) {
    const GuardRules rules(guards.secrets, guards.protect, guards.git);
    std::optional<GuardRuling> strictest;
    for (const auto& tree : guards.trees) {
        const bool segment = &tree == &guards.trees.front();
        if (!is_within(path, tree) || path == tree || (!segment && lies_in_another(tree, guards.trees))) continue;
        auto ruling = WayDown(rules, tree, look_up)
                          .follow(segment ? FolderKind::kTop : FolderKind::kPlain, path.substr(tree.size() + 1));
        if (ruling && (!strictest || ruling->effect < strictest->effect)) strictest = std::move(ruling);
    }
    return strictest;
}

}  // namespace toren
