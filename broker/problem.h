// What a client is told when something is refused: RFC 9457 problem details with a stable code. Every code stands here.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "broker/service_pool.h"
#include "ipc/messages.h"

namespace toren::broker {

struct Problem {
    int status = 500;
    std::string code;             // stable; programs act on it
    std::string detail;           // for people
    nlohmann::json further = {};  // an object of more fields, or nothing
    std::vector<std::pair<std::string, std::string>> headers = {};
};

template <typename T>
using Outcome = std::variant<T, Problem>;

// A problem whose status is that of its code.
Problem problem(std::string code, std::string detail);

// v1's clients know one status for all that a file system refuses.
int v1_status(const Problem& problem);

// {"type":"about:blank","title":…,"status":…,"detail":…,"code":…}
std::string problem_json(const Problem& problem);
nlohmann::json problem_object(const Problem& problem);

const char* status_title(int status);

// What a worker's refusal means for a client.
Problem problem_of(ipc::Failure failure, const std::string& error);
Problem problem_of(const ServiceAnswer& answer);

}  // namespace toren::broker
