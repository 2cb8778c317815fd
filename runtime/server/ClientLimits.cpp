//===- ClientLimits.cpp - No client takes all places ----------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/server/ClientLimits.h"

namespace tenon::server {

/// One request's place.
class ClientLimits::Place {
public:
  Place(ClientLimits &limits, std::string client) : limits(limits), client(std::move(client)) {}
  ~Place() { leave(); }
  /// Only the first call counts. One thread: that of the connection.
  void leave() {
    if (taken)
      limits.leave(client);
    taken = false;
  }

private:
  ClientLimits &limits;
  const std::string client;
  bool taken = true;
};

/// Gives the place back before the last bytes go out: a client that has its answer may ask again at
/// once.
class ClientLimits::Counted : public Responder {
public:
  Counted(std::shared_ptr<Place> place, ResponderPtr inner)
      : place(std::move(place)), inner(std::move(inner)) {}

  void respond(const HttpHead &head, std::string_view body) override {
    place->leave();
    inner->respond(head, body);
  }
  void beginStream(const HttpHead &head) override { inner->beginStream(head); }
  void write(std::string_view part) override { inner->write(part); }
  void endStream() override {
    place->leave();
    inner->endStream();
  }
  void onGone(std::function<void()> callback) override {
    inner->onGone([place = place, callback = std::move(callback)] {
      place->leave();
      callback();
    });
  }
  Mailbox &mailbox() override { return inner->mailbox(); }

private:
  const std::shared_ptr<Place> place;
  const ResponderPtr inner;
};

ResponderPtr ClientLimits::admit(const std::string &client, const ResponderPtr &responder) {
  if (most == 0)
    return responder;
  {
    const std::lock_guard lock(mutex);
    uint32_t &count = active[client];
    if (count >= most)
      return nullptr;
    ++count;
  }
  return std::make_shared<Counted>(std::make_shared<Place>(*this, client), responder);
}

void ClientLimits::leave(const std::string &client) {
  const std::lock_guard lock(mutex);
  const auto at = active.find(client);
  if (at != active.end() && --at->second == 0)
    active.erase(at);
}

size_t ClientLimits::activeClients() const {
  const std::lock_guard lock(mutex);
  return active.size();
}

} // namespace tenon::server
