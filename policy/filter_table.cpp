// The tables' meaning, names and readable form. Uses libseccomp for the numbers of calls.
#include "policy/filter_table.h"

#include <seccomp.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <set>

namespace toren {
namespace {

// Calls that Debian 12's libseccomp does not know. Since Linux 5.1 a new call has one number everywhere.
struct NewerCall {
    std::string_view name;
    int number;
};
constexpr NewerCall kNewerCalls[] = {
#ifdef __x86_64__
    {"uretprobe", 335},         {"uprobe", 336},
#endif
    {"cachestat", 451},         {"fchmodat2", 452},        {"map_shadow_stack", 453},
    {"futex_wake", 454},        {"futex_wait", 455},       {"futex_requeue", 456},
    {"statmount", 457},         {"listmount", 458},        {"lsm_get_self_attr", 459},
    {"lsm_set_self_attr", 460}, {"lsm_list_modules", 461}, {"mseal", 462},
    {"setxattrat", 463},        {"getxattrat", 464},       {"listxattrat", 465},
    {"removexattrat", 466},     {"open_tree_attr", 467},   {"file_getattr", 468},
    {"file_setattr", 469},
};

// Both machines' names are known everywhere, so that one table serves both.
bool known_anywhere(std::string_view call) {
    const std::string name(call);
    for (const std::uint32_t arch : {SCMP_ARCH_X86_64, SCMP_ARCH_AARCH64})
        if (seccomp_syscall_resolve_name_arch(arch, name.c_str()) >= 0) return true;
    // Only x86_64 has these; the other machine skips their rows.
    if (call == "uretprobe" || call == "uprobe") return true;
    return std::any_of(std::begin(kNewerCalls), std::end(kNewerCalls),
                       [&](const NewerCall& newer) { return newer.name == call; });
}

bool fits(const Row& row, const CallArguments& arguments) {
    return std::all_of(row.when.begin(), row.when.end(), [&](const Condition& condition) {
        return (arguments[condition.argument] & condition.mask) == condition.value;
    });
}

std::string hex(std::uint64_t value) {
    char text[19];
    std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value));
    return text;
}

std::string action_text(Action action) {
    switch (action.kind) {
        case Action::Kind::kAllow: return "allow";
        case Action::Kind::kKill: return "KILL";
        case Action::Kind::kErrno: return strerrorname_np(action.code);
    }
    return "?";
}

std::string condition_text(const Condition& condition) {
    const std::string argument = "arg" + std::to_string(condition.argument);
    if (condition.mask == ~std::uint64_t{0}) return argument + " == " + hex(condition.value);
    return "(" + argument + " & " + hex(condition.mask) + ") == " + hex(condition.value);
}

std::string row_text(const Row& row) {
    std::string line = action_text(row.action) + " " + row.call;
    const char* joint = " when ";
    for (const Condition& condition : row.when) {
        line += joint + condition_text(condition);
        joint = " and ";
    }
    if (*row.reason != '\0') line += "   # " + std::string(row.reason);
    return line;
}

}  // namespace

FilterTable& FilterTable::permit(std::initializer_list<const char*> calls) {
    for (const char* call : calls) rows.push_back({call, allow()});
    return *this;
}

FilterTable& FilterTable::add(std::vector<Row> more) {
    rows.insert(rows.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
    return *this;
}

const FilterTable& filter_table(FilterRole role) {
    static const std::map<FilterRole, FilterTable> tables = {
        {FilterRole::kBroker, make_broker_table()},
        {FilterRole::kFiles, make_files_table()},
        {FilterRole::kVcs, make_vcs_table()},
        {FilterRole::kCheckpoints, make_checkpoints_table()},
        {FilterRole::kCommandInit, make_command_init_table()},
        {FilterRole::kCommand, make_command_table()},
    };
    return tables.at(role);
}

Action evaluate(const FilterTable& table, std::string_view call, const CallArguments& arguments) {
    for (const Row& row : table.rows)
        if (row.call == call && fits(row, arguments)) return row.action;
    return table.otherwise;
}

int call_number(std::string_view call) {
    // Negative answers below -1 are libseccomp's own numbers for calls that this machine does not have.
    const int number = seccomp_syscall_resolve_name(std::string(call).c_str());
    if (number >= 0) return number;
    for (const NewerCall& newer : kNewerCalls)
        if (newer.name == call) return newer.number;
    return -1;
}

std::string call_name(int number) {
    if (char* name = seccomp_syscall_resolve_num_arch(seccomp_arch_native(), number)) {
        std::string copy(name);
        std::free(name);
        return copy;
    }
    for (const NewerCall& newer : kNewerCalls)
        if (newer.number == number) return std::string(newer.name);
    return "";
}

int call_number_limit() { return std::rbegin(kNewerCalls)->number + 1; }

std::string table_problem(const FilterTable& table) {
    std::map<std::string_view, bool> decided;  // call -> a row without conditions was seen
    std::map<std::string_view, std::size_t> last_row;
    for (std::size_t index = 0; index < table.rows.size(); ++index) {
        const Row& row = table.rows[index];
        const std::string call = row.call;
        if (!known_anywhere(call)) return "'" + call + "' is no system call that this build knows";
        const auto [entry, first] = decided.try_emplace(row.call, false);
        if (entry->second) return "'" + call + "': a row follows one that always decides";
        if (!first && last_row[row.call] != index - 1) return "'" + call + "': its rows do not stand together";
        last_row[row.call] = index;
        entry->second = row.when.empty();
        std::set<unsigned> tested;
        for (const Condition& condition : row.when) {
            if (condition.argument > 5 || !tested.insert(condition.argument).second)
                return "'" + call + "': an argument is tested twice in one row";
            if ((condition.value & ~condition.mask) != 0) return "'" + call + "': a condition that is never true";
        }
    }
    if (table.role != FilterRole::kCommand) return "";
    for (int number = 0; number < call_number_limit(); ++number) {
        const std::string name = call_name(number);
        if (!name.empty() && !decided.contains(name)) return "commands: nothing is decided about '" + name + "'";
    }
    return "";
}

std::string golden_text(const FilterTable& table) {
    std::vector<Row> rows = table.rows;
    // Stable: the order of one call's rows carries meaning.
    std::stable_sort(rows.begin(), rows.end(),
                     [](const Row& a, const Row& b) { return std::string_view(a.call) < std::string_view(b.call); });
    std::string text = "# The system calls of '" + std::string(filter_role_name(table.role)) +
                       "'. Per call, the first line that fits decides.\n"
                       "# Generated by filter_compiler --golden from policy/filters_*.cpp.\n"
                       "KILL (another architecture)\n" +
                       action_text(table.otherwise) + " (anything else)\n";
    for (const Row& row : rows) text += row_text(row) + "\n";
    return text;
}

}  // namespace toren
