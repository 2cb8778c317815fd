//===- TinyAnswers.h - The toy model's answers ------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_TEST_SERVER_TINYANSWERS_H
#define TENON_TEST_SERVER_TINYANSWERS_H

#include "runtime/server/Mailbox.h"
#include "test/runtime/TinyEngine.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <numeric>
#include <vector>

namespace tenon::test {

/// What the toy model says.
inline std::vector<int32_t> expected(std::vector<int32_t> tokens, size_t count) {
  const size_t prompt = tokens.size();
  for (size_t i = 0; i < count; ++i)
    tokens.push_back(std::accumulate(tokens.begin(), tokens.end(), 0) % int32_t(kTinyVocabulary));
  return {tokens.begin() + ptrdiff_t(prompt), tokens.end()};
}

inline std::vector<int32_t> promptOf(uint32_t length, int32_t salt) {
  std::vector<int32_t> prompt(length);
  for (uint32_t i = 0; i < length; ++i)
    prompt[i] = int32_t((i * 7 + uint32_t(salt) * 5 + 1) % kTinyVocabulary);
  return prompt;
}

/// Collects a job's events; may be asked from any thread.
class Collect : public server::Receiver {
public:
  explicit Collect(size_t sequences) : answers(sequences), last(sequences) {}

  void onEvent(server::SequenceEvent &event) override {
    const std::lock_guard lock(mutex);
    if (event.kind == server::SequenceEvent::Kind::Token)
      answers[event.sequence].push_back(event.token);
    if (event.kind == server::SequenceEvent::Kind::PromptToken)
      prompt.push_back(event.token);
    cached = std::max(cached, event.cachedTokens);
    preemptions += event.preemptions;
    if (event.isLast()) {
      last[event.sequence] = event;
      ++over;
    }
    ++events;
    changed.notify_all();
  }
  void onBatchEnd() override {}

  bool waitOver(size_t count) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, std::chrono::seconds(60), [&] { return over >= count; });
  }

  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::vector<int32_t>> answers;
  std::vector<server::SequenceEvent> last;
  std::vector<int32_t> prompt;
  size_t over = 0, events = 0;
  uint32_t cached = 0, preemptions = 0;
};

} // namespace tenon::test

#endif // TENON_TEST_SERVER_TINYANSWERS_H
