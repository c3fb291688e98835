// Fields that operations on repositories have in common.
#pragma once

#include <string>
#include <vector>

#include "broker/file_fields.h"
#include "broker/git.h"

namespace toren::broker {

// The call's segment under its configured name, and `engine`.
Task<Outcome<VcsQuestion>> question_of(Call& call);
// `files` and `file`.
std::vector<std::string> files_of(const nlohmann::json& fields);
// `cursor` as a number that an earlier answer gave.
Outcome<std::uint64_t> place_of(const nlohmann::json& fields);
// A name or revision of a client that git is to take as one: not empty, no option, no line feed, no NUL.
bool is_plain(const std::string& text);
Problem not_plain(const char* field);

}  // namespace toren::broker
