#include "broker/vcs_fields.h"

#include <charconv>

#include "broker/base64.h"

namespace toren::broker {

Task<Outcome<VcsQuestion>> question_of(Call& call) {
    auto location = co_await segment_of(call);
    if (auto* refused = std::get_if<Problem>(&location)) co_return std::move(*refused);
    VcsQuestion question{call.broker, std::get<Location>(std::move(location)).segment, VcsEngine::kAuto, call.sink};
    const std::string engine = Given(call.fields).text("engine", "auto");
    if (engine == "git") question.engine = VcsEngine::kGit;
    else if (engine == "libgit2") question.engine = VcsEngine::kLibgit2;
    else if (engine != "auto") co_return problem("invalid_field", "engine: auto, libgit2 or git is expected");
    co_return question;
}

std::vector<std::string> files_of(const nlohmann::json& fields) {
    std::vector<std::string> files;
    if (fields.contains("files")) files = fields["files"].get<std::vector<std::string>>();
    if (fields.contains("file")) files.push_back(fields["file"].get<std::string>());
    return files;
}

Outcome<std::uint64_t> place_of(const nlohmann::json& fields) {
    std::uint64_t place = 0;
    const Given given(fields);
    if (!given.has("cursor")) return place;
    const auto text = from_base64(given.text("cursor"));
    if (text) {
        const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), place);
        if (error == std::errc() && end == text->data() + text->size()) return place;
    }
    return problem("invalid_cursor", "cursor: what an earlier answer gave is expected");
}

bool is_plain(const std::string& text) {
    return !text.empty() && text.front() != '-' && text.size() <= 4096 &&
           text.find_first_of(std::string("\0\n", 2)) == text.npos;
}

Problem not_plain(const char* field) {
    return problem("invalid_field", std::string(field) + ": a name or revision is expected, without a '-' in front");
}

}  // namespace toren::broker
