// Operations on files whose handlers stand in files of their own.
#pragma once

#include "broker/operation.h"

namespace toren::broker {

// file_content.cpp
Task<Outcome<Reply>> download_file(Call& call);
Task<Outcome<Reply>> upload_file(Call& call);
// file_search.cpp
Task<Outcome<Reply>> search_files(Call& call);
// file_streams.cpp
Task<Outcome<Reply>> archive_folder(Call& call);
Task<Outcome<Reply>> watch_folder(Call& call);

}  // namespace toren::broker
