// Every call of jj: from an operation's fields to the argument vector, one row each. Nothing else names an option of jj
// or writes in its template language.
//
// Needs jj 0.36 (December 2025): the first with conflicted_files(), and with names as patterns in `bookmark delete`.
// Never run against a real jj on the machine where it was written: the options and templates are from jj's
// documentation and tests, 0.36 to 0.41 (tests/unit/jj_transcripts).
//
// What a client sends is never an option: it is the end of one (`--revisions=TEXT`) or stands behind `--`. Revisions
// are jj's own language and mean what jj takes them for; names and files are quoted, so that they mean themselves.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "broker/problem.h"

namespace toren::broker {

// How a field's text becomes an argument.
enum class JjQuote : std::uint8_t {
    kNone,
    kSymbol,  // "main": a revset symbol
    kExact,   // exact:"main": a string pattern that only that name matches
    kRoot,    // root:"src": a fileset, the path relative to the repository and what is beneath it
};

struct JjArgument {
    const char* field;   // a text, a list of texts, a number, or a boolean
    const char* option;  // "--message=", which the text follows; or a whole option; nullptr: behind `--`
    bool where = true;   // of a boolean: the value that adds the option
    JjQuote quote = JjQuote::kNone;
    bool may_be_empty = false;
};

struct JjCall {
    const char* name;  // the operation's, or that and what else it runs
    bool changes;      // what it is for; a call that reads can still take a snapshot
    std::vector<const char*> command;
    std::string (*print)();  // the template; nullptr: jj's own form
    std::vector<JjArgument> arguments;
};

std::span<const JjCall> jj_calls();
// Of that name; there must be one.
const JjCall& jj_call(std::string_view name);

// Without `snapshot` it neither looks at the working copy nor writes anything. invalid_field: a text that jj cannot
// get.
Outcome<std::vector<std::string>> jj_arguments(const JjCall& call, const nlohmann::json& fields, bool snapshot);

}  // namespace toren::broker
