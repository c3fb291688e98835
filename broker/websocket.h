// The WebSockets: v1 on /ws, v2 on /v2/ws. For sources that know Beast already: the stream comes with the request that
// upgrades it.
#pragma once

#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <optional>

#include "broker/broker.h"
#include "broker/client_stream.h"

namespace toren::broker {

struct SocketRequest {
    boost::beast::http::request<boost::beast::http::string_body> upgrade;
    int version = 1;
    std::optional<Identity> identity = {};  // of v2, where the upgrade carried a token or none is needed
};

void serve_websocket(Broker& broker, ClientStream stream, SocketRequest request);

}  // namespace toren::broker
