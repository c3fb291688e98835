#include "workers/tree/ignore_rules.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "workers/tree/beneath.h"

namespace toren::workers {
namespace {

constexpr std::size_t kLargestFile = 256 * 1024;  // what a larger one says is not heeded

std::optional<std::string> read_small(int folder, const std::string& path) {
    const auto file = open_beneath(folder, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    struct stat about {};
    if (!file || ::fstat(file->get(), &about) != 0 || !S_ISREG(about.st_mode) ||
        about.st_size > static_cast<off_t>(kLargestFile))
        return std::nullopt;
    std::string text(static_cast<std::size_t>(about.st_size), '\0');
    const ssize_t length = ::pread(file->get(), text.data(), text.size(), 0);
    if (length < 0) return std::nullopt;
    text.resize(static_cast<std::size_t>(length));
    return text;
}

// Without spaces at the end that no backslash keeps.
std::string_view trimmed(std::string_view line) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    while (line.ends_with(' ') && !line.ends_with("\\ ")) line.remove_suffix(1);
    return line;
}

}  // namespace

IgnoreRules::Rules IgnoreRules::parse(std::string_view text) {
    Rules rules;
    if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
    while (!text.empty()) {
        const auto end = text.find('\n');
        std::string_view line = trimmed(text.substr(0, end));
        text.remove_prefix(end == text.npos ? text.size() : end + 1);
        if (line.empty() || line.starts_with('#')) continue;
        Rule rule;
        if (line.starts_with('!')) {
            rule.takes_in = true;
            line.remove_prefix(1);
        }
        if (line.ends_with('/')) {
            rule.folders_only = true;
            line.remove_suffix(1);
        }
        rule.anchored = line.find('/') != line.npos;
        if (line.starts_with('/')) line.remove_prefix(1);
        if (line.empty()) continue;
        if (line.find_first_of("*?[\\") == line.npos) {
            rule.literal = line;
        } else if (!rule.anchored && line.size() > 1 && line.starts_with('*') &&
                   line.find_first_of("*?[\\", 1) == line.npos) {
            rule.ending = line.substr(1);
        } else {
            auto glob = Glob::compile(line, false);
            if (!glob) continue;  // as git: a pattern that is none fits nothing
            rule.glob = std::move(*glob);
        }
        rules.push_back(std::move(rule));
    }
    return rules;
}

IgnoreRules::Rules IgnoreRules::read(int folder, const std::string& path) {
    const auto text = read_small(folder, path);
    return text ? parse(*text) : Rules();
}

IgnoreRules::Chain IgnoreRules::enter(Chain above, int folder, std::string_view path, Which which) {
    auto rules = std::make_shared<IgnoreRules>();
    struct stat about {};
    rules->repository_ = ::fstatat(folder, ".git", &about, AT_SYMLINK_NOFOLLOW) == 0;
    rules->gitignore_ = read(folder, ".gitignore");
    if (which == Which::kAll) rules->ignore_ = read(folder, ".ignore");
    if (rules->repository_) rules->exclude_ = read(folder, ".git/info/exclude");
    if (!rules->repository_ && rules->gitignore_.empty() && rules->ignore_.empty()) return above;
    rules->prefix_ = path.size();
    rules->above_ = std::move(above);
    return rules;
}

IgnoreRules::Chain IgnoreRules::of_path(int segment, const std::string& path, int folder, std::string& prefix,
                                        Which which) {
    Chain chain;
    prefix.clear();
    struct stat listed {
    }, reached{};
    auto at = open_beneath(segment, ".", O_PATH | O_DIRECTORY);
    std::string_view rest = path;
    while (at && ::fstat(at->get(), &reached) == 0) {
        while (rest.starts_with('/') || rest == "." || rest.starts_with("./")) rest.remove_prefix(1);
        if (rest.empty()) break;
        chain = enter(chain, at->get(), prefix, which);
        const std::string name(rest.substr(0, rest.find('/')));
        if (name == "..") break;
        at = open_beneath(at->get(), name, O_PATH | O_DIRECTORY | O_NOFOLLOW);
        prefix += name + '/';
        rest.remove_prefix(name.size());
    }
    if (::fstat(folder, &listed) != 0 || !rest.empty() || reached.st_ino != listed.st_ino ||
        reached.st_dev != listed.st_dev) {
        prefix.clear();
        chain = nullptr;
    }
    return enter(chain, folder, prefix, which);
}

std::optional<bool> IgnoreRules::verdict(const Rules& rules, std::string_view path, bool folder) {
    const std::string_view name = path.substr(path.rfind('/') + 1);
    for (auto rule = rules.rbegin(); rule != rules.rend(); ++rule) {
        if (rule->folders_only && !folder) continue;
        const std::string_view subject = rule->anchored ? path : name;
        if (rule->glob              ? rule->glob->matches(subject)
            : !rule->ending.empty() ? subject.ends_with(rule->ending)
                                    : rule->literal == subject)
            return !rule->takes_in;
    }
    return std::nullopt;
}

bool IgnoreRules::ignores(const Chain& chain, std::string_view path, bool folder) {
    if (path.substr(path.rfind('/') + 1) == ".git") return true;
    for (const IgnoreRules* at = chain.get(); at != nullptr; at = at->above_.get())
        if (const auto found = verdict(at->ignore_, path.substr(at->prefix_), folder)) return *found;
    for (const IgnoreRules* at = chain.get(); at != nullptr; at = at->above_.get()) {
        if (const auto found = verdict(at->gitignore_, path.substr(at->prefix_), folder)) return *found;
        if (!at->repository_) continue;
        return verdict(at->exclude_, path.substr(at->prefix_), folder).value_or(false);
    }
    return false;
}

}  // namespace toren::workers
