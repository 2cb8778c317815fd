//===- HttpFraming.h - Where a request ends ---------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// Two servers in a row that disagree about where a request ends let a client smuggle a second one
// past the first of them (CWE-444). What RFC 9112 leaves to a server's taste is refused here.
//
#ifndef TENON_RUNTIME_SERVER_HTTPFRAMING_H
#define TENON_RUNTIME_SERVER_HTTPFRAMING_H

#include <boost/beast/http/fields.hpp>
#include <boost/beast/http/message.hpp>

#include <string_view>

namespace tenon::server {

/// What is wrong with the lines that say where the request ends and for whom it is (RFC 9112,
/// sections 3.2, 6.1 and 6.3); empty if nothing is. Words for "The request is not valid HTTP
/// (...)".
std::string_view framingFault(const boost::beast::http::request_header<> &header);

/// The part of a target that names the resource: without scheme and authority, as proxies send
/// them, and without the query. In the bytes of `target`.
std::string_view pathOf(std::string_view target);

} // namespace tenon::server

#endif // TENON_RUNTIME_SERVER_HTTPFRAMING_H
