// Every message there is, for tests that hold for each of them. protocol_test.cpp finds one that is missing here.
#pragma once

#include <tuple>

#include "ipc/messages.h"
#include "ipc/vcs_messages.h"

namespace toren::ipc {

using Messages =
    std::tuple<BrokerHello, BrokerWelcome, ListSegments, SegmentList, CreateSegment, SegmentCreated, OpenCell,
               CellOpened, ListWorkspaces, WorkspaceList, CreateWorkspace, WorkspaceCreated, RemoveWorkspace,
               WorkspaceRemoved, CellSettings, AttachBroker, CellFailed, CellReady, NewSlot, Slot, KeepSlot, DropSlot,
               NextHeld, HeldSlot, StartService, ServiceStarted, EndService, ChildEnded, HoldWorktree, WorktreeHeld,
               Retire, Start, Output, Consumed, Pace, Started, Input, InputTaken, Resize, SignalCommand, EndCommand,
               Exited, StatFile, ReadFile, OpenFile, Opened, WriteFile, AppendFile, EditFile, ListFolder, MakeFolder,
               MakeSymlink, MovePath, CopyPath, DeletePath, BeginUpload, AppendUpload, StatUpload, FinishUpload,
               AbortUpload, WatchFolder, ArchiveFolder, VcsFind, VcsStatus, VcsDiff, VcsLog, VcsContent, VcsLists,
               MakeCheckpoint, ListCheckpoints, CompareCheckpoint, ReadCheckpoint, DiffCheckpoint, RestoreCheckpoint,
               DeleteCheckpoint, Chunk, Done>;

}  // namespace toren::ipc
