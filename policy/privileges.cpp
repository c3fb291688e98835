#include "policy/privileges.h"

#include <grp.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "policy/ways_out.h"

namespace toren {
namespace {

constexpr int kSecurebits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
                            SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE |
                            SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;

Result<> set_capabilities(std::span<const cap_value_t> held, std::span<const cap_value_t> inherited) {
    std::unique_ptr<std::remove_pointer_t<cap_t>, int (*)(void*)> caps(cap_init(), cap_free);
    if (!caps) return layer_error(Feature::kCapabilities, "cap_init");
    const auto raise = [&](cap_flag_t set, std::span<const cap_value_t> values) {
        return values.empty() ||
               cap_set_flag(caps.get(), set, static_cast<int>(values.size()), values.data(), CAP_SET) == 0;
    };
    if (!raise(CAP_PERMITTED, held) || !raise(CAP_EFFECTIVE, held) || !raise(CAP_INHERITABLE, inherited))
        return layer_error(Feature::kCapabilities, "cap_set_flag");
    if (cap_set_proc(caps.get()) != 0) return layer_error(Feature::kCapabilities, "cap_set_proc");
    return Ok{};
}

// Of this process's bounding set, and of those whom it forks: what has gone does not come back.
std::uint64_t dropped = 0;
bool is_dropped(cap_value_t cap) { return cap < 64 && (dropped >> cap & 1) != 0; }

// Straight to the kernel, once for each: the first that it does not know is after the last.
Result<> drop_bounding_set_except(std::span<const cap_value_t> kept) {
    for (cap_value_t cap = 0;; ++cap) {
        if (is_dropped(cap)) continue;
        if (std::find(kept.begin(), kept.end(), cap) != kept.end()) continue;
        if (::prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0) continue;
        if (errno == EINVAL) return Ok{};
        // Asked only after a refusal: to drop what was dropped already needs no right that matters.
        const int code = errno, held = ::prctl(PR_CAPBSET_READ, cap, 0, 0, 0);
        if (held == 1) return layer_error(Feature::kCapabilities, "PR_CAPBSET_DROP", code);
        if (held < 0) return Ok{};
    }
}

}  // namespace

void note_dropped_capabilities() {
    for (cap_value_t cap = 0; cap < 64; ++cap)
        if (::prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 0) dropped |= std::uint64_t{1} << cap;
}

Result<> keep_only_capabilities(std::span<const cap_value_t> kept) {
    TRY(drop_bounding_set_except(kept));
    // Inheritable first, for the ambient set may only hold what is inheritable; the ambient set is what survives the
    // exec of an ordinary program by a user who is not root. CAP_SETPCAP is held until the securebits are set.
    if (cap_reset_ambient() != 0) return layer_error(Feature::kCapabilities, "PR_CAP_AMBIENT_CLEAR_ALL");
    std::vector<cap_value_t> with_setpcap(kept.begin(), kept.end());
    with_setpcap.push_back(CAP_SETPCAP);
    TRY(set_capabilities(with_setpcap, kept));
    for (const cap_value_t cap : kept)
        if (cap_set_ambient(cap, CAP_SET) != 0) return layer_error(Feature::kCapabilities, "PR_CAP_AMBIENT_RAISE");
    if (::prctl(PR_SET_SECUREBITS, kSecurebits, 0, 0, 0) != 0)
        return layer_error(Feature::kCapabilities, "PR_SET_SECUREBITS");
    return set_capabilities(kept, kept);
}

Result<> drop_all_capabilities() {
    // The bounding set needs CAP_SETPCAP, so it goes first.
    TRY(drop_bounding_set_except({}));
    if (cap_reset_ambient() != 0) return layer_error(Feature::kCapabilities, "PR_CAP_AMBIENT_CLEAR_ALL");
    return set_capabilities({}, {});
}

Result<> set_no_new_privileges() {
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return layer_error(Feature::kNoNewPrivileges, "PR_SET_NO_NEW_PRIVS");
    return Ok{};
}

Result<> set_not_dumpable() {
    if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return layer_error(Feature::kCapabilities, "PR_SET_DUMPABLE");
    return Ok{};
}

Result<> set_resource_limits(std::span<const ResourceLimit> limits) {
    for (const auto& [resource, value] : limits) {
        rlimit current{};
        if (::getrlimit(static_cast<__rlimit_resource>(resource), &current) != 0)
            return errno_error("layer resource limits: getrlimit " + std::to_string(resource));
        // Only ever lower: a limit that the operator was given stays.
        const rlim_t bounded = std::min<rlim_t>(value, current.rlim_max);
        const rlimit wanted{bounded, bounded};
        if (::setrlimit(static_cast<__rlimit_resource>(resource), &wanted) != 0)
            return errno_error("layer resource limits: setrlimit " + std::to_string(resource));
    }
    return Ok{};
}

Result<> drop_supplementary_groups_if_permitted() {
    if (::setgroups(0, nullptr) != 0 && errno != EPERM) return layer_error(Feature::kCapabilities, "setgroups");
    return Ok{};
}

}  // namespace toren
