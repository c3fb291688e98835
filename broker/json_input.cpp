#include "broker/json_input.h"

#include <nlohmann/json.hpp>

#include "broker/json_text.h"

namespace toren::broker {

using nlohmann::json;

namespace {
constexpr int kDeepest = 32;  // no message of the protocol nests deeper than four
}

std::variant<json, Problem> parse_object(std::string_view text) {
    if (!nests_at_most(text, kDeepest)) return Problem{400, "malformed_json", "the JSON nests deeper than 32 levels"};
    json value = json::parse(text, nullptr, false);
    if (value.is_discarded()) return Problem{400, "malformed_json", "the body is not valid JSON in UTF-8"};
    if (!value.is_object()) return Problem{422, "invalid_field", "an object is expected"};
    return value;
}

const json* Fields::find(const char* name) const {
    const auto found = object_.find(name);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
}

void Fields::refuse(const std::string& name, const char* expected) {
    if (!problem_) problem_ = Problem{422, "invalid_field", name + ": " + expected + " is expected"};
}

std::string Fields::text(const char* name) {
    auto value = optional_text(name);
    if (!value) refuse(name, "a string");
    return value.value_or("");
}

std::optional<std::string> Fields::optional_text(const char* name) {
    const json* value = find(name);
    if (value == nullptr) return std::nullopt;
    if (value->is_string()) return value->get<std::string>();
    refuse(name, "a string");
    return std::nullopt;
}

std::vector<std::string> Fields::texts(const char* name) {
    std::vector<std::string> all;
    const json* value = find(name);
    if (value == nullptr) return all;
    if (!value->is_array()) refuse(name, "a list of strings");
    else
        for (const json& item : *value) {
            if (!item.is_string()) return refuse(name, "a list of strings"), std::vector<std::string>{};
            all.push_back(item.get<std::string>());
        }
    return all;
}

std::optional<std::uint64_t> Fields::optional_number(const char* name) {
    const json* value = find(name);
    if (value == nullptr) return std::nullopt;
    if (value->is_number_unsigned()) return value->get<std::uint64_t>();
    refuse(name, "a number without sign");
    return std::nullopt;
}

const json* Fields::object(const char* name) {
    const json* value = find(name);
    if (value == nullptr || !value->is_object()) refuse(name, "an object");
    return value != nullptr && value->is_object() ? value : nullptr;
}

}  // namespace toren::broker
