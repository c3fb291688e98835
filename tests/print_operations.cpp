// The broker's table of operations as JSON, for what compares it with the documents (agent/tools/check.ts).
#include <cstdio>
#include <nlohmann/json.hpp>

#include "broker/operation.h"

namespace toren::broker {
namespace {

using nlohmann::json;

// By the order of the enumerations. All numbers are whole.
constexpr const char* kNeeds[] = {"nobody", "viewer", "operator", "approver", "admin"};
constexpr const char* kOvers[] = {"both", "http", "socket"};
constexpr const char* kTypes[] = {"text",  "path",  "integer", "integer", "boolean",
                                  "texts", "paths", "object",  "objects"};

json row_of(const Operation& operation) {
    json fields = json::array();
    for (const FieldRow& field : operation.fields)
        fields.push_back(
            {{"name", field.name}, {"type", kTypes[static_cast<int>(field.type)]}, {"required", field.required}});
    json row = {{"name", operation.name},
                {"need", kNeeds[static_cast<int>(operation.need)]},
                {"over", kOvers[static_cast<int>(operation.over)]},
                {"raw_body", operation.bulk == Bulk::kBody},
                {"fields", std::move(fields)}};
    if (operation.path != nullptr) row.update({{"method", operation.method}, {"path", operation.path}});
    return row;
}

}  // namespace
}  // namespace toren::broker

int main() {
    nlohmann::json rows = nlohmann::json::array();
    for (const auto& operation : toren::broker::operations()) rows.push_back(toren::broker::row_of(operation));
    std::puts(rows.dump(2).c_str());
}
