// The judgement of the self-probe: which outputs of toren-probe are a proof, and which are not.
#include "supervisor/self_probe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace toren::supervisor {
namespace {

using ipc::Must;
using ipc::ProbeAttempt;
using ::testing::HasSubstr;

constexpr int kNewestAbi = 99;

std::string line(const ProbeAttempt& attempt, bool success) {
    const char* code = attempt.inside == Must::kFailEnosys ? "ENOSYS" : "EPERM";
    return std::string(attempt.name) + (success ? " ok\n" : std::string(" refused ") + code + "\n");
}

// What a cage that holds prints, with the row of `changed` turned into its opposite or left out.
enum class Change { kNone, kOpposite, kLeftOut };
std::string inside(const ProbeAttempt* changed = nullptr, Change change = Change::kNone) {
    std::string text;
    for (const auto& attempt : ipc::kProbeAttempts) {
        if (&attempt == changed && change == Change::kLeftOut) continue;
        text +=
            line(attempt, (attempt.inside == Must::kSucceed) != (&attempt == changed && change == Change::kOpposite));
    }
    return text;
}
std::string outside(const ProbeAttempt* changed = nullptr, Change change = Change::kNone) {
    std::string text;
    for (const auto& attempt : ipc::kProbeAttempts) {
        if (&attempt == changed && change == Change::kLeftOut) continue;
        text += line(attempt, !(&attempt == changed && change == Change::kOpposite));
    }
    return text;
}

std::string fault_of(const ProbeReport& report, const ProbeAttempt& attempt) {
    for (const auto& result : report.results)
        if (result.attempt == &attempt) return result.fault;
    return "no such row";
}

TEST(Invariant1Judgement, WhatACageThatHoldsPrintsIsAProof) {
    EXPECT_TRUE(judge_probe(inside(), outside(), kNewestAbi).holds());
}

TEST(Invariant1Judgement, EachAttemptAloneThatComesOutWrongInsideIsNone) {
    for (const auto& attempt : ipc::kProbeAttempts)
        for (const auto change : {Change::kOpposite, Change::kLeftOut}) {
            const auto report = judge_probe(inside(&attempt, change), outside(), kNewestAbi);
            EXPECT_FALSE(report.holds()) << attempt.name;
            EXPECT_THAT(fault_of(report, attempt), HasSubstr("inside the cage: ")) << attempt.name;
        }
}

TEST(Invariant1Judgement, AControlThatFailsOutsideIsNone) {
    int judged = 0;
    for (const auto& attempt : ipc::kProbeAttempts)
        for (const auto change : {Change::kOpposite, Change::kLeftOut}) {
            const auto report = judge_probe(inside(), outside(&attempt, change), kNewestAbi);
            EXPECT_EQ(report.holds(), attempt.outside == Must::kAnything) << attempt.name;
            if (attempt.outside == Must::kAnything) continue;
            ++judged;
            EXPECT_THAT(fault_of(report, attempt), HasSubstr("the positive control outside")) << attempt.name;
        }
    EXPECT_GT(judged, 20);
}

TEST(Invariant1Judgement, NothingNonsenseAndALaterSuccessAreNone) {
    EXPECT_FALSE(judge_probe("", "", kNewestAbi).holds());
    EXPECT_FALSE(judge_probe(std::string(100000, '\xff'), outside(), kNewestAbi).holds());
    EXPECT_FALSE(judge_probe("write-outside maybe\n", outside(), kNewestAbi).holds());
    EXPECT_FALSE(judge_probe(inside() + "write-outside ok\n", outside(), kNewestAbi).holds());
}

TEST(Invariant1Judgement, AnUnknownCallMustLookAsIfTheKernelDidNotHaveIt) {
    std::string text = inside();
    const std::string row = "unknown-call refused ENOSYS";
    text.replace(text.find(row), row.size(), "unknown-call refused EPERM");
    EXPECT_FALSE(judge_probe(text, outside(), kNewestAbi).holds());
}

TEST(Invariant1Judgement, WhatOnlyANewerLandlockStopsIsJudgedWhereThatStands) {
    for (const auto& attempt : ipc::kProbeAttempts) {
        if (attempt.landlock_abi == 0) continue;
        const auto text = inside(&attempt, Change::kOpposite);
        EXPECT_TRUE(judge_probe(text, outside(), attempt.landlock_abi - 1).holds()) << attempt.name;
        EXPECT_FALSE(judge_probe(text, outside(), attempt.landlock_abi).holds()) << attempt.name;
    }
}

}  // namespace
}  // namespace toren::supervisor
