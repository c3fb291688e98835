// Writing a file whole.
#include <optional>

#include "workers/files/atomic_write.h"
#include "workers/files/condition.h"
#include "workers/files/facts.h"
#include "workers/files/operations.h"

namespace toren::workers {

Answer write_file(Call& call, const ipc::WriteFile& request) {
    // Where a version must be there, so must its folder.
    const bool create_parents = request.create_parents && request.condition.kind != ipc::Condition::Kind::kVersion;
    auto file = AtomicWrite::begin(call.segment, request.path, create_parents, request.mode);
    std::optional<Refusal> refused;
    const auto note = [&](const auto& result) {
        if (!result && !refused) refused = refusal(result.error());
    };
    note(file);
    const bool whole = take_content(call, [&](std::string_view bytes) {
        if (!refused) note(file->write(bytes));
    });
    if (!whole) return Refusal{ipc::Failure::kOther, "the broker has gone"};  // and the temporary file with it
    if (refused) return *refused;
    SERVE_ASSIGN(const bool held, file->commit(request.condition));
    if (!held) return changed(file->place().folder.get(), file->place().name, request.path);
    SERVE_ASSIGN(const auto facts, facts_of_open(file->file()));
    return reply(facts);
}

}  // namespace toren::workers
