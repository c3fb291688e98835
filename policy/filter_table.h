// What a role's filter is made of: rows of a call, what comes of it, under which conditions, and why.
// Used when Toren is built and tested, never by a running process.
// Rows of one call are read in order and the first that fits decides; a call that no row fits gets `otherwise`.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "policy/seccomp.h"

namespace toren {

struct Action {
    enum class Kind : std::uint8_t { kAllow, kErrno, kKill } kind = Kind::kKill;
    int code = 0;  // the errno value of kErrno
    bool operator==(const Action&) const = default;
};

constexpr Action allow() { return {Action::Kind::kAllow, 0}; }
constexpr Action deny(int code) { return {Action::Kind::kErrno, code}; }
constexpr Action end_process() { return {Action::Kind::kKill, 0}; }

// (argument & mask) == value. One shape is enough, and masks are the point: the kernel truncates most arguments,
// so a comparison of all 64 bits would miss a dangerous value with rubbish above it.
struct Condition {
    unsigned argument;
    std::uint64_t mask;
    std::uint64_t value;
};

constexpr Condition int_is(unsigned argument, std::uint32_t value) { return {argument, 0xffffffffU, value}; }
constexpr Condition bits_are(unsigned argument, std::uint64_t mask, std::uint64_t value) {
    return {argument, mask, value};
}
constexpr Condition none_set(unsigned argument, std::uint64_t mask) { return {argument, mask, 0}; }
constexpr Condition any_bit(unsigned argument, std::uint64_t bit) { return {argument, bit, bit}; }
constexpr Condition is_null(unsigned argument) { return {argument, ~std::uint64_t{0}, 0}; }

struct Row {
    const char* call;
    Action action = {};
    const char* reason = "";           // why the exception; empty where it needs none
    std::vector<Condition> when = {};  // all of them; none: always
};

struct FilterTable {
    FilterRole role;
    Action otherwise;
    std::vector<Row> rows;

    FilterTable& permit(std::initializer_list<const char*> calls);
    FilterTable& add(std::vector<Row> more);
};

const FilterTable& filter_table(FilterRole role);

// The tables, one function each; filter_table() keeps them.
FilterTable make_command_table();       // filters_command.cpp
FilterTable make_command_init_table();  // filters_services.cpp
FilterTable make_files_table();
FilterTable make_vcs_table();
FilterTable make_checkpoints_table();
FilterTable make_broker_table();  // filters_broker.cpp
// What each role that never executes anything needs to run at all: its own memory, time, signals, descriptors.
void add_process_basics(FilterTable& table);

using CallArguments = std::array<std::uint64_t, 6>;

// What the table means, without any compiler in between: the reference that the programs are tested against.
Action evaluate(const FilterTable& table, std::string_view call, const CallArguments& arguments);

// The call's number on the machine that this was built for, or -1 where it has none.
int call_number(std::string_view call);
// The name of a number, or "" where this build knows none.
std::string call_name(int number);
// One past the highest number that this build knows by name.
int call_number_limit();

// What is wrong with a table, or "": a name that no machine has, a row that can never decide, a call decided
// twice, one argument tested twice in a row (which libseccomp cannot express), a known call that commands leave
// undecided.
std::string table_problem(const FilterTable& table);

// The table as a reviewer reads it: one line per row, sorted by call.
std::string golden_text(const FilterTable& table);

}  // namespace toren
