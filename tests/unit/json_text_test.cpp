#include "broker/json_text.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <random>

namespace toren::broker {
namespace {

using nlohmann::json;

std::string as_json(std::string_view bytes) {
    std::string out = "before";
    append_json_string(out, bytes);
    EXPECT_EQ(out.substr(0, 6), "before") << "it appends";
    return out.substr(6);
}

void append_utf8(std::string& out, char32_t c) {
    const auto byte = [&](char32_t value) { out += static_cast<char>(value); };
    if (c < 0x80) return byte(c);
    if (c < 0x800) return byte(0xC0 | c >> 6), byte(0x80 | (c & 0x3F));
    if (c < 0x10000) return byte(0xE0 | c >> 12), byte(0x80 | (c >> 6 & 0x3F)), byte(0x80 | (c & 0x3F));
    byte(0xF0 | c >> 18), byte(0x80 | (c >> 12 & 0x3F)), byte(0x80 | (c >> 6 & 0x3F)), byte(0x80 | (c & 0x3F));
}

char32_t random_character(std::mt19937& random) {
    static constexpr char32_t kLimits[] = {0x20, 0x80, 0x800, 0x10000, 0x110000};
    while (true)
        if (const char32_t c = random() % kLimits[random() % 5]; c < 0xD800 || c > 0xDFFF) return c;
}

std::string random_text(std::mt19937& random, std::size_t most) {
    std::string text;
    for (auto left = random() % most; left > 0; --left) append_utf8(text, random_character(random));
    return text;
}

const std::string kReplacement = "\xEF\xBF\xBD";

// What is left of the bytes after each U+FFFD is one 'R' and each character of its own kept.
std::string shown(std::string_view bytes) {
    auto text = json::parse(as_json(bytes)).get<std::string>();
    for (std::size_t at = 0; (at = text.find(kReplacement, at)) != text.npos; ++at) text.replace(at, 3, "R");
    return text;
}

TEST(JsonTextTest, ValidTextIsWrittenAsNlohmannWritesIt) {
    std::mt19937 random(21);
    for (int round = 0; round < 20'000; ++round) {
        std::string text = random_text(random, 40);
        const std::string ours = as_json(text);
        ASSERT_EQ(json::parse(ours).get<std::string>(), text);
        // It writes \b and \f where this writes their numbers; everything else is the same to the byte.
        text.erase(std::remove_if(text.begin(), text.end(), [](char c) { return c == '\b' || c == '\f'; }), text.end());
        ASSERT_EQ(as_json(text), json(text).dump());
    }
}

TEST(JsonTextTest, EveryCharacterOfUnicodeSurvives) {
    std::string text;
    for (char32_t c = 0; c < 0x110000; ++c) {
        if (c >= 0xD800 && c <= 0xDFFF) continue;
        append_utf8(text, c);
        if (text.size() < 4096 && c != 0x10FFFF) continue;
        ASSERT_TRUE(is_utf8(text));
        ASSERT_EQ(json::parse(as_json(text)).get<std::string>(), text)
            << "before U+" << std::hex << static_cast<unsigned>(c);
        text.clear();
    }
}

TEST(JsonTextTest, ControlCharactersAndQuotesAreEscaped) {
    using namespace std::string_literals;
    EXPECT_EQ(as_json("\n\r\t\"\\/"), R"("\n\r\t\"\\/")");
    EXPECT_EQ(as_json("\0\x01\x1b\x1f\x7f"s), "\"\\u0000\\u0001\\u001b\\u001f\x7f\"");
    EXPECT_EQ(as_json(""), "\"\"");
}

TEST(JsonTextTest, EachMaximalPartThatIsNoUtf8BecomesOneReplacement) {
    struct {
        const char* bytes;
        const char* shown;
        const char* why;
    } const kCases[] = {
        {"a\x80z", "aRz", "a continuation alone"},
        {"\x80\xBF\x80", "RRR", "continuations, one each"},
        {"\xC0\xAF", "RR", "C0 begins nothing: an overlong slash"},
        {"\xC1\xBF", "RR", "C1 begins nothing"},
        {"\xC2", "R", "two bytes, cut after one"},
        {"\xC2z", "Rz", "two bytes, the second no continuation"},
        {"\xDF\xC2\x80", "R\xC2\x80", "a beginning inside: it begins anew"},
        {"\xE0\x80\x80", "RRR", "E0 with a low second: overlong"},
        {"\xE0\x9F\xBF", "RRR", "E0 with the highest overlong second"},
        {"\xE0\xA0", "R", "E0 with a right second, cut"},
        {"\xE1\x80\xE2\xF0\x91\x92\xF1\xBFz", "RRRRz", "the example of the standard's table 3-8"},
        {"\xE1\x80z", "Rz", "three bytes, cut after two"},
        {"\xED\xA0\x80", "RRR", "a surrogate, the first"},
        {"\xED\xBF\xBF", "RRR", "a surrogate, the last"},
        {"\xED\x9F\xBFz", "\xED\x9F\xBFz", "the last before the surrogates"},
        {"\xF0\x80\x80\x80", "RRRR", "F0 with a low second: overlong"},
        {"\xF0\x8F\xBF\xBF", "RRRR", "F0 with the highest overlong second"},
        {"\xF0\x90\x80", "R", "four bytes, cut after three"},
        {"\xF0\x90z", "Rz", "four bytes, cut after two"},
        {"\xF4\x8F\xBF\xBF", "\xF4\x8F\xBF\xBF", "the last character"},
        {"\xF4\x90\x80\x80", "RRRR", "beyond the last character"},
        {"\xF5\x80\x80\x80", "RRRR", "F5 begins nothing"},
        {"\xF8\x88\x80\x80\x80", "RRRRR", "five bytes of old"},
        {"\xFE\xFF", "RR", "a byte order mark of UTF-16"},
        {"\xC3\xA9\xFF\xC3\xA9", "\xC3\xA9R\xC3\xA9", "what stands around it stays"},
        {"\xE2\x82\"", "R\"", "a quote is never swallowed"},
        {"\xF0\x9F\x98\n", "R\n", "nor a newline"},
    };
    for (const auto& [bytes, expected, why] : kCases) {
        EXPECT_EQ(shown(bytes), expected) << why;
        EXPECT_EQ(is_utf8(bytes), std::string_view(expected).find('R') == std::string_view::npos) << why;
    }
}

// Table 3-7 once more, as the rows that the standard prints.
bool well_formed(std::string_view bytes) {
    static constexpr unsigned char kTable[][8] = {{0x00, 0x7F},
                                                  {0xC2, 0xDF, 0x80, 0xBF},
                                                  {0xE0, 0xE0, 0xA0, 0xBF, 0x80, 0xBF},
                                                  {0xE1, 0xEC, 0x80, 0xBF, 0x80, 0xBF},
                                                  {0xED, 0xED, 0x80, 0x9F, 0x80, 0xBF},
                                                  {0xEE, 0xEF, 0x80, 0xBF, 0x80, 0xBF},
                                                  {0xF0, 0xF0, 0x90, 0xBF, 0x80, 0xBF, 0x80, 0xBF},
                                                  {0xF1, 0xF3, 0x80, 0xBF, 0x80, 0xBF, 0x80, 0xBF},
                                                  {0xF4, 0xF4, 0x80, 0x8F, 0x80, 0xBF, 0x80, 0xBF}};
    static constexpr std::size_t kLengths[] = {1, 2, 3, 3, 3, 3, 4, 4, 4};
    while (!bytes.empty()) {
        std::size_t length = 0;
        for (std::size_t row = 0; row < std::size(kLengths) && length == 0; ++row) {
            bool fits = bytes.size() >= kLengths[row];
            for (std::size_t i = 0; fits && i < kLengths[row]; ++i) {
                const auto byte = static_cast<unsigned char>(bytes[i]);
                fits = byte >= kTable[row][2 * i] && byte <= kTable[row][2 * i + 1];
            }
            if (fits) length = kLengths[row];
        }
        if (length == 0) return false;
        bytes.remove_prefix(length);
    }
    return true;
}

TEST(JsonTextTest, ThreeAndFourBytesInEveryCombinationOfTheLimitsAreJudgedByTheTable) {
    static constexpr unsigned char kEdges[] = {0x00, 0x22, 0x5C, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0,
                                               0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED,
                                               0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF};
    int good = 0, bad = 0;
    for (const auto a : kEdges)
        for (const auto b : kEdges)
            for (const auto c : kEdges)
                for (const auto d : kEdges) {
                    const char bytes[] = {static_cast<char>(a), static_cast<char>(b), static_cast<char>(c),
                                          static_cast<char>(d)};
                    const std::string_view all(bytes, 4), three(bytes, 3);
                    ASSERT_EQ(is_utf8(all), well_formed(all));
                    ASSERT_EQ(is_utf8(three), well_formed(three));
                    well_formed(all) ? ++good : ++bad;
                    const std::string text = as_json(all);
                    ASSERT_TRUE(is_utf8(text)) << "what goes out is always UTF-8";
                    // As nlohmann replaces, which follows the same advice of the standard.
                    ASSERT_EQ(text, json(std::string(all)).dump(-1, ' ', false, json::error_handler_t::replace));
                }
    EXPECT_GT(good, 1000);
    EXPECT_GT(bad, 1000);
}

TEST(JsonTextTest, RandomBytesAlwaysBecomeAJsonStringInUtf8) {
    std::mt19937 random(22);
    for (int round = 0; round < 20'000; ++round) {
        std::string bytes(random() % 64, '\0');
        for (char& c : bytes) c = static_cast<char>(random());
        const std::string text = as_json(bytes);
        ASSERT_TRUE(is_utf8(text));
        ASSERT_TRUE(json::parse(text, nullptr, false).is_string());
        ASSERT_EQ(is_utf8(bytes), well_formed(bytes));
    }
}

TEST(JsonTextTest, NestingIsCountedToTheDepthThatIsAllowed) {
    EXPECT_TRUE(nests_at_most("", 0));
    EXPECT_TRUE(nests_at_most("17", 0));
    EXPECT_FALSE(nests_at_most("[]", 0));
    EXPECT_TRUE(nests_at_most("[[[]]]", 3));
    EXPECT_FALSE(nests_at_most("[[[]]]", 2));
    EXPECT_FALSE(nests_at_most(R"({"a":{"b":[1]}})", 2));
    EXPECT_TRUE(nests_at_most(R"({"a":{"b":[1]}})", 3));
    EXPECT_TRUE(nests_at_most("[[],[],[],[],{},{}]", 2)) << "side by side is not deeper";
    const std::string wide = "[" + [] {
        std::string all;
        for (int i = 0; i < 10'000; ++i) all += "[],";
        return all;
    }() + "[]]";
    EXPECT_TRUE(nests_at_most(wide, 2));
}

TEST(JsonTextTest, BracketsInStringsDoNotNest) {
    EXPECT_TRUE(nests_at_most(R"(["[[[[{{{{"])", 1));
    EXPECT_TRUE(nests_at_most(R"(["\"[[[["])", 1)) << "an escaped quote does not end the string";
    EXPECT_FALSE(nests_at_most(R"(["\\"[[[[)", 1)) << "an escaped backslash does not escape the quote after it";
    EXPECT_TRUE(nests_at_most(R"({"[{\\\"[{":"]}"})", 1));
    EXPECT_TRUE(nests_at_most(R"(["]]]]"])", 1));
    EXPECT_FALSE(nests_at_most(R"(["]]]]",[[]]])", 2)) << "closing ones in a string take nothing off";
    EXPECT_TRUE(nests_at_most("\"[[[[", 0)) << "a string without its end";
    EXPECT_TRUE(nests_at_most("\"\\", 0)) << "nor with half an escape at the end";
}

TEST(JsonTextTest, AHundredThousandBracketsAreTooDeepAndNotTooMuch) {
    for (const char* opening : {"[", "{", "[{", "{\"a\":["}) {
        std::string deep;
        for (int i = 0; i < 100'000; ++i) deep += opening;
        EXPECT_FALSE(nests_at_most(deep, 32));
        EXPECT_FALSE(nests_at_most(deep, 99'999));
        EXPECT_TRUE(nests_at_most(deep, 200'000));
    }
}

TEST(JsonTextTest, WhatNestsAsDeepAsAllowedIsJudgedAsAParserWould) {
    // Closing brackets that were never opened make no room: what follows would be refused as JSON anyway, but must
    // not reach a parser that recurses.
    const std::string closing(100'000, ']'), opening(100'000, '[');
    const bool passes = nests_at_most(closing + opening, 32);
    EXPECT_TRUE(!passes || json::parse(closing + opening, nullptr, false).is_discarded());
}

TEST(JsonTextTest, ACutNeverDividesACharacter) {
    std::mt19937 random(23);
    for (int round = 0; round < 5000; ++round) {
        const std::string text = random_text(random, 30);
        for (std::size_t limit = 4; limit <= text.size() + 2; ++limit) {
            const std::size_t cut = cut_at_character(text, limit);
            ASSERT_LE(cut, std::min(limit, text.size()));
            ASSERT_TRUE(is_utf8(std::string_view(text).substr(0, cut)));
            ASSERT_TRUE(is_utf8(std::string_view(text).substr(cut)));
            if (text.size() <= limit) ASSERT_EQ(cut, text.size());
            else ASSERT_GT(cut + 4, limit) << "no more is left out than the character at the limit";
        }
    }
}

TEST(JsonTextTest, BytesThatAreNoUtf8AreCutWithProgress) {
    EXPECT_EQ(cut_at_character(std::string(100, '\x80'), 50), 50U);
    EXPECT_EQ(cut_at_character(std::string(100, '\xFF'), 50), 50U);
    EXPECT_EQ(cut_at_character("", 0), 0U);
    std::mt19937 random(24);
    for (int round = 0; round < 20'000; ++round) {
        std::string bytes(1 + random() % 16, '\0');
        for (char& c : bytes) c = static_cast<char>(random() % 2 == 0 ? 0x80 | random() % 64 : random());
        const std::size_t limit = 1 + random() % 16, cut = cut_at_character(bytes, limit);
        ASSERT_GT(cut, 0U) << "or a loop that cuts would never end";
        ASSERT_LE(cut, limit);
    }
}

}  // namespace
}  // namespace toren::broker
