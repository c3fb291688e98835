// The operations of the files worker, one file each; the table in files.cpp says which message asks for which.
#pragma once

#include <string>

#include "ipc/messages.h"
#include "workers/service_channel.h"

namespace toren::workers {

// Whom to answer, and the folder beneath which every path is.
struct Call {
    ServiceChannel& channel;
    int segment;
};

Answer stat_file(Call& call, const ipc::StatFile& request);
Answer read_file(Call& call, const ipc::ReadFile& request);
Answer open_file(Call& call, const ipc::OpenFile& request);
Answer write_file(Call& call, const ipc::WriteFile& request);
Answer append_file(Call& call, const ipc::AppendFile& request);
Answer edit_file(Call& call, const ipc::EditFile& request);
Answer list_folder(Call& call, const ipc::ListFolder& request);
Answer make_folder(Call& call, const ipc::MakeFolder& request);
Answer make_symlink(Call& call, const ipc::MakeSymlink& request);
Answer move_path(Call& call, const ipc::MovePath& request);
Answer copy_path(Call& call, const ipc::CopyPath& request);
Answer delete_path(Call& call, const ipc::DeletePath& request);
Answer begin_upload(Call& call, const ipc::BeginUpload& request);
Answer append_upload(Call& call, const ipc::AppendUpload& request);
Answer stat_upload(Call& call, const ipc::StatUpload& request);
Answer finish_upload(Call& call, const ipc::FinishUpload& request);
Answer abort_upload(Call& call, const ipc::AbortUpload& request);
Answer watch_folder(Call& call, const ipc::WatchFolder& request);
Answer archive_folder(Call& call, const ipc::ArchiveFolder& request);

// A broker that breaks the conversation's form ends the worker.
[[noreturn]] void malformed_request();

// Gives each part of the content that follows a request to `take`, to the last, so that the conversation stays in step
// whatever becomes of it. False: the broker has gone in the middle.
bool take_content(Call& call, const std::function<void(std::string_view)>& take);

}  // namespace toren::workers

// SERVE_TRY(expression), SERVE_ASSIGN(target, expression): TRY and TRY_ASSIGN in a function that returns an Answer.
#define SERVE_TRY(expression)                                                                                        \
    do {                                                                                                             \
        if (auto serve_result = (expression); !serve_result) return ::toren::workers::refusal(serve_result.error()); \
    } while (false)
#define SERVE_ASSIGN(target, expression)                                               \
    auto TOREN_JOIN(serve_result_, __LINE__) = (expression);                           \
    if (!TOREN_JOIN(serve_result_, __LINE__))                                          \
        return ::toren::workers::refusal(TOREN_JOIN(serve_result_, __LINE__).error()); \
    target = std::move(*TOREN_JOIN(serve_result_, __LINE__))
