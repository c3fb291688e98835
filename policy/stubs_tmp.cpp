
#include "policy/cgroup.h"
#include "policy/guards.h"
#include "policy/usage.h"
namespace toren {
struct Guards::Impl {};
Guards::Guards(std::unique_ptr<Impl> i) : impl_(std::move(i)) {}
Guards::Guards(Guards&&) noexcept = default;
Guards& Guards::operator=(Guards&&) noexcept = default;
Guards::~Guards() = default;
Result<Guards> Guards::stand(const GuardSpec&) { return Guards(std::make_unique<Impl>()); }
int Guards::fd() const { return -1; }
Result<> Guards::refresh() { return Ok{}; }
void Guards::release() {}
Result<CommandGroup> CommandGroup::make(int, std::uint32_t, const CommandLimits&) { return error("no"); }
CommandGroup& CommandGroup::operator=(CommandGroup&&) noexcept { return *this; }
CommandGroup::~CommandGroup() = default;
std::uint64_t memory_kills(int) { return 0; }
Result<Usage> measure_usage(int, pid_t, std::uint64_t) { return Usage{}; }
}
