//===- Mailbox.cpp - From engine threads to an I/O thread -----------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/server/Mailbox.h"

#include <algorithm>
#include <iterator>

namespace tenon::server {

void Mailbox::deliver(std::vector<Delivery> &events) {
  if (events.empty())
    return;
  bool first;
  {
    const std::lock_guard lock(mutex);
    first = arrived.empty();
    if (first)
      arrived.swap(events);
    else
      std::move(events.begin(), events.end(), std::back_inserter(arrived));
  }
  events.clear();
  if (first)
    wake();
}

void Mailbox::post(std::function<void()> task) {
  {
    const std::lock_guard lock(mutex);
    posted.push_back(std::move(task));
  }
  wake();
}

void Mailbox::drain() {
  std::vector<std::function<void()>> tasks;
  {
    const std::lock_guard lock(mutex);
    reading.swap(arrived);
    tasks.swap(posted);
  }
  for (const auto &task : tasks)
    task();
  for (Delivery &d : reading)
    d.receiver->onEvent(d.event);
  // A receiver with several sequences has several events in a batch and is told its end once.
  std::sort(reading.begin(), reading.end(), [](const Delivery &a, const Delivery &b) {
    return std::less<>()(a.receiver.get(), b.receiver.get());
  });
  for (size_t i = 0; i < reading.size(); ++i)
    if (i + 1 == reading.size() || reading[i + 1].receiver != reading[i].receiver)
      reading[i].receiver->onBatchEnd();
  reading.clear();
}

} // namespace tenon::server
