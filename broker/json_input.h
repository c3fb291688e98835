// What clients send, read with care: bounded nesting, wrong types named, nothing thrown.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "broker/problem.h"

namespace toren::broker {

// A JSON object, or why not: malformed_json for what is no JSON, invalid_field for what is no object.
std::variant<nlohmann::json, Problem> parse_object(std::string_view text);

// Reads fields of an object. The first that is missing or of a wrong type becomes problem(); unknown ones are ignored.
class Fields {
public:
    explicit Fields(const nlohmann::json& object) : object_(object) {}

    std::string text(const char* name);
    std::optional<std::string> optional_text(const char* name);
    std::vector<std::string> texts(const char* name);  // absent: empty
    std::optional<std::uint64_t> optional_number(const char* name);
    const nlohmann::json* object(const char* name);

    const std::optional<Problem>& problem() const { return problem_; }

private:
    const nlohmann::json* find(const char* name) const;
    void refuse(const std::string& name, const char* expected);

    const nlohmann::json& object_;
    std::optional<Problem> problem_;
};

}  // namespace toren::broker
