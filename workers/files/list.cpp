// Listing a folder or a tree, in one order whatever the file system's: names by their bytes, what is in a folder right
// behind it. So a listing goes on behind any path, with no state kept.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <climits>
#include <optional>

#include "workers/files/facts.h"
#include "workers/files/operations.h"
#include "workers/tree/beneath.h"
#include "workers/tree/folder_reader.h"
#include "workers/tree/folder_stack.h"
#include "workers/tree/glob.h"
#include "workers/tree/ignore_rules.h"

namespace toren::workers {
namespace {

using ipc::Failure;

// A folder on the way, and how far it has been listed.
struct Level {
    SortedNames names;
    std::size_t next = 0;
    std::size_t path_length = 0;  // of its path, with the '/' behind it
    IgnoreRules::Chain rules;
};

bool is_folder_at(int folder, const std::string& name) {
    struct stat about {};
    return ::fstatat(folder, name.c_str(), &about, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(about.st_mode);
}

class Listing {
public:
    Listing(Call& call, const ipc::ListFolder& request) : call_(call), request_(request), after_(request.after) {}

    Answer run() {
        if (!request_.glob.empty()) {
            auto glob = Glob::compile(request_.glob, true);
            if (!glob) return Refusal{Failure::kMalformed, "'" + request_.glob + "': " + glob.error().what};
            glob_ = std::move(*glob);
            glob_by_name_ = request_.glob.find('/') == request_.glob.npos;
        }
        SERVE_ASSIGN(auto folder, open_beneath(call_.segment, request_.path, O_RDONLY | O_DIRECTORY));
        IgnoreRules::Chain rules;
        if (request_.ignore) rules = IgnoreRules::of_path(call_.segment, request_.path, folder.get(), prefix_);
        SERVE_ASSIGN(auto stack, FolderStack::at(std::move(folder)));
        SERVE_TRY(enter(stack, rules));
        while (!levels_.empty() && !end_.more) step(stack);
        return reply(end_);
    }

private:
    // Reads the names of the stack's top; those before the name where the listing goes on are passed over.
    Result<> enter(FolderStack& stack, IgnoreRules::Chain rules) {
        TRY_ASSIGN(const int folder, stack.top());
        TRY_ASSIGN(auto names, SortedNames::read(folder, after_.substr(0, after_.find('/'))));
        levels_.push_back({std::move(names), 0, path_.size(), std::move(rules)});
        return Ok{};
    }

    void step(FolderStack& stack) {
        Level& level = levels_.back();
        path_.resize(level.path_length);
        if (level.next == level.names.size()) {
            levels_.pop_back();
            after_ = {};
            if (!levels_.empty()) stack.pop();
            return;
        }
        const auto at = level.next++;
        const std::string name(level.names.name(at));
        // On the way to where the listing goes on: this name has been listed before, what is in it perhaps not.
        const std::string_view passed = after_.substr(0, after_.find('/'));
        const bool resumed = !after_.empty() && name == passed;
        if (resumed) after_.remove_prefix(std::min(after_.size(), passed.size() + 1));
        const auto depth = levels_.size();
        if (!resumed) after_ = {};
        show(stack, level, name, level.names.type(at), resumed);
        if (levels_.size() == depth) after_ = {};  // it leads nowhere any more
    }

    void show(FolderStack& stack, const Level& level, const std::string& name, unsigned char type, bool listed_before) {
        if (path_.size() + name.size() > PATH_MAX) return;  // nobody could ask for it
        if (!request_.hidden && name.starts_with('.')) return;
        const auto folder = stack.top();
        if (!folder) return;  // moved away meanwhile
        const bool is_folder = type == DT_UNKNOWN ? is_folder_at(*folder, name) : type == DT_DIR;
        path_ += name;
        if (request_.ignore && IgnoreRules::ignores(level.rules, prefix_ + path_, is_folder)) return;
        if (!listed_before && wanted(name)) {
            if (count_ == request_.max_entries) {
                end_.more = true;
                return;
            }
            if (!emit(*folder, name)) return;  // gone since
        }
        const bool deeper = request_.recursive && (request_.depth == 0 || levels_.size() < request_.depth);
        if (is_folder && deeper) descend(stack, level.rules, name);
    }

    bool wanted(const std::string& name) const { return !glob_ || glob_->matches(glob_by_name_ ? name : path_); }

    bool emit(int folder, const std::string& name) {
        auto facts = facts_at(folder, name);
        if (!facts) return false;
        ++count_;
        call_.channel.write_record(ipc::ListEntry{path_, std::move(*facts)});
        return true;
    }

    // What cannot be entered is listed as a folder with nothing in it.
    void descend(FolderStack& stack, IgnoreRules::Chain rules, const std::string& name) {
        if (!stack.push(name)) return;
        path_ += '/';
        if (request_.ignore)
            if (const auto folder = stack.top()) rules = IgnoreRules::enter(rules, *folder, prefix_ + path_);
        if (!enter(stack, std::move(rules))) stack.pop();
    }

    Call& call_;
    const ipc::ListFolder& request_;
    std::string_view after_;  // what is left of the path behind which the listing begins
    std::optional<Glob> glob_;
    bool glob_by_name_ = false;
    std::string prefix_;  // of the listed folder, as the ignore rules see it
    std::string path_;    // of the entry, from the listed folder
    std::vector<Level> levels_;
    std::uint64_t count_ = 0;
    ipc::ListEnd end_;
};

}  // namespace

Answer list_folder(Call& call, const ipc::ListFolder& request) { return Listing(call, request).run(); }

}  // namespace toren::workers
