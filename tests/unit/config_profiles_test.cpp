#include "policy/config_profiles.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "policy/config_limits.h"
#include "policy/name_patterns.h"
#include "tests/unit/temp_folder.h"

namespace toren {
namespace {

using ::testing::HasSubstr;
using Strings = std::vector<std::string>;

constexpr std::uint64_t kMiB = 1 << 20;

// A home with a segment `app` in it, and a configuration beside them.
class ConfigProfilesTest : public ::testing::Test {
protected:
    void SetUp() override {
        temp_.folder("home/app");
        temp_.folder("state");
        set_.segments = {{"app", temp_ / "home/app", Segment::kPath}};
    }
    void configure(const std::string& text) {
        auto config = parse_config(text, "toren.toml", temp_.path());
        ASSERT_TRUE(config) << config.error().text();
        config_ = std::move(*config);
    }
    ProfileSources sources() const { return {config_, set_, temp_ / "home", temp_ / "state"}; }
    const Segment& app() const { return set_.segments.front(); }
    std::string error_of_path(const std::string& key, const std::string& path) {
        configure("[profiles.p]\n" + key + " = [\"" + path + "\"]");
        const auto profile = find_profile(sources(), "p");
        return profile ? "no error" : profile.error().text();
    }

    TempFolder temp_;
    SegmentSet set_;
    Config config_;
};

TEST_F(ConfigProfilesTest, WithoutAWordASegmentIsWritableAndItsSecretsAreHidden) {
    const auto own = segment_profile(sources(), app());
    ASSERT_TRUE(own) << own.error().text();
    EXPECT_EQ(own->name, "workspace-write");
    EXPECT_TRUE(own->writes);
    const auto guards = guard_spec(config_, app(), *own);
    EXPECT_EQ(guards.trees, Strings{app().path});
    EXPECT_TRUE(guards.git);
    const NamePatterns secrets(guards.secrets);
    for (const char* name : {".env", ".env.local", "server.pem", "id_rsa", "id_ed25519_work", ".ssh", ".netrc"})
        EXPECT_TRUE(secrets.picks("", name)) << name;
    for (const char* name : {".env.example", ".envrc", "id_rsa.pub", "environment", "monkey", "key.c", ".git"})
        EXPECT_FALSE(secrets.picks("", name)) << name;
    EXPECT_THAT(guards.protect, ::testing::Contains(".vscode"));
}

TEST_F(ConfigProfilesTest, AProfileOfTheConfigurationHasCanonicalPathsAndItsOwnLimits) {
    temp_.folder("home/reference");
    temp_.folder("cache");
    temp_.link(temp_ / "home/reference", "ref");
    configure(R"([limits]
file_bytes = 5
[profiles.p]
base = "read-only"
read_only = ["ref", "~/reference/"]
writable = ["cache"]
hidden = ["./private//x/", "~/not/there"]
seconds = 7
)");
    const auto profile = find_profile(sources(), "p");
    ASSERT_TRUE(profile) << profile.error().text();
    EXPECT_FALSE(profile->writes);
    EXPECT_EQ(profile->read_only, Strings{temp_ / "home/reference"});
    EXPECT_EQ(profile->writable, Strings{temp_ / "cache"});
    EXPECT_EQ(profile->hidden, (Strings{"private/x", temp_ / "home/not/there"}));
    EXPECT_EQ(profile->limits.seconds, 7u);
    EXPECT_EQ(profile->limits.file_bytes, 5u);
    EXPECT_EQ(guard_spec(config_, app(), *profile).trees,
              (Strings{app().path, temp_ / "cache", temp_ / "home/reference"}));
}

TEST_F(ConfigProfilesTest, APathThatACageMayNotHaveIsRefusedByName) {
    temp_.link("/etc", "innocent");
    EXPECT_THAT(error_of_path("read_only", "/"), HasSubstr("profiles.p.read_only '/': refused: it is the whole"));
    EXPECT_THAT(error_of_path("read_only", "~"), HasSubstr("is the home folder"));
    EXPECT_THAT(error_of_path("read_only", "."), HasSubstr("holds the home folder"));
    EXPECT_THAT(error_of_path("writable", "state"), HasSubstr("is Toren's state folder"));
    EXPECT_THAT(error_of_path("read_only", "/run"), HasSubstr("sockets"));
    EXPECT_THAT(error_of_path("read_only", "/proc/self"), HasSubstr("lies in /proc"));
    EXPECT_THAT(error_of_path("writable", "/usr/bin"), HasSubstr("lies in /usr"));
    EXPECT_EQ(error_of_path("read_only", "/usr/bin"), "no error");
    EXPECT_THAT(error_of_path("writable", "innocent"), HasSubstr("leads to '/etc': refused"));
    EXPECT_THAT(error_of_path("read_only", "/dev/null"), HasSubstr("neither a folder nor a file"));
    EXPECT_EQ(error_of_path("read_only", "gone"), "profiles.p.read_only 'gone': No such file or directory");
    EXPECT_THAT(error_of_path("read_only", "~bob/x"), HasSubstr("only ~ and ~/ are expanded"));
}

TEST_F(ConfigProfilesTest, ALinkThatACommandCanMoveIsRefused) {
    temp_.folder("data");
    temp_.link(temp_ / "data", "home/app/shared");
    EXPECT_THAT(error_of_path("read_only", "~/app/shared"), HasSubstr("can move the symbolic link"));
    EXPECT_EQ(error_of_path("read_only", "data"), "no error");
}

TEST_F(ConfigProfilesTest, ASegmentsOwnRulesStandBeforeTheGeneralOnes) {
    configure(R"([confinement]
profile = "read-only"
secrets = ["general"]
protect = ["general"]
[segment.app]
profile = "workspace-write"
secrets = []
protect_repositories = false
)");
    const auto own = segment_profile(sources(), app());
    ASSERT_TRUE(own);
    EXPECT_TRUE(own->writes);
    auto guards = guard_spec(config_, app(), *own);
    EXPECT_EQ(guards.secrets, Strings{});
    EXPECT_EQ(guards.protect, Strings{"general"});
    EXPECT_FALSE(guards.git);
    const Segment other{"other", "/srv/other", Segment::kPath};
    EXPECT_FALSE(segment_profile(sources(), other)->writes);
    guards = guard_spec(config_, other, *own);
    EXPECT_EQ(guards.secrets, Strings{"general"});
    EXPECT_TRUE(guards.git);
}

TEST_F(ConfigProfilesTest, ACommandsProfilesAreNarrowedToTheSegments) {
    configure(R"([confinement]
profile = "own"
[profiles.own]
base = "read-only"
seconds = 10
[profiles.wide]
writable = ["/not/there/and/not/needed"]
hidden = ["private"]
seconds = 100
)");
    const auto own = segment_profile(sources(), app());
    ASSERT_TRUE(own);
    const auto profiles = command_profiles(sources(), *own);
    ASSERT_TRUE(profiles) << profiles.error().text();
    Strings names;
    for (const auto& profile : *profiles) {
        names.push_back(profile.name);
        EXPECT_FALSE(profile.writes) << profile.name;
        EXPECT_LE(profile.limits.seconds, 10u) << profile.name;
        EXPECT_TRUE(profile.writable.empty()) << profile.name;
    }
    EXPECT_EQ(names, (Strings{"own", "read-only", "workspace-write", "wide"}));
    EXPECT_EQ(profiles->back().hidden, Strings{"private"});
}

TEST_F(ConfigProfilesTest, AZeroOfMemoryIsAPartOfTheMachines) {
    const auto whole = segment_limits(config_).memory_bytes;
    EXPECT_GT(whole, 64 * kMiB);
    EXPECT_GT(whole, limits_of_commands(config_).memory_bytes);
    EXPECT_GT(limits_of_commands(config_).memory_bytes, 64 * kMiB);
    configure("[limits]\nsegment_memory_bytes = 33554432\nswap_bytes = 4\ncpu_percent = 150");
    EXPECT_EQ(segment_limits(config_).cpu_percent, 150u);
    EXPECT_EQ(limits_of_commands(config_).memory_bytes, 32 * kMiB) << "a command's is never more than its segment's";
    EXPECT_EQ(limits_of_commands(config_).swap_bytes, 4u);
}

TEST_F(ConfigProfilesTest, VariablesPassByNameAndOnlyWhereTheyAreSet) {
    ::setenv("TOREN_TEST_SET", "a=b", 1);
    ::unsetenv("TOREN_TEST_UNSET");
    const Profile profile{.name = "p", .environment = {"TOREN_TEST_SET", "TOREN_TEST_UNSET"}};
    EXPECT_EQ(passed_environment(profile), Strings{"TOREN_TEST_SET=a=b"});
    ::unsetenv("TOREN_TEST_SET");
}

TEST_F(ConfigProfilesTest, TheStartFindsWhatIsBrokenAndWhatIsForNobody) {
    configure("[profiles.p]\nread_only = [\"gone\"]");
    EXPECT_FALSE(check_profiles(sources()));
    configure("[segment.app]\n[segment.App]\n");
    const auto warnings = check_profiles(sources());
    ASSERT_TRUE(warnings);
    EXPECT_EQ(*warnings, Strings{"toren.toml:2: [segment.App]: there is no segment of that name"});
}

}  // namespace
}  // namespace toren
