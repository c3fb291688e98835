// What jj prints by the templates of jj_calls.cpp, as the operations tell it. A repository decides what is in it, and
// its configuration can give a template's words other meanings: all of it is checked, and what is not of the expected
// form is refused as a whole.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/caged_run.h"
#include "broker/problem.h"

namespace toren::broker {

// One printed object as an answer has it; nothing where it has another form.
using JjReading = std::optional<nlohmann::json> (*)(const nlohmann::json& printed);
std::optional<nlohmann::json> read_jj_commit(const nlohmann::json& printed);
std::optional<nlohmann::json> read_jj_status(const nlohmann::json& printed);  // a commit with parents and changes
std::optional<nlohmann::json> read_jj_change(const nlohmann::json& printed);
std::optional<nlohmann::json> read_jj_operation(const nlohmann::json& printed);
std::optional<nlohmann::json> read_jj_bookmark(const nlohmann::json& printed);
std::optional<nlohmann::json> read_jj_workspace(const nlohmann::json& printed);

// A listing, line by line as it comes: one page of it.
class JjListing {
public:
    // `after`: the cursor of the page before; empty: from the beginning on.
    static Outcome<JjListing> begin(JjReading read, std::uint64_t limit, const std::string& after);

    // More of jj's standard output. False once no more is wanted.
    bool feed(std::string_view bytes);
    // jj has ended well: whether that was a listing, and whether the cursor's place was in it.
    std::optional<Problem> end() const;

    const std::vector<nlohmann::json>& entries() const { return entries_; }
    bool more() const { return more_; }
    nlohmann::json cursor() const;  // null at the end

private:
    JjListing(JjReading read, std::uint64_t limit) : read_(read), limit_(limit) {}
    bool take(std::string_view line);
    bool is_place(const nlohmann::json& entry) const;

    JjReading read_;
    std::uint64_t limit_;
    std::string id_, change_;  // of the entry at which the page before ended
    bool skipping_ = false, more_ = false, broken_ = false;
    std::string line_;       // as far as it has come
    std::size_t bytes_ = 0;  // of the lines that were kept
    std::vector<nlohmann::json> entries_;
};

// Of each file in a patch of jj's git form, in its order; nothing where it is no such patch.
struct JjPatchedFile {
    std::uint64_t added = 0, removed = 0;  // lines
    bool binary = false;
};
std::optional<std::vector<JjPatchedFile>> read_jj_patch(std::string_view patch);

// {vcs_type: "Jj", branch, modified, …} as v1 has it, from what read_jj_status gave.
nlohmann::json jj_v1_json(const nlohmann::json& status);

// Why jj did not do it, in its own words.
Problem jj_failure(const CagedOutput& output);
Problem jj_not_understood();

}  // namespace toren::broker
