// From what a client sent to the fields of an operation: the same checks for REST and for the WebSocket.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "broker/operation.h"

namespace toren::broker {

// Only the operation's own fields, each with its type; kPath fields as their bytes, whichever way they came.
Outcome<nlohmann::json> read_fields(const Operation& operation, const nlohmann::json& given);

// "a=b&c=%FF" as what read_fields takes. A parameter that may stand several times becomes a list.
Outcome<nlohmann::json> read_query(const Operation& operation, std::string_view query);

// False where a percent sign is not followed by two hexadecimal digits, or the text holds a NUL.
bool percent_decode(std::string_view text, bool plus_is_space, std::string& bytes);

struct OperationMatch {
    const Operation* operation = nullptr;
    std::string segment;
    nlohmann::json fields;   // those in the path
    std::string allow;       // where the path exists with other methods only: these
    bool malformed = false;  // the path cannot be decoded
};
// HEAD is served by what serves GET where the row's method says "GET, HEAD".
OperationMatch match_operation(std::string_view method, std::string_view path);

const Operation* find_operation(std::string_view name);

// Whether it is of one segment, which the path or the field `segment` names.
bool has_segment(const Operation& operation);

}  // namespace toren::broker
