//===- Budget.h - What one rendering may use --------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// Steps, bytes and depth of one rendering, and its errors. Errors are thrown as Failure inside
// runtime/text/jinja and become a Status in Template.cpp; they never leave it.
//
#ifndef TENON_RUNTIME_TEXT_JINJA_BUDGET_H
#define TENON_RUNTIME_TEXT_JINJA_BUDGET_H

#include "runtime/text/Template.h"

namespace tenon::text::jinja {

struct Failure {
  StatusCode code;
  std::string message;
};

/// Nesting of one expression or of statements in a source.
inline constexpr uint32_t kMaxSourceDepth = 200;
/// Containers in containers.
inline constexpr uint32_t kMaxValueDepth = 100;
/// Evaluations under way at once: bounds the C++ stack.
inline constexpr uint32_t kMaxEvaluationDepth = 1200;

class Budget {
public:
  explicit Budget(const TemplateLimits &l) : limits(l) {}

  const TemplateLimits limits;
  uint32_t line = 0; ///< Of what is being evaluated, for messages.

  void step(uint64_t count = 1) {
    steps += count;
    if (steps > limits.maxSteps)
      fail(StatusCode::ResourceExhausted, "it takes more than " + std::to_string(limits.maxSteps) +
                                              " steps; does it loop without end?");
  }
  /// Time for `bytes` of text looked at.
  void work(size_t bytes) { step(bytes / 64); }
  /// Memory of a new value.
  void allocate(size_t bytes) {
    valueBytes += bytes;
    if (bytes > limits.maxValueBytes || valueBytes > limits.maxValueBytes)
      fail(StatusCode::ResourceExhausted,
           "its values take more than " + std::to_string(limits.maxValueBytes) + " bytes");
    work(bytes);
  }

  [[noreturn]] void fail(StatusCode code, const std::string &what) const {
    throw Failure{code, "chat template, line " + std::to_string(line) + ": " + what};
  }
  /// The template asks for what cannot be done: jinja2 would raise.
  [[noreturn]] void fail(const std::string &what) const { fail(StatusCode::InvalidArgument, what); }

  uint32_t evaluationDepth = 0, callDepth = 0;

private:
  uint64_t steps = 0;
  size_t valueBytes = 0;
};

/// One more level while it lives.
class Nested {
public:
  Nested(Budget &budget, uint32_t &level, uint32_t most) : depth(level) {
    if (depth >= most)
      budget.fail(StatusCode::ResourceExhausted, "it nests deeper than " + std::to_string(most));
    ++depth;
  }
  ~Nested() { --depth; }
  Nested(const Nested &) = delete;
  Nested &operator=(const Nested &) = delete;

private:
  uint32_t &depth;
};

} // namespace tenon::text::jinja

#endif // TENON_RUNTIME_TEXT_JINJA_BUDGET_H
