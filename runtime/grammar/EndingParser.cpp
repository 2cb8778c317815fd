//===- EndingParser.cpp - How an answer could end from here ---------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/grammar/EndingParser.h"

#include <algorithm>

namespace tenon::grammar {

using xgrammar::ParserState;

EndingParser::EndingParser(const xgrammar::Grammar &grammar, std::shared_ptr<const ShortestEnds> e)
    : EarleyParser(grammar), ends(std::move(e)) {}

bool EndingParser::read(std::string_view text) {
  for (size_t i = 0; i < text.size(); ++i)
    if (!Advance(static_cast<uint8_t>(text[i]))) {
      unread(i);
      return false;
    }
  return true;
}

void EndingParser::unread(size_t bytes) {
  if (bytes > 0)
    PopLastStates(static_cast<int32_t>(bytes));
}

static uint64_t keyOf(int32_t rule, int32_t start) {
  return uint64_t(uint32_t(rule)) << 32 | uint32_t(start);
}

static uint32_t sum(uint32_t a, uint64_t b) {
  return a == ShortestEnds::kNever || b >= ShortestEnds::kNever
             ? ShortestEnds::kNever
             : uint32_t(std::min<uint64_t>(a + b, ShortestEnds::kNever - 1));
}

/// Takes it up unless the same rule is known to end as early.
void EndingParser::reach(const Begun &b) {
  if (b.least == ShortestEnds::kNever)
    return;
  const auto [at, fresh] = leastOf.emplace(keyOf(b.rule, b.start), b.least);
  if (!fresh && at->second <= b.least)
    return;
  at->second = b.least;
  queue.push({b.least, int32_t(begun.size())});
  begun.push_back(b);
}

int32_t EndingParser::search() {
  begun.clear();
  leastOf.clear();
  queue = {};
  const auto row = scanable_state_history_[scanable_state_history_.size() - 1];
  for (int32_t i = 0; i < row.data_len; ++i) {
    const ParserState &s = row[i];
    reach({s.rule_id, s.rule_start_pos, ends->fromState(s.rule_id, s.element_id), s.element_id, -1,
           0, -1});
  }
  while (!queue.empty()) { // Dijkstra's order.
    const auto [least, nearest] = queue.top();
    queue.pop();
    const Begun b = begun[size_t(nearest)];
    if (least > leastOf[keyOf(b.rule, b.start)])
      continue;
    if (b.start == ParserState::kNoPrevInputPos)
      return nearest;
    const auto asked = rule_id_to_completable_states_[b.start];
    for (int32_t i = 0; i < asked.data_len; ++i) {
      const auto &[rule, place] = asked[i];
      if (rule != b.rule)
        continue;
      // Either the place stands behind the rule already, or before an edge that wants it several
      // times.
      Begun next{place.rule_id, place.rule_start_pos, b.least, place.element_id, -1, 0, nearest};
      for (const auto &edge :
           grammar_->per_rule_fsms[size_t(place.rule_id)]->GetFsm().GetFsm().GetEdges(
               place.element_id)) {
        if (!edge.IsRepeatRef())
          continue;
        const auto repeat = grammar_->complete_fsm.GetRepeatEdgeInfo(edge.GetAuxIndex());
        if (repeat.RuleId() != rule)
          continue;
        next.state = edge.target;
        next.repeated = rule;
        next.times = uint32_t(std::max(0, repeat.Lower() - place.repeat_count - 1));
        break;
      }
      if (next.times > 0)
        next.least = sum(next.least, uint64_t(next.times) * ends->ofRule(rule));
      next.least = sum(next.least, ends->fromState(next.rule, next.state));
      reach(next);
    }
  }
  return -1;
}

uint32_t EndingParser::leastBytes() {
  if (IsCompleted())
    return 0;
  const int32_t last = search();
  return last < 0 ? ShortestEnds::kNever : begun[size_t(last)].least;
}

std::string EndingParser::ending() {
  std::string text;
  if (IsCompleted())
    return text;
  std::vector<int32_t> path; // The outermost first.
  for (int32_t i = search(); i >= 0; i = begun[size_t(i)].inner)
    path.push_back(i);
  for (size_t i = path.size(); i-- > 0;) {
    const Begun &b = begun[size_t(path[i])];
    for (uint32_t n = 0; n < b.times; ++n)
      ends->appendRule(b.repeated, text);
    ends->appendFrom(b.rule, b.state, text);
  }
  return text;
}

} // namespace tenon::grammar
