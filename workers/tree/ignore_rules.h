// What .gitignore and .ignore files leave out, with git's meaning: the last rule that fits decides, `!` takes a name in
// again, a `/` ties a rule to its folder, one at the end to folders; a deeper file's rules count for more. What .ignore
// says counts for more than .gitignore, and that for more than .git/info/exclude. A repository's rules end at its root:
// those of folders above it do not reach in.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "workers/tree/glob.h"

namespace toren::workers {

class IgnoreRules {
public:
    using Chain = std::shared_ptr<const IgnoreRules>;

    // The rules that hold in a folder: those of its own files in front of those from above. `path` of the folder ends
    // with '/' or is empty, and the paths that ignores() gets begin with it.
    // `which`: kGitOnly for what git itself would leave out; .ignore files are for searching.
    enum class Which { kAll, kGitOnly };
    static Chain enter(Chain above, int folder, std::string_view path, Which which = Which::kAll);
    // Those of a listed folder and of the folders that lead to it from the segment. Where a link or a ".." is on the
    // way only the folder's own hold.
    static Chain of_path(int segment, const std::string& path, int folder, std::string& prefix,
                         Which which = Which::kAll);

    // Whether the name at the path, by which the folder is left out with everything in it, is left out.
    static bool ignores(const Chain& chain, std::string_view path, bool folder);

    static bool is_rule_file(std::string_view name) { return name == ".gitignore" || name == ".ignore"; }

private:
    struct Rule {
        bool takes_in = false;  // `!`
        bool folders_only = false;
        bool anchored = false;  // matched with the whole path from its file's folder, else with the last name
        std::string literal;    // where the pattern has nothing special
        std::string ending;     // where it is "*" and this, as most are
        std::optional<Glob> glob;
    };
    using Rules = std::vector<Rule>;
    static Rules parse(std::string_view text);
    static Rules read(int folder, const std::string& path);
    static std::optional<bool> verdict(const Rules& rules, std::string_view path, bool folder);

    Chain above_;
    std::size_t prefix_ = 0;  // of a path, up to this folder
    bool repository_ = false;
    Rules gitignore_, ignore_, exclude_;
};

}  // namespace toren::workers
