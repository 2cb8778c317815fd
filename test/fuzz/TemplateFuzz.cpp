//===- TemplateFuzz.cpp - Hostile chat templates --------------------------===//
// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as a chat template: parsing and rendering end within their limits, the same way every
// time.
//
#include "runtime/text/Template.h"

#include <boost/json.hpp>

#include <cstdio>
#include <cstdlib>

using namespace tenon::text;

static const boost::json::object &context() {
  static const boost::json::object object = boost::json::parse(R"({
    "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Grüße 😀 <x>"},
                 {"role": "assistant", "content": null,
                  "tool_calls": [{"function": {"name": "f", "arguments": {"a": [1, 2.5, true]}}}]},
                 {"role": "user", "content": [{"type": "text", "text": "t"}, {"type": "image"}]}],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"properties": {"a": {"type": "string"}}}}}],
    "add_generation_prompt": true, "bos_token": "<s>", "eos_token": "</s>", "n": -7, "s": "a b\tc"})")
                                                .as_object();
  return object;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size > 16384)
    return 0;
  const auto parsed = Template::parse({reinterpret_cast<const char *>(data), size});
  if (!parsed)
    return 0;
  TemplateLimits limits;
  limits.maxSteps = 50'000;
  limits.maxOutputBytes = 1 << 18;
  limits.maxValueBytes = 4 << 20;
  limits.now = 1753794000;
  const auto first = parsed->render(context(), limits);
  const auto second = parsed->render(context(), limits);
  const bool same =
      first.isOk() == second.isOk() &&
      (first ? *first == *second : first.status().message() == second.status().message());
  if (!same || (first && first->size() > limits.maxOutputBytes)) {
    std::fprintf(stderr, "two renderings differ, or one is longer than its limit\n");
    std::abort();
  }
  return 0;
}
