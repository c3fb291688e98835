// Checkpoints by the worker that makes them: what is recorded, compared and put back, byte for byte.
#include <sys/sysmacros.h>

#include "tests/unit/checkpoint_worker.h"

namespace toren::checkpoints {
namespace {

using namespace std::string_literals;

TEST_F(CheckpointTest, AnythingThatATreeCanHoldComesBackByteForByte) {
    temp_.file("segment/empty", "");
    temp_.file("segment/bytes", "\0\r\n\xff\xfe"s);
    temp_.file("segment/new\nline", "1");
    temp_.file("segment/\xff\xfe not utf-8", "2");
    temp_.file("segment/quote\"back\\slash", "3");
    temp_.folder("segment/a.b");
    temp_.file("segment/a.b/x", "x");
    temp_.folder("segment/a");  // comes behind "a.b" by git's order, before it by bytes
    temp_.file("segment/a/y", "y");
    temp_.file("segment/a-b", "z");
    temp_.folder("segment/nothing in it/nor here");
    temp_.link("a/y", "segment/link");
    temp_.link("no such place", "segment/dangling");
    temp_.link("/etc/passwd", "segment/away");
    temp_.file("segment/program", "#!/bin/sh\n");
    temp_.file("segment/private", "key");
    shell("chmod 755 program && chmod 600 private && chmod 700 a && chmod 444 a-b");
    const auto before = tree();
    const auto made = make();
    EXPECT_TRUE(made.made);
    EXPECT_EQ(made.facts.files, 13U);
    EXPECT_THAT(left_out_, IsEmpty());

    shell("rm -rf ./* && mkdir bytes && echo new > bytes/inside && echo other > a && ln -s /etc program");
    const auto ruined = tree();
    const auto restored = restore(made.facts.number);
    EXPECT_EQ(restored.not_restored, 0U) << ::testing::PrintToString(not_restored_);
    EXPECT_EQ(tree(), before);
    restore(restored.undo);
    EXPECT_EQ(tree(), ruined);
    restore(made.facts.number);
    EXPECT_EQ(tree(), before);
}

TEST_F(CheckpointTest, AFileBecomesAFolderAndAFolderAFileAndALinkEither) {
    shell(
        "mkdir -p was_folder/deep && echo 1 > was_folder/deep/leaf && echo 2 > was_file && ln -s was_file was_link && "
        "mkdir linked && echo 3 > linked/x");
    const auto before = tree();
    const auto first = make().facts.number;
    shell(
        "rm -rf was_folder was_file was_link linked && echo 4 > was_folder && mkdir -p was_file/in && "
        "echo 5 > was_file/in/it && mkdir was_link && ln -s /tmp linked");
    const auto after = tree();
    const auto second = make().facts.number;
    EXPECT_THAT(compare(first, second), ElementsAre("T linked", "D linked/x", "T was_file", "A was_file/in/it",
                                                    "T was_folder", "D was_folder/deep/leaf", "T was_link"));
    restore(first);
    EXPECT_EQ(tree(), before);
    restore(second);
    EXPECT_EQ(tree(), after);
    EXPECT_THAT(compare(second), IsEmpty());
}

TEST_F(CheckpointTest, AnUnchangedTreeIsTheLastCheckpointAgainUnlessItHasALabel) {
    temp_.file("segment/file", "1");
    const auto first = make();
    const auto again = make();
    EXPECT_FALSE(again.made);
    EXPECT_EQ(again.facts.number, first.facts.number);
    EXPECT_EQ(again.written, 0U);
    const auto labelled = make("before the release\nwith two lines");
    EXPECT_TRUE(labelled.made);
    EXPECT_GT(labelled.facts.number, first.facts.number);
    worker_->end();
    start();  // from disk
    const auto answered = worker_->ask(ipc::ListCheckpoints{0, 1});
    const auto last = records_of<ipc::CheckpointFacts>(answered.bytes);
    ASSERT_EQ(last.size(), 1U);
    EXPECT_EQ(last[0].label, "before the release\nwith two lines");
    EXPECT_EQ(last[0].files, 1U);
    EXPECT_EQ(last[0].created_ns, labelled.facts.created_ns);
    EXPECT_TRUE(answered.as<ipc::ListEnd>().more);
    EXPECT_FALSE(make().made);
}

TEST_F(CheckpointTest, WhatChangedIsCountedAndCompared) {
    shell("mkdir d && echo 1 > d/keep && echo 2 > d/change && echo 3 > d/go && echo 4 > mode");
    const auto first = make();
    EXPECT_EQ(first.added, 4U);
    shell("echo 22 > d/change && rm d/go && echo 5 > d/come && chmod 600 mode");
    EXPECT_THAT(compare(first.facts.number), ElementsAre("M d/change", "A d/come", "D d/go", "X mode"));
    const auto second = make();
    EXPECT_EQ(std::tuple(second.added, second.modified, second.deleted), std::tuple(1U, 2U, 1U));
    EXPECT_THAT(compare(first.facts.number, second.facts.number, "d/change"),
                ElementsAre("A d/come", "D d/go", "X mode"));
    EXPECT_THAT(compare(first.facts.number, second.facts.number, "", 2), ElementsAre("M d/change", "A d/come"));
    EXPECT_THAT(compare(first.facts.number, second.facts.number, "", 9, {"d/go", "./mode"}),
                ElementsAre("D d/go", "X mode"));
    EXPECT_THAT(compare(second.facts.number, first.facts.number, "", 9, {"d"}),
                ElementsAre("M d/change", "D d/come", "A d/go"));
}

TEST_F(CheckpointTest, IgnoredFilesAreLeftOutAndStay) {
    shell(
        "mkdir -p a/b node_modules/x && echo '*.log' > .gitignore && echo 'node_modules/' >> .gitignore && "
        "echo '!keep.log' > a/.gitignore && echo '/local' > a/b/.gitignore && "
        "echo 1 > one.log && echo 2 > a/keep.log && echo 3 > a/b/local && echo 4 > a/b/file && echo 5 > a/other.log && "
        "echo 6 > node_modules/x/y && echo 'a/b/file' > .ignore");
    EXPECT_EQ(make().facts.files, 6U);  // four ignore files, a/keep.log, a/b/file
    const auto everything = make("", true);
    EXPECT_EQ(everything.facts.files, 10U);
    const auto before = tree();
    const auto plain = make("plain").facts.number;
    shell("rm a/b/file && echo changed > one.log && echo more > a/b/local");
    restore(plain);
    EXPECT_EQ(content(segment_ + "/one.log"), "changed\n");
    EXPECT_EQ(content(segment_ + "/a/b/local"), "more\n");
    EXPECT_EQ(content(segment_ + "/a/b/file"), "4\n");
    shell("rm -rf node_modules");
    restore(everything.facts.number);
    EXPECT_EQ(tree(), before);
    // What is in the checkpoint and ignored by now is recorded before it is replaced.
    shell("echo '*' > .gitignore && echo precious > a/b/file");
    const auto undo = restore(plain).undo;
    EXPECT_EQ(content(segment_ + "/a/b/file"), "4\n");
    restore(undo, {"a/b/file"});
    EXPECT_EQ(content(segment_ + "/a/b/file"), "precious\n");
}

TEST_F(CheckpointTest, NothingOfARepositoryIsRecordedButItsWorkTree) {
    shell(
        "git init -q . && mkdir nested worktree && git -C nested init -q && echo 1 > nested/file && mkdir .jj && "
        "echo secret > .jj/x && echo 'gitdir: /somewhere' > worktree/.git && echo 2 > worktree/file");
    const auto made = make("", true);
    EXPECT_EQ(made.facts.files, 2U);
    shell("rm -rf nested worktree .git");
    restore(made.facts.number);
    EXPECT_EQ(content(segment_ + "/nested/file"), "1\n");
    EXPECT_FALSE(std::filesystem::exists(segment_ + "/nested/.git"));
    shell("mkdir .git && echo kept > .git/HEAD && echo x > new");
    restore(made.facts.number);
    EXPECT_EQ(content(segment_ + "/.git/HEAD"), "kept\n");
    EXPECT_FALSE(std::filesystem::exists(segment_ + "/new"));
}

TEST_F(CheckpointTest, TheUsersRepositoryIsUntouchedByAHundredCheckpoints) {
    shell(
        "git init -q . && git config user.name t && git config user.email t@example.org && echo 1 > f && git add f && "
        "git commit -qm one && echo 2 > f && git stash -q && echo 3 > g && git add g && git commit -qm two && echo 4 > "
        "h");
    const auto repository = tree_of(segment_ + "/.git");
    const auto index_times = about(segment_ + "/.git/index");
    ASSERT_TRUE(repository.contains("refs/stash"));
    for (int i = 0; i < 100; ++i) {
        temp_.file("segment/h", std::to_string(i));
        make();
    }
    restore(numbers().back());
    EXPECT_EQ(tree_of(segment_ + "/.git"), repository);
    EXPECT_EQ(about(segment_ + "/.git/index").st_mtim.tv_nsec, index_times.st_mtim.tv_nsec);
    EXPECT_GE(numbers().size(), 100U);
}

TEST_F(CheckpointTest, AChangeWithinTheSameTickAndOfTheSameSizeIsSeen) {
    for (int i = 0; i < 60; ++i) {
        temp_.file("segment/file", "a" + std::to_string(1000 + i));
        const auto first = make();
        temp_.file("segment/file", "b" + std::to_string(1000 + i));  // at once, and of one size
        const auto second = make();
        ASSERT_TRUE(second.made) << i;
        ASSERT_NE(second.facts.number, first.facts.number);
    }
}

TEST_F(CheckpointTest, AChangeWhoseTimeWasSetBackIsSeen) {
    temp_.file("segment/file", "before");
    shell("touch -d '2020-01-01 00:00:00' file");
    make();
    make();
    temp_.file("segment/file", "beyond");
    shell("touch -d '2020-01-01 00:00:00' file");
    EXPECT_TRUE(make().made);
}

TEST_F(CheckpointTest, PathsAloneAreRestored) {
    shell("mkdir -p a/b c && echo 1 > a/b/x && echo 2 > a/y && echo 3 > c/z && echo 4 > top");
    const auto made = make().facts.number;
    shell("rm -rf a && echo 33 > c/z && echo 44 > top && echo 5 > a");
    restore(made, {"a/b", "top"});
    EXPECT_EQ(content(segment_ + "/a/b/x"), "1\n");
    EXPECT_FALSE(std::filesystem::exists(segment_ + "/a/y"));
    EXPECT_EQ(content(segment_ + "/c/z"), "33\n");
    EXPECT_EQ(content(segment_ + "/top"), "4\n");
    shell("echo new > a/b/new && echo new > a/new");
    restore(made, {"a/b"});
    EXPECT_FALSE(std::filesystem::exists(segment_ + "/a/b/new"));
    EXPECT_TRUE(std::filesystem::exists(segment_ + "/a/new"));
    const auto refused = worker_->ask(ipc::RestoreCheckpoint{made, {"nowhere"}, limits_});
    EXPECT_EQ(refused.failure, Failure::kNotFound);
}

TEST_F(CheckpointTest, WhatCannotBeRecordedIsCountedAndStays) {
    limits_.file_bytes = 1000;
    shell(
        "echo 1 > file && head -c 1001 /dev/zero > large && echo 2 > locked && chmod 000 locked && mkfifo fifo && "
        "mkdir closed && echo 3 > closed/in && chmod 000 closed && "
        "python3 -c \"import socket; socket.socket(socket.AF_UNIX).bind('sock')\"");
    const auto made = make();
    EXPECT_EQ(made.facts.files, 1U);
    EXPECT_EQ(std::tuple(made.facts.unreadable, made.facts.too_large, made.facts.special), std::tuple(2U, 1U, 2U));
    ASSERT_EQ(left_out_.size(), 5U);
    EXPECT_EQ(left_out_[2].path, "large");
    EXPECT_EQ(left_out_[2].size, 1001U);
    const auto before = tree();
    shell("echo 11 > file");
    restore(made.facts.number);
    EXPECT_EQ(tree(), before);
    // In the place of a file that was recorded stands one that was not.
    shell("rm file && head -c 2000 /dev/zero > file");
    const auto restored = restore(made.facts.number);
    EXPECT_EQ(restored.not_restored, 1U);
    EXPECT_THAT(not_restored_["file"], HasSubstr("not recorded"));
    EXPECT_EQ(about(segment_ + "/file").st_size, 2000);
    shell("chmod 700 closed");
}

TEST_F(CheckpointTest, AFolderWithSomethingLeftOutStaysInTheWay) {
    shell("echo file > place");
    const auto made = make().facts.number;
    shell("rm place && mkdir place && mkfifo place/fifo && echo recorded > place/x");
    EXPECT_EQ(restore(made).not_restored, 1U);
    EXPECT_TRUE(std::filesystem::exists(segment_ + "/place/fifo"));
}

// As deep as a path of 4096 bytes can lead, which is what bounds the worker's recursion. A sanitizer's frames are
// several times as large, and would want a larger stack than there is.
#ifdef __SANITIZE_ADDRESS__
constexpr const char* kDepth = "400";
#else
constexpr const char* kDepth = "2000";
#endif

TEST_F(CheckpointTest, ATreeThousandsOfFoldersDeepComesBack) {
    const std::string down = std::string("python3 -c \"\nimport os\nfor i in range(") + kDepth + "):\n  ";
    shell(down + "os.mkdir('d'); os.chdir('d')\nopen('leaf','w').write('x')\"");
    const auto made = make();
    EXPECT_EQ(made.facts.files, 1U);
    shell("rm -rf d");
    EXPECT_EQ(restore(made.facts.number).not_restored, 0U);
    shell(down + "os.chdir('d')\nassert open('leaf').read() == 'x'\"");
    shell("rm -rf d");
}

TEST_F(CheckpointTest, APathThatIsTooLongForTheKernelIsCounted) {
    shell(
        "python3 -c \"\nimport os\nfor i in range(30):\n  os.mkdir('d' * 200); os.chdir('d' * "
        "200)\nopen('leaf','w')\"");
    EXPECT_EQ(make().facts.long_paths, 1U);
    shell("rm -rf d*");
}

TEST_F(CheckpointTest, AFileThatGrowsForeverIsRecordedAndTold) {
    auto writer = ChildProcess::fork();
    ASSERT_TRUE(writer);
    if (!*writer) {
        const int file = ::open((segment_ + "/log").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
        const std::string line(4096, 'x');
        while (true) {
            [[maybe_unused]] const auto written = ::write(file, line.data(), line.size());
            if (::lseek(file, 0, SEEK_END) > 20'000'000) [[maybe_unused]]
                const int cut = ::ftruncate(file, 19'000'000);
        }
    }
    while (!std::filesystem::exists(segment_ + "/log") || about(segment_ + "/log").st_size < 15'000'000)
        ::sched_yield();
    const auto made = make();
    (*writer)->kill(SIGKILL);
    EXPECT_EQ(made.facts.files, 1U);
    EXPECT_EQ(made.facts.unsettled, 1U);
}

TEST_F(CheckpointTest, OldCheckpointsGoAndWhatOnlyTheyHad) {
    limits_.kept = 10;
    for (int i = 0; i < 60; ++i) {
        temp_.file("segment/file" + std::to_string(i % 3), std::string(1000, 'a') + std::to_string(i));
        make();
    }
    make("the last");
    const auto all = numbers();
    EXPECT_EQ(all.size(), 10U);
    for (const auto number : all) compare(all.front(), number);
    restore(all.back());
    EXPECT_EQ(content(segment_ + "/file0").substr(0, 1000), std::string(1000, 'a'));
    EXPECT_LT(std::distance(std::filesystem::directory_iterator(store_ + "/objects/pack"), {}), 2 * 50);
}

TEST_F(CheckpointTest, TheQuotaHoldsAndATreeBeyondItIsRefused) {
    limits_.bytes = 1 << 20;
    for (int i = 0; i < 12; ++i) {
        shell("head -c 200000 /dev/urandom > file");
        make();
    }
    make("tidied");
    std::uint64_t bytes = 0;
    for (const auto& entry : std::filesystem::directory_iterator(store_ + "/objects/pack")) bytes += entry.file_size();
    EXPECT_LT(bytes, 2U << 20);
    EXPECT_LT(numbers().size(), 8U);
    EXPECT_GT(numbers().size(), 1U);
    shell("head -c 2000000 /dev/urandom > huge");
    ipc::MakeCheckpoint request;
    request.limits = limits_;
    EXPECT_EQ(worker_->ask(request).failure, Failure::kNoSpace);
    for (const auto& entry : std::filesystem::directory_iterator(store_ + "/objects/pack"))
        EXPECT_FALSE(entry.path().filename().string().starts_with("tmp-"));
}

TEST_F(CheckpointTest, ADeletedCheckpointIsGoneAndItsNumberToo) {
    temp_.file("segment/file", "1");
    const auto first = make().facts.number;
    temp_.file("segment/file", "2");
    const auto second = make().facts.number;
    EXPECT_EQ(worker_->ask(ipc::DeleteCheckpoint{second}).failure, Failure::kNone);
    EXPECT_EQ(worker_->ask(ipc::DeleteCheckpoint{second}).failure, Failure::kNoCheckpoint);
    EXPECT_THAT(numbers(), ElementsAre(first));
    worker_->end();
    start();
    EXPECT_GT(make().facts.number, second);
    restore(first);
    EXPECT_EQ(content(segment_ + "/file"), "1");
}

TEST_F(CheckpointTest, OneFileIsReadAndDiffed) {
    shell("mkdir d && printf 'one\\ntwo\\n' > d/f && ln -s d/f link && printf 'a\\0b' > binary");
    const auto made = make().facts.number;
    shell("printf 'one\\n2\\n' > d/f && rm binary");
    EXPECT_EQ(worker_->ask(ipc::ReadCheckpoint{made, "d/f", 0, 100}).bytes, "one\ntwo\n");
    EXPECT_EQ(worker_->ask(ipc::ReadCheckpoint{made, "d/f", 4, 2}).bytes, "tw");
    EXPECT_EQ(worker_->ask(ipc::ReadCheckpoint{made, "link", 0, 100}).bytes, "d/f");
    EXPECT_EQ(worker_->ask(ipc::ReadCheckpoint{made, "d", 0, 100}).failure, Failure::kIsFolder);
    EXPECT_EQ(worker_->ask(ipc::ReadCheckpoint{made, "d/none", 0, 100}).failure, Failure::kNotFound);
    EXPECT_EQ(worker_->ask(ipc::ReadCheckpoint{made + 9, "d/f", 0, 100}).failure, Failure::kNoCheckpoint);
    EXPECT_EQ(worker_->ask(ipc::DiffCheckpoint{made, 0, "d/f", 1000}).bytes,
              "--- a/d/f\n+++ b/d/f\n@@ -1,2 +1,2 @@\n one\n-two\n+2\n");
    const auto binary = worker_->ask(ipc::DiffCheckpoint{made, 0, "binary", 1000});
    EXPECT_TRUE(binary.as<ipc::CheckpointDiff>().binary);
    EXPECT_EQ(binary.as<ipc::CheckpointDiff>().after.kind, ipc::FileKind::kOther);
    EXPECT_EQ(worker_->ask(ipc::DiffCheckpoint{made, 0, "../outside", 1000}).failure, Failure::kLeavesSegment);
}

TEST_F(CheckpointTest, ALinkInTheWayIsReplacedAndNeverFollowed) {
    const std::string elsewhere = temp_.folder("elsewhere");
    temp_.file("elsewhere/file", "not to be touched");
    shell("mkdir d && echo 1 > d/file && echo 2 > d/other");
    const auto made = make().facts.number;
    shell("rm -r d && ln -s ../elsewhere d");
    restore(made);
    EXPECT_TRUE(S_ISDIR(about(segment_ + "/d").st_mode));
    EXPECT_EQ(content(elsewhere + "/file"), "not to be touched");
    EXPECT_EQ(content(segment_ + "/d/file"), "1\n");
}

TEST_F(CheckpointTest, ALinkSwappedForAFolderDuringARestoreLeadsNowhere) {
    const std::string elsewhere = temp_.folder("elsewhere");
    shell("mkdir d && for i in $(seq 200); do echo $i > d/f$i; done");
    const auto made = make().facts.number;
    auto swapper = ChildProcess::fork();
    ASSERT_TRUE(swapper);
    if (!*swapper) {
        const std::string d = segment_ + "/d", away = segment_ + "/away", link = segment_ + "/link";
        while (true) {
            [[maybe_unused]] const int made_link = ::symlink(elsewhere.c_str(), link.c_str());
            ::rename(d.c_str(), away.c_str());
            ::rename(link.c_str(), d.c_str());
            ::unlink(d.c_str());
            ::rename(away.c_str(), d.c_str());
        }
    }
    for (int i = 0; i < 25; ++i) {
        run("rm -f '" + segment_ + "'/d/f1* 2>/dev/null");
        worker_->ask(ipc::RestoreCheckpoint{made, {}, limits_});
    }
    (*swapper)->kill(SIGKILL);
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(elsewhere), {}), 0);
}

// A worker that is ended at any moment leaves a store that is whole, and files that are.
TEST_F(CheckpointTest, KilledAtAnyMomentTheStoreIsConsistentAndEachFileWhole) {
    const auto write_all = [&](const std::string& mark) {
        for (int i = 0; i < 200; ++i) {
            std::filesystem::create_directories(segment_ + "/d" + std::to_string(i % 10));
            temp_.file("segment/d" + std::to_string(i % 10) + "/f" + std::to_string(i),
                       mark + std::string(20'000, 'x') + mark);
        }
    };
    write_all("one");
    const auto first = make().facts.number;
    const auto one = tree();
    write_all("two");
    make();
    unsigned delay = 0;
    for (int round = 0; round < 60; ++round) {
        const bool restores = round % 2 == 0;
        write_all(restores ? "two" : std::to_string(100 + round));
        if (restores) worker_->send(ipc::RestoreCheckpoint{first, {}, limits_});
        else {
            ipc::MakeCheckpoint request;
            request.limits = limits_;
            worker_->send(request);
        }
        // Not as synchronisation: another moment each time.
        const timespec pause{0, 200'000L * (delay += 7)};
        ::nanosleep(&pause, nullptr);
        if (delay > 200) delay = 0;
        worker_->kill();
        worker_->end();
        start();
        for (const auto& [name, text] : tree()) {
            const auto at = text.find(':');
            if (at == text.npos || name.find(".toren-restore-") != name.npos) continue;
            const std::string bytes = text.substr(at + 1);
            ASSERT_EQ(bytes.size(), 20'006U) << name;
            ASSERT_EQ(bytes.substr(0, 3), bytes.substr(20'003)) << name;
        }
        const auto all = numbers();
        ASSERT_FALSE(all.empty());
        ASSERT_EQ(run("git --git-dir=" + store_ + " fsck --full --strict >" + (temp_ / "fsck") + " 2>&1"), 0)
            << content(temp_ / "fsck");
    }
    restore(first);
    EXPECT_EQ(tree(), one);  // no temporary file is left, either
}

}  // namespace
}  // namespace toren::checkpoints
