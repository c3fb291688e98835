
#include "policy/guards.h"
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
}
