//===- ShortestEnds.cpp - How far a grammar's states are from an end ------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/grammar/ShortestEnds.h"

#include <algorithm>
#include <functional>
#include <queue>
#include <utility>

namespace tenon::grammar {

using xgrammar::FSMEdge;

/// `from` is as far as `to` and what lies between: `times` bytes, or `times` texts of a rule.
struct ShortestEnds::Step {
  uint32_t from, to;
  int32_t edge;
  int32_t rule; ///< -1: bytes.
  uint32_t times;
};

namespace {
/// The numbers below `count`, grouped by a key below `rows`; those with a negative key belong to no
/// group.
struct Groups {
  std::vector<uint32_t> starts, items;

  template <typename Key> Groups(size_t rows, size_t count, Key key) : starts(rows + 1) {
    for (uint32_t i = 0; i < count; ++i)
      if (const int64_t row = key(i); row >= 0)
        ++starts[size_t(row) + 1];
    for (size_t row = 0; row < rows; ++row)
      starts[row + 1] += starts[row];
    items.resize(starts[rows]);
    std::vector<uint32_t> next(starts.begin(), starts.end() - 1);
    for (uint32_t i = 0; i < count; ++i)
      if (const int64_t row = key(i); row >= 0)
        items[next[size_t(row)]++] = i;
  }
  template <typename Visitor> void forEach(size_t row, Visitor &&visit) const {
    for (uint32_t i = starts[row]; i < starts[row + 1]; ++i)
      visit(items[i]);
  }
};
} // namespace

ShortestEnds::ShortestEnds(const xgrammar::Grammar &g) : grammar(g), rules(size_t(g->NumRules())) {
  std::vector<int32_t> reached, pending;
  std::vector<bool> seen(size_t(grammar->complete_fsm.NumStates()));
  for (size_t r = 0; r < rules.size(); ++r) {
    rules[r].first = nodes.size();
    if (!grammar->per_rule_fsms[r])
      continue;
    const auto &fsm = grammar->per_rule_fsms[r]->GetFsm();
    pending.assign(1, fsm.GetStart());
    reached.assign(1, fsm.GetStart());
    seen[size_t(fsm.GetStart())] = true;
    while (!pending.empty()) {
      const int32_t state = pending.back();
      pending.pop_back();
      for (const FSMEdge &edge : fsm.GetFsm().GetEdges(state))
        if (!seen[size_t(edge.target)]) {
          seen[size_t(edge.target)] = true;
          reached.push_back(edge.target);
          pending.push_back(edge.target);
        }
    }
    std::sort(reached.begin(), reached.end());
    for (int32_t state : reached) {
      seen[size_t(state)] = false;
      nodes.push_back({state, kNever, -1});
    }
    rules[r].count = reached.size();
  }
  search();
}

void ShortestEnds::search() {
  std::vector<Step> steps;
  std::vector<uint32_t> starts(rules.size(), UINT32_MAX); // Nodes of the rules' starts.
  std::vector<int32_t> starting(nodes.size(), -1);        // And back.
  std::priority_queue<std::pair<uint32_t, uint32_t>, std::vector<std::pair<uint32_t, uint32_t>>,
                      std::greater<>>
      queue;
  for (size_t r = 0; r < rules.size(); ++r) {
    if (!grammar->per_rule_fsms[r])
      continue;
    const auto &fsm = grammar->per_rule_fsms[r]->GetFsm();
    for (size_t n = rules[r].first; n < rules[r].first + rules[r].count; ++n) {
      if (fsm.IsEndState(nodes[n].state)) {
        nodes[n].least = 0;
        queue.push({0, uint32_t(n)});
      }
      int32_t index = 0;
      for (const FSMEdge &edge : fsm.GetFsm().GetEdges(nodes[n].state)) {
        Step step{uint32_t(n), uint32_t(find(int32_t(r), edge.target) - nodes.data()), index++, -1,
                  0};
        if (edge.IsCharRange()) {
          step.times = 1;
        } else if (edge.IsRuleRef()) {
          step.rule = edge.GetRefRuleId();
          step.times = 1;
        } else if (edge.IsRepeatRef()) {
          const auto repeat = grammar->complete_fsm.GetRepeatEdgeInfo(edge.GetAuxIndex());
          step.times = uint32_t(std::max(0, repeat.Lower()));
          step.rule = step.times ? repeat.RuleId() : -1;
        } else if (!edge.IsEpsilon()) {
          continue; // Whole tokens: no text stands for them.
        }
        steps.push_back(step);
      }
    }
    starts[r] = uint32_t(find(int32_t(r), fsm.GetStart()) - nodes.data());
    starting[starts[r]] = int32_t(r);
  }
  const Groups byTarget(nodes.size(), steps.size(),
                        [&](uint32_t s) { return int64_t(steps[s].to); });
  const Groups byRule(rules.size(), steps.size(),
                      [&](uint32_t s) { return int64_t(steps[s].rule); });

  std::vector<bool> settled(nodes.size());
  const auto relax = [&](uint32_t s) {
    const Step &step = steps[s];
    if (!settled[step.to] || settled[step.from] ||
        (step.rule >= 0 && rules[size_t(step.rule)].least == kNever))
      return;
    const uint64_t between =
        uint64_t(step.times) * (step.rule >= 0 ? rules[size_t(step.rule)].least : 1);
    const uint64_t all = std::min<uint64_t>(nodes[step.to].least + between, kNever - 1);
    Node &from = nodes[step.from];
    if (all < from.least) {
      from.least = uint32_t(all);
      from.edge = step.edge;
      queue.push({from.least, step.from});
    }
  };
  while (!queue.empty()) {
    const auto [least, n] = queue.top();
    queue.pop();
    if (settled[n])
      continue;
    settled[n] = true;
    if (const int32_t rule = starting[n]; rule >= 0) {
      rules[size_t(rule)].least = least;
      byRule.forEach(size_t(rule), relax);
    }
    byTarget.forEach(n, relax);
  }
}

const ShortestEnds::Node *ShortestEnds::find(int32_t rule, int32_t state) const {
  const Rule &r = rules[size_t(rule)];
  const auto begin = nodes.begin() + ptrdiff_t(r.first), end = begin + ptrdiff_t(r.count);
  const auto at =
      std::lower_bound(begin, end, state, [](const Node &n, int32_t s) { return n.state < s; });
  return at != end && at->state == state ? &*at : nullptr;
}

uint32_t ShortestEnds::fromState(int32_t rule, int32_t state) const {
  const Node *node = find(rule, state);
  return node ? node->least : kNever;
}

/// Of the bytes that come equally near to the end, one that reads best.
ShortestEnds::Byte ShortestEnds::readableByte(int32_t rule, const Node &node) const {
  const auto &fsm = grammar->per_rule_fsms[size_t(rule)]->GetFsm();
  Byte best{};
  int bestRank = 4;
  for (const FSMEdge &edge : fsm.GetFsm().GetEdges(node.state)) {
    if (!edge.IsCharRange() || fromState(rule, edge.target) != node.least - 1)
      continue;
    const auto propose = [&](int byte, int rank) {
      if (byte >= edge.min && byte <= edge.max && rank < bestRank)
        best = {byte, edge.target}, bestRank = rank;
    };
    propose('a', 0);
    propose('0', 1);
    propose(std::max(edge.min, int32_t('!')), 2);
    propose(edge.min, 3);
  }
  return best;
}

void ShortestEnds::appendRule(int32_t rule, std::string &text) const {
  appendFrom(rule, grammar->per_rule_fsms[size_t(rule)]->GetFsm().GetStart(), text);
}

void ShortestEnds::appendFrom(int32_t rule, int32_t state, std::string &text) const {
  struct Place {
    int32_t rule, state;
  };
  std::vector<Place> places{
      {rule, state}}; // Innermost last. A rule within itself makes no text shorter: it is not deep.
  while (!places.empty()) {
    Place &place = places.back();
    const Node &node = *find(place.rule, place.state);
    if (node.edge < 0) {
      places.pop_back();
      continue;
    }
    const auto &fsm = grammar->per_rule_fsms[size_t(place.rule)]->GetFsm();
    const FSMEdge &edge = fsm.GetFsm().GetEdges(node.state)[node.edge];
    if (edge.IsCharRange()) {
      const Byte next = readableByte(place.rule, node);
      text += static_cast<char>(next.byte);
      place.state = next.target;
      continue;
    }
    place.state = edge.target;
    int32_t inner = edge.GetRefRuleId();
    int32_t times = 1;
    if (edge.IsRepeatRef()) {
      const auto repeat = grammar->complete_fsm.GetRepeatEdgeInfo(edge.GetAuxIndex());
      inner = repeat.RuleId();
      times = repeat.Lower();
    }
    if (inner < 0 || ofRule(inner) == 0)
      continue;
    const int32_t start = grammar->per_rule_fsms[size_t(inner)]->GetFsm().GetStart();
    for (int32_t i = 0; i < times; ++i)
      places.push_back({inner, start});
  }
}

size_t ShortestEnds::bytes() const {
  return rules.size() * sizeof(Rule) + nodes.size() * sizeof(Node);
}

} // namespace tenon::grammar
