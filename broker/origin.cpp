#include "broker/origin.h"

#include <arpa/inet.h>

#include <algorithm>
#include <string>

#include "broker/text.h"

namespace toren::broker {
namespace {

// The name or address in a Host header, without port and brackets; empty where it is none.
std::string host_name(std::string_view host) {
    const bool bracketed = host.starts_with('[');
    const auto end = bracketed ? host.find(']') : host.find(':');
    if (bracketed && end == host.npos) return "";
    const std::string_view name = host.substr(bracketed ? 1 : 0, bracketed ? end - 1 : end);
    const std::string_view rest = end == host.npos ? "" : host.substr(bracketed ? end + 1 : end);
    const bool port = rest.empty() || (rest.starts_with(':') && rest.find_first_not_of("0123456789", 1) == rest.npos);
    return port ? lower(name) : "";
}

bool is_address(const std::string& name) {
    in6_addr address{};
    return ::inet_pton(AF_INET, name.c_str(), &address) == 1 || ::inet_pton(AF_INET6, name.c_str(), &address) == 1;
}

}  // namespace

bool host_allowed(std::string_view host, const ipc::BrokerWelcome& settings) {
    const std::string name = host_name(host);
    if (name.empty()) return false;
    if (name == "localhost" || is_address(name)) return true;
    return std::any_of(settings.allowed_hosts.begin(), settings.allowed_hosts.end(),
                       [&](const auto& allowed) { return lower(allowed) == name; });
}

OriginKind judge_origin(std::string_view origin, std::string_view host, const ipc::BrokerWelcome& settings) {
    if (origin.empty()) return OriginKind::kNone;
    const std::string from = lower(origin);
    if (from == "http://" + lower(host) || from == "https://" + lower(host)) return OriginKind::kSame;
    const bool allowed = std::any_of(settings.allowed_origins.begin(), settings.allowed_origins.end(),
                                     [&](const auto& named) { return lower(named) == from; });
    return allowed ? OriginKind::kAllowed : OriginKind::kForeign;
}

}  // namespace toren::broker
