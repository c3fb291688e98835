// `if_version`: a change is made only where the file is the one that the client has seen.
//
// A check before the change would leave a moment in between, so the change is made first and what it displaced is
// looked at: rename without replacing for "no file", an exchange of the two names for a version. What came out is
// compared but for its ctime, which the exchange itself moves; the ctime is compared just before. If it is not the one
// that the tag names, the names are exchanged back, and nothing is lost: between the two exchanges, a few microseconds,
// a reader sees the new file. What stays open: a change of content within that moment before the exchange that keeps
// size and mtime, which takes a utimensat at the right time; and that a power cut between the two exchanges leaves the
// displaced file under our temporary name.
#pragma once

#include <string>

#include "base/result.h"
#include "ipc/messages.h"
#include "workers/service_channel.h"

namespace toren::workers {

// Whether it holds at this moment for a name. Enough by itself only where whoever could change it waits for us.
Result<bool> holds(int folder, const std::string& name, const ipc::Condition& condition);

// kChanged, with the facts of what is there.
Refusal changed(int folder, const std::string& name, const std::string& path);

// rename that never replaces: EEXIST. On file systems that do not know how, by a link, which does not replace either.
Result<> rename_new(int from_folder, const std::string& from, int to_folder, const std::string& to);

// Puts `temporary` in the place of `name`, both in `folder`; false where the condition does not hold. `temporary` is
// empty afterwards where nothing of the caller's is under it any more.
Result<bool> put_in_place(int folder, std::string& temporary, const std::string& name, const ipc::Condition& condition);

}  // namespace toren::workers
