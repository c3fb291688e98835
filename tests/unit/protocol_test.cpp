#include "ipc/protocol.h"

#include <gtest/gtest.h>

#include <cctype>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <vector>

#include "ipc/codec.h"
#include "tests/unit/all_messages.h"

namespace toren::ipc {
namespace {

// What the type says of itself in its source, so that a message that nobody listed here is found too.
std::string source(const std::string& path) {
    std::ifstream file(std::string(TOREN_SOURCE_DIR "/") + path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

// The words that follow `before` in a text.
std::vector<std::string> words_after(const std::string& text, const std::string& before) {
    std::vector<std::string> words;
    for (std::size_t at = 0; (at = text.find(before, at)) != std::string::npos;) {
        const std::size_t start = at += before.size();
        while (at < text.size() && (std::isalnum(static_cast<unsigned char>(text[at])) != 0 || text[at] == '_')) ++at;
        words.push_back(text.substr(start, at - start));
    }
    return words;
}

std::set<std::string> unique(const std::vector<std::string>& words) { return {words.begin(), words.end()}; }

std::set<Type> types_in_the_table() {
    std::set<Type> types;
    for (const Row& row : kRows) types.insert(row.type);
    return types;
}

std::set<Type> types_of_messages() {
    std::set<Type> types;
    std::apply([&](auto... message) { (types.insert(message.kType), ...); }, Messages{});
    return types;
}

TEST(ProtocolTable, EveryTypeHasARowAndAMessage) {
    EXPECT_EQ(types_in_the_table(), types_of_messages());
    // Types are numbered without a gap from 1: the last one's number is their count.
    EXPECT_EQ(types_in_the_table().size(), static_cast<std::size_t>(Type::kDone));
    EXPECT_EQ(static_cast<int>(*types_in_the_table().begin()), 1);
}

TEST(ProtocolTable, NoTwoMessagesShareAType) { EXPECT_EQ(types_of_messages().size(), std::tuple_size_v<Messages>); }

TEST(ProtocolTable, EveryEnumeratorAndEveryStructInTheSourceIsInTheTable) {
    std::set<std::string> rows;
    for (const Row& row : kRows) rows.insert(row.name);
    const std::string table = source("ipc/protocol.h");
    const auto from = table.find("enum class Type"), to = table.find("};", from);
    ASSERT_NE(from, std::string::npos);
    EXPECT_EQ(unique(words_after(table.substr(from, to - from), " k")), rows);
    EXPECT_EQ(unique(words_after(source("ipc/messages.h") + source("ipc/vcs_messages.h"), "Type kType = Type::k")),
              rows);
}

TEST(ProtocolTable, AStructCarriesTheNameOfItsType) {
    // struct Xy { static constexpr Type kType = Type::kXy;
    const std::string text = source("ipc/messages.h") + source("ipc/vcs_messages.h");
    std::size_t count = 0;
    for (const auto& type : words_after(text, "Type kType = Type::k")) {
        const auto names = words_after(text.substr(0, text.find("Type kType = Type::k" + type + ";")), "\nstruct ");
        ASSERT_FALSE(names.empty());
        EXPECT_EQ(names.back(), type);
        ++count;
    }
    EXPECT_EQ(count, std::tuple_size_v<Messages>);
}

TEST(ProtocolTable, OneNameBelongsToOneType) {
    std::map<std::string, Type> types;
    std::map<Type, std::string> names;
    for (const Row& row : kRows) {
        EXPECT_EQ(types.try_emplace(row.name, row.type).first->second, row.type) << row.name;
        EXPECT_EQ(names.try_emplace(row.type, row.name).first->second, row.name) << row.name;
    }
}

TEST(ProtocolTable, NoTypeHasTwoRowsBetweenTheSameRoles) {
    std::set<std::tuple<Type, Role, Role>> seen;
    for (const Row& row : kRows) {
        EXPECT_TRUE(seen.emplace(row.type, row.from, row.to).second) << row.name;
        EXPECT_EQ(find_row(row.type, row.from, row.to), &row) << row.name;
        EXPECT_NE(row.from, row.to) << row.name;
    }
}

TEST(ProtocolTable, EveryRowFitsIntoOnePacketAndSaysWhatItMeans) {
    for (const Row& row : kRows) {
        EXPECT_GT(row.max_bytes, 0U) << row.name;
        EXPECT_LE(row.max_bytes, kLargestMessage) << row.name;
        EXPECT_LE(row.descriptors, 3) << row.name;
        EXPECT_GT(std::string(row.meaning).size(), 8U) << row.name;
    }
    EXPECT_LE(kChunkBytes + sizeof(std::uint32_t), kLarge) << "a full Chunk fits into its row";
    EXPECT_GT(kLargestMessage, 131'072U + 4096U) << "the largest argument and a path fit into Start";
}

TEST(ProtocolTable, FixedMessagesFitIntoTheirRows) {
    // Those without text: a row that is too small for its own message would end an honest peer.
    std::apply(
        [](auto... message) {
            const auto check = [](auto empty) {
                std::string bytes;
                Writer(bytes).write(empty);
                for (const Row& row : kRows)
                    if (row.type == empty.kType) {
                        EXPECT_LE(bytes.size(), row.max_bytes) << row.name;
                    }
            };
            (check(message), ...);
        },
        Messages{});
}

TEST(ProtocolTable, OnlyAGreetingOpensAConversation) {
    for (const Row& row : kRows) EXPECT_TRUE(!row.opens || row.phase == kGreeting) << row.name;
    // Whoever starts in the greeting gets out of it.
    for (const Row& row : kRows) {
        if (row.phase != kGreeting) continue;
        bool opened = false;
        for (const Row& other : kRows)
            opened = opened || (other.opens && ((other.from == row.from && other.to == row.to) ||
                                                (other.from == row.to && other.to == row.from)));
        EXPECT_TRUE(opened) << row.name;
    }
}

TEST(ProtocolTable, NobodyTalksPastTheBrokerToASpawnersChildren) {
    // The pairs that talk at all: a sixth would be a new way through the wall.
    std::set<std::pair<Role, Role>> pairs;
    for (const Row& row : kRows) pairs.insert(std::minmax(row.from, row.to));
    EXPECT_EQ(pairs, (std::set<std::pair<Role, Role>>{{kSupervisor, kBroker},
                                                      {kSupervisor, kSpawner},
                                                      {kBroker, kSpawner},
                                                      {kBroker, kCommand},
                                                      {kBroker, kService}}));
    // Nothing that the broker or a cell says to the supervisor carries a descriptor.
    for (const Row& row : kRows)
        if (row.to == kSupervisor) {
            EXPECT_EQ(row.descriptors, 0) << row.name;
        }
}

TEST(ProtocolTable, WhatHasNoRowIsNotFound) {
    EXPECT_EQ(find_row(Type::kOpenCell, kSupervisor, kBroker), nullptr) << "the other way round";
    EXPECT_EQ(find_row(Type::kOpenCell, kSpawner, kSupervisor), nullptr) << "from another role";
    EXPECT_EQ(find_row(static_cast<Type>(0), kBroker, kSupervisor), nullptr);
    EXPECT_EQ(find_row(static_cast<Type>(0xffff), kBroker, kSupervisor), nullptr);
}

}  // namespace
}  // namespace toren::ipc
