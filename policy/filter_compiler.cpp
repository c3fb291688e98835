// filter_compiler: turns the tables of the roles into BPF and into golden text. Runs while Toren is built, on the
// kind of machine that it is built for, and is not installed.
//   filter_compiler --source FILE   writes the C++ source of filter_program()
//   filter_compiler --golden DIR    writes seccomp-ROLE.golden for each role
//
// Why not libseccomp's own code generator (its names and numbers are used): it has no order between rows of a call
// that overlap, so "these sockets, and EAFNOSUPPORT for the rest" needs one filter per step; and it compares number
// by number where these tables are mostly long ranges with one answer. For commands that made 695 instructions,
// and installing a filter is paid for by each command that runs; this makes 251 and takes half the time.
// What keeps this honest: a test interprets every program for every number and compares it with the table.
#include <linux/audit.h>
#include <linux/seccomp.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>
#include <tuple>

#include "policy/filter_table.h"

namespace toren {
namespace {

#if defined(__x86_64__)
constexpr const char* kMachine = "__x86_64__";
constexpr std::uint32_t kAuditArch = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr const char* kMachine = "__aarch64__";
constexpr std::uint32_t kAuditArch = AUDIT_ARCH_AARCH64;
#else
#error "Toren knows the system calls of x86_64 and aarch64"
#endif
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the low word of an argument comes first");

// x86_64 calls with this bit are x32's. No row names them; on aarch64 no call is that high.
constexpr std::uint32_t kX32Bit = 0x40000000;
// A tracer makes the kernel skip a call by changing its number to this one, and the filter still sees it.
constexpr std::uint32_t kSkippedCall = 0xffffffff;

using Program = std::vector<sock_filter>;

[[noreturn]] void fail(const std::string& what, int error = 0) {
    std::fprintf(stderr, "filter_compiler: %s%s%s\n", what.c_str(), error ? ": " : "",
                 error ? std::strerror(error) : "");
    std::exit(1);
}

std::uint32_t seccomp_return(Action action) {
    switch (action.kind) {
        case Action::Kind::kAllow: return SECCOMP_RET_ALLOW;
        case Action::Kind::kErrno: return SECCOMP_RET_ERRNO | static_cast<std::uint16_t>(action.code);
        case Action::Kind::kKill: return SECCOMP_RET_KILL_PROCESS;
    }
    fail("an action of no kind");
}

// Writes a program from its end to its start: where an instruction jumps to is always there already, and equal
// tails are written once.
class BackwardAssembler {
public:
    using Label = std::size_t;  // how many instructions stand from here to the end

    Label ret(Action action) { return place(BPF_RET | BPF_K, seccomp_return(action), 0, 0); }
    Label jump(std::uint16_t test, std::uint32_t k, Label if_true, Label if_false) {
        if (if_true == if_false) return if_true;
        return place(static_cast<std::uint16_t>(BPF_JMP | test | BPF_K), k, if_true, if_false);
    }
    Label step(std::uint16_t code, std::uint32_t k, Label next) { return place(code, k, next, next); }

    Program finish(Label start) && {
        if (start != reversed_.size()) fail("the program does not begin at its start");
        return {reversed_.rbegin(), reversed_.rend()};
    }

private:
    static constexpr std::size_t kFarthestJump = 255;  // eight bits

    Label place(std::uint16_t code, std::uint32_t k, Label if_true, Label if_false) {
        const auto key = std::tuple(code, k, if_true, if_false);
        if (const auto known = placed_.find(key); known != placed_.end())
            if (BPF_CLASS(code) != BPF_RET || reversed_.size() - known->second < kFarthestJump) return known->second;
        sock_filter instruction{code, 0, 0, k};
        if (BPF_CLASS(code) == BPF_JMP) {
            // The second detour moves the first target away by one.
            const Label true_near = near(if_true, kFarthestJump - 1);
            const Label false_near = near(if_false, kFarthestJump);
            instruction.jt = static_cast<std::uint8_t>(reversed_.size() - true_near);
            instruction.jf = static_cast<std::uint8_t>(reversed_.size() - false_near);
        } else if (BPF_CLASS(code) != BPF_RET) {
            near(if_true, 0);
        }
        reversed_.push_back(instruction);
        return placed_[key] = reversed_.size();
    }

    // A label that leads to `target` and is at most `distance` instructions away.
    Label near(Label target, std::size_t distance) {
        const std::size_t away = reversed_.size() - target;
        if (away <= distance) return target;
        const sock_filter& there = reversed_[target - 1];
        reversed_.push_back(BPF_CLASS(there.code) == BPF_RET
                                ? there
                                : sock_filter BPF_STMT(BPF_JMP | BPF_JA, static_cast<std::uint32_t>(away)));
        return reversed_.size();
    }

    Program reversed_;
    std::map<std::tuple<std::uint16_t, std::uint32_t, Label, Label>, Label> placed_;
};

using Label = BackwardAssembler::Label;

Label compare_word(BackwardAssembler& code, std::size_t offset, std::uint64_t mask, std::uint64_t value, Label same,
                   Label other) {
    const auto mask_word = static_cast<std::uint32_t>(mask);
    if (mask_word == 0) return same;
    Label at = code.jump(BPF_JEQ, static_cast<std::uint32_t>(value), same, other);
    if (mask_word != 0xffffffffU) at = code.step(BPF_ALU | BPF_AND | BPF_K, mask_word, at);
    return code.step(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset), at);
}

// The rows of one call, in order.
Label decide_call(BackwardAssembler& code, const std::vector<const Row*>& rows, Action otherwise) {
    Label at = code.ret(otherwise);
    for (auto row = rows.rbegin(); row != rows.rend(); ++row) {
        const Label next_row = at;
        at = code.ret((*row)->action);
        for (auto condition = (*row)->when.rbegin(); condition != (*row)->when.rend(); ++condition) {
            const std::size_t low = offsetof(seccomp_data, args) + 8 * condition->argument;
            at = compare_word(code, low, condition->mask, condition->value, at, next_row);
            at = compare_word(code, low + 4, condition->mask >> 32, condition->value >> 32, at, next_row);
        }
    }
    return at;
}

// Numbers from `first` up to the next range's first, all decided alike.
struct Range {
    std::uint32_t first;
    std::vector<const Row*> rows;

    bool decides_like(const Range& other) const {
        const auto plain = [](const Range& range) { return range.rows.size() == 1 && range.rows[0]->when.empty(); };
        if (rows.empty() || other.rows.empty()) return rows.empty() && other.rows.empty();
        return plain(*this) && plain(other) && rows[0]->action == other.rows[0]->action;
    }
};

std::vector<Range> ranges_of(const FilterTable& table) {
    std::map<std::uint32_t, std::vector<const Row*>> by_number;
    for (const Row& row : table.rows)
        if (const int number = call_number(row.call); number >= 0)  // else: this machine has no such call
            by_number[static_cast<std::uint32_t>(number)].push_back(&row);
    std::vector<Range> ranges;
    const std::uint32_t end = by_number.rbegin()->first + 1;
    for (std::uint32_t number = 0; number <= end; ++number) {
        Range range{number, {}};
        if (const auto entry = by_number.find(number); entry != by_number.end()) range.rows = entry->second;
        if (ranges.empty() || !ranges.back().decides_like(range)) ranges.push_back(std::move(range));
    }
    return ranges;
}

Label search_tree(BackwardAssembler& code, const std::vector<Range>& ranges, std::size_t begin, std::size_t end,
                  Action otherwise) {
    if (end - begin == 1) return decide_call(code, ranges[begin].rows, otherwise);
    const std::size_t middle = begin + (end - begin) / 2;
    const Label right = search_tree(code, ranges, middle, end, otherwise);
    const Label left = search_tree(code, ranges, begin, middle, otherwise);
    return code.jump(BPF_JGE, ranges[middle].first, right, left);
}

Program compile(const FilterTable& table) {
    if (const std::string problem = table_problem(table); !problem.empty())
        fail(std::string(filter_role_name(table.role)) + ": " + problem);
    const std::vector<Range> ranges = ranges_of(table);
    BackwardAssembler code;
    const Label kill = code.ret(end_process());
    const Label too_high = code.jump(BPF_JEQ, kSkippedCall, code.ret(table.otherwise), kill);
    Label at = search_tree(code, ranges, 0, ranges.size(), table.otherwise);
    at = code.jump(BPF_JGE, kX32Bit, too_high, at);
    at = code.step(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr), at);
    at = code.jump(BPF_JEQ, kAuditArch, at, kill);
    at = code.step(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch), at);
    Program program = std::move(code).finish(at);
    if (program.size() > BPF_MAXINSNS) fail("a program that is longer than the kernel takes");
    return program;
}

std::string source_text() {
    std::ostringstream source;
    source << "// Generated by filter_compiler from policy/filters_*.cpp; not to be edited.\n"
              "#include \"policy/seccomp.h\"\n\n#include <cstdlib>\n\n";
    source << "#ifndef " << kMachine << "\n#error \"these filters were compiled for another machine\"\n#endif\n\n"
           << "namespace toren {\nnamespace {\n";
    for (const FilterRole role : kFilterRoles) {
        const Program program = compile(filter_table(role));
        source << "\n// " << filter_role_name(role) << "\nconstexpr sock_filter kProgram" << static_cast<int>(role)
               << "[] = {";
        for (std::size_t at = 0; at < program.size(); ++at) {
            const sock_filter& step = program[at];
            source << (at % 5 == 0 ? "\n    " : " ") << "{" << step.code << ", " << int{step.jt} << ", " << int{step.jf}
                   << ", " << step.k << "U},";
        }
        source << "\n};\n";
    }
    source << "\n}  // namespace\n\nstd::span<const sock_filter> filter_program(FilterRole role) {\n"
              "    switch (role) {\n";
    for (const FilterRole role : kFilterRoles)
        source << "        case static_cast<FilterRole>(" << static_cast<int>(role) << "): return kProgram"
               << static_cast<int>(role) << ";\n";
    source << "    }\n    std::abort();  // a role without a filter must not run on\n}\n\n}  // namespace toren\n";
    return source.str();
}

void write_file(const std::string& path, const std::string& text) {
    std::ofstream file(path, std::ios::trunc);
    file << text;
    file.close();
    if (!file) fail("write '" + path + "'", errno);
}

}  // namespace
}  // namespace toren

int main(int argc, char** argv) {
    using namespace toren;
    const std::string_view mode = argc == 3 ? argv[1] : "";
    if (mode == "--source") {
        write_file(argv[2], source_text());
    } else if (mode == "--golden") {
        for (const FilterRole role : kFilterRoles)
            write_file(std::string(argv[2]) + "/seccomp-" + filter_role_name(role) + ".golden",
                       golden_text(filter_table(role)));
    } else {
        std::fprintf(stderr, "usage: filter_compiler --source FILE | --golden DIR\n");
        return 2;
    }
    return 0;
}
