// Every operation there is: what clients can ask for has a row in one of these tables.
#include <vector>

#include "broker/operation.h"

namespace toren::broker {
namespace {

constexpr std::span<const Operation> (*kTables[])() = {segment_operations, file_operations,      upload_operations,
                                                       process_operations, vcs_operations,       vcs_change_operations,
                                                       jj_operations,      workspace_operations, checkpoint_operations};

std::vector<Operation> all_of_them() {
    std::vector<Operation> all;
    for (const auto table : kTables)
        for (const Operation& operation : table()) all.push_back(operation);
    return all;
}

}  // namespace

std::span<const Operation> operations() {
    static const std::vector<Operation> all = all_of_them();
    return all;
}

}  // namespace toren::broker
