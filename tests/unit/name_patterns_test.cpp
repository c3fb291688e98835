#include "policy/name_patterns.h"

#include <gtest/gtest.h>

namespace toren {
namespace {

using Strings = std::vector<std::string>;

bool picked(const Strings& patterns, const char* folder, const char* name) {
    return NamePatterns(patterns).picks(folder, name) != nullptr;
}

TEST(NamePatternsTest, TheLastPatternThatMatchesDecides) {
    const Strings patterns = {".env", ".env.*", "!.env.example", "*.pem", "id_?sa*", ".env.example.*"};
    for (const char* name : {".env", ".env.local", ".env.example2", ".env.example.bak", ".pem", "a.pem.pem", "id_rsa",
                             "id_dsa.pub", "\xff\n.pem"}) {
        EXPECT_TRUE(picked(patterns, "", name)) << name;
        EXPECT_TRUE(picked(patterns, "deep/down", name)) << name;
    }
    for (const char* name : {".env.example", "x.env", ".environment", "a.pem.txt", "id_sa", "src", ""})
        EXPECT_FALSE(picked(patterns, "", name)) << name;
    EXPECT_FALSE(picked({"*", "!*"}, "", "x"));
    EXPECT_FALSE(picked({"*.key", "!public.key"}, "", "public.key"));
    EXPECT_TRUE(picked({"*.key", "!public.key", "public.*"}, "", "public.key"));
    EXPECT_TRUE(picked({"*"}, "", ".hidden")) << "a dot at the front is a letter like any other";
}

TEST(NamePatternsTest, ItSaysWhichPatternDecidedAsItIsWritten) {
    const NamePatterns patterns({"*", "!x", "/a/*.pem/"});
    EXPECT_EQ(*patterns.picks("", "y"), "*");
    EXPECT_EQ(*patterns.picks("a", "y.pem"), "/a/*.pem/");
    EXPECT_EQ(patterns.picks("", "x"), nullptr);
}

TEST(NamePatternsTest, OneWithSlashesSpeaksOfAPathsLastComponents) {
    for (const char* pattern :
         {".docker/config.json", ".d*r/config.json", ".d[o]cker/*.json", "?docker/config.jso[!m]"}) {
        EXPECT_TRUE(picked({pattern}, ".docker", "config.json")) << pattern;
        EXPECT_TRUE(picked({pattern}, "home/.docker", "config.json")) << pattern;
        for (const char* folder : {"", "docker", ".d/r", ".docker/config.json"})
            EXPECT_FALSE(picked({pattern}, folder, "config.json")) << pattern << " in " << folder;
        EXPECT_FALSE(picked({pattern}, ".docker/config.json", "x")) << pattern;
    }
}

TEST(NamePatternsTest, BracketsHoldLettersAndRanges) {
    struct Row {
        const char* pattern;
        const char* fit;
        const char* unfit;
    };
    for (const auto& [pattern, fit, unfit] : std::vector<Row>{{"[ab]?.x", "a1.x", "c1.x"},
                                                              {"[ab]?.x", "b?.x", "a1.x2"},
                                                              {"[0-9a]*", "7", "b7"},
                                                              {"*[!0-9]", "7a", "a7"},
                                                              {"*[^0-9]", "7a", "a7"},
                                                              {"[]x]", "]", "y"},
                                                              {"[!]x]", "y", "]"},
                                                              {"[a-]", "-", "b"},
                                                              {"[*?]", "*", "a"},
                                                              {"a[b", "a[b", "ab"},
                                                              {"*[b", "x[b", "xb"},
                                                              {"[", "[", "]"},
                                                              {"[a", "[a", "a"},
                                                              {"[\x80-\xff]", "\xc3", "c"},
                                                              {"[a*", "[abc", "abc"},
                                                              {"*[ab]*", "xxbxx", "xxcxx"},
                                                              {"*[a][b]", "xaxab", "xaxba"}}) {
        EXPECT_TRUE(picked({pattern}, "", fit)) << pattern << " and " << fit;
        EXPECT_FALSE(picked({pattern}, "", unfit)) << pattern << " and " << unfit;
    }
}

TEST(NamePatternsTest, EmptyPatternsAndSlashesPickNothing) {
    const Strings patterns = {"", "!", "/", "//"};
    EXPECT_FALSE(picked(patterns, "", ""));
    EXPECT_FALSE(picked(patterns, "a", "b"));
    EXPECT_TRUE(picked({"/x/"}, "", "x"));
}

TEST(NamePatternsTest, AStarryPatternTakesNoLongTimeOnALongName) {
    const std::string name(255, 'a');
    EXPECT_FALSE(picked({"*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b"}, "", name.c_str()));
    EXPECT_FALSE(picked({"*[a-z]*[a-z]*[a-z]*[a-z]*[a-z]*[a-z]*[a-z]*[a-z]*b"}, "", name.c_str()));
}

}  // namespace
}  // namespace toren
