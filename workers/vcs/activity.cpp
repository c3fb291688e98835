#include "workers/vcs/activity.h"

#include <fcntl.h>
#include <unistd.h>

#include <charconv>

#include "base/unique_fd.h"
#include "workers/vcs/revisions.h"

namespace toren::vcs {
namespace {

using ipc::VcsActivity;

constexpr std::size_t kMostLine = 4096;

// The first line of a file in .git; "" where there is none. Not followed where it is a link, and a FIFO does not hold.
std::string line_of(git_repository* git, const char* name) {
    const std::string path = std::string(git_repository_path(git)) + name;
    const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (!file) return "";
    std::string text(kMostLine, '\0');
    const auto got = ::read(file.get(), text.data(), text.size());
    text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return text.substr(0, text.find('\n'));
}

std::uint64_t number_of(const std::string& text) {
    std::uint64_t number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

std::string id_of(std::string text) {
    const bool whole = text.size() == GIT_OID_HEXSZ && text.find_first_not_of("0123456789abcdef") == text.npos;
    return whole ? text : "";
}

struct StateRow {
    int state;
    VcsActivity activity;
    const char* head;  // the file with the commit
};

constexpr StateRow kStates[] = {
    {GIT_REPOSITORY_STATE_MERGE, VcsActivity::kMerge, "MERGE_HEAD"},
    {GIT_REPOSITORY_STATE_REVERT, VcsActivity::kRevert, "REVERT_HEAD"},
    {GIT_REPOSITORY_STATE_REVERT_SEQUENCE, VcsActivity::kRevert, "REVERT_HEAD"},
    {GIT_REPOSITORY_STATE_CHERRYPICK, VcsActivity::kCherryPick, "CHERRY_PICK_HEAD"},
    {GIT_REPOSITORY_STATE_CHERRYPICK_SEQUENCE, VcsActivity::kCherryPick, "CHERRY_PICK_HEAD"},
    {GIT_REPOSITORY_STATE_BISECT, VcsActivity::kBisect, "BISECT_START"},
    {GIT_REPOSITORY_STATE_REBASE, VcsActivity::kRebase, "rebase-apply/onto"},
    {GIT_REPOSITORY_STATE_REBASE_INTERACTIVE, VcsActivity::kRebase, "rebase-merge/onto"},
    {GIT_REPOSITORY_STATE_REBASE_MERGE, VcsActivity::kRebase, "rebase-merge/onto"},
    {GIT_REPOSITORY_STATE_APPLY_MAILBOX, VcsActivity::kApplyMailbox, "rebase-apply/orig-head"},
    {GIT_REPOSITORY_STATE_APPLY_MAILBOX_OR_REBASE, VcsActivity::kApplyMailbox, "rebase-apply/orig-head"},
};

}  // namespace

void tell_activity(ipc::VcsRepository& repository, git_repository* git) {
    const int state = git_repository_state(git);
    for (const StateRow& row : kStates) {
        if (row.state != state) continue;
        repository.activity = row.activity;
        repository.activity_head = id_of(line_of(git, row.head));
    }
    if (repository.activity != VcsActivity::kRebase) return;
    const bool apply = state == GIT_REPOSITORY_STATE_REBASE;
    repository.activity_branch = line_of(git, apply ? "rebase-apply/head-name" : "rebase-merge/head-name");
    repository.activity_branch = short_name(repository.activity_branch);
    repository.activity_step = number_of(line_of(git, apply ? "rebase-apply/next" : "rebase-merge/msgnum"));
    repository.activity_end = number_of(line_of(git, apply ? "rebase-apply/last" : "rebase-merge/end"));
}

}  // namespace toren::vcs
