// Every attempt of the table in a real cage, by an ordinary user; and again without the layers that stop it, where it
// must get out: an attempt that cannot succeed proves nothing.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <iostream>
#include <string>

#include "policy/landlock.h"
#include "tests/escape/cage.h"
#include "tests/escape/rows.h"

namespace toren::escape {
namespace {

Run run(const Row& row, Layers left_out) {
    World world;
    if (!world.problem().empty()) {
        Run broken;
        broken.broken = world.problem();
        return broken;
    }
    // Guards cost more than all the rest: they stand where the attempt is about what they hold, and in the product's
    // test for every attempt.
    const bool guarded = (row.layers & kGuards) != 0 || row.control == Control::kWorks;
    return run_in_cage(world, row.attempt, left_out | (guarded ? Layers{0} : Layers{kGuards}));
}

std::string told(const Run& run, Layers left_out) {
    return "without " + layer_names(left_out) + ": '" + run.output + "', code " + std::to_string(run.code) +
           (run.broken.empty() ? "" : ", broken: " + run.broken);
}

void expect_refused(const Row& row, Layers left_out) {
    const Run refused = run(row, left_out);
    const std::string what = told(refused, left_out);
    ASSERT_EQ(refused.broken, "") << what;
    if (refused.code == kUntried) GTEST_SKIP() << "this machine lacks " << row.why << "; " << what;
    EXPECT_EQ(refused.code, kRefused) << what;
    EXPECT_TRUE(refused.workers_live) << what;
    EXPECT_TRUE(refused.host_lives) << what;
    EXPECT_FALSE(refused.outside_changed) << what;
    EXPECT_FALSE(refused.left_behind) << what;
    if (left_out != 0) return;
    EXPECT_NE(refused.output.find(row.refusal), std::string::npos) << what;
}

bool got_out(Control control, const Run& run) {
    switch (control) {
        case Control::kWorkersDie: return !run.workers_live;
        case Control::kHostDies: return !run.host_lives;
        case Control::kLeavesBehind: return run.left_behind;
        default: return run.code == kEscaped;
    }
}

int landlock() {
    const auto abi = landlock_abi();
    return abi ? *abi : 0;
}

class EscapeTest : public testing::Test {
public:
    explicit EscapeTest(const Row& row) : row_(row) {}

    void SetUp() override {
        if (::geteuid() == 0) GTEST_SKIP() << "an ordinary user's test: root gets out of nothing and into everything";
    }

    void TestBody() override {
        if (row_.control == Control::kWorks) return expect_works();
        expect_refused(row_, 0);
        if (IsSkipped()) return;
        if (row_.control == Control::kOnlyRoot) return;
        expect_each_layer_suffices();
        expect_control();
    }

private:
    void expect_works() {
        const escape::Run result = escape::run(row_, 0);
        EXPECT_EQ(result.code, kEscaped) << told(result, 0);
    }

    void expect_each_layer_suffices() {
        const Layers alone = row_.layers & row_.alone;
        if ((row_.layers & (row_.layers - 1)) == 0) return;
        for (Layers layer = 1; layer <= kLast; layer <<= 1)
            if ((alone & layer) != 0 && (layer != kLandlock || landlock() >= row_.landlock))
                expect_refused(row_, row_.layers & ~layer);
    }

    void expect_control() {
        const escape::Run control = escape::run(row_, row_.layers);
        const std::string what = told(control, row_.layers);
        ASSERT_EQ(control.broken, "") << what;
        if (got_out(row_.control, control)) return;
        if (control.code == kUntried || *row_.why != '\0')
            GTEST_SKIP() << "the cage refuses it, but this machine offers no positive control: " << row_.why << "; "
                         << what;
        ADD_FAILURE() << "it does not even succeed " << what;
    }

    const Row& row_;
};

// Between two starts of a cell a command can move aside what is read-only inside its segment, at the latest by moving a
// folder above it, and put a link there.
TEST(Row17, AReadOnlyFolderThatBecameALinkIsRefused) {
    if (::geteuid() == 0) GTEST_SKIP() << "an ordinary user's test";
    World world;
    ASSERT_EQ(world.problem(), "");
    EXPECT_EQ(run_in_cage(world, "write_segment", 0).code, kEscaped) << "the control: it is a folder";
    std::filesystem::rename(world.segment_read_only(), world.segment() + "/aside");
    std::filesystem::create_symlink(world.outside(), world.segment_read_only());
    const escape::Run refused = run_in_cage(world, "write_segment", 0);
    EXPECT_NE(refused.broken.find("Too many levels of symbolic links"), std::string::npos) << told(refused, 0);
}

// The product's own path, with all that it puts around a command: the same attempts, all layers.
TEST(Product, RefusesEveryAttemptThroughTorenRun) {
    if (::geteuid() == 0) GTEST_SKIP() << "an ordinary user's test";
    const std::string toren = product();
    if (toren.empty()) GTEST_SKIP() << "no `toren` beside this program and none in $TOREN_BIN";
    for (const Row& row : rows()) {
        // Limits are what the configuration says, and larger than what the attempts ask for.
        if (row.layers == kLimits) continue;
        World world;
        ASSERT_EQ(world.problem(), "");
        const escape::Run result = run_in_product(world, toren, row.attempt);
        const std::string what = std::string(row.attempt) + ", " + told(result, 0);
        ASSERT_EQ(result.broken, "") << what;
        const int wanted = row.control == Control::kWorks ? kEscaped : kRefused;
        EXPECT_TRUE(result.code == wanted || result.code == kUntried) << what;
        EXPECT_TRUE(result.host_lives) << what;
        EXPECT_FALSE(result.outside_changed) << what;
        EXPECT_FALSE(result.left_behind) << what;
    }
}

void register_rows() {
    for (const Row& row : rows())
        testing::RegisterTest(("Row" + std::to_string(row.number)).c_str(), row.attempt, nullptr, nullptr, __FILE__,
                              __LINE__, [&row]() -> testing::Test* { return new EscapeTest(row); });
}

}  // namespace
}  // namespace toren::escape

int main(int argc, char** argv) {
    testing::InitGoogleTest(&argc, argv);
    toren::escape::register_rows();
    const int failed = RUN_ALL_TESTS();
    const auto* all = testing::UnitTest::GetInstance();
    if (failed == 0 && all->test_to_run_count() > 1 && all->skipped_test_count() == all->test_to_run_count()) {
        std::cerr << "every escape test was skipped: nothing is proven\n";
        return 1;
    }
    return failed;
}
