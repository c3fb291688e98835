// Watching: what happens in a tree arrives, once, and with what it was.
#include <set>

#include "tests/unit/files_worker.h"

namespace toren::workers {
namespace {

using ipc::WatchKind;

class WatchTest : public FilesTest {
protected:
    void start(ipc::WatchFolder request = {"."}) {
        worker_.send(request);
        const auto events = batch();
        ASSERT_EQ(events.size(), 1U);
        ASSERT_EQ(events[0].event, WatchKind::kReady);
    }
    std::vector<ipc::WatchEvent> batch() {
        std::vector<ipc::WatchEvent> events;
        pollfd ready{worker_.channel().fd(), POLLIN, 0};
        if (::poll(&ready, 1, 10'000) != 1) {
            ADD_FAILURE() << "nothing comes";
            return events;
        }
        ipc::Packet packet;
        EXPECT_EQ(worker_.channel().receive(packet), ipc::Received::kPacket);
        const auto chunk = packet.as<ipc::Chunk>();
        if (!chunk) {
            ended_ = packet.as<ipc::Done>();
            EXPECT_TRUE(ended_);
            return events;
        }
        for (ipc::Reader reader(chunk->bytes); !reader.at_end();) {
            ipc::WatchEvent event;
            if (!reader.read(event)) {
                ADD_FAILURE() << "half an event";
                break;
            }
            events.push_back(event);
        }
        return events;
    }
    static std::string text(const ipc::WatchEvent& event) {
        static constexpr const char* kNames[] = {"ready", "created", "changed", "deleted", "moved", "overflow"};
        const std::string kind = event.kind == FileKind::kFolder ? "/" : event.kind == FileKind::kSymlink ? "@" : "";
        return std::string(kNames[static_cast<int>(event.event)]) + " " +
               (event.from.empty() ? "" : event.from + " > ") + event.path + kind;
    }
    // Events up to the one that says so; a name is in a batch once.
    std::vector<std::string> until(const std::string& last) {
        std::vector<std::string> all;
        while (std::find(all.begin(), all.end(), last) == all.end()) {
            std::set<std::string> paths;
            const auto events = batch();
            if (events.empty()) {
                ADD_FAILURE() << "no " << last << " in " << ::testing::PrintToString(all);
                break;
            }
            for (const auto& event : events) {
                EXPECT_TRUE(paths.insert(event.path).second) << event.path << " twice";
                all.push_back(text(event));
            }
        }
        return all;
    }

    std::optional<ipc::Done> ended_;
};

TEST_F(WatchTest, WhatHappensArrives) {
    start();
    temp_.file("segment/new", "x");
    EXPECT_THAT(until("created new"), ElementsAre("created new"));
    temp_.file("segment/dir/deep/leaf", "changed");
    EXPECT_THAT(until("changed dir/deep/leaf"), ElementsAre("changed dir/deep/leaf"));
    std::filesystem::remove(segment_ + "/new");
    EXPECT_THAT(until("deleted new"), ElementsAre("deleted new"));
    temp_.link("file", "segment/link");
    EXPECT_THAT(until("created link@"), ElementsAre("created link@"));
    std::filesystem::rename(segment_ + "/file", segment_ + "/dir/moved");
    EXPECT_THAT(until("moved file > dir/moved"), ElementsAre("moved file > dir/moved"));
    std::filesystem::rename(segment_ + "/dir", segment_ + "/folder");
    EXPECT_THAT(until("moved dir > folder/"), ElementsAre("moved dir > folder/"));
    temp_.file("segment/folder/deep/leaf", "again");
    EXPECT_THAT(until("changed folder/deep/leaf"), ElementsAre("changed folder/deep/leaf"));
    std::filesystem::rename(segment_ + "/folder", outside_ + "/folder");
    EXPECT_THAT(until("deleted folder/"), ElementsAre("deleted folder/"));
    std::filesystem::rename(outside_ + "/folder", segment_ + "/back");
    EXPECT_THAT(until("created back/deep/leaf"), UnorderedElementsAre("created back/", "created back/moved",
                                                                      "created back/deep/", "created back/deep/leaf"));
    std::filesystem::remove_all(segment_ + "/back");
    EXPECT_THAT(until("deleted back/"), ::testing::Contains("deleted back/deep/leaf"));
}

TEST_F(WatchTest, ATreeThatIsMadeAtOnceIsSeenWhole) {
    start();
    for (int round = 0; round < 10; ++round) {
        const std::string top = "tree" + std::to_string(round);
        temp_.folder("segment/" + top + "/a/b/c");
        temp_.file("segment/" + top + "/a/b/c/leaf", "x");
        temp_.file("segment/" + top + "/end", "x");
        std::set<std::string> seen;
        for (int i = 0; i < 10 && seen.size() < 6; ++i) {
            const auto events = batch();
            if (events.empty()) break;
            for (const auto& event : events) seen.insert(event.path);
        }
        EXPECT_EQ(seen, (std::set<std::string>{top, top + "/a", top + "/a/b", top + "/a/b/c", top + "/a/b/c/leaf",
                                               top + "/end"}));
    }
}

TEST_F(WatchTest, AWriteOfOursIsOneChange) {
    start();
    Worker writer(segment_);
    ASSERT_EQ(writer.write("file", "new").failure, Failure::kNone);
    EXPECT_THAT(until("changed file"), ElementsAre("changed file"));
    ASSERT_EQ(writer.write("file", "newer", false, if_version(writer.stat("file").version)).failure, Failure::kNone);
    EXPECT_THAT(until("changed file"), ElementsAre("changed file")) << "an exchange too";
    ASSERT_EQ(writer.ask(ipc::DeletePath{"file", false, if_version(writer.stat("file").version)}).failure,
              Failure::kNone);
    EXPECT_THAT(until("deleted file"), ElementsAre("deleted file"));
}

TEST_F(WatchTest, WhatIsIgnoredIsNotTold) {
    temp_.file("segment/.gitignore", "*.o\nbuild/\n");
    temp_.folder("segment/build/deep");
    temp_.folder("segment/.git/objects");
    start();
    temp_.file("segment/build/deep/x", "x");
    temp_.file("segment/.git/objects/x", "x");
    temp_.file("segment/a.o", "x");
    temp_.folder("segment/dir/build");
    temp_.file("segment/dir/build/x", "x");
    temp_.file("segment/end", "x");
    EXPECT_THAT(until("created end"), ElementsAre("created end"));
    temp_.file("segment/.gitignore", "*.x\n");
    until("overflow ");
    temp_.file("segment/build/deep/y", "x");
    temp_.file("segment/a.x", "x");
    EXPECT_THAT(until("created build/deep/y"), ElementsAre("created build/deep/y")) << "by the new rules";
}

TEST_F(WatchTest, AFolderAloneIsWatchedWhereThatIsAskedFor) {
    start({"dir", false, false});
    temp_.file("segment/dir/deep/other", "x");
    temp_.file("segment/dir/x", "x");
    EXPECT_THAT(until("created x"), ElementsAre("created x"));
}

TEST_F(WatchTest, TheWatchEndsWithItsChannelAndWithItsFolder) {
    start({"dir"});
    std::filesystem::remove_all(segment_ + "/dir");
    for (int i = 0; i < 3 && !ended_; ++i) batch();
    ASSERT_TRUE(ended_);
    EXPECT_EQ(ended_->failure, Failure::kNotFound);
    start();
    worker_.leave();
    EXPECT_EQ(worker_.end().code, 0);
}

TEST_F(WatchTest, NothingOutsideIsWatched) {
    temp_.link("../outside", "segment/link");
    for (const char* path : {"..", "link", "/", "file", "missing"})
        EXPECT_NE(worker_.ask(ipc::WatchFolder{path}).failure, Failure::kNone) << path;
    start();
    temp_.file("outside/secret", kSecret);
    temp_.file("segment/end", "x");
    EXPECT_THAT(until("created end"), ElementsAre("created end"));
}

TEST_F(WatchTest, WhatIsMadeWhileTheWatchBeginsIsInTheFirstListingOrInAnEvent) {
    for (int round = 0; round < 5; ++round) {
        const std::string top = "segment/t" + std::to_string(round);
        for (int i = 0; i < 30; ++i) temp_.folder(top + "/f" + std::to_string(i));
        Worker watcher(segment_);
        watcher.send(ipc::WatchFolder{"t" + std::to_string(round)});
        std::set<std::string> made, seen;
        for (int i = 0; i < 200; ++i) {
            const std::string name = "f" + std::to_string(i % 30) + "/n" + std::to_string(i);
            temp_.folder(top + "/" + name);
            made.insert(name);
        }
        temp_.file(top + "/end", "");
        bool ready = false, end = false;
        while (!end) {
            ipc::Packet packet;
            ASSERT_EQ(watcher.channel().receive(packet), ipc::Received::kPacket);
            const std::string bytes = packet.as<ipc::Chunk>().value().bytes;
            for (ipc::Reader reader(bytes); !reader.at_end();) {
                ipc::WatchEvent event;
                ASSERT_TRUE(reader.read(event));
                if (event.event == WatchKind::kReady) {
                    ready = true;
                    worker_.list(
                        ipc::ListFolder{.path = "t" + std::to_string(round), .recursive = true, .max_entries = 10'000});
                    seen.insert(worker_.paths.begin(), worker_.paths.end());
                    end = seen.contains("end");
                }
                seen.insert(event.path);
                end = end || event.path == "end";
            }
        }
        EXPECT_TRUE(ready);
        for (const auto& name : made) EXPECT_TRUE(seen.contains(name)) << name;
    }
}

}  // namespace
}  // namespace toren::workers
