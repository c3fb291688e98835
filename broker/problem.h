// What a client is told when something is refused: RFC 9457 problem details with a stable code. Every code stands here.
#pragma once

#include <string>
#include <string_view>

#include "broker/cell.h"
#include "ipc/messages.h"

namespace toren::broker {

struct Problem {
    int status = 500;
    std::string code;    // stable; programs act on it
    std::string detail;  // for people
};

// {"type":"about:blank","title":…,"status":…,"detail":…,"code":…}
std::string problem_json(const Problem& problem);

const char* status_title(int status);

// What a worker's refusal means for a client.
Problem problem_of(ipc::Failure failure, const std::string& error);
Problem problem_of(const ServiceAnswer& answer);

}  // namespace toren::broker
