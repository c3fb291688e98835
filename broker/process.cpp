#include "broker/process.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/log.h"

namespace toren::broker {

using nlohmann::json;

namespace {

// How long a process whose log is full waits for a follower that was lost.
constexpr std::chrono::seconds kPatience{60};
// Of the argument vector, in what is kept of it: the rest of `about` is small.
constexpr std::size_t kMostArgv = 3 * 1024;

}  // namespace

std::string ProcessAbout::to_json() const {
    const json all = {{"id", id},
                      {"segment", segment},
                      {"argv", argv},
                      {"cwd", cwd},
                      {"name", name},
                      {"profile", profile},
                      {"request", request},
                      {"terminal", terminal},
                      {"input", input},
                      {"disk", disk},
                      {"started_ns", started_ns}};
    return all.dump(-1, ' ', false, json::error_handler_t::replace);
}

// What comes back has been in a cell's hands: it is checked like any other input.
std::optional<ProcessAbout> ProcessAbout::from_json(const std::string& text) {
    const json all = json::parse(text, nullptr, false);
    if (!all.is_object()) return std::nullopt;
    ProcessAbout about;
    const auto read = [&](const char* name, auto& value) {
        using Value = std::decay_t<decltype(value)>;
        const auto found = all.find(name);
        if (found == all.end()) return false;
        if constexpr (std::is_same_v<Value, std::string>) {
            if (!found->is_string()) return false;
        } else if constexpr (std::is_same_v<Value, bool>) {
            if (!found->is_boolean()) return false;
        } else if constexpr (std::is_integral_v<Value>) {
            if (!found->is_number_integer()) return false;
        } else {
            if (!found->is_array() || !std::ranges::all_of(*found, [](const json& one) { return one.is_string(); }))
                return false;
        }
        value = found->template get<Value>();
        return true;
    };
    const bool whole = read("id", about.id) && read("segment", about.segment) && read("argv", about.argv) &&
                       read("cwd", about.cwd) && read("name", about.name) && read("profile", about.profile) &&
                       read("request", about.request) && read("terminal", about.terminal) &&
                       read("input", about.input) && read("disk", about.disk) && read("started_ns", about.started_ns);
    if (!whole || about.argv.empty()) return std::nullopt;
    return about;
}

Process::Process(ProcessAbout about, std::shared_ptr<Command> command)
    : about_(std::move(about)), command_(std::move(command)), started_(!command_->start), exited_(log().exited()) {
    std::size_t bytes = 0;
    for (auto& argument : about_.argv) {
        argument.resize(std::min(argument.size(), kMostArgv - std::min(kMostArgv, bytes)));
        bytes += argument.size() + 4;
    }
    if (about_.argv.size() > 64) about_.argv.resize(64);
    consumed_ = log().tail();
    held_ = log().held();
    // Another broker may have read an announcement and died before it answered.
    announced_ = started_;
    caught_up();
}

bool Process::start(const ipc::Start& request, bool held, bool tell) {
    if (!held || tell) command_->control.send(ipc::Pace{held, tell});
    held_ = held;
    started_ = static_cast<bool>(command_->start.send(request));
    command_->start.close();
    return started_;
}

Task<Done> Process::attend() {
    const auto self = shared_from_this();
    while (!exited_) {
        auto packet = co_await command_->control.receive();
        if (!packet) break;
        take(*packet);
    }
    // Whoever told an earlier broker told the log as well.
    if (!exited_) exited_ = log().exited();
    lost_ = !exited_;
    command_->control.close();
    patience_.reset();
    if (input_taken_) input_taken_->set(false);
    wake();
    co_return Done{};
}

void Process::take(const ipc::Packet& packet) {
    if (packet.as<ipc::Output>()) {
        announced_ = true;
        if (consumed_ > told_) caught_up();
    } else if (const auto taken = packet.as<ipc::InputTaken>()) {
        if (input_taken_) input_taken_->set(taken->open);
    } else if (packet.as<ipc::Started>()) {
        executed_ = true;
    } else if (const auto exited = packet.as<ipc::Exited>()) {
        exited_ = *exited;
    } else {
        command_->control.close();  // a cell that breaks a rule
    }
    wake();
}

Task<Done> Process::news() {
    const Promise<Done> changed;
    tell_news(changed);
    co_await changed;
    co_return Done{};
}

Task<Done> Process::news(std::chrono::milliseconds longest) {
    const Promise<Done> changed;
    tell_news(changed);
    const Timer limit(longest, [changed] { changed.set({}); });
    co_await changed;
    co_return Done{};
}

void Process::tell_news(const Promise<Done>& waiting) {
    if (exited_ || lost_) waiting.set({});
    else add_waiting(waiting_, waiting);
}

Task<Done> Process::until_started() {
    const auto self = shared_from_this();
    while (running() && !executed_) co_await news();
    co_return Done{};
}

void Process::wake() {
    for (const auto& one : std::exchange(waiting_, {})) one.set({});
}

// --- what it is told

Task<bool> Process::give_input(std::string bytes) {
    const auto self = shared_from_this();
    const auto turn = co_await input_turns_.take();
    if (!running()) co_return false;
    const Promise<bool> taken;
    input_taken_ = taken;
    const ipc::Input input{std::move(bytes)};
    const bool sent = co_await command_->control.send_when_possible(input);
    bool open = false;
    if (sent && running()) open = co_await taken;
    input_taken_.reset();
    co_return open;
}

void Process::resize(std::uint16_t rows, std::uint16_t columns) { command_->control.send(ipc::Resize{rows, columns}); }

void Process::signal(std::uint8_t number) { command_->control.send(ipc::SignalCommand{number}); }

void Process::kill(const char* why) {
    if (!running()) return;
    if (ended_by_ == nullptr) ended_by_ = why;
    command_->control.send(ipc::EndCommand{});
}

void Process::abandon() { command_->control.close(); }

// --- its output on disk

std::uint64_t Process::oldest() const {
    ipc::LogPiece piece;
    const bool some = log().look(log().tail(), end_place(), piece) == ipc::LogView::Next::kPiece;
    return some ? piece.position : log().position();
}

Task<Done> Process::fill(std::unique_ptr<Spool> spool) {
    const auto self = shared_from_this();
    spool_ = std::move(spool);
    Follower follower(self, log().find(spool_->end(), end_place()));
    filled_ = follower.place();  // however fast others are, they do not let go what is not yet on disk
    co_await fill_from(follower);
    filled_.reset();
    settle_consumed();
    follower.done();
    co_return Done{};
}

Task<Done> Process::fill_from(Follower& follower) {
    const auto self = shared_from_this();
    int overruns = 0;
    while (spool_ && overruns < ipc::LogView::kMostOverruns) {
        ipc::LogPiece piece;
        const auto next = follower.look(piece);
        if (next == ipc::LogView::Next::kPiece) {
            std::uint64_t position = piece.position;
            for (const auto part : piece.parts) {
                if (auto kept = spool_->append(piece.stream, position, part); !kept) {
                    log_warning("the output of process " + about_.id +
                                " is not kept on disk from here on: " + kept.error().text());
                    co_return Done{};
                }
                position += part.size();
            }
            overruns = 0;
            filled_ = piece.next_place;
            follower.advance(piece.next_place);
            follower.release(piece.next_place);
            co_await yield();
        } else if (next == ipc::LogView::Next::kOverrun) {
            ++overruns;
            follower.skip();
        } else if (next != ipc::LogView::Next::kNothing || !running()) {
            break;
        } else {
            caught_up();
            co_await news();
        }
    }
    co_return Done{};
}

void Process::forget_spool() {
    if (spool_) spool_->remove();
    spool_.reset();
}

// --- those who follow

void Process::set_held(bool held) {
    if (held == held_) return;
    held_ = held;
    if (held) consumed_ = std::max(consumed_, log().tail());
    command_->control.send(ipc::Pace{held, false});
}

void Process::consumed_up_to(std::uint64_t place) {
    released_ = std::max(released_, place);
    settle_consumed();
}

std::shared_ptr<const std::string> Process::copy_of(std::uint64_t place, const ipc::LogPiece& piece) {
    for (const Copy& copy : copies_)
        if (copy.place == place)
            // A false log may say something else of the same place.
            if (auto bytes = copy.bytes.lock(); bytes && bytes->size() == piece.size()) return bytes;
    auto bytes = std::make_shared<std::string>(piece.parts[0]);
    *bytes += piece.parts[1];
    if (!log().kept(place)) return nullptr;
    copies_[next_copy_++ % copies_.size()] = {place, bytes};
    return bytes;
}

void Process::unpin() {
    pin_.reset();
    settle_consumed();
}

void Process::settle_consumed() {
    constexpr auto kAll = ~std::uint64_t{0};
    const std::uint64_t place = std::min({released_, filled_.value_or(kAll), pin_.value_or(kAll)});
    if (place <= consumed_) return;
    consumed_ = place;
    // A full log is announced no more: much that was consumed is told without being asked.
    if (announced_ || consumed_ - told_ >= log().capacity() / 8) tell_consumed();
}

void Process::caught_up() {
    if (announced_) tell_consumed();
}

void Process::tell_consumed() {
    announced_ = false;
    told_ = consumed_;
    command_->control.send(ipc::Consumed{consumed_});
}

void Process::expect_followers() {
    if (followers_ == 0 && held_ && running()) patience_.emplace(kPatience, [this] { set_held(false); });
}

Process::Follower::Follower(std::shared_ptr<Process> process, std::uint64_t place)
    : process_(std::move(process)), place_(place) {
    ++process_->followers_;
    process_->patience_.reset();
    process_->set_held(true);
}

Process::Follower::~Follower() {
    if (!process_ || --process_->followers_ > 0 || !process_->running()) return;
    if (lost_) process_->expect_followers();
    else process_->set_held(false);
}

ipc::LogView::Next Process::Follower::look_at(std::uint64_t place, ipc::LogPiece& piece) const {
    return process_->log().look(place, process_->end_place(), piece);
}

ipc::LogView::Next Process::Follower::look(ipc::LogPiece& piece) const { return look_at(place_, piece); }

}  // namespace toren::broker
