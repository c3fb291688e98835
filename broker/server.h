// Accepts on the inherited listeners.
#pragma once

#include "base/unique_fd.h"
#include "broker/broker.h"

namespace toren::broker {

void accept_on(Broker& broker, UniqueFd listener);

}  // namespace toren::broker
