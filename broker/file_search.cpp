// files.search: ripgrep as a command in the cage, under the profile that writes nothing.
#include <algorithm>

#include "broker/caged_run.h"
#include "broker/file_fields.h"
#include "broker/file_operations.h"
#include "broker/ripgrep_output.h"

namespace toren::broker {

using nlohmann::json;

namespace {

constexpr std::uint64_t kMostMatches = 10'000, kMatchesByDefault = 1000, kMostContext = 100;
constexpr std::uint64_t kLongestSearch = 300, kSearchByDefault = 20;  // seconds
constexpr std::size_t kMostErrorText = 2048;

// A field that is an option.
struct Flag {
    const char* field;
    bool otherwise;
    const char* where_true;  // nullptr: nothing
    const char* where_false;
};
constexpr Flag kFlags[] = {
    {"literal", false, "--fixed-strings", nullptr}, {"word", false, "--word-regexp", nullptr},
    {"hidden", false, "--hidden", nullptr},         {"ignore", true, nullptr, "--no-ignore"},
    {"multiline", false, "--multiline", nullptr},
};

// Nothing but the call's own fields decides: no configuration of the cage's home.
Outcome<std::vector<std::string>> arguments(const json& fields, std::uint64_t context) {
    const Given given(fields);
    std::vector<std::string> argv = {
        "rg", "--json", "--no-config", "--no-messages", "--no-ignore-global", "--no-require-git"};
    for (const Flag& flag : kFlags) {
        const char* option = given.flag(flag.field, flag.otherwise) ? flag.where_true : flag.where_false;
        if (option != nullptr) argv.emplace_back(option);
    }
    const std::string letters = given.text("case", "smart");
    if (letters == "smart") argv.emplace_back("--smart-case");
    else if (letters == "sensitive") argv.emplace_back("--case-sensitive");
    else if (letters == "insensitive") argv.emplace_back("--ignore-case");
    else return problem("invalid_field", "case: smart, sensitive or insensitive is expected");
    if (context > 0) argv.push_back("--context=" + std::to_string(context));
    if (given.has("glob"))
        for (const auto& glob : fields["glob"]) argv.push_back("--glob=" + glob.get<std::string>());
    argv.emplace_back("--glob=!.git");  // the last that fits decides
    argv.push_back("--regexp=" + given.text("pattern"));
    argv.emplace_back("--");
    argv.push_back("./" + given.text("path", "."));
    if (std::ranges::any_of(argv, [](const auto& one) { return one.find('\0') != one.npos; }))
        return problem("invalid_field", "pattern, glob: text without NUL bytes is expected");
    return argv;
}

}  // namespace

Task<Outcome<Reply>> search_files(Call& call) {
    const Given given(call.fields);
    const auto limit = limited(call.fields, "limit", kMatchesByDefault, kMostMatches);
    if (const auto* refused = std::get_if<Problem>(&limit)) co_return *refused;
    const std::uint64_t context = given.number("context");
    if (context > kMostContext) co_return problem("invalid_field", "context: 0 to 100 is expected");
    if (given.text("pattern").empty()) co_return problem("invalid_field", "pattern: text is expected");
    const auto seconds = limited(call.fields, "max_seconds", kSearchByDefault, kLongestSearch);
    if (const auto* refused = std::get_if<Problem>(&seconds)) co_return *refused;
    auto argv = arguments(call.fields, context);
    if (auto* refused = std::get_if<Problem>(&argv)) co_return std::move(*refused);
    // Whether it is there, and in the segment, the files worker says: ripgrep would look in the cage's root.
    auto where = files_request(ipc::StatFile{.path = given.text("path", "."), .follow = true});
    auto there = co_await ask_files(call, std::move(where));
    if (auto* refused = std::get_if<Problem>(&there)) co_return std::move(*refused);

    CagedProgram ripgrep;
    ripgrep.segment = call.segment;
    ripgrep.profile = "read-only";
    ripgrep.argv = std::get<std::vector<std::string>>(std::move(argv));
    ripgrep.seconds = std::get<std::uint64_t>(seconds);
    auto started = co_await CagedRun::start(call.broker, std::move(ripgrep), call.sink);
    if (auto* refused = std::get_if<Problem>(&started)) co_return std::move(*refused);
    auto& run = *std::get<std::unique_ptr<CagedRun>>(started);
    RipgrepOutput found(std::get<std::uint64_t>(limit), context);
    std::string errors;
    CagedRun::Take take = [&](ipc::Stream stream, std::string_view bytes) {
        if (stream == ipc::Stream::kStdout) return found.feed(bytes);
        errors += bytes.substr(0, kMostErrorText - std::min(kMostErrorText, errors.size()));
        return true;
    };
    auto read = co_await run.read(std::move(take));
    if (auto* refused = std::get_if<Problem>(&read)) co_return std::move(*refused);
    if (!found.finished() && !found.truncated()) {
        const bool ended_by_limit = run.exited() && run.exited()->ended_by != EndedBy::kNothing;
        if (!ended_by_limit && !errors.empty()) co_return problem("invalid_pattern", errors);
        found.set_truncated();
    }
    co_return text_reply(found.to_json());
}

}  // namespace toren::broker
