// Whose a socket in a tree is: one bound in this network namespace belongs to the cell, any other to the host.
#pragma once

#include "base/result.h"

namespace toren {

// `fd` names the socket (O_PATH). The kernel's answer (sock_diag), not the text that the binder gave as its address.
Result<bool> bound_in_this_namespace(int fd);

}  // namespace toren
