// processes.follow and processes.run: a process's output to one client, as fast as that one takes it.
#include <algorithm>
#include <deque>
#include <nlohmann/json.hpp>

#include "broker/operation.h"
#include "broker/process_json.h"
#include "broker/process_start.h"

namespace toren::broker {

using nlohmann::json;

namespace {

constexpr std::uint64_t kWindow = 1 << 20, kSmallestWindow = 64 * 1024, kLargestWindow = 64 << 20;
// In one write.
constexpr std::size_t kMostMessages = 16;
constexpr std::uint64_t kMostBytes = 512 * 1024;
constexpr int kMostLooks = 4096;  // at records, before others have their turn

// The 16 bytes before the output in each binary message.
std::string output_header(std::uint32_t id, ipc::Stream stream, bool ack_wanted, std::uint64_t position) {
    std::string header(16, '\0');
    for (int byte = 0; byte < 4; ++byte) header[static_cast<std::size_t>(byte)] = static_cast<char>(id >> (8 * byte));
    header[4] = static_cast<char>(stream);
    header[5] = static_cast<char>(ack_wanted);
    for (int byte = 0; byte < 8; ++byte)
        header[static_cast<std::size_t>(8 + byte)] = static_cast<char>(position >> (8 * byte));
    return header;
}

class OutputStream {
public:
    OutputStream(StreamSink& sink, std::shared_ptr<Process> process, std::uint64_t from, ipc::Stream only,
                 std::uint64_t window)
        : sink_(sink),
          process_(std::move(process)),
          follower_(process_, process_->log().find(from, process_->end_place())),
          position_(from),
          only_(only),
          window_(window) {
        sink_.begin_window(from);
        asked_place_ = follower_.place();
        follower_.release(follower_.place());  // whoever asks from here on has what is before it
    }

    // Until all of its output was sent and it has ended. False where the client has gone or has cancelled.
    Task<Outcome<bool>> run() {
        while (true) {
            if (sink_.ended()) co_return false;
            release();
            collect();
            if (broken_) co_return problem("worker_died", "the process's output log is broken");
            sent_ = !messages_.empty();
            if (sent_) {
                if (pinned_) process_->pin(follower_.place());
                const bool sent = co_await sink_.output(std::move(messages_));
                if (pinned_) process_->unpin();
                if (!sent) co_return false;
            }
            follower_.advance(place_);
            if (moved_ && !sent_) {
                // Nothing was waited for: others have their turn, and the client takes the gaps that it was told.
                co_await yield();
                co_await sink_.room();
            }
            if (moved_) continue;
            if (!process_->running() && follower_.place() >= process_->end_place()) co_return true;
            const Promise<Done> changed;
            if (!blocked_) process_->caught_up();
            if (!blocked_) process_->tell_news(changed);
            sink_.tell_change(changed);
            co_await changed;
        }
    }
    // The client does not want more.
    void done() { follower_.done(); }

private:
    // What the client has acknowledged it will not ask for again. What it has not, it may: its connection can break
    // with that on the way.
    void release() {
        while (!unacked_.empty() && (unacked_.front().bytes == 0 || unacked_.front().position <= sink_.acked())) {
            outstanding_ -= unacked_.front().bytes;
            follower_.release(unacked_.front().place);
            unacked_.pop_front();
        }
    }

    // What can be sent now, from where it lies or, where the process does not wait for it, copied.
    void collect() {
        messages_.clear();
        copies_.clear();
        moved_ = blocked_ = pinned_ = false;
        place_ = follower_.place();
        if (collect_from_disk()) return;
        std::uint64_t bytes = 0;
        for (looks_ = 0; messages_.size() < kMostMessages && bytes < kMostBytes && looks_ < kMostLooks; ++looks_) {
            ipc::LogPiece piece;
            const auto next = follower_.look_at(place_, piece);
            if (next == ipc::LogView::Next::kOverrun && messages_.empty()) {
                follower_.skip();
                place_ = follower_.place();
                broken_ = ++overruns_ > ipc::LogView::kMostOverruns;
                if (broken_) return;
                continue;
            }
            broken_ = next == ipc::LogView::Next::kMalformed;
            if (next != ipc::LogView::Next::kPiece) return;
            overruns_ = 0;
            if (piece.position > position_) {
                if (is_on_disk()) moved_ = true;
                else tell_gap(piece.position);
                return;
            }
            const std::uint64_t skipped = std::min<std::uint64_t>(position_ - piece.position, piece.size());
            if (only_ != ipc::Stream{} && piece.stream != only_) {
                position_ = piece.position + piece.size();
                place_ = piece.next_place;
                pass_over();
                moved_ = true;
                continue;
            }
            const std::uint64_t room = window_ - outstanding_;
            const std::uint64_t size = std::min<std::uint64_t>(piece.size() - skipped, room);
            blocked_ = room == 0;
            if (blocked_) return;
            if (size > 0 && !add(piece, skipped, size, size == room)) return;
            bytes += size;
            position_ += size;
            moved_ = true;
            const bool whole = skipped + size == piece.size();
            if (whole) place_ = piece.next_place;
            if (size > 0) unacked_.push_back({position_, place_, size});
            else pass_over();
            outstanding_ += size;
            if (!whole) return;
        }
    }

    bool is_on_disk() const {
        const Spool* spool = process_->spool();
        return !disk_failed_ && spool != nullptr && position_ < spool->end() && position_ < process_->oldest();
    }

    // What the log holds no more. False where there is nothing of that.
    bool collect_from_disk() {
        std::uint64_t bytes = 0;
        for (looks_ = 0; messages_.size() < kMostMessages && bytes < kMostBytes && looks_ < kMostLooks && is_on_disk();
             ++looks_) {
            const std::uint64_t room = window_ - outstanding_;
            blocked_ = room == 0;
            if (blocked_) break;
            const auto run = process_->spool()->run_at(position_);
            if (run && run->position > position_) {
                tell_gap(run->position);
                break;
            }
            if (run && only_ != ipc::Stream{} && run->stream != only_) {
                position_ = run->until;
                pass_over();
                moved_ = true;
                continue;
            }
            auto copy = std::make_shared<std::string>();
            if (run) *copy = process_->spool()->read(position_, std::min({run->until - position_, room, kMostBytes}));
            disk_failed_ = copy->empty();
            if (disk_failed_) break;
            const std::uint64_t size = copy->size();
            const bool ask = is_ack_due(size) || size == room;
            messages_.push_back({output_header(sink_.id(), run->stream, ask, position_), {*copy, {}}});
            copies_.push_back(std::move(copy));
            bytes += size;
            outstanding_ += size;
            position_ += size;
            unacked_.push_back({position_, place_, size});
            moved_ = true;
        }
        if (!moved_ && !blocked_) return false;
        place_ = process_->log().find(position_, process_->end_place());
        return true;
    }

    // Often enough for the window.
    bool is_ack_due(std::uint64_t size) {
        since_asked_ += size;
        if (since_asked_ < window_ / 4) return false;
        since_asked_ = 0;
        return true;
    }

    // What is left out needs no ack: it is released with what was sent before it.
    void pass_over() {
        if (!unacked_.empty() && unacked_.back().bytes == 0) unacked_.pop_back();
        unacked_.push_back({position_, place_, 0});
    }

    // What is lost is told in its place, behind what is sent before it.
    void tell_gap(std::uint64_t to) {
        if (!messages_.empty()) return;
        sink_.event({{"gap", {{"from", position_}, {"to", to}}}});
        position_ = to;
        moved_ = true;
    }

    bool add(const ipc::LogPiece& piece, std::uint64_t skipped, std::uint64_t size, bool fills_window) {
        // And for the ring, which holds what is not acknowledged.
        const bool ask =
            is_ack_due(size) || fills_window || piece.next_place - asked_place_ >= process_->log().capacity() / 4;
        if (ask) {
            since_asked_ = 0;
            asked_place_ = piece.next_place;
        }
        BinaryMessage message{output_header(sink_.id(), piece.stream, ask, position_),
                              {piece.parts[0], piece.parts[1]}};
        auto& [one, two] = message.parts;
        if (follower_.is_held(place_)) {
            pinned_ = true;
        } else {
            auto copy = process_->copy_of(place_, piece);
            moved_ = moved_ || !copy;  // it is looked at again, as overrun
            if (!copy) return false;
            one = *copy;
            two = {};
            copies_.push_back(std::move(copy));
        }
        const auto cut = std::min<std::uint64_t>(skipped, one.size());
        one.remove_prefix(cut);
        two.remove_prefix(skipped - cut);
        one = one.substr(0, size);
        two = two.substr(0, size - one.size());
        messages_.push_back(std::move(message));
        return true;
    }

    StreamSink& sink_;
    std::shared_ptr<Process> process_;
    Process::Follower follower_;
    std::uint64_t position_;
    ipc::Stream only_;
    std::uint64_t window_;
    std::uint64_t since_asked_ = 0, asked_place_ = 0;  // since an ack was asked for: bytes; and the place then
    struct Mark {
        std::uint64_t position, place, bytes;
    };
    std::deque<Mark> unacked_;       // messages, each by its end
    std::uint64_t outstanding_ = 0;  // bytes in them
    std::uint64_t place_ = 0;
    bool moved_ = false, blocked_ = false, broken_ = false;
    bool sent_ = false;         // messages, in this round
    bool pinned_ = false;       // some of them lie in the log itself
    bool disk_failed_ = false;  // what is missing is told as a gap then
    int looks_ = 0, overruns_ = 0;
    std::vector<BinaryMessage> messages_;
    std::vector<std::shared_ptr<const std::string>> copies_;
};

Outcome<std::uint64_t> window_of(const json& fields) {
    const auto window = fields.value("window", kWindow);
    if (window < kSmallestWindow || window > kLargestWindow)
        return problem("invalid_field", "window: 65536 to 67108864 is expected");
    return window;
}

Problem cancelled() { return problem("cancelled", "the request was cancelled"); }

Reply process_reply(const Process& process) {
    Reply reply;
    reply.json = process_json(process);
    return reply;
}

}  // namespace

Task<Outcome<Reply>> follow_process(Call& call) {
    auto found = co_await find_process(call);
    if (auto* refused = std::get_if<Problem>(&found)) co_return std::move(*refused);
    const auto process = std::get<std::shared_ptr<Process>>(found);
    const auto only = stream_of(call.fields);
    if (const auto* refused = std::get_if<Problem>(&only)) co_return *refused;
    const auto window = window_of(call.fields);
    if (const auto* refused = std::get_if<Problem>(&window)) co_return *refused;
    OutputStream stream(*call.sink, process, position_of(*process, call.fields), std::get<ipc::Stream>(only),
                        std::get<std::uint64_t>(window));
    call.sink->take_input(process);
    auto whole = co_await stream.run();
    if (auto* refused = std::get_if<Problem>(&whole)) co_return std::move(*refused);
    if (std::get<bool>(whole)) co_return process_reply(*process);
    if (call.sink->cancelled()) stream.done();
    co_return cancelled();
}

Task<Outcome<Reply>> run_process(Call& call) {
    const auto window = window_of(call.fields);
    if (const auto* refused = std::get_if<Problem>(&window)) co_return *refused;
    auto spec = read_start(call.segment, call.fields);
    if (auto* refused = std::get_if<Problem>(&spec)) co_return std::move(*refused);
    auto& wanted = std::get<StartSpec>(spec);
    const bool keep = call.fields.value("keep", false);
    wanted.listed = true;
    wanted.kept = keep;
    auto started = co_await start_process(call.broker, std::move(wanted));
    if (auto* refused = std::get_if<Problem>(&started)) co_return std::move(*refused);
    const auto process = std::get<std::shared_ptr<Process>>(started);
    call.sink->event({{"process", process_json(*process)}});
    call.sink->take_input(process);
    Outcome<bool> whole = false;
    {
        OutputStream stream(*call.sink, process, 0, ipc::Stream{}, std::get<std::uint64_t>(window));
        whole = co_await stream.run();
        if (call.sink->cancelled()) stream.done();
    }
    if (call.sink->cancelled()) {
        process->kill("cancelled");
        while (process->running()) co_await process->news();
    }
    auto failed = start_failure(*process);
    Reply reply = process_reply(*process);
    // A client that left takes its process with it, unless it meant to come back.
    if (!keep || failed) call.broker.processes.remove(process);
    if (failed) co_return std::move(*failed);
    if (auto* refused = std::get_if<Problem>(&whole)) co_return std::move(*refused);
    if (!std::get<bool>(whole)) co_return cancelled();
    co_return reply;
}

}  // namespace toren::broker
