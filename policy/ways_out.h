// What the cage needs of a machine, and how to get it where it is missing: one table, which the errors of every layer
// and `toren doctor` read (invariant 1).
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace toren {

enum class Feature : std::uint8_t {
    kClone3,
    kUserNamespace,
    kOtherNamespaces,
    kNamespaceRights,  // capabilities over what a new user namespace owns
    kFreshProc,
    kOpenat2,
    kMountApi,
    kMountSetattr,
    kRealPath,
    kCloseRange,
    kCapabilities,
    kNoNewPrivileges,
    kLandlock,
    kLandlockRights,
    kSeccomp,
    kCgroup,
    kProcessCount,
    kInotify,
    kNotRoot,
    kExecutableState,
    kFullCage,
};

struct FeatureRow {
    Feature feature;
    const char* layer;  // "mount namespace"
    const char* name;   // "mount_setattr (Linux 5.12)"
};

const FeatureRow& feature_row(Feature feature);

// How to get it on this machine: what the machine's own settings show to be in the way; where they show nothing, what
// it usually is.
std::string ways_out(Feature feature);

// "layer mount namespace: mount_setattr '/usr': Function not implemented; needed: …; the way out: …"
Error layer_error(Feature feature, const std::string& tried, int code);
// With the errno of the call that just failed.
Error layer_error(Feature feature, const std::string& tried);

}  // namespace toren
