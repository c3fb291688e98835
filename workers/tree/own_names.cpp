#include "workers/tree/own_names.h"

#include <sys/random.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>

namespace toren::workers {
namespace {

constexpr std::size_t kIdLength = 16;

}  // namespace

std::string random_id() {
    std::uint64_t random = 0;
    if (::getrandom(&random, sizeof random, 0) != sizeof random) random = static_cast<std::uint64_t>(::getpid());
    char id[kIdLength + 1];
    std::snprintf(id, sizeof id, "%016llx", static_cast<unsigned long long>(random));
    return id;
}

bool is_id(std::string_view id) {
    return id.size() == kIdLength && id.find_first_not_of("0123456789abcdef") == id.npos;
}

std::string temporary_name() { return std::string(kWritePrefix) + random_id(); }

bool is_own_name(std::string_view name) {
    for (const auto prefix : {kWritePrefix, kUploadPrefix, kRestorePrefix})
        if (name.starts_with(prefix) && is_id(name.substr(prefix.size()))) return true;
    return false;
}

bool is_restore_name(std::string_view name) {
    return name.starts_with(kRestorePrefix) && is_id(name.substr(kRestorePrefix.size()));
}

}  // namespace toren::workers
