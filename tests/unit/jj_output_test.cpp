// broker/jj_output.h: transcripts (jj_transcripts/, each says where it is from), in pieces of any size, cut and
// garbled.
#include "broker/jj_output.h"

#include <gmock/gmock.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>

namespace toren::broker {
namespace {

using nlohmann::json;

class JjOutputTest : public ::testing::Test {
protected:
    struct Read {
        std::string code;  // of the Problem; empty: none
        std::vector<json> entries;
        json cursor;
    };

    // What was printed: a transcript without its head.
    static std::string transcript(const std::string& name) {
        std::ifstream file(TOREN_SOURCE_DIR "/tests/unit/jj_transcripts/" + name + ".txt", std::ios::binary);
        EXPECT_TRUE(file.good()) << name;
        std::string line, text;
        bool head = true;
        while (std::getline(file, line)) {
            head = head && line.starts_with("# ");
            if (!head) text += line + "\n";
        }
        EXPECT_FALSE(text.empty()) << name;
        return text;
    }
    static Read read(JjReading reading, const std::string& printed, std::uint64_t limit = 100,
                     const std::string& after = "", std::size_t piece = 1 << 20) {
        auto begun = JjListing::begin(reading, limit, after);
        if (const auto* refused = std::get_if<Problem>(&begun)) return {refused->code, {}, nullptr};
        auto& listing = std::get<JjListing>(begun);
        for (std::size_t at = 0; at < printed.size(); at += piece)
            if (!listing.feed(std::string_view(printed).substr(at, piece))) break;
        const auto refused = listing.end();
        return {refused ? refused->code : "", listing.entries(), listing.cursor()};
    }
    static json names(const json& all, const char* field) {
        json found = json::array();
        for (const json& one : all) found.push_back(one[field]);
        return found;
    }
};

struct Kind {
    const char* transcript;
    JjReading reading;
    std::size_t entries;
};
constexpr Kind kKinds[] = {
    {"log", read_jj_commit, 3},         {"status", read_jj_status, 1},        {"diff", read_jj_change, 3},
    {"bookmarks", read_jj_bookmark, 6}, {"operations", read_jj_operation, 2}, {"workspaces", read_jj_workspace, 2},
};

TEST_F(JjOutputTest, PiecesOfAnySizeGiveTheSame) {
    for (const Kind& kind : kKinds) {
        const std::string printed = transcript(kind.transcript);
        const Read whole = read(kind.reading, printed);
        EXPECT_EQ(whole.code, "") << kind.transcript;
        EXPECT_EQ(whole.entries.size(), kind.entries) << kind.transcript;
        for (std::size_t piece : {1u, 2u, 7u, 333u})
            EXPECT_EQ(read(kind.reading, printed, 100, "", piece).entries, whole.entries) << kind.transcript;
    }
}

TEST_F(JjOutputTest, ACommit) {
    const auto found = read(read_jj_commit, transcript("log")).entries;
    EXPECT_EQ(found[0], json::parse(R"({
        "commit_id": "b1cb6b2f9141e6ffee18532a8bf9a2075ca02606", "change_id": "kkmpptxzrspxrzommnulwmwkkqwworpl",
        "parents": ["68a505386f936fff6d718f55005e77ea72589bc1"], "description": "second\n",
        "author": {"name": "Test User", "email": "test.user@example.com", "timestamp": "2001-02-03T04:05:09+07:00"},
        "committer": {"name": "Test User", "email": "test.user@example.com", "timestamp": "2001-02-03T04:05:09+07:00"},
        "bookmarks": ["main"], "remote_bookmarks": [{"name": "main", "remote": "origin"}], "tags": [],
        "workspaces": [], "working_copy": true, "conflict": false, "empty": true, "divergent": false,
        "hidden": false, "immutable": false, "root": false})"));
    EXPECT_EQ(found[1]["tags"], json({"v1.0"}));
    EXPECT_EQ(found[2]["root"], true);
}

TEST_F(JjOutputTest, AStatusAndTheV1OneOfIt) {
    const json status = read(read_jj_status, transcript("status")).entries[0];
    EXPECT_EQ(names(status["changes"], "status"),
              json({"modified", "modified", "removed", "renamed", "copied", "added"}));
    EXPECT_EQ(status["changes"][2], json({{"path", "gone"}, {"status", "removed"}}));
    EXPECT_EQ(status["changes"][3], json({{"path", "rename-target"},
                                          {"status", "renamed"},
                                          {"from", "rename-source"},
                                          {"type", "file"},
                                          {"executable", false},
                                          {"conflict", false}}));
    EXPECT_EQ(status["conflicts"], json::parse(R"([{"path": "file2", "sides": 2}])"));
    EXPECT_EQ(status["parents"][0]["description"], "first\n");
    EXPECT_EQ(status["commit"]["workspaces"], json({"default"}));
    EXPECT_EQ(jj_v1_json(status), json::parse(R"({
        "vcs_type": "Jj", "branch": "second", "modified": ["file1"], "deleted": ["gone"], "untracked": [],
        "added": ["copy-target", "new \"quoted\"\nline"], "conflicted": ["file2"],
        "renamed": [{"from": "rename-source", "to": "rename-target"}]})"));
    json nameless = status;
    nameless["commit"]["description"] = "";
    EXPECT_EQ(jj_v1_json(nameless)["branch"], nullptr);
}

TEST_F(JjOutputTest, BookmarksOperationsAndWorkspaces) {
    const json bookmarks = read(read_jj_bookmark, transcript("bookmarks")).entries;
    EXPECT_EQ(bookmarks[1],
              json::parse(R"({"name": "remote-delete", "targets": [], "conflict": false, "synced": false})"));
    EXPECT_EQ(bookmarks[2], json::parse(R"({"name": "remote-delete", "remote": "origin", "tracked": true,
        "targets": ["b32031cf329fbb90d042635c295b4e3fa2ca2651"], "conflict": false, "synced": false})"));
    EXPECT_EQ(bookmarks[5]["targets"].size(), 2u);
    EXPECT_EQ(bookmarks[5]["removed_targets"].size(), 1u);
    const json operations = read(read_jj_operation, transcript("operations")).entries;
    EXPECT_EQ(operations[0]["user"], "test-username@host.example.com");
    EXPECT_EQ(operations[0]["parents"], json({operations[1]["operation"]}));
    EXPECT_EQ(operations[0]["current"], true);
    EXPECT_EQ(operations[1]["user"], "");
    const json workspaces = read(read_jj_workspace, transcript("workspaces")).entries;
    EXPECT_EQ(names(workspaces, "name"), json({"default", "second"}));
    EXPECT_EQ(workspaces[1]["change_id"], "qpvuntsmwlqtpsluzzsnyyzlmlwvmlnu");
}

TEST_F(JjOutputTest, PagesMeetWithoutAHoleOrARepetition) {
    for (const Kind& kind : {kKinds[0], kKinds[4]}) {
        const std::string printed = transcript(kind.transcript);
        std::vector<json> all;
        std::string after;
        for (std::size_t pages = 0; pages < 5; ++pages) {
            const Read page = read(kind.reading, printed, 1, after);
            ASSERT_EQ(page.code, "");
            ASSERT_EQ(page.entries.size(), 1u);
            all.push_back(page.entries[0]);
            if (page.cursor.is_null()) break;
            after = page.cursor.get<std::string>();
        }
        EXPECT_EQ(all, read(kind.reading, printed).entries) << kind.transcript;
    }
}

TEST_F(JjOutputTest, ACursorFollowsAChangeThatWasRewrittenAndNoDivergentOne) {
    const std::string printed = transcript("log");
    const std::string change = "kkmpptxzrspxrzommnulwmwkkqwworpl";
    EXPECT_EQ(read(read_jj_commit, printed, 100, "00aa." + change).entries.size(), 2u);
    EXPECT_EQ(read(read_jj_commit, printed, 100, "00aa.zzzk").code, "invalid_cursor");
    std::string divergent = printed;
    const std::string flag = "\"divergent\":false";
    divergent.replace(divergent.find(flag), flag.size(), "\"divergent\":true");
    EXPECT_EQ(read(read_jj_commit, divergent, 100, "00aa." + change).code, "invalid_cursor");
    for (const char* cursor : {".", "a b", "A", "--", "a.b.c", "\n"})
        EXPECT_EQ(read(read_jj_commit, printed, 100, cursor).code, "invalid_cursor") << cursor;
    EXPECT_EQ(read(read_jj_commit, printed, 100, std::string(300, 'a')).code, "invalid_cursor");
}

// An answer is whole or it is none: what is cut in a line is refused, and what is cut between lines is what came.
TEST_F(JjOutputTest, CutOutputIsRefused) {
    for (const Kind& kind : kKinds) {
        const std::string printed = transcript(kind.transcript);
        for (std::size_t size = 0; size < printed.size(); ++size) {
            const std::string cut = printed.substr(0, size);
            const bool between = cut.empty() || cut.back() == '\n';
            EXPECT_EQ(read(kind.reading, cut).code, between ? "" : "vcs_failed") << kind.transcript << size;
        }
    }
}

TEST_F(JjOutputTest, GarbledOutputIsRefusedOrStillOfTheForm) {
    std::mt19937 random(4);
    for (const Kind& kind : kKinds) {
        const std::string printed = transcript(kind.transcript);
        std::size_t refused = 0;
        for (int round = 0; round < 2000; ++round) {
            std::string garbled = printed;
            for (int i = 0; i < 3; ++i) garbled[random() % garbled.size()] = static_cast<char>(random());
            const Read found = read(kind.reading, garbled);
            refused += found.code.empty() ? 0 : 1;
            // Text is UTF-8, or nlohmann would throw here.
            for (const json& entry : found.entries) EXPECT_TRUE(entry.is_object() && !entry.dump().empty());
        }
        EXPECT_GT(refused, 500u) << kind.transcript;
    }
}

TEST_F(JjOutputTest, AFieldThatIsMissingOrOfAnotherTypeSpoilsTheListing) {
    for (const Kind& kind : kKinds) {
        const std::string printed = transcript(kind.transcript);
        const json first = json::parse(printed.substr(0, printed.find('\n')));
        for (const auto& [name, value] : first.items()) {
            json without = first, other = first;
            without.erase(name);
            other[name] = 17;
            EXPECT_EQ(read(kind.reading, without.dump() + "\n").code, "vcs_failed") << kind.transcript << name;
            EXPECT_EQ(read(kind.reading, other.dump() + "\n").code, "vcs_failed") << kind.transcript << name;
        }
        for (const char* line : {"", "null", "[]", "{}", "7", "\"x\"", "Warning: something", "{\"self\":{}}"})
            EXPECT_EQ(read(kind.reading, std::string(line) + "\n").code, "vcs_failed") << kind.transcript << line;
    }
    EXPECT_EQ(read(read_jj_change, R"({"path":"a","status":"conjured","from":"a","type":"file",)"
                                   R"("executable":false,"conflict":false})"
                                   "\n")
                  .code,
              "vcs_failed");
}

TEST_F(JjOutputTest, LinesAndBracketsAreBounded) {
    EXPECT_EQ(read(read_jj_commit, std::string(9 << 20, 'a')).code, "vcs_failed");
    EXPECT_EQ(read(read_jj_commit, std::string(1 << 20, '[') + "\n").code, "vcs_failed");
    // Three commits of 7 MiB each: the page ends before the third.
    std::string printed, line = transcript("log");
    line = line.substr(0, line.find('\n') + 1);
    const std::string description = "second\\n";
    line.replace(line.find(description), description.size(), std::string(7 << 20, 'd'));
    for (int i = 0; i < 3; ++i) printed += line;
    const Read found = read(read_jj_commit, printed);
    EXPECT_EQ(found.code, "");
    EXPECT_EQ(found.entries.size(), 2u);
    EXPECT_NE(found.cursor, nullptr);
}

TEST_F(JjOutputTest, APatchIsCountedFileByFile) {
    const auto files = read_jj_patch(transcript("patch"));
    ASSERT_TRUE(files);
    ASSERT_EQ(files->size(), 3u);
    EXPECT_EQ((*files)[0].added, 1u);
    EXPECT_EQ((*files)[0].removed, 2u);
    EXPECT_EQ((*files)[1].added + (*files)[2].removed, 0u);
    const auto modes = read_jj_patch(transcript("patch_modes"));
    ASSERT_TRUE(modes);
    ASSERT_EQ(modes->size(), 4u);
    EXPECT_EQ((*modes)[2].added + (*modes)[2].removed, 2u);
}

TEST_F(JjOutputTest, WhatStandsInAFileIsNoHeadOfAPatch) {
    const auto files = read_jj_patch(
        "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1,3 @@ section\n-diff --git a/y b/y\n+diff --git a/z b/z\n"
        "+@@ -1,9 +1,9 @@\n+Binary files x and y differ\n\\ No newline at end of file\n"
        "diff --git a/b b/b\nBinary files a/b and b/b differ\n");
    ASSERT_TRUE(files);
    ASSERT_EQ(files->size(), 2u);
    EXPECT_EQ((*files)[0].added, 3u);
    EXPECT_EQ((*files)[0].removed, 1u);
    EXPECT_FALSE((*files)[0].binary);
    EXPECT_TRUE((*files)[1].binary);
}

TEST_F(JjOutputTest, WhatIsNoPatchIsNone) {
    for (const char* text :
         {"x\n", "@@ -1,1 +1,1 @@\n", "diff --git a b\n@@ -1,x +1,1 @@\n", "diff --git a b\n@@ -\n",
          "diff --git a b\n@@ -1,2 +1,2 @@\n a\n", "diff --git a b\n@@ -1,1 +0,0 @@\n+a\n",
          "diff --git a b\n@@ -1,1 +1,1 @@\nx\n", "diff --git a b\n@@ -1,99999999999999999999 +1 @@\n"})
        EXPECT_FALSE(read_jj_patch(text)) << text;
    ASSERT_TRUE(read_jj_patch(""));
    EXPECT_TRUE(read_jj_patch("")->empty());
    std::mt19937 random(7);
    const std::string patch = transcript("patch");
    for (int round = 0; round < 5000; ++round) {
        std::string garbled = patch.substr(0, random() % patch.size());
        for (int i = 0; i < 3 && !garbled.empty(); ++i)
            garbled[random() % garbled.size()] = static_cast<char>(random());
        const auto files = read_jj_patch(garbled);
        EXPECT_TRUE(!files || files->size() <= 4u);
    }
}

TEST_F(JjOutputTest, FailuresAreInItsOwnWords) {
    CagedOutput output;
    output.end.code = 1;
    const auto failure = [&](const std::string& name) {
        output.errors = transcript("error_" + name);
        return jj_failure(output);
    };
    EXPECT_EQ(failure("stale").code, "vcs_failed");
    EXPECT_THAT(failure("stale").detail, ::testing::HasSubstr("jj workspace update-stale"));
    EXPECT_EQ(failure("no_repository").code, "not_a_repository");
    EXPECT_EQ(failure("no_repository").detail, "Error: There is no jj repo in \".\"");
    EXPECT_THAT(failure("bad_template").detail, ::testing::HasSubstr("0.36 or newer"));
    EXPECT_THAT(failure("stale").detail, ::testing::Not(::testing::HasSubstr("0.36")));
    output.end.code = 2;
    EXPECT_THAT(failure("bad_option").detail, ::testing::HasSubstr("0.36 or newer"));
    output.errors.clear();
    EXPECT_EQ(jj_failure(output).code, "vcs_failed");
    output.end.ended_by = EndedBy::kTime;
    EXPECT_EQ(jj_failure(output).code, "timeout");
    output.end.ended_by = EndedBy::kMemory;
    EXPECT_THAT(jj_failure(output).detail, ::testing::HasSubstr("memory"));
    output.end = {};
    output.end.signal = 9;
    output.errors = std::string(100'000, '\xff');
    EXPECT_EQ(jj_failure(output).detail, "jj was ended by signal 9");
    output.end.signal = 0;
    output.end.code = 1;
    EXPECT_LE(jj_failure(output).detail.size(), 2048u);
}

}  // namespace
}  // namespace toren::broker
