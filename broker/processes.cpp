#include "broker/processes.h"

#include <sys/random.h>
#include <time.h>

#include <algorithm>
#include <chrono>

#include "base/log.h"

namespace toren::broker {
namespace {

// A slot may end while it waits, and its cell with it; then another one is made.
constexpr int kTries = 3;
constexpr std::chrono::seconds kSweepEvery{10};

std::int64_t now_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    return static_cast<std::int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

ProcessAbout about_of(const StartSpec& spec, const std::string& profile) {
    ProcessAbout about;
    about.id = random_id();
    about.segment = spec.segment;
    about.argv = spec.start->argv;
    about.cwd = spec.start->cwd;
    about.name = spec.name;
    about.profile = profile;
    about.request = spec.request;
    about.terminal = spec.slot.rows != 0;
    about.input = spec.start->input;
    about.disk = spec.disk;
    about.started_ns = now_ns();
    return about;
}

}  // namespace

bool is_id(std::string_view text) {
    return text.size() == 16 && text.find_first_not_of("0123456789abcdef") == text.npos;
}

std::string random_id() {
    std::uint64_t random = 0;
    while (::getrandom(&random, sizeof random, 0) != sizeof random) {
    }
    std::string id(16, '0');
    for (char& digit : id) {
        digit = "0123456789abcdef"[random & 15];
        random >>= 4;
    }
    return id;
}

Task<Outcome<std::shared_ptr<Process>>> Processes::start(StartSpec spec) {
    if (spec.request.empty()) co_return co_await start_in(std::move(spec));
    // Two equal requests at the same time start one process.
    auto& turns = repeated_[spec.segment];
    if (!turns) turns = std::make_shared<Turns>();
    const auto held = turns;
    const auto turn = co_await held->take();
    for (const auto& process : of_segment(spec.segment))
        if (process->about().request == spec.request && !process->start_failed()) co_return process;
    co_return co_await start_in(std::move(spec));
}

Task<Outcome<std::shared_ptr<Process>>> Processes::start_in(StartSpec spec) {
    for (int tries = 0; tries < kTries; ++tries) {
        auto opened = co_await cells_.open(spec.segment);
        if (!opened) co_return Problem{503, "no_cell", opened.error().text()};
        const auto cell = *opened;
        if (cell->running_commands() >= limits_.running_per_segment)
            co_return Problem{429, "too_many_requests", "limits.commands_per_segment is reached"};
        const auto under = spec.profile ? cell->profile(*spec.profile) : std::optional<std::uint16_t>(0);
        if (!under) co_return Problem{422, "invalid_field", "profile: this segment has no such profile"};
        ipc::NewSlot wanted = spec.slot;
        wanted.profile = *under;
        auto command = co_await cell->take_slot(wanted);
        if (!command && cell->alive()) co_return Problem{503, "no_slot", command.error().text()};
        if (!command) continue;
        auto about = about_of(spec, cell->profile_name(*under));
        auto process = std::make_shared<Process>(std::move(about), *command);
        if (spec.kept && !cell->keep(*process)) continue;
        if (!process->start(*spec.start, spec.held, spec.tell)) continue;
        cell->hold(process);
        if (spec.listed) add(process, cell);
        if (spec.disk) spool(process);
        spawn(attend(process));
        co_return process;
    }
    co_return Problem{422, "invalid_field",
                      "request: the argument vector is larger than a command may have, or its cell keeps ending"};
}

Task<Done> Processes::attend(std::shared_ptr<Process> process) {
    co_await process->attend();
    if (kept_.contains(process->about().id)) forget_old(process->about().segment);
    co_return Done{};
}

void Processes::take_over(const std::vector<std::string>& live_cells) {
    cells_.on_opened([this](std::shared_ptr<Cell> cell) { return adopt(std::move(cell)); });
    left_.insert(live_cells.begin(), live_cells.end());
    for (const auto& segment : live_cells) spawn(know(segment));
    if (left_.empty()) remove_left_spools();
}

Task<Done> Processes::know(std::string segment) {
    if (!left_.contains(segment)) co_return Done{};
    co_await cells_.open(segment);
    if (left_.erase(segment) > 0 && left_.empty()) remove_left_spools();
    co_return Done{};
}

Task<Done> Processes::adopt(std::shared_ptr<Cell> cell) {
    std::uint32_t after = 0;
    while (true) {
        auto held = co_await cell->next_held(after);
        if (!held || held->command == nullptr) co_return Done{};
        after = held->command->slot;
        auto about = ProcessAbout::from_json(held->about);
        if (!about || about->segment != cell->segment() || !is_id(about->id) || kept_.contains(about->id)) continue;
        auto process = std::make_shared<Process>(std::move(*about), held->command);
        // Its broker died before it could start it, or before it could tell that it was not started.
        if (process->start_failed()) {
            cell->drop(process->slot());
            continue;
        }
        cell->hold(process);
        add(process, cell);
        process->expect_followers();
        if (process->about().disk) spool(process);
        spawn(attend(process));
    }
}

void Processes::add(std::shared_ptr<Process> process, const std::shared_ptr<Cell>& cell) {
    const std::string id = process->about().id;
    kept_.emplace(id, Entry{std::move(process), cell});
    if (!sweep_) sweep();
}

std::shared_ptr<Process> Processes::find(std::string_view segment, std::string_view id) const {
    const auto found = kept_.find(id);
    if (found == kept_.end() || found->second.process->about().segment != segment) return nullptr;
    return found->second.process;
}

std::vector<std::shared_ptr<Process>> Processes::of_segment(std::string_view segment) const {
    std::vector<std::shared_ptr<Process>> all;
    for (const auto& [id, entry] : kept_)
        if (entry.process->about().segment == segment) all.push_back(entry.process);
    std::ranges::sort(all, {},
                      [](const auto& process) { return std::pair(process->about().started_ns, process->about().id); });
    return all;
}

void Processes::remove(const std::shared_ptr<Process>& process) {
    const auto found = kept_.find(process->about().id);
    if (found == kept_.end()) return;
    if (const auto cell = found->second.cell.lock()) cell->drop(process->slot());
    process->forget_spool();
    process->abandon();
    kept_.erase(found);
}

void Processes::spool(const std::shared_ptr<Process>& process) {
    auto opened = Spool::open(spool_folder(state_, process->about().segment), process->about().id, quota_);
    if (opened) {
        spawn(process->fill(std::move(*opened)));
        return;
    }
    log_warning("the output of process " + process->about().id + " is not kept on disk: " + opened.error().text());
    process->expect_followers();  // or it would wait for one for ever
}

// Of cells that have ended without this broker.
void Processes::remove_left_spools() {
    std::set<std::string> wanted;
    for (const auto& [id, entry] : kept_)
        if (entry.process->about().disk)
            wanted.insert(spool_path(spool_folder(state_, entry.process->about().segment), id));
    remove_other_spools(state_, wanted);
}

// Of those that have ended the newest stay.
void Processes::forget_old(const std::string& segment) {
    std::vector<std::shared_ptr<Process>> ended;
    for (const auto& process : of_segment(segment))
        if (!process->running()) ended.push_back(process);
    const auto end_of = [](const auto& process) { return process->exited() ? process->exited()->ended_ns : 0; };
    std::ranges::sort(ended, {}, end_of);
    for (std::size_t i = 0; i + limits_.kept < ended.size(); ++i) remove(ended[i]);
}

void Processes::sweep() {
    const auto oldest = now_ns() - static_cast<std::int64_t>(limits_.keep_seconds) * 1'000'000'000;
    std::vector<std::shared_ptr<Process>> old;
    for (const auto& [id, entry] : kept_) {
        const auto& process = entry.process;
        const auto ended = process->exited() ? process->exited()->ended_ns : process->about().started_ns;
        if (!process->running() && ended <= oldest) old.push_back(process);
    }
    for (const auto& process : old) remove(process);
    sweep_.reset();
    if (!kept_.empty()) sweep_.emplace(kSweepEvery, [this] { sweep(); });
}

}  // namespace toren::broker
