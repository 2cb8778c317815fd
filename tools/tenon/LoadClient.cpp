//===- LoadClient.cpp - Asks a server and watches the clock ---------------===//
// SPDX-License-Identifier: Apache-2.0

#include "tools/tenon/LoadClient.h"

#include "runtime/base/Clock.h"

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <fmt/core.h>

#include <array>
#include <charconv>
#include <memory>
#include <random>

namespace tenon::tool {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

/// With a space before, each is one token in the usual English vocabularies.
constexpr std::string_view kWords[] = {
    "time",  "people", "water", "world", "house", "small", "great", "night", "under",
    "again", "never",  "place", "right", "think", "three", "story", "light", "music",
    "young", "black",  "paper", "group", "green", "river", "money", "field", "table",
    "heart", "voice",  "human", "early", "power", "south", "north", "point", "stand"};

/// Number after `"name":` in an event; 0 if it is not there. The event's own JSON is not parsed: at
/// high rates that would measure the client.
uint32_t numberAfter(std::string_view event, std::string_view name) {
  const size_t at = event.find(name);
  uint32_t value = 0;
  if (at != std::string_view::npos)
    std::from_chars(event.data() + at + name.size(), event.data() + event.size(), value);
  return value;
}

class Load;

/// One connection and the request on it.
class Client : public std::enable_shared_from_this<Client> {
public:
  Client(Load &load) : load(load), socket(context()) {}
  void ask(size_t index);

private:
  asio::io_context &context();
  void send();
  void read();
  void onBytes(size_t count);
  bool readHead();
  void readChunks();
  void readEvents();
  void finish(std::string error);

  Load &load;
  tcp::socket socket;
  size_t index = 0;
  double began = 0;
  std::string request, raw, text;
  std::array<char, 16384> buffer;
  size_t chunkLeft = 0;
  bool headRead = false, chunked = false, ended = false, connected = false, fresh = false;
  size_t bodyLeft = 0;
};

class Load {
public:
  Load(const LoadPlan &plan, const tcp::endpoint &server)
      : plan(plan), server(server), results(plan.requests.size()), random(plan.seed) {
    for (uint32_t i = 0; i < plan.sharedPrefix; ++i)
      appendToken(prefix);
  }

  void run() {
    start = nowNanos();
    if (plan.clients) {
      for (uint32_t i = 0; i < plan.clients && next < results.size(); ++i)
        std::make_shared<Client>(*this)->ask(next++);
    } else {
      for (size_t i = 0; i < results.size(); ++i) {
        auto timer = std::make_shared<asio::steady_timer>(io);
        timer->expires_after(std::chrono::duration_cast<std::chrono::nanoseconds>(
            std::chrono::duration<double>(plan.requests[i].atSeconds)));
        timer->async_wait([this, i, timer](boost::system::error_code) {
          std::make_shared<Client>(*this)->ask(i);
        });
      }
    }
    io.run();
  }

  double now() const { return double(nowNanos() - start) * 1e-9; }
  uint32_t nextId() {
    return plan.text.empty() ? 100 + uint32_t(random() % plan.vocabulary) : plan.text[place++];
  }

  std::string bodyOf(const LoadRequest &r) {
    // Of a field that is there twice, JSON readers take the last; what must not be overwritten
    // comes last.
    std::string body = R"({"temperature":0,"ignore_eos":true,)";
    if (!plan.moreFields.empty())
      body += plan.moreFields + ",";
    fmt::format_to(
        std::back_inserter(body),
        R"("model":"{}","stream":true,"stream_options":{{"include_usage":true}},"max_tokens":{},"prompt":{})",
        plan.model, r.newTokens, plan.words ? '"' : '[');
    const uint32_t shared = plan.sharedPrefix <= r.promptTokens ? plan.sharedPrefix : 0;
    if (shared)
      body += prefix;
    const uint32_t own = r.promptTokens - shared;
    if (!plan.text.empty())
      place = random() % (plan.text.size() - own + 1);
    for (uint32_t i = 0; i < own; ++i)
      appendToken(body);
    if (plan.words)
      body += '"';
    else
      body.back() = ']';
    body += '}';
    return body;
  }

  void appendToken(std::string &out) {
    if (plan.words)
      (out += ' ') += kWords[random() % std::size(kWords)];
    else
      fmt::format_to(std::back_inserter(out), "{},", nextId());
  }

  const LoadPlan &plan;
  const tcp::endpoint server;
  asio::io_context io{1};
  std::vector<LoadResult> results;
  size_t next = 0;

private:
  std::mt19937_64 random;
  size_t place = 0; ///< In the text.
  std::string prefix;
  uint64_t start = 0;
};

asio::io_context &Client::context() { return load.io; }

void Client::ask(size_t i) {
  index = i;
  const std::string body = load.bodyOf(load.plan.requests[i]);
  request = fmt::format("POST {} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\n"
                        "content-length: {}\r\n",
                        load.plan.path, load.plan.host, body.size());
  if (!load.plan.apiKey.empty())
    request += "authorization: Bearer " + load.plan.apiKey + "\r\n";
  request += "\r\n" + body;
  raw.clear();
  text.clear();
  headRead = ended = chunked = false;
  chunkLeft = bodyLeft = 0;
  began = load.now();
  load.results[i].sent = began;
  fresh = !connected;
  if (connected)
    return send();
  socket.async_connect(load.server, [self = shared_from_this()](boost::system::error_code error) {
    if (error)
      return self->finish("cannot connect: " + error.message());
    boost::system::error_code ignored;
    self->socket.set_option(tcp::no_delay(true), ignored);
    self->connected = true;
    self->send();
  });
}

void Client::send() {
  asio::async_write(socket, asio::buffer(request),
                    [self = shared_from_this()](boost::system::error_code error, size_t) {
                      if (error)
                        self->finish("cannot send: " + error.message());
                      else
                        self->read();
                    });
}

void Client::read() {
  socket.async_read_some(asio::buffer(buffer), [self = shared_from_this()](
                                                   boost::system::error_code error, size_t count) {
    if (error)
      return self->finish("the connection ended: " + error.message());
    self->onBytes(count);
  });
}

void Client::onBytes(size_t count) {
  raw.append(buffer.data(), count);
  if (!headRead && !readHead())
    return read();
  if (chunked)
    readChunks();
  else if (raw.size() >= bodyLeft)
    ended = true;
  readEvents();
  if (!ended)
    return read();
  LoadResult &r = load.results[index];
  if (r.tokens == 0) // Not every server tells its usage.
    r.tokens = r.events;
  r.good = r.status == 200 && r.tokens > 0;
  finish(r.good ? "" : raw.substr(0, 300));
}

bool Client::readHead() {
  const size_t end = raw.find("\r\n\r\n");
  if (end == std::string::npos)
    return false;
  const std::string_view head(raw.data(), end);
  LoadResult &r = load.results[index];
  r.status = static_cast<int>(numberAfter(head, "HTTP/1.1 "));
  chunked = head.find("transfer-encoding: chunked") != std::string_view::npos ||
            head.find("Transfer-Encoding: chunked") != std::string_view::npos;
  bodyLeft = std::max(numberAfter(head, "content-length: "), numberAfter(head, "Content-Length: "));
  raw.erase(0, end + 4);
  headRead = true;
  return true;
}

/// Takes chunks apart; their bytes go to `text`.
void Client::readChunks() {
  size_t at = 0;
  while (!ended) {
    if (chunkLeft == 0) {
      const size_t line = raw.find("\r\n", at);
      if (line == std::string::npos)
        break;
      if (line == at) { // The end of the chunk before.
        at += 2;
        continue;
      }
      std::from_chars(raw.data() + at, raw.data() + line, chunkLeft, 16);
      at = line + 2;
      ended = chunkLeft == 0;
      continue;
    }
    const size_t take = std::min(chunkLeft, raw.size() - at);
    text.append(raw, at, take);
    std::erase(text, '\r'); // Some servers end the lines of events so; JSON has none.
    at += take;
    chunkLeft -= take;
    if (chunkLeft)
      break;
  }
  raw.erase(0, ended ? raw.size() : at);
}

void Client::readEvents() {
  LoadResult &r = load.results[index];
  size_t at = 0;
  for (size_t end; (end = text.find("\n\n", at)) != std::string::npos; at = end + 2) {
    const std::string_view event = std::string_view(text).substr(at, end - at);
    if (const uint32_t tokens = numberAfter(event, "\"completion_tokens\":")) {
      r.tokens = tokens;
      r.cachedTokens = numberAfter(event, "\"cached_tokens\":");
    }
    if (event.find("\"text\":\"") == std::string_view::npos &&
        event.find("\"text\": \"") == std::string_view::npos)
      continue;
    ++r.events;
    const double now = load.now() - began;
    if (r.first == 0)
      r.first = now;
    else
      r.between.push_back(static_cast<float>(now - r.last));
    r.last = now;
  }
  text.erase(0, at);
}

void Client::finish(std::string error) {
  load.results[index].error = std::move(error);
  if (!load.results[index].good) {
    boost::system::error_code ignored;
    socket.close(ignored);
    connected = false;
  }
  if (load.plan.clients && load.next < load.results.size())
    ask(load.next++);
}

} // namespace

StatusOr<std::vector<LoadResult>> runLoad(const LoadPlan &plan, double &seconds) {
  boost::system::error_code error;
  const asio::ip::address address =
      asio::ip::make_address(plan.host == "localhost" ? "127.0.0.1" : plan.host, error);
  if (error)
    return Status::invalidArgument("--host " + plan.host + ": an IP address is wanted");
  const tcp::endpoint server(address, plan.port);
  Load load(plan, server);
  {
    tcp::socket probe(load.io);
    probe.connect(server, error);
    if (error)
      return Status::notFound(
          fmt::format("{}:{}: {}; is the server running?", plan.host, plan.port, error.message()));
  }
  const Stopwatch watch;
  load.run();
  seconds = watch.seconds();
  return std::move(load.results);
}

} // namespace tenon::tool
