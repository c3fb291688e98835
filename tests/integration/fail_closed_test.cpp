// Invariant 1: a layer that the kernel cannot give is an error at start that names the layer, the kernel feature and
// the way out. A real daemon is started where something is missing: in a user namespace that may have no further one,
// or under a filter that answers for a call as a kernel without it does.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <nlohmann/json.hpp>

#include "policy/namespaces.h"
#include "tests/integration/daemon_folder.h"

namespace toren {
namespace {

bool holds(const std::string& text, const std::string& words) { return text.find(words) != std::string::npos; }

void expect_refusal(const Ended& ended, const std::vector<std::string>& all_words) {
    EXPECT_EQ(ended.status, 1) << ended.log;
    EXPECT_EQ(ended.out, "") << "it announced itself";
    EXPECT_FALSE(holds(ended.log, "serving ")) << "it bound its listeners\n" << ended.log;
    for (const auto& words : all_words) EXPECT_TRUE(holds(ended.log, words)) << words << "\nis not in\n" << ended.log;
}

// In a child in a user namespace of its own: the account stays, but no namespace can be made in this one.
std::function<bool()> allow_no_user_namespaces() {
    return [user = ::geteuid(), group = ::getegid()] {
        if (!map_own_ids(user, group)) return false;
        const UniqueFd limit(::open("/proc/sys/user/max_user_namespaces", O_WRONLY | O_CLOEXEC));
        return limit && ::write(limit.get(), "0", 1) == 1;
    };
}

// From here on the call fails with `code`, in this process and all that it starts.
bool take_away(long call, int code) {
    const sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(call), 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(code)),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog request{std::size(program), const_cast<sock_filter*>(program)};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &request, 0, 0) == 0;
}

TEST(Invariant1, WithoutUserNamespacesTheDaemonRefusesAndNamesTheSettingThatForbidsThem) {
    const DaemonFolder daemon;
    const auto ended = daemon.run(daemon.serve(), CLONE_NEWUSER, allow_no_user_namespaces());
    expect_refusal(ended, {"layer user namespace: ", "needed: user namespaces without privileges",
                           "the way out: `sysctl user.max_user_namespaces=15000`, which is 0"});
}

struct MissingCall {
    const char* name;
    long call;
    int code;
    std::vector<std::string> words;
};

class KernelWithout : public testing::TestWithParam<MissingCall> {};

TEST_P(KernelWithout, ItTheDaemonRefusesAndNamesLayerFeatureAndWayOut) {
    const DaemonFolder daemon;
    const auto& missing = GetParam();
    auto words = missing.words;
    words.push_back("; the way out: ");
    expect_refusal(daemon.run(daemon.serve(), 0, [&] { return take_away(missing.call, missing.code); }), words);
}

INSTANTIATE_TEST_SUITE_P(
    Invariant1, KernelWithout,
    testing::Values(
        MissingCall{"Clone3", SYS_clone3, ENOSYS, {"layer processes: clone3: Function not implemented", "Linux 5.3"}},
        MissingCall{"Landlock",
                    SYS_landlock_create_ruleset,
                    ENOSYS,
                    {"layer landlock: the kernel gives none", "Linux 5.13", "allow_degraded = ['landlock']"}},
        MissingCall{"LandlockRules", SYS_landlock_add_rule, EOPNOTSUPP, {"layer landlock: landlock_add_rule"}},
        MissingCall{"LandlockDomains", SYS_landlock_restrict_self, EPERM, {"layer landlock: landlock_restrict_self"}},
        MissingCall{"Openat2", SYS_openat2, ENOSYS, {"layer mount namespace: open ", "needed: openat2 (Linux 5.6)"}},
        MissingCall{"OpenTree", SYS_open_tree, ENOSYS, {"layer mount namespace: open_tree ", "Linux 5.2"}},
        MissingCall{"MountSetattr",
                    SYS_mount_setattr,
                    ENOSYS,
                    {"layer mount namespace: mount_setattr '", "needed: mount_setattr (Linux 5.12)", "a newer kernel"}},
        MissingCall{
            "Mount", SYS_mount, EPERM, {"make '/' private", "needed: capabilities inside a new user namespace"}},
        MissingCall{"PivotRoot", SYS_pivot_root, EPERM, {"pivot_root", "needed: capabilities inside a new user"}},
        MissingCall{"CloseRange", SYS_close_range, ENOSYS, {"layer descriptors: close_range (Linux 5.9"}},
        MissingCall{"Capset", SYS_capset, EPERM, {"layer capabilities: "}},
        MissingCall{"Filters", SYS_seccomp, EPERM, {"layer seccomp: the filter of 'command", "CONFIG_SECCOMP_FILTER"}}),
    [](const auto& row) { return row.param.name; });

TEST(Invariant1, OnlyTheOperatorsExplicitWordRunsWithoutLandlock) {
    const DaemonFolder daemon;
    std::ofstream(daemon.config(), std::ios::app) << "[confinement]\nallow_degraded = [\"landlock\"]\n";
    // The control: it goes on to its listeners, and ends only because the broker here never greets.
    const auto ended = daemon.run(daemon.serve(), 0, [] { return take_away(SYS_landlock_create_ruleset, EOPNOTSUPP); });
    EXPECT_TRUE(holds(ended.log, "running without Landlock")) << ended.log;
    EXPECT_TRUE(holds(ended.log, "the cage holds")) << ended.log;
    EXPECT_TRUE(holds(ended.log, "serving 1 segments")) << ended.log;
}

// --- toren doctor says the same before anybody starts the daemon

nlohmann::json row_of(const nlohmann::json& document, const std::string& what) {
    for (const auto& row : document.at("rows"))
        if (row.at("what").get<std::string>().find(what) != std::string::npos) return row;
    ADD_FAILURE() << "no row '" << what << "'";
    return {{"state", ""}, {"way_out", ""}, {"detail", ""}};
}

TEST(Invariant1, DoctorShowsTheMissingUserNamespaceAndTheWayOut) {
    const DaemonFolder daemon;
    const auto ended = daemon.run({"doctor", "--json"}, CLONE_NEWUSER, allow_no_user_namespaces());
    EXPECT_EQ(ended.status, 1);
    const auto document = nlohmann::json::parse(ended.out);
    EXPECT_EQ(document.at("state"), "missing");
    const auto row = row_of(document, "user namespaces without privileges");
    EXPECT_EQ(row.at("state"), "missing");
    EXPECT_TRUE(holds(row.at("way_out"), "sysctl user.max_user_namespaces=15000")) << row;
    const auto cell = row_of(document, "a real cell");
    EXPECT_EQ(cell.at("state"), "missing");
    EXPECT_TRUE(holds(cell.at("way_out"), "sysctl user.max_user_namespaces=15000")) << cell;
    EXPECT_EQ(row_of(document, "close_range").at("state"), "ok") << "the control: what is there is shown as there";
}

TEST(Invariant1, DoctorShowsTheMissingLandlock) {
    const DaemonFolder daemon;
    const auto ended =
        daemon.run({"doctor", "--json"}, 0, [] { return take_away(SYS_landlock_create_ruleset, EOPNOTSUPP); });
    EXPECT_EQ(ended.status, 1);
    const auto document = nlohmann::json::parse(ended.out);
    EXPECT_EQ(row_of(document, "Landlock (Linux 5.13").at("state"), "missing");
    EXPECT_EQ(row_of(document, "mount_setattr").at("state"), "ok");
}

TEST(Invariant1, DoctorShowsWhatTheCellOfAnOlderKernelWasShortOf) {
    const DaemonFolder daemon;
    const auto ended = daemon.run({"doctor", "--json"}, 0, [] { return take_away(SYS_mount_setattr, ENOSYS); });
    EXPECT_EQ(ended.status, 1);
    const auto document = nlohmann::json::parse(ended.out);
    EXPECT_EQ(row_of(document, "mount_setattr").at("state"), "missing");
    const auto cell = row_of(document, "a real cell");
    EXPECT_TRUE(holds(cell.at("detail"), "layer mount namespace: mount_setattr")) << cell;
    EXPECT_TRUE(holds(cell.at("way_out"), "needed: mount_setattr (Linux 5.12); the way out: a newer kernel")) << cell;
}

TEST(Doctor, ShowsEveryLayerAndEveryAttemptOnThisMachine) {
    const DaemonFolder daemon;
    const auto ended = daemon.run({"doctor", "--json"});
    const auto document = nlohmann::json::parse(ended.out);
    std::string worst = "ok";
    for (const auto& row : document.at("rows")) {
        EXPECT_EQ(row.at("way_out").get<std::string>().empty(), row.at("state") == "ok") << row;
        if (row.at("state") == "missing" || worst == "ok") worst = row.at("state");
    }
    EXPECT_EQ(document.at("state"), worst);
    EXPECT_EQ(ended.status, worst == "ok" ? 0 : worst == "degraded" ? 3 : 1);
    for (const char* what :
         {"user namespaces", "a fresh /proc", "attempt write-outside", "attempt io-uring", "a real cell"})
        EXPECT_EQ(row_of(document, what).at("state"), "ok");
}

TEST(Doctor, TheTableForPeopleHasNoControlCharacters) {
    const DaemonFolder daemon;
    const auto ended = daemon.run({"doctor"});
    EXPECT_TRUE(holds(ended.out, "attempt write-outside")) << ended.out;
    EXPECT_TRUE(std::none_of(ended.out.begin(), ended.out.end(),
                             [](char c) { return static_cast<unsigned char>(c) < ' ' && c != '\n'; }));
}

}  // namespace
}  // namespace toren
