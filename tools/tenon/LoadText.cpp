//===- LoadText.cpp - Prompts that are pieces of a text -------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "tools/tenon/LoadText.h"

#include "runtime/base/FileMapping.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <boost/json.hpp>
#include <fmt/core.h>

namespace tenon::tool {

namespace asio = boost::asio;
using asio::ip::tcp;

/// Head and body of the answer to one request, read until the server closes. NotFound if nothing
/// listens there.
static StatusOr<std::string> ask(const LoadPlan &plan, const std::string &path,
                                 const std::string &body) {
  boost::system::error_code error;
  const auto address =
      asio::ip::make_address(plan.host == "localhost" ? "127.0.0.1" : plan.host, error);
  if (error)
    return Status::invalidArgument("--host " + plan.host + ": an IP address is wanted");
  asio::io_context io{1};
  tcp::socket socket(io);
  socket.connect({address, plan.port}, error);
  if (error)
    return Status::notFound(
        fmt::format("{}:{}: {}; is the server running?", plan.host, plan.port, error.message()));
  std::string request = fmt::format(
      "POST {} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-type: application/json\r\n"
      "content-length: {}\r\n",
      path, plan.host, body.size());
  if (!plan.apiKey.empty())
    request += "authorization: Bearer " + plan.apiKey + "\r\n";
  asio::write(socket, asio::buffer(request + "\r\n" + body), error);
  std::string answer;
  if (!error)
    asio::read(socket, asio::dynamic_buffer(answer), error);
  if (error && error != asio::error::eof)
    return Status::notFound(
        fmt::format("{}:{}: the connection ended: {}", plan.host, plan.port, error.message()));
  return answer;
}

StatusOr<std::vector<uint32_t>> tokenizeByServer(const LoadPlan &plan, const std::string &path) {
  const auto text = readTextFile(path);
  if (!text)
    return Status(text.status().code(), "--text " + text.status().message());
  auto answer = ask(plan, "/tokenize",
                    boost::json::serialize(boost::json::object{
                        {"model", plan.model}, {"prompt", *text}, {"add_special_tokens", false}}));
  if (!answer)
    return answer.status();
  const size_t head = answer->find("\r\n\r\n");
  boost::system::error_code error;
  const boost::json::value value =
      head == answer->npos ? boost::json::value()
                           : boost::json::parse(std::string_view(*answer).substr(head + 4), error);
  const boost::json::value *tokens =
      value.is_object() ? value.get_object().if_contains("tokens") : nullptr;
  if (error || !tokens || !tokens->is_array())
    return Status::unsupported(fmt::format(
        "--text needs the server's /tokenize, which answered: {}", answer->substr(0, 300)));
  std::vector<uint32_t> ids;
  for (const boost::json::value &token : tokens->get_array())
    if (token.is_int64())
      ids.push_back(static_cast<uint32_t>(token.get_int64()));
  if (ids.empty())
    return Status::invalidArgument("--text " + path + ": the text has no tokens");
  return ids;
}

} // namespace tenon::tool
