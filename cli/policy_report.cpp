#include "cli/policy_report.h"

#include <sched.h>

#include <algorithm>
#include <map>

#include "policy/landlock.h"
#include "policy/namespaces.h"
#include "policy/seccomp.h"

namespace toren::cli {
namespace {

std::string what_is(const Mount& mount, const CageView& cage) {
    if (mount.target == cage.segment) return "the segment";
    switch (mount.kind) {
        case MountKind::kReadOnly:
        case MountKind::kWritable: break;
        case MountKind::kDevice: return "device";
        case MountKind::kTmpfs: return "private";
        case MountKind::kProc: return "own processes";
        case MountKind::kDevpts: return "own terminals";
        case MountKind::kSymlink: return "link to " + mount.source;
        case MountKind::kFile: return "made up";
        case MountKind::kCopy: return "copy";
    }
    for (const auto* further : {&cage.profile.read_only, &cage.profile.writable})
        if (std::ranges::find(*further, mount.target) != further->end()) return "the profile's";
    return "system";
}

std::vector<Place> places_of(const CageView& cage) {
    std::map<std::string, Place> places;
    for (const auto& mount : cage.root.mounts) {
        const auto answer = explain(cage, mount.target, look_up_on_host);
        places[mount.target] = {mount.target, what_is(mount, cage), answer.read.allowed, answer.write.allowed,
                                answer.execute.allowed};
    }
    std::vector<Place> all;
    for (auto& [path, place] : places) all.push_back(std::move(place));
    return all;
}

std::vector<std::string> namespace_names() {
    struct Name {
        std::uint64_t flag;
        const char* name;
    };
    constexpr Name kNames[] = {{CLONE_NEWUSER, "user"},    {CLONE_NEWNS, "mount"}, {CLONE_NEWPID, "pid"},
                               {CLONE_NEWNET, "network"},  {CLONE_NEWIPC, "ipc"},  {CLONE_NEWUTS, "uts"},
                               {CLONE_NEWCGROUP, "cgroup"}};
    std::vector<std::string> names;
    // The cgroup namespace is made by enter_cell itself.
    for (const auto& row : kNames)
        if (((kAllNamespaces | CLONE_NEWCGROUP) & row.flag) != 0) names.emplace_back(row.name);
    return names;
}

}  // namespace

PolicyReport make_report(const Segment& segment, CageView cage, std::vector<std::string> profiles) {
    const auto abi = landlock_abi();
    auto places = places_of(cage);
    return {.segment = segment,
            .cage = std::move(cage),
            .profiles = std::move(profiles),
            .places = std::move(places),
            .namespaces = namespace_names(),
            .landlock_abi = abi ? *abi : 0,
            .filter_instructions = filter_program(FilterRole::kCommand).size()};
}

}  // namespace toren::cli
