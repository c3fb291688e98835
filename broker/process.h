// A process as clients know it: it has an id, any number of followers who read its output log at their own pace, and it
// outlives connections and, where the spawner keeps it, this broker.
//
// While somebody follows, the process waits for the fastest follower once its log is full; otherwise its oldest output
// goes. When followers are lost rather than done, it goes on waiting for a while: they come back.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/command.h"
#include "broker/loop.h"
#include "broker/spool.h"
#include "broker/task.h"

namespace toren::broker {

// What is known of a process from its start on. Travels through the spawner as JSON, to the next broker.
struct ProcessAbout {
    std::string id;
    std::string segment;
    std::vector<std::string> argv;  // cut where it is very long
    std::string cwd;
    std::string name;
    std::string profile;
    std::string request;  // the client's word by which a repeated start is known
    bool terminal = false;
    bool input = false;
    bool disk = false;  // all of its output is kept on disk
    std::int64_t started_ns = 0;

    std::string to_json() const;
    static std::optional<ProcessAbout> from_json(const std::string& text);
};

class Process : public std::enable_shared_from_this<Process> {
public:
    Process(ProcessAbout about, std::shared_ptr<Command> command);

    const ProcessAbout& about() const { return about_; }
    const ipc::LogView& log() const { return *command_->log; }
    std::uint32_t slot() const { return command_->slot; }
    // What the spawner holds of it for the next broker: control channel, output log.
    std::array<int, 2> held_descriptors() const { return {command_->control.fd(), command_->log_memory.get()}; }

    // Reads its control channel until it has ended; keeps it alive meanwhile.
    Task<Done> attend();

    // False where the slot has died meanwhile. `held`: somebody will follow it; `tell`: until_started() will be asked.
    bool start(const ipc::Start& request, bool held, bool tell);

    bool running() const { return started_ && !exited_ && !lost_; }
    // Its end: nothing while it runs. lost(): its cell ended, and nobody knows how it went.
    const std::optional<ipc::Exited>& exited() const { return exited_; }
    bool lost() const { return lost_; }
    // Whether it could not be executed.
    bool start_failed() const { return exited_ && exited_->failed_step != ipc::StartStep::kNone; }
    // All of its output so far, on disk; null where nobody asked for that.
    const Spool* spool() const { return spool_.get(); }
    // The position of the oldest output in its log, or where the next will be.
    std::uint64_t oldest() const;
    // Writes all output to the spool as it comes, until it has ended or the spool is full.
    Task<Done> fill(std::unique_ptr<Spool> spool);
    // Its output is not wanted any more.
    void forget_spool();
    // Where its output ends, or is now.
    std::uint64_t end_place() const { return exited_ ? exited_->place : log().head(); }
    // Why this broker ended it: "killed", "cancelled", "time"; null where it did not.
    const char* ended_by() const { return ended_by_; }

    // Until something has changed: output, its end; or for so long.
    Task<Done> news();
    Task<Done> news(std::chrono::milliseconds longest);
    // The same for one who waits for something else besides: set when something has changed.
    void tell_news(const Promise<Done>& waiting);
    // Whoever has read all that there is says so before he waits: then he hears of what comes.
    void caught_up();
    // Until it was executed or could not be, in which case it has ended.
    Task<Done> until_started();

    // Input, one piece after another; false where nobody reads it. Empty: the end.
    Task<bool> give_input(std::string bytes);
    void resize(std::uint16_t rows, std::uint16_t columns);
    void signal(std::uint8_t number);
    void kill(const char* why);
    // Ends the tree, and nobody wants to know how it went.
    void abandon();

    // One who reads. As long as it lives the process waits for it, if nobody is faster.
    class Follower {
    public:
        Follower(std::shared_ptr<Process> process, std::uint64_t place);
        Follower(Follower&&) = default;
        Follower(const Follower&) = delete;
        Follower& operator=(const Follower&) = delete;
        Follower& operator=(Follower&&) = delete;
        ~Follower();

        std::uint64_t place() const { return place_; }
        // The next piece where it lies. kOverrun: skip() to what is still kept.
        ipc::LogView::Next look(ipc::LogPiece& piece) const;
        // As look() beyond the pieces already looked at.
        ipc::LogView::Next look_at(std::uint64_t place, ipc::LogPiece& piece) const;
        // It has read up to here.
        void advance(std::uint64_t place) { place_ = place; }
        void skip() { place_ = process_->log().tail(); }
        // Nothing before this place is wanted any more: the process may overwrite it.
        void release(std::uint64_t place) { process_->consumed_up_to(place); }
        // Whether what lies at `place` stays until this follower has released it, whatever the process does: nobody
        // else follows, and its init has heard that it is to wait. pin() holds it against one who comes meanwhile.
        bool is_held(std::uint64_t place) const {
            return process_->held_ && process_->log().held() && process_->followers_ == 1 &&
                   place >= process_->consumed_ && process_->log().kept(place);
        }
        // It does not come back: a process that nobody else follows need not wait.
        void done() { lost_ = false; }

    private:
        std::shared_ptr<Process> process_;
        std::uint64_t place_;
        bool lost_ = true;
    };

    // A record of the log, copied: one copy for all who send it at about the same time. Null where it has gone.
    std::shared_ptr<const std::string> copy_of(std::uint64_t place, const ipc::LogPiece& piece);
    // Nothing from this place on is overwritten while it is sent from where it lies. One at a time.
    void pin(std::uint64_t place) { pin_ = place; }
    void unpin();

    // Its first follower may take its time: a broker was started again.
    void expect_followers();

private:
    Task<Done> fill_from(Follower& follower);
    void take(const ipc::Packet& packet);
    void wake();
    void set_held(bool held);
    void consumed_up_to(std::uint64_t place);
    void settle_consumed();
    void tell_consumed();

    ProcessAbout about_;
    std::shared_ptr<Command> command_;
    bool started_ = false;
    std::optional<ipc::Exited> exited_;
    std::unique_ptr<Spool> spool_;
    bool lost_ = false;
    const char* ended_by_ = nullptr;
    bool held_ = true;
    bool announced_ = false;                     // an Output was not yet answered
    std::uint64_t released_ = 0;                 // up to where the fastest follower does not need it any more
    std::optional<std::uint64_t> filled_, pin_;  // up to where it is on disk; from where it is being sent
    std::uint64_t consumed_ = 0;                 // up to where all of these let go
    std::uint64_t told_ = 0;                     // the last that its init was told
    std::size_t followers_ = 0;
    std::optional<Timer> patience_;
    std::vector<Promise<Done>> waiting_;
    struct Copy {
        std::uint64_t place;
        std::weak_ptr<const std::string> bytes;
    };
    std::array<Copy, 16> copies_{};  // the last ones, each at a number of its own
    std::size_t next_copy_ = 0;
    Turns input_turns_;
    std::optional<Promise<bool>> input_taken_;
    bool executed_ = false;
};

}  // namespace toren::broker
