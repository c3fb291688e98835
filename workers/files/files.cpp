#include "workers/files/files.h"

#include <unistd.h>

#include "base/log.h"
#include "workers/files/operations.h"

namespace toren::workers {
namespace {

template <typename Request, Answer (*serve)(Call&, const Request&)>
Answer decode(Call& call, const ipc::Packet& packet) {
    const auto request = packet.as<Request>();
    if (!request) malformed_request();
    return serve(call, *request);
}

struct Row {
    ipc::Type type;
    Answer (*serve)(Call&, const ipc::Packet&);
};

template <typename Request, Answer (*serve)(Call&, const Request&)>
constexpr Row row() {
    return {Request::kType, decode<Request, serve>};
}

constexpr Row kRows[] = {
    row<ipc::StatFile, stat_file>(),           row<ipc::ReadFile, read_file>(),
    row<ipc::OpenFile, open_file>(),           row<ipc::WriteFile, write_file>(),
    row<ipc::AppendFile, append_file>(),       row<ipc::EditFile, edit_file>(),
    row<ipc::ListFolder, list_folder>(),       row<ipc::MakeFolder, make_folder>(),
    row<ipc::MakeSymlink, make_symlink>(),     row<ipc::MovePath, move_path>(),
    row<ipc::CopyPath, copy_path>(),           row<ipc::DeletePath, delete_path>(),
    row<ipc::BeginUpload, begin_upload>(),     row<ipc::AppendUpload, append_upload>(),
    row<ipc::StatUpload, stat_upload>(),       row<ipc::FinishUpload, finish_upload>(),
    row<ipc::AbortUpload, abort_upload>(),     row<ipc::WatchFolder, watch_folder>(),
    row<ipc::ArchiveFolder, archive_folder>(),
};

}  // namespace

void malformed_request() {
    log_error("the broker sent a malformed request");
    ::_exit(1);
}

bool take_content(Call& call, const std::function<void(std::string_view)>& take) {
    while (const auto packet = call.channel.next()) {
        const auto chunk = packet->as<ipc::Chunk>();
        if (!chunk) malformed_request();
        if (chunk->bytes.empty()) return true;
        take(chunk->bytes);
    }
    return false;
}

Answer Files::serve(ServiceChannel& channel, const ipc::Packet& request) {
    Call call{channel, segment_.get()};
    for (const Row& served : kRows)
        if (served.type == request.type) return served.serve(call, request);
    malformed_request();
}

}  // namespace toren::workers
