//===- ReceivedRequest.h - A message that came, as a request ----*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_SERVER_RECEIVEDREQUEST_H
#define TENON_RUNTIME_SERVER_RECEIVEDREQUEST_H

#include "runtime/server/HttpMessage.h"

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>

namespace tenon::server {

/// What handlers are given of `message`, which has just come whole over `socket`.
RequestPtr receivedRequest(boost::beast::http::request<boost::beast::http::string_body> &&message,
                           const boost::asio::ip::tcp::socket &socket);

} // namespace tenon::server

#endif // TENON_RUNTIME_SERVER_RECEIVEDREQUEST_H
