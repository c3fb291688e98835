#include "policy/config.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sstream>

#include "policy/config_keys.h"
#include "tests/unit/temp_folder.h"

namespace toren {
namespace {

Result<Config> parse(const std::string& text) { return parse_config(text, "toren.toml", "/base"); }

std::string error_of(const std::string& text) {
    auto config = parse(text);
    return config ? "no error" : config.error().text();
}

StringList warnings_of(const std::string& text) {
    auto config = parse(text);
    return config ? config->warnings : StringList{"error: " + config.error().text()};
}

std::string repeated(const std::string& text, int times) {
    std::string out;
    for (int i = 0; i < times; ++i) out += text;
    return out;
}

TEST(ConfigTest, AnEmptyFileGivesTheDocumentedDefaults) {
    const auto config = parse("");
    ASSERT_TRUE(config);
    EXPECT_EQ(config->server.host, "127.0.0.1");
    EXPECT_EQ(config->server.port, 8787u);
    EXPECT_TRUE(config->auto_approve.non_vcs_commands);
    EXPECT_FALSE(config->auto_approve.vcs_commands);
    EXPECT_FALSE(config->auto_approve.file_operations);
    EXPECT_EQ(config->ancillary.max_concurrent, 5u);
    EXPECT_TRUE(config->security.require_auth);
    EXPECT_EQ(config->security.pairing_uses, 1u);
    EXPECT_EQ(config->limits.body_bytes, 2'097'152u);
    EXPECT_FALSE(config->approved_directories);
    EXPECT_TRUE(config->warnings.empty());
}

TEST(ConfigTest, EveryTypeOfValueIsRead) {
    const auto config = parse(R"(
approved_directories = ["~/a", "b"]
[server]
host = "::1"
port = 0
allowed_hosts = ["toren.example"]
[segments]
globs = ["~/p/*"]
[security]
require_auth = false
[confinement]
allow_degraded = ["landlock"]
)");
    ASSERT_TRUE(config) << config.error().text();
    EXPECT_EQ(config->server.host, "::1");
    EXPECT_EQ(config->server.port, 0u);
    EXPECT_EQ(config->server.allowed_hosts, StringList{"toren.example"});
    EXPECT_EQ(config->segments.globs, StringList{"~/p/*"});
    EXPECT_FALSE(config->security.require_auth);
    EXPECT_EQ(config->confinement.allow_degraded, StringList{"landlock"});
    EXPECT_EQ(config->approved_directories.value(), (StringList{"~/a", "b"}));
}

TEST(ConfigTest, AMistypedValueNamesFileLineAndKey) {
    EXPECT_EQ(error_of("\n[server]\nport = \"8787\""),
              "toren.toml:3: server.port: expected an integer, found a string");
    EXPECT_EQ(error_of("[server]\nport = 80.5"), "toren.toml:2: server.port: expected an integer, found a float");
    EXPECT_EQ(error_of("[server]\nhost = 1"), "toren.toml:2: server.host: expected a string, found an integer");
    EXPECT_EQ(error_of("[security]\nrequire_auth = \"no\""),
              "toren.toml:2: security.require_auth: expected a boolean, found a string");
    EXPECT_EQ(error_of("[segments]\nglobs = \"~/p/*\""),
              "toren.toml:2: segments.globs: expected an array of strings, found a string");
    EXPECT_EQ(error_of("[segments]\nglobs = [\n  \"a\",\n  7]"),
              "toren.toml:4: segments.globs: expected a string, found an integer");
    EXPECT_EQ(error_of("server = 1"), "toren.toml:1: server: expected a table, found an integer");
    EXPECT_EQ(error_of("[[server]]\nport = 1"), "toren.toml:1: server: expected a table, found an array");
    EXPECT_EQ(error_of("[server.port]\na = 1"), "toren.toml:1: server.port: expected an integer, found a table");
    EXPECT_EQ(error_of("server.port = true"), "toren.toml:1: server.port: expected an integer, found a boolean");
}

TEST(ConfigTest, AValueOutOfItsRangeNamesTheRange) {
    EXPECT_EQ(error_of("[server]\nport = 65536"), "toren.toml:2: server.port: 65536 is out of range (0 to 65535)");
    EXPECT_EQ(error_of("[server]\nport = -1"), "toren.toml:2: server.port: -1 is out of range (0 to 65535)");
    EXPECT_EQ(error_of("[limits]\nbody_bytes = 1"),
              "toren.toml:2: limits.body_bytes: 1 is out of range (1 KiB to 1 GiB)");
    EXPECT_EQ(error_of("[limits]\noutput_ring_bytes = 65537"),
              "toren.toml:2: limits.output_ring_bytes: 65537 is not a power of two");
    EXPECT_EQ(error_of("[server]\nhost = \"\""), "toren.toml:2: server.host: must not be empty");
    EXPECT_EQ(error_of("[confinement]\nallow_degraded = [\"seccomp\"]"),
              "toren.toml:2: confinement.allow_degraded: 'seccomp' cannot be given up; only \"landlock\" is accepted");
}

TEST(ConfigTest, EveryIntegerIsRefusedJustOutsideItsRangeAndTakenAtItsEnds) {
    for (const ConfigKey& key : config_keys()) {
        if (!std::holds_alternative<std::uint64_t& (*)(Config&)>(key.field)) continue;
        const auto with = [&](const std::string& value) { return std::string(key.name) + " = " + value; };
        EXPECT_TRUE(parse(with(std::to_string(key.min)))) << key.name;
        EXPECT_TRUE(parse(with(std::to_string(key.max)))) << key.name;
        EXPECT_FALSE(parse(with(std::to_string(key.max + 1)))) << key.name;
        EXPECT_FALSE(parse(with(std::to_string(static_cast<std::int64_t>(key.min) - 1)))) << key.name;
        EXPECT_FALSE(parse(with("9223372036854775807"))) << key.name;
        Config defaults;
        const auto value = std::get<std::uint64_t& (*)(Config&)>(key.field)(defaults);
        EXPECT_TRUE(value >= key.min && value <= key.max) << key.name;
    }
}

TEST(ConfigTest, ASyntaxErrorNamesFileAndLine) {
    EXPECT_TRUE(error_of("[server]\nport = = 1").starts_with("toren.toml:2: ")) << error_of("[server]\nport = = 1");
    EXPECT_TRUE(error_of("[server]\nport = 1\nport = 2").starts_with("toren.toml:3: "));
    EXPECT_TRUE(error_of("[server]\nhost = \"\xff\"").starts_with("toren.toml:2: "));
    EXPECT_TRUE(error_of("port = 99999999999999999999").starts_with("toren.toml:1: "));
}

TEST(ConfigTest, TheFirstErrorOfTheFileIsTheOneReported) {
    EXPECT_EQ(error_of("[server]\nport = -1\n[ancillary]\nmax_concurrent = 0"),
              "toren.toml:2: server.port: -1 is out of range (0 to 65535)");
}

TEST(ConfigTest, AnUnknownKeyIsAWarningThatNamesTheNearestKnownOne) {
    EXPECT_EQ(warnings_of("[segments]\nglob = []"),
              StringList{"toren.toml:2: unknown key 'segments.glob' (did you mean 'segments.globs'?)"});
    EXPECT_EQ(warnings_of("[segmants]\nglobs = []"),
              StringList{"toren.toml:1: unknown key 'segmants' (did you mean 'segments'?)"});
    EXPECT_EQ(warnings_of("[profile.x]\nbase = \"read-only\""),
              StringList{"toren.toml:1: unknown key 'profile' (did you mean 'profiles'?)"});
    EXPECT_EQ(
        warnings_of("[server]\nmax_concurrent = 2"),
        StringList{"toren.toml:2: unknown key 'server.max_concurrent' (did you mean 'ancillary.max_concurrent'?)"});
    EXPECT_EQ(warnings_of("zebra_crossing_colour = 1"),
              StringList{"toren.toml:1: unknown key 'zebra_crossing_colour'"});
}

TEST(ConfigTest, TablesWithFreeNamesAreRead) {
    const auto config = parse(R"(
[confinement]
profile = "strict"
protect_repositories = false
[profiles.strict]
base = "read-only"
hidden = ["private", "/srv/x"]
environment = ["HTTP_PROXY"]
seconds = 0
[segment."my app.2"]
profile = "workspace-write"
secrets = []
)");
    ASSERT_TRUE(config) << config.error().text();
    EXPECT_EQ(config->warnings, StringList{});
    EXPECT_FALSE(config->confinement.protect_repositories);
    ASSERT_EQ(config->profiles.size(), 1u);
    const auto& profile = config->profiles.front();
    EXPECT_EQ(profile.name, "strict");
    EXPECT_EQ(profile.base, "read-only");
    EXPECT_EQ(profile.hidden, (StringList{"private", "/srv/x"}));
    EXPECT_EQ(profile.seconds, 0u);
    EXPECT_EQ(profile.memory_bytes, std::nullopt);
    ASSERT_EQ(config->segment_rules.size(), 1u);
    const auto& rules = config->segment_rules.front();
    EXPECT_EQ(rules.name, "my app.2");
    EXPECT_EQ(rules.line, 10u);
    EXPECT_EQ(rules.secrets, StringList{});
    EXPECT_EQ(rules.protect, std::nullopt);
}

TEST(ConfigTest, AnUnknownKeyOfAProfileOrSegmentNamesTheNearestOfThatTable) {
    EXPECT_EQ(warnings_of("[profiles.p]\nreadonly = []"),
              StringList{"toren.toml:2: unknown key 'profiles.p.readonly' (did you mean 'profiles.p.read_only'?)"});
    EXPECT_EQ(warnings_of("[segment.s]\nprofil = \"read-only\"\nzebra_crossing = 1"),
              (StringList{"toren.toml:2: unknown key 'segment.s.profil' (did you mean 'segment.s.profile'?)",
                          "toren.toml:3: unknown key 'segment.s.zebra_crossing'"}));
}

TEST(ConfigTest, WhatIsWrongInATableWithAFreeNameNamesItsLine) {
    EXPECT_EQ(error_of("[profiles.p]\nprocesses = 1"),
              "toren.toml:2: profiles.p.processes: 1 is out of range (16 to 4194304)");
    EXPECT_EQ(error_of("[profiles.p]\nbase = \"custom\""),
              "toren.toml:2: profiles.p.base: 'custom' is neither \"workspace-write\" nor \"read-only\"");
    EXPECT_EQ(error_of("\n[profiles.read-only]\n"),
              "toren.toml:2: profiles.read-only: is built in, and cannot be given another meaning");
    EXPECT_EQ(
        error_of("[profiles.\"a b\"]\n"),
        "toren.toml:1: profiles.a b: is not a profile's name: 1 to 64 letters, digits, '-' and '_', no '-' first");
    EXPECT_EQ(error_of("profiles = 1"), "toren.toml:1: profiles: expected a table, found an integer");
    EXPECT_EQ(error_of("[segment]\nglobs = []"),
              "toren.toml:2: segment.globs: expected a table, found an array (did you mean 'segments.globs'?)");
    std::string many;
    for (int i = 0; i < 65; ++i) many += "[profiles.p" + std::to_string(i) + "]\n";
    EXPECT_EQ(error_of(many), "toren.toml:1: profiles: 65 tables; at most 64");
}

TEST(ConfigTest, AProfileThatNobodyHasIsAnErrorWhereItIsNamed) {
    EXPECT_EQ(error_of("[segment.s]\nprofile = \"strikt\"\n[profiles.strict]\n"),
              "toren.toml:2: segment.s.profile: there is no profile 'strikt' (did you mean 'strict'?)");
    EXPECT_EQ(error_of("[confinement]\n\nprofile = \"readonly\""),
              "toren.toml:3: confinement.profile: there is no profile 'readonly' (did you mean 'read-only'?)");
    EXPECT_EQ(error_of("[segment.s]\nprofile = \"later\"\n[profiles.later]"), "no error");
}

TEST(ConfigTest, GuardsThatCouldNotStandAreRefused) {
    EXPECT_EQ(error_of("[confinement]\nsecrets = [\"a/b\"]"),
              "toren.toml:2: confinement.secrets: 'a/b' must be a single name, without '/'");
    EXPECT_EQ(error_of("[confinement]\nsecrets = [\"!\"]"),
              "toren.toml:2: confinement.secrets: '!' is not the name of a file");
    EXPECT_EQ(error_of("[confinement]\nprotect = [\"*.rc\"]"),
              "toren.toml:2: confinement.protect: '*.rc' must be a plain name, not a pattern");
    EXPECT_EQ(error_of("[segment.s]\nprotect = [\".git\"]"),
              "toren.toml:2: segment.s.protect: '.git' is what protect_repositories is for: whole, it could not be "
              "committed to");
    EXPECT_EQ(error_of("[profiles.p]\nhidden = [\"a/../../b\"]"),
              "toren.toml:2: profiles.p.hidden: 'a/../../b' must not hold '..'");
    EXPECT_EQ(error_of("[profiles.p]\nhidden = [\"./\"]"),
              "toren.toml:2: profiles.p.hidden: './' would hide everything");
}

TEST(ConfigTest, VariablesThatChangeEveryProgramAreNotPassed) {
    for (const char* name : {"LD_PRELOAD", "LD_LIBRARY_PATH", "GLIBC_TUNABLES", "GIT_CONFIG_COUNT", "GIT_DIR",
                             "PAIRING_TOKEN", "HOME", "A B", "A=1", "1A"})
        EXPECT_FALSE(parse(std::string("[profiles.p]\nenvironment = [\"") + name + "\"]")) << name;
    EXPECT_EQ(error_of("[profiles.p]\nenvironment = [\"LD_PRELOAD\"]"),
              "toren.toml:2: profiles.p.environment: 'LD_PRELOAD' is refused: it makes the loader run the daemon's "
              "libraries in every program");
    for (const char* name : {"HTTP_PROXY", "_x1", "GIT_AUTHOR_NAME", "PATH"})
        EXPECT_TRUE(parse(std::string("[profiles.p]\nenvironment = [\"") + name + "\"]")) << name;
}

TEST(ConfigTest, MemoryThatNoProgramStartsWithIsRefused) {
    EXPECT_EQ(error_of("[limits]\nmemory_bytes = 1000"),
              "toren.toml:2: limits.memory_bytes: 1000 is too little for any program (16 MiB is the least)");
    EXPECT_FALSE(parse("[limits]\nsegment_memory_bytes = 16777215"));
    EXPECT_FALSE(parse("[profiles.p]\nmemory_bytes = 1"));
    EXPECT_TRUE(parse("[limits]\nmemory_bytes = 16777216"));
}

TEST(ConfigTest, WarningsComeInTheOrderOfTheirLines) {
    const auto warnings = warnings_of("zz = 1\naa = 1\n[server]\nprot = 1");
    ASSERT_EQ(warnings.size(), 3u);
    EXPECT_TRUE(warnings[0].starts_with("toren.toml:1: "));
    EXPECT_TRUE(warnings[1].starts_with("toren.toml:2: "));
    EXPECT_EQ(warnings[2], "toren.toml:4: unknown key 'server.prot' (did you mean 'server.port'?)");
}

TEST(ConfigTest, AQuotedKeyWithADotIsNotTheKeyOfATable) {
    const auto config = parse("\"server.port\" = 1\n\"\" = 2");
    ASSERT_TRUE(config);
    EXPECT_EQ(config->server.port, 8787u);
    EXPECT_EQ(config->warnings.size(), 2u);
}

TEST(ConfigTest, ApprovedDirectoriesUnderAutoApproveCountWithAWarning) {
    const auto config = parse("[auto_approve]\napproved_directories = [\"/srv/a\"]");
    ASSERT_TRUE(config);
    EXPECT_EQ(config->approved_directories.value(), StringList{"/srv/a"});
    ASSERT_EQ(config->warnings.size(), 1u);
    EXPECT_TRUE(config->warnings[0].starts_with("toren.toml:2: 'auto_approve.approved_directories' belongs"));
}

TEST(ConfigTest, ApprovedDirectoriesAtTheTopWinOverTheMisplacedOnes) {
    const auto config =
        parse("approved_directories = [\"/srv/top\"]\n[auto_approve]\napproved_directories = [\"/srv/a\"]");
    ASSERT_TRUE(config);
    EXPECT_EQ(config->approved_directories.value(), StringList{"/srv/top"});
    ASSERT_EQ(config->warnings.size(), 1u);
    EXPECT_NE(config->warnings[0].find("ignored"), std::string::npos);
}

TEST(ConfigTest, ApprovedDirectoriesThatAreEmptyAreNotAbsentOnes) {
    const auto config = parse("approved_directories = []");
    ASSERT_TRUE(config);
    ASSERT_TRUE(config->approved_directories);
    EXPECT_TRUE(config->approved_directories->empty());
}

TEST(ConfigTest, ANulInAStringIsRefused) {
    EXPECT_EQ(error_of("[segments]\npaths = [\"/etc\\u0000/x\"]"),
              "toren.toml:2: segments.paths: a string must not hold a NUL character");
    EXPECT_FALSE(parse("[server]\nhost = \"a\\u0000b\""));
}

TEST(ConfigTest, TooManyEntriesAndTooLongOnesAreRefused) {
    EXPECT_EQ(error_of("[segments]\npaths = [" + repeated("\"a\",", 1001) + "]"),
              "toren.toml:2: segments.paths: 1001 entries; at most 1000");
    EXPECT_FALSE(parse("[segments]\npaths = [\"" + repeated("a", 4096) + "\"]"));
    EXPECT_FALSE(parse("[segments]\npaths = [\"\"]"));
}

TEST(ConfigTest, DeepNestingIsAnErrorAndNotACrash) {
    EXPECT_FALSE(parse("a = " + repeated("[", 5000) + repeated("]", 5000)));
    EXPECT_FALSE(parse("a = " + repeated("[", 100'000)));
    EXPECT_FALSE(parse("a = " + repeated("{a=", 5000) + '1' + repeated("}", 5000)));
    EXPECT_FALSE(parse(repeated("a.", 100'000) + "a = 1"));
    EXPECT_FALSE(parse('[' + repeated("a.", 100'000) + "a]"));
    EXPECT_FALSE(parse("[[" + repeated("a.", 100'000) + "a]]"));
    EXPECT_TRUE(parse(repeated("a.", 4000) + "a = 1"));
}

TEST(ConfigTest, TheExampleIsValidAndSaysNothing) {
    const auto config = parse(example_config());
    ASSERT_TRUE(config) << config.error().text();
    EXPECT_TRUE(config->warnings.empty());
    EXPECT_FALSE(config->approved_directories);
    EXPECT_TRUE(config->segments.globs.empty());
}

TEST(ConfigTest, TheExampleHoldsEveryKeyWithItsDefault) {
    std::istringstream lines(example_config());
    std::string uncommented, line;
    while (std::getline(lines, line))
        uncommented += (line.starts_with('#') && !line.starts_with("# ") ? line.substr(1) : line) + '\n';
    auto config = parse(uncommented);
    ASSERT_TRUE(config) << config.error().text();
    EXPECT_TRUE(config->warnings.empty());
    Config defaults;
    for (const ConfigKey& key : config_keys()) {
        const std::string name = key.name;
        if (key.belongs != nullptr) continue;
        EXPECT_NE(uncommented.find('\n' + name.substr(name.find('.') + 1) + " = "), std::string::npos) << name;
        if (key.example != nullptr) continue;
        std::visit([&](auto field) { EXPECT_EQ(field(*config), field(defaults)) << name; }, key.field);
    }
    const auto has = [&](const char* name) {
        EXPECT_NE(uncommented.find(std::string("\n") + name + " = "), std::string::npos) << name;
    };
    for (const ProfileKey& key : profile_keys()) has(key.name);
    for (const SegmentKey& key : segment_keys()) has(key.name);
    ASSERT_EQ(config->profiles.size(), 1u);
    ASSERT_EQ(config->segment_rules.size(), 1u);
    EXPECT_EQ(config->segment_rules.front().profile, config->profiles.front().name);
}

TEST(ConfigTest, TheShippedExampleIsTheGeneratedOne) {
    std::ifstream file(std::string(TOREN_SOURCE_DIR) + "/toren.example.toml");
    std::stringstream shipped;
    shipped << file.rdbuf();
    EXPECT_EQ(shipped.str(), example_config()) << "write it anew: toren config example > toren.example.toml";
}

TEST(ConfigTest, AFileIsLoadedAndItsFolderIsWhereRelativePathsStart) {
    const TempFolder temp;
    const auto path = temp.file("toren.toml", "[server]\nport = 1\n");
    const auto config = load_config(path);
    ASSERT_TRUE(config) << config.error().text();
    EXPECT_EQ(config->server.port, 1u);
    EXPECT_EQ(config->base_dir, temp.path());
    EXPECT_EQ(config->file, path);
}

TEST(ConfigTest, AFileThatCannotBeReadIsANamedError) {
    const TempFolder temp;
    EXPECT_EQ(load_config(temp / "none").error().text(),
              "open configuration '" + (temp / "none") + "': No such file or directory");
    EXPECT_EQ(load_config(temp.path()).error().text(), "configuration '" + temp.path() + "': not a regular file");
    ASSERT_EQ(::mkfifo((temp / "fifo").c_str(), 0600), 0);
    EXPECT_FALSE(load_config(temp / "fifo"));
    EXPECT_FALSE(load_config("/dev/zero"));
    EXPECT_FALSE(load_config(temp.file("large", std::string(300'000, '#'))));
}

TEST(ConfigTest, AFileThatEverybodyMayWriteIsAWarning) {
    const TempFolder temp;
    const auto path = temp.file("toren.toml", "");
    ASSERT_EQ(::chmod(path.c_str(), 0666), 0);
    const auto config = load_config(path);
    ASSERT_TRUE(config);
    ASSERT_EQ(config->warnings.size(), 1u);
    EXPECT_NE(config->warnings[0].find("every user"), std::string::npos);
}

TEST(ConfigTest, TheSearchGoesFromTheFolderToTheHomeAndNeverPastABrokenFile) {
    const TempFolder temp;
    const auto home = temp.folder("home");
    const auto before = std::filesystem::current_path();
    std::filesystem::current_path(temp.folder("work"));
    EXPECT_EQ(find_config_file(home), std::nullopt);
    temp.folder("home/.config/toren");
    const auto in_home = temp.file("home/.config/toren/config.toml", "");
    EXPECT_EQ(find_config_file(home), in_home);
    temp.folder("work/.toren");
    temp.file("work/.toren/config.toml", "");
    EXPECT_EQ(find_config_file(home), "./.toren/config.toml");
    temp.link("/nowhere/at/all", "work/toren.toml");
    EXPECT_EQ(find_config_file(home), "./toren.toml");
    EXPECT_FALSE(load_config("./toren.toml"));
    std::filesystem::remove("toren.toml");
    temp.folder("work/toren.toml");
    EXPECT_EQ(find_config_file(home), "./.toren/config.toml") << "a folder is no configuration file";
    std::filesystem::current_path(before);
}

TEST(ConfigTest, PathsExpandFromTheHomeOrTheConfigurationsFolder) {
    EXPECT_EQ(*expand_path("~", "/b", "/h"), "/h");
    EXPECT_EQ(*expand_path("~/x", "/b", "/h"), "/h/x");
    EXPECT_EQ(*expand_path("x", "/b", "/h"), "/b/x");
    EXPECT_EQ(*expand_path("/x", "/b", "/h"), "/x");
    EXPECT_FALSE(expand_path("~bob/x", "/b", "/h"));
    EXPECT_FALSE(expand_path("~/x", "/b", ""));
}

TEST(ConfigTest, WithoutAuthenticationOnlyLoopbackIsAccepted) {
    Config config;
    config.security.require_auth = false;
    for (const char* host : {"127.0.0.1", "127.1.2.3", "::1", "localhost"}) {
        config.server.host = host;
        EXPECT_TRUE(check_exposure(config)) << host;
    }
    for (const char* host : {"0.0.0.0", "::", "192.168.1.2", "127.evil.example", "localhost.evil.example"}) {
        config.server.host = host;
        EXPECT_FALSE(check_exposure(config)) << host;
    }
    config.security.require_auth = true;
    EXPECT_TRUE(check_exposure(config));
}

}  // namespace
}  // namespace toren
