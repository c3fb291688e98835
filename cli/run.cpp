#include "cli/run.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "base/result.h"
#include "policy/config.h"
#include "runner/report.h"
#include "runner/run.h"
#include "supervisor/state_folder.h"

namespace toren::cli {
namespace {

using runner::LimitOption;
using runner::Options;

constexpr const char* kHelp =
    R"(Usage: toren run [options] [--] COMMAND [ARGUMENTS…]

Runs one command in the cage that a daemon's commands have, without a daemon: it sees the system's programs and the
folders named here, nothing else of this machine, and no network. Nothing is left behind.

What it sees (without any of these: the current folder, to read and write)
  --segment NAME     a segment of the configuration
  --rw DIR           a folder to read and write; the first is the segment
  --ro DIR           a folder or file to read only
  --hide PATH        something in those that the command cannot read or write
  --cwd DIR          where it starts (default: here, if the cage shows it; else the segment)
  --profile NAME     read-only, workspace-write (the default)
  --env NAME[=VALUE] a variable; without VALUE as it is here. Nothing else is passed.
  --config FILE      the configuration; read only for this, --segment and profiles that it names

What it may use (default: no limit but the configuration's)
  --timeout SECONDS  by the clock, fractions allowed
  --cpu SECONDS      processor time of everything it starts
  --memory BYTES     of everything it starts; K, M, G and T are powers of 1024
  --processes N      processes and threads
  --output BYTES     standard output and error together

What is said afterwards
  --report[=FILE]    how it ended, what it used and what it was refused, on standard error, or as JSON lines to FILE
  --learn            also the narrowest profile that would have let that pass, on standard error
                     Both watch every call that the command makes: it runs several times slower.

Exit status: the command's, or 128 and the signal that ended it; 124 when --timeout ended it, 125 when the cage could
not be made, 126 when the command could not be executed, 127 when it was not found.
)";

struct Text {
    const char* name;
    void (*take)(Options&, std::string);
};
struct Limit {
    const char* name;
    LimitOption Options::*limit;
    const char* units;   // suffixes, each a factor of 1024 over the one before
    std::uint64_t fine;  // how many of what is stored make one of what is written: 1000 milliseconds a second
};

constexpr Text kTexts[] = {
    {"--segment", [](Options& options, std::string text) { options.segment = std::move(text); }},
    {"--rw", [](Options& options, std::string text) { options.writable.push_back(std::move(text)); }},
    {"--ro", [](Options& options, std::string text) { options.read_only.push_back(std::move(text)); }},
    {"--hide", [](Options& options, std::string text) { options.hidden.push_back(std::move(text)); }},
    {"--cwd", [](Options& options, std::string text) { options.folder = std::move(text); }},
    {"--profile", [](Options& options, std::string text) { options.profile = std::move(text); }},
    {"--env", [](Options& options, std::string text) { options.environment.push_back(std::move(text)); }},
    {"--config", [](Options& options, std::string text) { options.config = std::move(text); }},
};

constexpr Limit kLimits[] = {
    {"--timeout", &Options::milliseconds, "", 1000}, {"--cpu", &Options::cpu_seconds, "", 1},
    {"--memory", &Options::memory, "KMGT", 1},       {"--processes", &Options::processes, "", 1},
    {"--output", &Options::output, "KMGT", 1},
};

constexpr std::uint64_t kMost = std::uint64_t{1} << 50;  // a limit that is none

// Digits from the front of `rest`; more than any limit where they say more.
std::uint64_t take_number(std::string_view& rest) {
    std::uint64_t number = 0;
    while (!rest.empty() && rest[0] >= '0' && rest[0] <= '9') {
        if (number <= kMost) number = number * 10 + static_cast<std::uint64_t>(rest[0] - '0');
        rest.remove_prefix(1);
    }
    return number;
}

Result<LimitOption> parse_limit(const Limit& row, const std::string& text) {
    const auto wrong = [&](const char* why) { return error(std::string(row.name) + " '" + text + "': " + why); };
    std::string_view rest = text;
    std::uint64_t value = take_number(rest);
    if (rest.size() == text.size()) return wrong("a number is expected");
    if (value > kMost) return wrong("it is out of range");
    value *= row.fine;
    if (row.fine != 1 && rest.starts_with('.')) {
        rest.remove_prefix(1);
        for (std::uint64_t part = row.fine / 10; part != 0 && !rest.empty() && rest[0] >= '0' && rest[0] <= '9';
             part /= 10, rest.remove_prefix(1))
            value += part * static_cast<std::uint64_t>(rest[0] - '0');
    }
    if (!rest.empty())
        if (const auto unit = std::string_view(row.units).find(rest[0]); unit != std::string_view::npos) {
            value <<= std::min<std::size_t>(10 * (unit + 1), 40);
            rest.remove_prefix(1);
            if (value > kMost) return wrong("it is out of range");
        }
    if (!rest.empty())
        return wrong(*row.units != '\0' ? "a number of bytes is expected, or one with K, M, G or T"
                                        : "a number is expected");
    if (value == 0) return wrong("it is out of range");
    return LimitOption{value, text};
}

class Parser {
public:
    Parser(const std::vector<std::string>& arguments, Options& options) : arguments_(arguments), options_(options) {}

    // False: help was asked for.
    Result<bool> parse() {
        while (next_ < arguments_.size()) {
            const std::string& word = arguments_[next_];
            if (word == "--") {
                ++next_;
                break;
            }
            if (!word.starts_with('-') || word == "-") break;
            ++next_;
            if (word == "--help" || word == "-h") return false;
            TRY(take(word));
        }
        options_.command.assign(arguments_.begin() + static_cast<std::ptrdiff_t>(next_), arguments_.end());
        if (options_.command.empty()) return error("a command is missing (toren run --help)");
        return true;
    }

private:
    Result<> take(const std::string& word) {
        const auto equals = word.find('=');
        const std::string name = word.substr(0, equals);
        if (name == "--report") {
            options_.report = true;
            if (equals != word.npos) options_.report_file = word.substr(equals + 1);
            return Ok{};
        }
        if (word == "--learn") {
            options_.learn = true;
            return Ok{};
        }
        for (const auto& row : kTexts)
            if (name == row.name) {
                TRY_ASSIGN(auto value, value_of(word, equals));
                row.take(options_, std::move(value));
                return Ok{};
            }
        for (const auto& row : kLimits)
            if (name == row.name) {
                TRY_ASSIGN(const auto value, value_of(word, equals));
                TRY_ASSIGN(options_.*row.limit, parse_limit(row, value));
                return Ok{};
            }
        return error("unknown option '" + name + "' (toren run --help)");
    }

    Result<std::string> value_of(const std::string& word, std::size_t equals) {
        if (equals == word.npos && next_ == arguments_.size()) return error("'" + word + "' needs a value");
        std::string value = equals != word.npos ? word.substr(equals + 1) : arguments_[next_++];
        if (value.empty()) return error("'" + word.substr(0, equals) + "' needs a value");
        return value;
    }

    const std::vector<std::string>& arguments_;
    Options& options_;
    std::size_t next_ = 0;
};

Result<bool> parse(const std::vector<std::string>& arguments, Options& options) {
    TRY_ASSIGN(const bool wanted, Parser(arguments, options).parse());
    if (options.segment && (!options.writable.empty() || !options.read_only.empty()))
        return error("--segment and --rw or --ro exclude each other");
    char* here = ::getcwd(nullptr, 0);
    if (here == nullptr) return errno_error("the current folder");
    options.here = here;
    std::free(here);
    TRY_ASSIGN(options.home, home_folder());
    options.state = supervisor::default_state_path(options.home);
    return wanted;
}

}  // namespace

int run(const std::vector<std::string>& arguments) {
    Options options;
    auto wanted = parse(arguments, options);
    if (!wanted) {
        runner::complain(wanted.error().text());
        return runner::kFailed;
    }
    if (*wanted) return runner::run(options);
    std::fputs(kHelp, stdout);
    return 0;
}

}  // namespace toren::cli
