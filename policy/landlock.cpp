#include "policy/landlock.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "policy/ways_out.h"

namespace toren {
namespace {

// From the kernel's linux/landlock.h: the distribution's headers lack what is newer than ABI 2, so every name that we
// use stands here once. The structs only ever grow at the end; the kernel is told how much of them we mean.
struct RulesetAttr {
    std::uint64_t handled_access_fs;
    std::uint64_t handled_access_net;  // ABI 4
    std::uint64_t scoped;              // ABI 6
};
struct [[gnu::packed]] PathBeneathAttr {
    std::uint64_t allowed_access;
    std::int32_t parent_fd;
};
constexpr unsigned kCreateVersion = 1U << 0;
constexpr int kRulePathBeneath = 1;

constexpr std::uint64_t kExecute = 1 << 0, kWriteFile = 1 << 1, kReadFile = 1 << 2, kReadDir = 1 << 3,
                        kMakeChar = 1 << 6, kMakeBlock = 1 << 11, kRefer = 1 << 13, kTruncate = 1 << 14,
                        kIoctlDev = 1 << 15;
constexpr std::uint64_t kAllOfAbi1 = (1 << 13) - 1;
constexpr std::uint64_t kNetBindTcp = 1 << 0, kNetConnectTcp = 1 << 1;
constexpr std::uint64_t kScopeAbstractSocket = 1 << 0, kScopeSignal = 1 << 1;
constexpr std::uint64_t kOnFiles = kExecute | kWriteFile | kReadFile | kTruncate | kIoctlDev;

std::uint64_t handled_files(int abi) {
    return kAllOfAbi1 | (abi >= 2 ? kRefer : 0) | (abi >= 3 ? kTruncate : 0) | (abi >= 5 ? kIoctlDev : 0);
}

std::uint64_t granted(Access access) {
    // Device nodes are never made in a cell, whatever else is granted.
    constexpr std::uint64_t kWrite = ((kAllOfAbi1 | kRefer | kTruncate) & ~(kExecute | kMakeChar | kMakeBlock));
    switch (access) {
        case Access::kRead: return kReadFile | kReadDir;
        case Access::kReadExecute: return kReadFile | kReadDir | kExecute;
        case Access::kReadWrite: return kWrite;
        case Access::kAll: return kWrite | kExecute;
        case Access::kDevices: return kReadFile | kReadDir | kWriteFile | kTruncate | kIoctlDev;
    }
    return 0;
}

Result<> add_rule(int ruleset, const PathRule& rule, std::uint64_t handled) {
    UniqueFd path(::open(rule.path.c_str(), O_PATH | O_CLOEXEC));
    if (!path) {
        if (rule.optional && errno == ENOENT) return Ok{};
        return errno_error("layer landlock: open '" + rule.path + "'");
    }
    struct stat about {};
    if (::fstat(path.get(), &about) != 0) return errno_error("layer landlock: fstat '" + rule.path + "'");
    PathBeneathAttr attr{granted(rule.access) & handled, path.get()};
    if (!S_ISDIR(about.st_mode)) attr.allowed_access &= kOnFiles;  // the kernel refuses folder rights on a file
    if (::syscall(SYS_landlock_add_rule, ruleset, kRulePathBeneath, &attr, 0) != 0)
        return layer_error(Feature::kLandlock, "landlock_add_rule '" + rule.path + "'");
    return Ok{};
}

}  // namespace

Result<int> landlock_abi() {
    const long abi = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, kCreateVersion);
    if (abi >= 1) return static_cast<int>(abi);
    return layer_error(Feature::kLandlock, "the kernel gives none", abi == 0 ? ENOSYS : errno);
}

Result<UniqueFd> make_ruleset(const LandlockSpec& spec) {
    TRY_ASSIGN(const int abi, landlock_abi());
    RulesetAttr attr{};
    attr.handled_access_fs = handled_files(abi);
    if (abi >= 4 && spec.refuse_tcp) attr.handled_access_net = kNetBindTcp | kNetConnectTcp;
    if (abi >= 6) attr.scoped = kScopeAbstractSocket | kScopeSignal;
    const std::size_t size = abi >= 6 ? sizeof attr : abi >= 4 ? 2 * sizeof(std::uint64_t) : sizeof(std::uint64_t);
    UniqueFd ruleset(static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attr, size, 0)));
    if (!ruleset) return layer_error(Feature::kLandlock, "landlock_create_ruleset");
    for (const PathRule& rule : spec.rules) TRY(add_rule(ruleset.get(), rule, attr.handled_access_fs));
    return ruleset;
}

Result<> grant_folder(const UniqueFd& ruleset, int folder, Access access) {
    TRY_ASSIGN(const int abi, landlock_abi());
    PathBeneathAttr attr{granted(access) & handled_files(abi), folder};
    if (::syscall(SYS_landlock_add_rule, ruleset.get(), kRulePathBeneath, &attr, 0) != 0)
        return layer_error(Feature::kLandlock, "landlock_add_rule of an open folder");
    return Ok{};
}

Result<> restrict_to_ruleset(int ruleset) {
    if (::syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
        return layer_error(Feature::kLandlock, "landlock_restrict_self");
    return Ok{};
}

}  // namespace toren
