// Every REST route, one row each: method, path, who may call it, whether it takes JSON, what serves it.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "broker/broker.h"
#include "broker/task.h"

namespace toren::broker {

struct Response {
    int status = 200;
    std::string content_type = "application/json";
    std::string body;
};

enum class Access : std::uint8_t { kOpen, kSession };

struct Route {
    const char* method;
    const char* path;
    Access access;
    bool takes_json;
    Task<Response> (*serve)(Broker& broker, const nlohmann::json& body);
    const Response& (*constant)(Broker& broker) = nullptr;  // what needs no waiting and never changes
};

std::span<const Route> routes();

struct RouteMatch {
    const Route* route = nullptr;
    std::string_view parameter;  // what stands in the path for "{…}", still encoded
    std::string allow;           // where the path exists with other methods only: these
};
RouteMatch find_route(std::string_view method, std::string_view path);

// "application/json", with or without parameters, in any case.
bool is_json(std::string_view content_type);

// The body as a JSON object, or the refusal. `parameter`: of the path, which becomes the field `segment`.
Task<Response> serve_route(Broker& broker, const Route& route, std::string parameter, std::string content_type,
                           std::string body);

struct Problem;
Response problem_response(const Problem& problem);

}  // namespace toren::broker
