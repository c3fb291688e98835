// The descriptor numbers that each program is born with, named once (invariant 4: there are no others).
#pragma once

namespace toren::ipc {

// toren-broker LISTENERS [--without-landlock]
enum BrokerFd : int { kBrokerSupervisorFd = 3, kBrokerRulesetFd = 4, kBrokerFirstListenerFd = 5 };

// toren-spawner; what it has to know comes in CellSettings
enum SpawnerFd : int {
    kSpawnerSupervisorFd = 3,
    kSpawnerSegmentFd = 4,       // O_PATH of the segment's folder, in the cell
    kSpawnerFilesProgramFd = 5,  // opened before the root was entered: a cell does not show Toren's own folder
    kSpawnerVcsProgramFd = 6,
    kSpawnerFilesRulesetFd = 7,
    kSpawnerCommandRulesetFd = 8,
    kSpawnerVcsRulesetFd = 9,
    kSpawnerReadOnlyRulesetFd = 10,  // for commands under a profile that does not write
    kSpawnerCgroupFd = 11,           // the cell's group, where a subtree is delegated
    kSpawnerCheckpointProgramFd = 12,
    kSpawnerCheckpointRulesetFd = 13,
    kSpawnerStoreFd = 14,  // of the segment's checkpoints: a mount that is in no tree, so that no path leads to it
};

// toren-files-worker, toren-vcs-worker, toren-checkpoint-worker SEGMENT_PATH [--without-landlock]
enum ServiceFd : int {
    kServiceBrokerFd = 3,
    kServiceSegmentFd = 4,
    kServiceRulesetFd = 5,
    kServiceStoreFd = 6,  // of the checkpoint worker alone
};

inline constexpr const char* kWithoutLandlock = "--without-landlock";

}  // namespace toren::ipc
