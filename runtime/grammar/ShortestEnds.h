//===- ShortestEnds.h - How far a grammar's states are from an end -*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// An optimised grammar of the library is one automaton a rule, whose edges read a byte, nothing, or
// another rule. The least number of bytes from each state to its rule's end is the least solution
// of a system of minima over sums: found in one pass by D. Knuth, "A generalization of Dijkstra's
// algorithm", Information Processing Letters 6 (1977).
//
#ifndef TENON_RUNTIME_GRAMMAR_SHORTESTENDS_H
#define TENON_RUNTIME_GRAMMAR_SHORTESTENDS_H

#include <cpp/grammar_impl.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace tenon::grammar {

/// Immutable; any thread may use it.
class ShortestEnds {
public:
  static constexpr uint32_t kNever = UINT32_MAX; ///< Bytes alone do not lead to an end.

  /// Keeps a reference to the grammar, which must be optimised.
  explicit ShortestEnds(const xgrammar::Grammar &grammar);

  /// Bytes of the shortest text that the rule matches.
  uint32_t ofRule(int32_t rule) const { return rules[size_t(rule)].least; }
  /// Bytes of the shortest text that leads from a state of the rule's automaton to the rule's end.
  uint32_t fromState(int32_t rule, int32_t state) const;

  /// Appends a shortest text of a rule, or from a state of it, which must not be kNever. The same
  /// one every time.
  void appendRule(int32_t rule, std::string &text) const;
  void appendFrom(int32_t rule, int32_t state, std::string &text) const;

  size_t bytes() const; ///< About what it holds, without the grammar.

private:
  struct Rule {
    size_t first = 0, count = 0; ///< Its nodes.
    uint32_t least = kNever;
  };
  struct Node {
    int32_t state;
    uint32_t least;
    int32_t
        edge; ///< Of the state's edges, the one that a shortest text takes; -1: here is the end.
  };
  struct Step; // An edge of an automaton, as the search sees it.

  const Node *find(int32_t rule, int32_t state) const;
  void search();
  /// A byte that leads nearer to the end, and the state it leads to.
  struct Byte {
    int32_t byte, target;
  };
  Byte readableByte(int32_t rule, const Node &node) const;

  xgrammar::Grammar grammar;
  std::vector<Rule> rules;
  std::vector<Node> nodes; ///< Of a rule's automaton those that its start reaches, by state.
};

} // namespace tenon::grammar

#endif // TENON_RUNTIME_GRAMMAR_SHORTESTENDS_H
