// broker/spool.h: what is put in comes out, in any pieces, also for the next broker; the quota; files that are broken.
#include "broker/spool.h"

#include <gmock/gmock.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>

namespace toren::broker {
namespace {

namespace fs = std::filesystem;
using ipc::Stream;

class SpoolTest : public ::testing::Test {
protected:
    void SetUp() override {
        std::string name = ::testing::TempDir() + "toren-spool.XXXXXX";
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        state_ = name;
        folder_ = spool_folder(state_, "a segment/with anything");
    }
    void TearDown() override { fs::remove_all(state_); }

    std::unique_ptr<Spool> open(const std::string& id = "0123456789abcdef") {
        auto spool = Spool::open(folder_, id, quota_);
        EXPECT_TRUE(spool) << spool.error().text();
        return std::move(*spool);
    }
    // All of it from a position on, a letter for each stream's bytes and '_' for a gap.
    static std::string all(const Spool& spool, std::uint64_t from, std::uint64_t most) {
        std::string text;
        while (const auto run = spool.run_at(from)) {
            text.append(run->position - from, '_');
            const auto bytes = spool.read(run->position, std::min(most, run->until - run->position));
            for (const char c : bytes) text += run->stream == Stream::kStdout ? c : static_cast<char>(c - 'a' + 'A');
            from = run->position + bytes.size();
        }
        return text;
    }

    std::string state_, folder_;
    SpoolQuota quota_{1 << 20};
};

TEST_F(SpoolTest, WhatGoesInComesOutFromAnyPositionInPiecesOfAnySize) {
    std::mt19937 random(7);
    std::string expected;
    auto spool = open();
    for (int i = 0; i < 500; ++i) {
        if (random() % 20 == 0) expected.append(1 + random() % 30, '_');
        const bool errors = random() % 3 == 0;
        const std::string bytes(1 + random() % 40, static_cast<char>('a' + random() % 26));
        ASSERT_TRUE(spool->append(errors ? Stream::kStderr : Stream::kStdout, expected.size(), bytes));
        for (const char c : bytes) expected += errors ? static_cast<char>(c - 'a' + 'A') : c;
        if (i % 100 == 99) {
            spool.reset();  // and the next broker
            spool = open();
        }
    }
    EXPECT_EQ(spool->end(), expected.size());
    for (const std::uint64_t most : {1ULL, 7ULL, 100'000ULL}) EXPECT_EQ(all(*spool, 0, most), expected);
    for (std::uint64_t from = 0; from < expected.size(); from += 97)
        EXPECT_EQ(all(*spool, from, 1000), expected.substr(from)) << from;
    EXPECT_FALSE(spool->run_at(expected.size()));
}

TEST_F(SpoolTest, WhatAnEarlierBrokerHasWrittenIsNotWrittenAgain) {
    ASSERT_TRUE(open()->append(Stream::kStdout, 0, "abcdef"));
    auto spool = open();
    ASSERT_TRUE(spool->append(Stream::kStdout, 2, "cdefgh"));
    ASSERT_TRUE(spool->append(Stream::kStdout, 1, "bc"));
    EXPECT_EQ(all(*spool, 0, 100), "abcdefgh");
}

TEST_F(SpoolTest, TheQuotaIsOfAllTogetherAndComesBack) {
    quota_.limit = 1000;
    auto one = open("1111111111111111"), other = open("2222222222222222");
    ASSERT_TRUE(one->append(Stream::kStdout, 0, std::string(900, 'a')));
    const auto refused = other->append(Stream::kStdout, 0, std::string(200, 'b'));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, EDQUOT);
    one->remove();
    one.reset();
    EXPECT_TRUE(other->append(Stream::kStdout, 0, std::string(200, 'b')));
    other.reset();
    EXPECT_EQ(quota_.used, 0u);
}

TEST_F(SpoolTest, AMarkWithoutItsBytesIsNone) {
    ASSERT_TRUE(open()->append(Stream::kStdout, 0, "abc"));
    const std::uint64_t mark[] = {3, 2};
    std::ofstream(spool_path(folder_, "0123456789abcdef") + ".marks", std::ios::app | std::ios::binary)
        .write(reinterpret_cast<const char*>(mark), sizeof mark);
    auto spool = open();
    ASSERT_TRUE(spool->append(Stream::kStdout, 3, "def"));
    EXPECT_EQ(all(*spool, 0, 100), "abcdef");
}

TEST_F(SpoolTest, GarbageIsNoOutputAndNoHarm) {
    std::mt19937 random(3);
    for (int round = 0; round < 200; ++round) {
        const std::string path = spool_path(folder_, "0123456789abcdef");
        for (const char* name : {".output", ".marks"}) {
            std::string bytes(random() % 100, '\0');
            for (char& byte : bytes) byte = static_cast<char>(random() % 4);
            std::ofstream(path + name, std::ios::binary | std::ios::trunc) << bytes;
        }
        auto spool = open();
        std::uint64_t from = 0;
        for (int i = 0; i < 300; ++i) {
            const auto run = spool->run_at(from);
            if (!run) break;
            ASSERT_GE(run->position, from);
            ASSERT_GT(run->until, run->position);
            ASSERT_LE(spool->read(run->position, 10).size(), 10u);
            from = run->until;
        }
    }
}

TEST_F(SpoolTest, WhatNobodyWantsIsRemoved) {
    ASSERT_TRUE(open("1111111111111111")->append(Stream::kStdout, 0, "a"));
    ASSERT_TRUE(open("2222222222222222")->append(Stream::kStdout, 0, "b"));
    remove_other_spools(state_, {spool_path(folder_, "2222222222222222")});
    EXPECT_FALSE(fs::exists(spool_path(folder_, "1111111111111111") + ".output"));
    EXPECT_TRUE(fs::exists(spool_path(folder_, "2222222222222222") + ".output"));
    remove_other_spools(state_, {});
    EXPECT_TRUE(fs::is_empty(state_ + "/spool"));
}

}  // namespace
}  // namespace toren::broker
