// The v1 protocol on /ws. For sources that know Beast already: the stream comes with the request that upgrades it.
#pragma once

#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>

#include "broker/broker.h"
#include "broker/client_stream.h"

namespace toren::broker {

void serve_websocket(Broker& broker, ClientStream stream,
                     boost::beast::http::request<boost::beast::http::string_body> request);

}  // namespace toren::broker
