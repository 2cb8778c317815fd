//===- Choice.cpp - One sequence's answer as it grows ---------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/server/Choice.h"

#include <iterator>

namespace tenon::server {

Choice::Choice(const text::Tokenizer &tokenizer, Options o)
    : stream(tokenizer, o.skipSpecial), stops(o.stop), options(std::move(o)) {}

bool Choice::take(SequenceEvent &event) {
  if (ended != End::None)
    return false;
  ++count;
  bool found = false;
  if (event.finish != generate::FinishReason::Stop) {
    if (options.keepTokens)
      details.push_back(
          {event.token, event.logprob, written + delta.size(), std::move(event.alternatives)});
    if (count < options.minNewTokens)
      delta += stream.push(event.token);
    else
      found = stops.push(stream.push(event.token), delta);
  }
  if (found) {
    ended = End::Stop;
    return event.finish == generate::FinishReason::None;
  }
  if (event.finish == generate::FinishReason::None)
    return false;
  found = stops.push(stream.finish(), delta);
  stops.finish(delta);
  ended = found || event.finish == generate::FinishReason::Stop ? End::Stop : End::Length;
  return false;
}

std::string Choice::takeDelta() {
  written += delta.size();
  return std::exchange(delta, {});
}

std::vector<TokenDetail> Choice::takeDetails() {
  std::vector<TokenDetail> fresh(std::make_move_iterator(details.begin() + ptrdiff_t(reported)),
                                 std::make_move_iterator(details.end()));
  reported = details.size();
  return fresh;
}

} // namespace tenon::server
