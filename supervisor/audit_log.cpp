#include "supervisor/audit_log.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/log.h"

namespace toren::supervisor {

Result<AuditLog> AuditLog::open(const std::string& state_dir) {
    const std::string path = state_dir + "/audit.log";
    UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file) return errno_error("open '" + path + "'");
    return AuditLog(std::move(file));
}

void AuditLog::record(std::string_view event, std::string_view detail) {
    const std::string line =
        "time=" + utc_now() + " event=" + std::string(event) + " detail=\"" + escape_controls(detail) + "\"\n";
    if (::write(file_.get(), line.data(), line.size()) != static_cast<ssize_t>(line.size()) ||
        ::fdatasync(file_.get()) != 0)
        log_error(errno_error("audit log").text());
}

}  // namespace toren::supervisor
