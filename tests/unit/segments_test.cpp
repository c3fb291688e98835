#include "policy/segments.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>

#include "policy/canonical.h"
#include "tests/unit/temp_folder.h"

namespace toren {
namespace {

using Strings = std::vector<std::string>;

class SegmentsTest : public ::testing::Test {
protected:
    SegmentsTest() {
        home_ = temp_.folder("home");
        state_ = temp_.folder("home/state");
        config_.base_dir = temp_.folder("home/base");
    }

    Result<SegmentSet> discover(const Strings& created = {}) {
        return discover_segments(config_, created, state_, home_);
    }
    SegmentSet found(const Strings& created = {}) {
        auto set = discover(created);
        if (set) return *set;
        ADD_FAILURE() << set.error().text();
        return {};
    }
    std::string refusal() {
        auto set = discover();
        return set ? "no error" : set.error().text();
    }

    TempFolder temp_;
    std::string home_, state_;
    Config config_;
};

// "app=/…/app (glob)" with the temporary folder's own path left out.
Strings listed(const SegmentSet& set, const TempFolder& temp) {
    Strings out;
    for (const auto& segment : set.segments)
        out.push_back(segment.name + '=' + segment.path.substr(temp.path().size() + 1) + " (" +
                      source_name(segment.source) + ')');
    return out;
}

bool any_holds(const Strings& warnings, const std::string& text) {
    return std::ranges::any_of(warnings, [&](const auto& warning) { return warning.find(text) != std::string::npos; });
}

TEST_F(SegmentsTest, GlobsFindFoldersAndSkipFilesHiddenOnesAndDanglingLinks) {
    temp_.folder("home/p/app");
    temp_.folder("home/p/lib");
    temp_.folder("home/p/.hidden");
    temp_.file("home/p/file", "");
    temp_.link("/nowhere/at/all", "home/p/dangling");
    config_.segments.globs = {"~/p/*", "~/p/.*"};
    const auto set = found();
    EXPECT_EQ(listed(set, temp_), (Strings{"app=home/p/app (glob)", "lib=home/p/lib (glob)"}));
    EXPECT_TRUE(any_holds(set.warnings, "'~/p/.*': matches no folder"));
}

TEST_F(SegmentsTest, AHiddenFolderThatIsNamedIsASegment) {
    temp_.folder("home/p/.hidden");
    config_.segments.globs = {"~/p/.*"};
    config_.segments.paths = {"~/p/.hidden"};
    EXPECT_EQ(listed(found(), temp_), Strings{".hidden=home/p/.hidden (path)"});
}

TEST_F(SegmentsTest, RelativePathsStartAtTheConfigurationsFolderEvenWithWildcardsInItsName) {
    config_.base_dir = temp_.folder("home/od[d *");
    temp_.folder("home/od[d */x/one");
    temp_.folder("home/od[d */two");
    config_.segments.globs = {"x/*"};
    config_.segments.paths = {"./two/../two/"};
    EXPECT_EQ(listed(found(), temp_), (Strings{"two=home/od[d */two (path)", "one=home/od[d */x/one (glob)"}));
}

TEST_F(SegmentsTest, TheSameFolderFoundTwiceIsOneSegmentAndTheFirstSourceWins) {
    temp_.folder("home/p/app");
    temp_.link("app", "home/p/alias");
    config_.segments.globs = {"~/p/*", "~/p/a*"};
    config_.segments.paths = {"~/p/app", "~/p//./app/", "~/p/alias"};
    const auto set = found();
    EXPECT_EQ(listed(set, temp_), Strings{"app=home/p/app (glob)"});
    EXPECT_TRUE(set.warnings.empty());
}

TEST_F(SegmentsTest, AMissingPathIsAWarningAndTheOthersStay) {
    temp_.folder("home/app");
    temp_.file("home/file", "");
    temp_.link("nowhere", "home/dangling");
    config_.segments.paths = {"~/missing", "~/app", "~/file", "~/dangling"};
    const auto set = found();
    EXPECT_EQ(listed(set, temp_), Strings{"app=home/app (path)"});
    EXPECT_TRUE(any_holds(set.warnings, "segments.paths '~/missing': No such file or directory"));
    EXPECT_TRUE(any_holds(set.warnings, "segments.paths '~/file': not a folder"));
    EXPECT_TRUE(any_holds(set.warnings, "segments.paths '~/dangling': No such file or directory"));
}

TEST_F(SegmentsTest, TwoFoldersOfOneNameGetNumbersAndARealNameIsNeverTakenOver) {
    for (const char* path : {"home/a/app", "home/b/app", "home/c/app", "home/d/app-2"}) temp_.folder(path);
    config_.segments.globs = {"~/?/*"};
    const auto set = found();
    EXPECT_EQ(listed(set, temp_), (Strings{"app=home/a/app (glob)", "app-3=home/b/app (glob)",
                                           "app-4=home/c/app (glob)", "app-2=home/d/app-2 (glob)"}));
    EXPECT_TRUE(any_holds(set.warnings, "named 'app-3', since 'app' is taken"));
}

TEST_F(SegmentsTest, PlacesWhoseLossUndoesTheCageAreRefused) {
    for (const char* path :
         {"/", "/etc", "/etc/ssl", "/usr", "/usr/share", "/proc", "/proc/self", "/sys", "/dev", "/run", "/var", "/bin",
          "/lib", "/tmp", "/home", "//etc/../etc/.", "/proc/self/root/etc"}) {
        if (!std::filesystem::exists(path)) continue;
        config_ = Config{};
        config_.segments.paths = {path};
        EXPECT_NE(refusal().find("refused: it "), std::string::npos) << path << ": " << refusal();
        config_ = Config{};
        config_.approved_directories = {path};
        EXPECT_NE(refusal().find("refused: it "), std::string::npos) << path << ": " << refusal();
        config_ = Config{};
        config_.segments.roots = {path};
        EXPECT_NE(refusal().find("refused: it "), std::string::npos) << path << ": " << refusal();
    }
}

TEST_F(SegmentsTest, TheHomeAndStateFoldersAndWhatHoldsThemAreRefused) {
    temp_.folder("home/state/inner");
    for (const std::string& path : {std::string("~"), std::string("~/."), std::string("~/.."), temp_.path(),
                                    std::string("~/state"), std::string("~/state/inner"), std::string("..")}) {
        config_.segments.paths = {path};
        EXPECT_NE(refusal().find("refused: it "), std::string::npos) << path << ": " << refusal();
    }
    config_.segments.paths = {"~/state"};
    EXPECT_EQ(refusal(), "segments.paths '~/state' leads to '" + state_ + "': refused: it is Toren's state folder");
}

TEST_F(SegmentsTest, AStateFolderThatIsMadeLaterIsRefusedAsWell) {
    temp_.folder("home/p");
    state_ = home_ + "/p/not/yet";
    config_.segments.paths = {"~/p"};
    EXPECT_NE(refusal().find("holds Toren's state folder"), std::string::npos) << refusal();
}

TEST_F(SegmentsTest, AStateFolderBehindALinkIsRefusedByItsRealPlace) {
    temp_.folder("home/real");
    state_ = temp_.link("real", "home/link-to-state");
    config_.segments.paths = {"~/real"};
    EXPECT_NE(refusal().find("is Toren's state folder"), std::string::npos) << refusal();
}

TEST_F(SegmentsTest, WithoutAHomeOrAStateFolderNothingIsFound) {
    EXPECT_FALSE(discover_segments(config_, {}, state_, ""));
    EXPECT_FALSE(discover_segments(config_, {}, "", home_));
    EXPECT_FALSE(discover_segments(config_, {}, "relative", home_));
}

TEST_F(SegmentsTest, ALinkToAForbiddenPlaceIsRefusedWhereItIsNamed) {
    for (const char* target : {"/", "/etc", "/proc/self/root"}) {
        const auto link = temp_.link(target, "home/link");
        config_ = Config{};
        config_.approved_directories = {link};
        EXPECT_NE(refusal().find("approved_directories '" + link + "' leads to '/"), std::string::npos) << refusal();
        config_ = Config{};
        config_.segments.paths = {link};
        EXPECT_NE(refusal().find("refused: it "), std::string::npos) << refusal();
        std::filesystem::remove(link);
    }
}

TEST_F(SegmentsTest, AForbiddenPlaceThatAGlobMatchesIsLeftOutWithAWarning) {
    temp_.folder("home/p/app");
    temp_.link("/etc", "home/p/etc");
    temp_.link("/", "home/p/root");
    temp_.link("..", "home/p/up");
    config_.segments.globs = {"~/p/*"};
    const auto set = found();
    EXPECT_EQ(listed(set, temp_), Strings{"app=home/p/app (glob)"});
    EXPECT_TRUE(any_holds(set.warnings, "leads to '/etc': refused: it holds the system's configuration; left out"));
    EXPECT_EQ(set.warnings.size(), 3u);
}

TEST_F(SegmentsTest, ALinkThatASegmentCouldMoveLeadsNowhere) {
    temp_.folder("home/secret");
    temp_.folder("home/p/app/packages");
    temp_.link(home_ + "/secret", "home/p/app/packages/evil");
    temp_.link("p/app/packages/evil", "home/chain");
    config_.segments.paths = {"~/p/app", "~/chain"};
    config_.segments.globs = {"~/p/*/packages/*"};
    config_.segments.roots = {"~/p/app/packages/evil"};
    const auto set = found();
    EXPECT_EQ(listed(set, temp_), Strings{"app=home/p/app (path)"});
    EXPECT_TRUE(set.roots.empty());
    EXPECT_TRUE(any_holds(set.warnings, "can move the symbolic link '" + home_ + "/p/app/packages/evil'"));
}

TEST_F(SegmentsTest, ALinkOutsideEverySegmentIsFollowed) {
    temp_.folder("home/disk/app");
    temp_.folder("home/p");
    temp_.link("../disk/app", "home/p/app");
    config_.segments.globs = {"~/p/*"};
    EXPECT_EQ(listed(found(), temp_), Strings{"app=home/disk/app (glob)"});
}

TEST_F(SegmentsTest, ALoopOfLinksIsAWarning) {
    temp_.link("b", "home/a");
    temp_.link("a", "home/b");
    config_.segments.paths = {"~/a"};
    EXPECT_TRUE(any_holds(found().warnings, "Too many levels of symbolic links"));
}

TEST_F(SegmentsTest, ANameThatNoClientCouldShowIsLeftOut) {
    temp_.folder("home/p/bad\xff");
    temp_.folder("home/p/two\nlines");
    temp_.folder("home/p/größe");
    config_.segments.globs = {"~/p/*"};
    EXPECT_EQ(listed(found(), temp_), Strings{"größe=home/p/größe (glob)"});
}

TEST_F(SegmentsTest, CreatedFoldersDirectlyInARootBecomeSegments) {
    temp_.folder("home/root/made/deeper");
    temp_.folder("home/elsewhere");
    temp_.folder("home/secret");
    temp_.link(home_ + "/secret", "home/root/swapped");
    config_.segments.roots = {"~/root"};
    const auto set = found({home_ + "/root/made", home_ + "/root/made/deeper", home_ + "/root/gone",
                            home_ + "/elsewhere", home_ + "/root/swapped", home_ + "/root/../secret", "made", ""});
    EXPECT_EQ(listed(set, temp_), Strings{"made=home/root/made (root)"});
    EXPECT_EQ(set.roots, Strings{home_ + "/root"});
}

TEST_F(SegmentsTest, SegmentsBeneathNoApprovedDirectoryAreLeftOut) {
    temp_.folder("home/yes/app");
    temp_.folder("home/yes-not/app");
    config_.segments.globs = {"~/*/app"};
    config_.approved_directories = {"~/yes", "~/missing"};
    const auto set = found();
    EXPECT_EQ(listed(set, temp_), (Strings{"app=home/yes/app (glob)", "yes=home/yes (approved)"}));
    EXPECT_TRUE(any_holds(set.warnings, "yes-not/app': left out: it lies beneath no approved directory"));
    EXPECT_TRUE(any_holds(set.warnings, "approved_directories '~/missing': No such file or directory"));
}

TEST_F(SegmentsTest, AMissingApprovedDirectoryWidensNothing) {
    temp_.folder("home/app");
    config_.segments.paths = {"~/app"};
    config_.approved_directories = Strings{"~/missing"};
    EXPECT_TRUE(found().segments.empty());
    config_.approved_directories = Strings{};
    EXPECT_TRUE(found().segments.empty());
}

TEST_F(SegmentsTest, AnApprovedDirectoryThatIsASegmentStaysThatSegment) {
    temp_.folder("home/app");
    config_.segments.paths = {"~/app"};
    config_.approved_directories = {"~/app"};
    EXPECT_EQ(listed(found(), temp_), Strings{"app=home/app (path)"});
}

TEST_F(SegmentsTest, AnApprovedDirectoryNeverTakesAListedSegmentsName) {
    temp_.folder("home/a/app/z/app");
    config_.segments.paths = {"~/a/app/z/app"};
    config_.approved_directories = {"~/a/app"};
    EXPECT_EQ(listed(found(), temp_), (Strings{"app=home/a/app/z/app (path)", "app-2=home/a/app (approved)"}));
}

TEST_F(SegmentsTest, NestedSegmentsAndAConfigurationInsideOneAreWarnings) {
    temp_.folder("home/app/inner");
    config_.base_dir = home_ + "/app";
    config_.file = temp_.file("home/app/toren.toml", "");
    config_.segments.paths = {"~/app", "~/app/inner"};
    const auto set = found();
    EXPECT_TRUE(any_holds(set.warnings, "app/inner' lies in segment '"));
    EXPECT_TRUE(any_holds(set.warnings, "the configuration '" + config_.file + "' lies in segment"));
}

TEST_F(SegmentsTest, ASegmentIsCreatedInARootAndFoundAgain) {
    temp_.folder("home/root");
    config_.segments.roots = {"~/root"};
    const auto path = create_segment_folder(found(), home_ + "/root", "Neu ß.1");
    ASSERT_TRUE(path) << path.error().text();
    EXPECT_EQ(*path, home_ + "/root/Neu ß.1");
    EXPECT_EQ(listed(found({*path}), temp_), Strings{"Neu ß.1=home/root/Neu ß.1 (root)"});
}

TEST_F(SegmentsTest, AHostileNameCreatesNothing) {
    temp_.folder("home/root");
    config_.segments.roots = {"~/root"};
    const auto set = found();
    const Strings hostile = {"",
                             ".",
                             "..",
                             "../x",
                             "/abs",
                             "a/b",
                             "a/",
                             ".git",
                             "-rf",
                             " a",
                             "a ",
                             "a\nb",
                             std::string("a\0b", 3),
                             "\x1b[2J",
                             "bad\xff",
                             "\xc0\xae\xc0\xae",
                             "\xed\xa0\x80",
                             "a\x7f",
                             "\xc2\x85",
                             std::string(101, 'a')};
    for (const auto& name : hostile) {
        const auto made = create_segment_folder(set, home_ + "/root", name);
        ASSERT_FALSE(made) << name;
        EXPECT_EQ(made.error().code, EINVAL) << name;
    }
    EXPECT_TRUE(std::filesystem::is_empty(home_ + "/root"));
}

TEST_F(SegmentsTest, ARootThatIsNotConfiguredCreatesNothing) {
    temp_.folder("home/root/sub");
    temp_.folder("home/other");
    config_.segments.roots = {"~/root"};
    const auto set = found();
    for (const auto& root : {home_ + "/other", home_ + "/root/sub", home_ + "/root/../other", home_ + "/root/",
                             std::string("/"), std::string("~/root"), std::string()}) {
        const auto made = create_segment_folder(set, root, "new");
        ASSERT_FALSE(made) << root;
        EXPECT_EQ(made.error().code, ENOENT) << root;
    }
}

TEST_F(SegmentsTest, WhatIsThereAlreadyIsNotCreated) {
    temp_.folder("home/root/folder");
    temp_.folder("home/calculator");
    temp_.link("/nowhere/at/all", "home/root/dangling");
    config_.segments.roots = {"~/root"};
    config_.segments.paths = {"~/calculator"};
    const auto set = found();
    for (const char* name : {"folder", "dangling", "calculator", "Calculator"}) {
        const auto made = create_segment_folder(set, home_ + "/root", name);
        ASSERT_FALSE(made) << name;
        EXPECT_EQ(made.error().code, EEXIST) << name;
    }
    EXPECT_FALSE(std::filesystem::exists(home_ + "/root/Calculator"));
}

TEST_F(SegmentsTest, ARootThatBecameALinkCreatesNothing) {
    temp_.folder("home/outer/root");
    temp_.folder("home/target/root");
    config_.segments.roots = {"~/outer/root"};
    const auto set = found();
    std::filesystem::rename(home_ + "/outer", home_ + "/moved");
    temp_.link("target", "home/outer");
    const auto made = create_segment_folder(set, home_ + "/outer/root", "new");
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, ELOOP);
    EXPECT_TRUE(std::filesystem::is_empty(home_ + "/target/root"));
}

TEST(CanonicalTest, TellsEveryLinkOnTheWay) {
    const TempFolder temp;
    temp.folder("a/b");
    temp.link("a", "one");
    temp.link(temp / "one/b", "two");
    const auto place = canonicalize(temp / "two/../b/.");
    ASSERT_TRUE(place) << place.error().text();
    EXPECT_EQ(place->path, temp / "a/b");
    EXPECT_EQ(place->links, (Strings{temp / "two", temp / "one"}));
    temp.file("file", "");
    EXPECT_EQ(canonicalize(temp / "file/..").error().code, ENOTDIR);
    EXPECT_EQ(canonicalize("relative").error().code, EINVAL);
    EXPECT_EQ(canonicalize("/..//.")->path, "/");
}

TEST(CanonicalTest, WhatDoesNotExistYetIsTakenAsText) {
    const TempFolder temp;
    temp.folder("real");
    temp.link("real", "link");
    EXPECT_EQ(*canonicalize_existing_part(temp / "link/x/./y/"), temp / "real/x/y");
    EXPECT_EQ(*canonicalize_existing_part("/no-such-folder"), "/no-such-folder");
    temp.link("nowhere", "dangling");
    EXPECT_FALSE(canonicalize_existing_part(temp / "dangling"));
    EXPECT_FALSE(canonicalize_existing_part(temp / "none/../x"));
}

SegmentSet some_segments() {
    return {{{"app", "/srv/app", Segment::kGlob},
             {"inner", "/srv/app/inner", Segment::kPath},
             {"Calc", "/srv/1", Segment::kPath},
             {"calc", "/srv/2", Segment::kPath},
             {"srv", "/srv/own", Segment::kApproved}},
            {},
            {}};
}

TEST(SegmentNamesTest, ANameIsFoundWithoutCaseOnlyWhereThatIsUnambiguous) {
    const auto set = some_segments();
    EXPECT_EQ(find_segment_by_name(set, "App"), &set.segments[0]);
    EXPECT_EQ(find_segment_by_name(set, "calc"), &set.segments[3]);
    EXPECT_EQ(find_segment_by_name(set, "Calc"), &set.segments[2]);
    EXPECT_EQ(find_segment_by_name(set, "CALC"), nullptr);
    EXPECT_EQ(find_segment_by_name(set, "ap"), nullptr);
    EXPECT_EQ(find_segment_by_name(set, ""), nullptr);
}

TEST(SegmentNamesTest, APathIsLocatedInTheDeepestSegmentByWholeComponents) {
    const auto set = some_segments();
    const auto located = [&](std::string_view path) {
        const auto found = locate(set, path);
        return found ? found->segment->name + ':' + found->relative : "none";
    };
    EXPECT_EQ(located("/srv/app"), "app:.");
    EXPECT_EQ(located("/srv/app/"), "app:.");
    EXPECT_EQ(located("/srv/app/."), "app:.");
    EXPECT_EQ(located("//srv/./app//src/./a.c"), "app:src/a.c");
    EXPECT_EQ(located("/srv/app/inner/x"), "inner:x");
    EXPECT_EQ(located("/srv/app/inner2"), "app:inner2");
    EXPECT_EQ(located("/srv/app/file/"), "app:file/");
    EXPECT_EQ(located("/srv/own/x"), "srv:x");
    EXPECT_EQ(located("/srv/application"), "none");
    EXPECT_EQ(located("/srv"), "none");
    EXPECT_EQ(located("/"), "none");
    EXPECT_EQ(located(""), "none");
    EXPECT_EQ(located("srv/app"), "none");
    EXPECT_EQ(located("/srv/x/../app/a"), "none");
    EXPECT_EQ(located("/srv/app/../../etc/shadow"), "app:../../etc/shadow");
    EXPECT_EQ(located("/srv/app/..hidden"), "app:..hidden");
    EXPECT_EQ(located(std::string_view("/srv/app/a\0b", 12)), "none");
}

}  // namespace
}  // namespace toren
