// broker/ripgrep_output.h: messages in pieces of any size, bounds on what is kept, and garbage.
#include "broker/ripgrep_output.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "broker/base64.h"

namespace toren::broker {
namespace {

using nlohmann::json;

class RipgrepOutputTest : public ::testing::Test {
protected:
    static std::string match(const std::string& lines, int line = 1, const std::string& path = R"({"text":"././a"})") {
        return R"({"type":"match","data":{"path":)" + path + R"(,"lines":)" + lines + R"(,"line_number":)" +
               std::to_string(line) +
               R"(,"absolute_offset":7,"submatches":[{"match":{"text":"x"},"start":0,"end":1}]}})" + "\n";
    }
    static std::string text(const std::string& content) { return R"({"text":")" + content + R"("})"; }
    static json read(const std::string& printed, std::uint64_t limit = 100, std::uint64_t context = 0,
                     std::size_t piece = 1 << 20) {
        RipgrepOutput output(limit, context);
        for (std::size_t at = 0; at < printed.size(); at += piece)
            if (!output.feed(std::string_view(printed).substr(at, piece))) break;
        return json::parse(output.to_json());
    }
};

TEST_F(RipgrepOutputTest, PiecesOfAnySizeGiveTheSame) {
    const std::string printed = match(text(R"(x \"quoted\" \\ \u0007 é\n)")) + match(text("y"), 3);
    const json whole = read(printed);
    ASSERT_EQ(whole["matches"].size(), 2u);
    EXPECT_EQ(whole["matches"][0]["text"], "x \"quoted\" \\ \a é\n");
    EXPECT_EQ(whole["matches"][0]["path"], "a");
    for (std::size_t piece : {1u, 2u, 3u, 7u}) EXPECT_EQ(read(printed, 100, 0, piece), whole);
}

TEST_F(RipgrepOutputTest, ALongLineIsCutBetweenCharactersWhereverTheCutFalls) {
    for (int shift = 0; shift < 12; ++shift) {
        for (const std::string unit : {"é", "\\u0001", "\\\"", "\\\\", "\U0001F600"}) {
            std::string content(static_cast<std::size_t>(shift), 'a');
            for (int i = 0; i < 20'000; ++i) content += unit;
            const json found = read(match(text(content)))["matches"];
            ASSERT_EQ(found.size(), 1u) << unit << shift;
            const auto line = found[0]["text"].get<std::string>();
            EXPECT_LE(line.size(), 4096u);
            EXPECT_GT(line.size(), 4090u);
            EXPECT_EQ(found[0]["cut"], true);
            EXPECT_EQ(found[0]["line"], 1);
        }
    }
}

TEST_F(RipgrepOutputTest, BytesAreCutAsBytes) {
    const std::string bytes(100'000, '\xff');
    const json found = read(match(R"({"bytes":")" + to_base64(bytes) + R"("})"))["matches"];
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(from_base64(found[0]["text_bytes"].get<std::string>()), bytes.substr(0, 4096));
    EXPECT_EQ(found[0]["cut"], true);
}

TEST_F(RipgrepOutputTest, MorePlacesInALineThanAMessageHoldsLeaveTheLine) {
    std::string one = match(text("\\\"submatches\\\":["));
    one.resize(one.size() - 4);  // "]}}\n"
    for (int i = 1; i < 100'000; ++i) one += R"(,{"match":{"text":"x"},"start":0,"end":1})";
    const json found = read(one + "]}}\n" + match(text("next"), 2))["matches"];
    ASSERT_EQ(found.size(), 2u);
    EXPECT_EQ(found[0]["text"], "\"submatches\":[");
    EXPECT_EQ(found[0]["spans"].size(), 0u);
    EXPECT_EQ(found[1]["text"], "next");
}

TEST_F(RipgrepOutputTest, MoreThanTheLimitIsToldAndExactlyTheLimitIsNot) {
    std::string printed;
    for (int i = 1; i <= 5; ++i) printed += match(text("x"), i);
    EXPECT_EQ(read(printed, 5)["truncated"], false);
    EXPECT_EQ(read(printed, 4)["truncated"], true);
    EXPECT_EQ(read(printed, 4)["matches"].size(), 4u);
}

TEST_F(RipgrepOutputTest, AnAnswerIsNoLargerThanItsBound) {
    std::string printed;
    for (int i = 1; i <= 6000; ++i) printed += match(text(std::string(4000, 'a')), i);
    const json found = read(printed, 10'000);
    EXPECT_EQ(found["truncated"], true);
    EXPECT_LT(found["matches"].size(), 2200u);
}

TEST_F(RipgrepOutputTest, ALineBetweenTwoMatchesBelongsToBoth) {
    const auto context = [](int line) {
        return R"({"type":"context","data":{"path":{"text":"a"},"lines":{"text":"c"},"line_number":)" +
               std::to_string(line) + R"(,"absolute_offset":0,"submatches":[]}})" + "\n";
    };
    const json found = read(context(1) + match(text("x"), 2) + context(3) + match(text("x"), 4) + context(5), 10, 1);
    const auto& first = found["matches"][0];
    const auto& second = found["matches"][1];
    EXPECT_EQ(first["before"][0]["line"], 1);
    EXPECT_EQ(first["after"][0]["line"], 3);
    EXPECT_EQ(second["before"][0]["line"], 3);
    EXPECT_EQ(second["after"][0]["line"], 5);
}

TEST_F(RipgrepOutputTest, ContextWithoutEndIsBoundedToo) {
    std::string printed = match(text("x"), 1);
    const std::string line = R"({"type":"context","data":{"path":{"text":"a"},"lines":{"text":")" +
                             std::string(4000, 'c') +
                             R"("},"line_number":2,"absolute_offset":0,"submatches":[]}})"
                             "\n";
    for (int i = 0; i < 6000; ++i) printed += line;
    EXPECT_EQ(read(printed, 10, 5)["truncated"], true);
}

TEST_F(RipgrepOutputTest, GarbageIsNoMatch) {
    for (const std::string garbage : {"\n", "{}\n", "[]\n", "null\n", "{\"type\":1}\n", "{\"type\":1,\"data\":{}}\n",
                                      "{\"type\":\"match\",\"data\":[]}\n", "\"\\", "{\"type\":\"match\"",
                                      "{\"type\":\"match\",\"data\":{\"path\":1}}\n", "\xff\xfe\n",
                                      "{\"type\":\"summary\",\"data\":{\"stats\":7}}\n"})
        EXPECT_EQ(read(garbage)["matches"].size(), 0u) << garbage;
    const json found =
        read(match(text("x"), 1, "{\"bytes\":\"!\"}") + match("{\"bytes\":\"/w==\"}", 0, "{\"bytes\":\"/w==\"}"));
    ASSERT_EQ(found["matches"].size(), 1u);
    EXPECT_EQ(found["matches"][0]["path_bytes"], "/w==");
}

}  // namespace
}  // namespace toren::broker
