#include "broker/vcs.h"

#include "broker/ask_worker.h"
#include "broker/git.h"
#include "broker/json_text.h"

namespace toren::broker {
namespace {

using ipc::Failure;

// What the worker refuses that git may be able to answer.
bool git_may_know(const ServiceAnswer& answer) {
    return answer.trouble == ServiceAnswer::Trouble::kNone &&
           (answer.failure == Failure::kUnsupported || answer.failure == Failure::kBroken);
}

// The worker's answer, or the folder in which git is to be asked in its place.
struct Answered {
    ServiceAnswer answer;
    std::optional<std::string> ask_git_in;
    std::string why;  // git is asked
};

template <typename Request>
Task<Outcome<Answered>> ask_vcs(VcsQuestion question, Request request, std::uint64_t max_answer) {
    Answered answered;
    std::string segment = question.segment;
    if (question.engine == VcsEngine::kGit) {
        auto found = co_await find_repository(question, request.path);
        if (auto* refused = std::get_if<Problem>(&found)) co_return std::move(*refused);
        answered.ask_git_in = std::get<std::string>(std::move(found));
        co_return answered;
    }
    auto asking = service_request(ipc::Service::kVcs, std::move(request), max_answer);
    auto asked = co_await ask_segment(question.broker, std::move(segment), std::move(asking));
    if (auto* refused = std::get_if<Problem>(&asked)) co_return std::move(*refused);
    answered.answer = std::get<ServiceAnswer>(std::move(asked));
    if (succeeded(answered.answer)) co_return answered;
    const auto about = record_of<ipc::VcsRepository>(answered.answer.result);
    if (question.engine == VcsEngine::kLibgit2 || !git_may_know(answered.answer) || !about ||
        about->kind != ipc::VcsKind::kGit)
        co_return problem_of(answered.answer);
    answered.ask_git_in = about->folder;
    answered.why = answered.answer.error;
    co_return answered;
}

template <typename Record, typename End>
Outcome<VcsFound<Record, End>> found_in(const ServiceAnswer& answer) {
    VcsFound<Record, End> found;
    const bool whole =
        each_record<Record>(answer.bytes, [&](Record& record) { found.records.push_back(std::move(record)); });
    ipc::Reader end(answer.result);
    if (!whole || !end.read(found.end) || !end.at_end()) return malformed_answer();
    return found;
}

// Git is there for what libgit2 cannot do; where git is not, what libgit2 said is what there is to say.
template <typename Found>
Outcome<Found> or_why(Outcome<Found> by_git, const std::string& why) {
    auto* refused = std::get_if<Problem>(&by_git);
    if (refused != nullptr && refused->code == "not_installed" && !why.empty())
        return problem("unsupported_repository", why + "; and the machine has no git to ask");
    return by_git;
}

template <typename Record, typename End, typename Request>
Task<Outcome<VcsFound<Record, End>>> ask_both(VcsQuestion question, Request request, std::uint64_t max_answer,
                                              Task<Outcome<VcsFound<Record, End>>> (*ask_git)(VcsQuestion, std::string,
                                                                                              Request)) {
    auto asked = co_await ask_vcs(question, request, max_answer);
    if (auto* refused = std::get_if<Problem>(&asked)) co_return std::move(*refused);
    auto& answered = std::get<Answered>(asked);
    if (!answered.ask_git_in) co_return found_in<Record, End>(answered.answer);
    auto by_git = co_await ask_git(question, std::move(*answered.ask_git_in), std::move(request));
    co_return or_why(std::move(by_git), answered.why);
}

}  // namespace

Task<Outcome<VcsStatusFound>> read_status(VcsQuestion question, ipc::VcsStatus request) {
    const std::uint64_t most = question.broker.settings.diff_bytes;
    return ask_both(std::move(question), std::move(request), most, git_status);
}

Task<Outcome<VcsDiffFound>> read_diff(VcsQuestion question, ipc::VcsDiff request) {
    const std::uint64_t most = request.max_bytes + request.max_file_bytes + question.broker.settings.diff_bytes;
    return ask_both(std::move(question), std::move(request), most, git_diff);
}

Task<Outcome<VcsLogFound>> read_log(VcsQuestion question, ipc::VcsLog request) {
    const std::uint64_t most = request.max_commits * (ipc::VcsCommit::kMostMessage + 4096);
    return ask_both(std::move(question), std::move(request), most, git_log);
}

Task<Outcome<VcsContentFound>> read_content(VcsQuestion question, ipc::VcsContent request) {
    auto asked = co_await ask_vcs(question, request, request.max_bytes);
    if (auto* refused = std::get_if<Problem>(&asked)) co_return std::move(*refused);
    auto& answered = std::get<Answered>(asked);
    if (answered.ask_git_in) {
        auto by_git = co_await git_content(question, std::move(*answered.ask_git_in), std::move(request));
        co_return or_why(std::move(by_git), answered.why);
    }
    const auto end = record_of<ipc::VcsContentEnd>(answered.answer.result);
    if (!end || end->size != answered.answer.bytes.size()) co_return malformed_answer();
    VcsContentFound found;
    found.end = *end;
    found.bytes = std::move(answered.answer.bytes);
    co_return found;
}

Task<Outcome<VcsListFound<ipc::VcsRef>>> read_refs(VcsQuestion question, ipc::VcsLists request) {
    const std::uint64_t most = question.broker.settings.diff_bytes;
    request.list = ipc::VcsList::kRefs;
    return ask_both(std::move(question), std::move(request), most, git_refs);
}

Task<Outcome<VcsListFound<ipc::VcsConflicted>>> read_conflicts(VcsQuestion question, ipc::VcsLists request) {
    const std::uint64_t most = question.broker.settings.diff_bytes;
    request.list = ipc::VcsList::kConflicts;
    return ask_both(std::move(question), std::move(request), most, git_conflicts);
}

Task<Outcome<VcsListFound<ipc::VcsStash>>> read_stashes(VcsQuestion question, ipc::VcsLists request) {
    const std::uint64_t most = question.broker.settings.diff_bytes;
    request.list = ipc::VcsList::kStashes;
    return ask_both(std::move(question), std::move(request), most, git_stashes);
}

Task<Outcome<VcsListFound<ipc::VcsWorktree>>> read_worktrees(VcsQuestion question, ipc::VcsLists request) {
    const std::uint64_t most = question.broker.settings.diff_bytes;
    request.list = ipc::VcsList::kWorktrees;
    return ask_both(std::move(question), std::move(request), most, git_worktrees);
}

Task<Outcome<std::string>> find_repository(VcsQuestion question, std::string path) {
    auto asking = service_request(ipc::Service::kVcs, ipc::VcsFind{path}, 0);
    auto asked = co_await ask_segment(question.broker, std::move(question.segment), std::move(asking));
    if (auto* refused = std::get_if<Problem>(&asked)) co_return std::move(*refused);
    const auto& answer = std::get<ServiceAnswer>(asked);
    if (!succeeded(answer)) co_return problem_of(answer);
    const auto about = record_of<ipc::VcsRepository>(answer.result);
    if (!about) co_return malformed_answer();
    if (about->kind == ipc::VcsKind::kNone)
        co_return problem("not_a_repository", "'" + printable(path) + "' is in no repository of its segment");
    co_return about->folder;
}

}  // namespace toren::broker
