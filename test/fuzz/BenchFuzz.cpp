//===- BenchFuzz.cpp - What `tenon bench` is given to read ----------------===//
// SPDX-License-Identifier: Apache-2.0
//
// The first byte says what the rest is: a (t)race of requests, the JSON of further fields of a
// (b)ody, or an engine's model card with (p)redictions. What is taken keeps the ranges that a load
// and its report count on.
//
#include "tools/tenon/BenchPrediction.h"
#include "tools/tenon/LoadInput.h"

#include <boost/json.hpp>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <sstream>

using namespace tenon;

static void require(bool holds, const char *what) {
  if (holds)
    return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

static void readTrace(const std::string &text) {
  std::istringstream lines(text);
  const auto requests = tool::readTrace(lines, "trace", 1000);
  if (!requests) {
    require(requests.status().message().find("--trace trace:") == 0, "a refusal without its line");
    return;
  }
  require(requests->size() <= 1000, "more requests than were asked for");
  for (const tool::LoadRequest &r : *requests)
    require(r.atSeconds >= 0 && r.atSeconds <= 1e9 && r.promptTokens >= 1 && r.newTokens >= 1,
            "a request that cannot be sent");
}

static void readBody(const std::string &text) {
  const auto fields = tool::readMoreFields(text);
  if (!fields)
    return;
  boost::system::error_code error;
  const auto body =
      boost::json::parse("{" + *fields + (fields->empty() ? "" : ",") + "\"n\":1}", error);
  require(!error && body.at("n") == 1, "fields that overwrite what comes after them");
}

static void readPrediction(const std::string &card) {
  const auto prediction = tool::BenchPrediction::read(card);
  for (uint32_t sequences : {0u, 1u, 16u})
    for (uint32_t tokens : {0u, 1u, 512u, 4000u})
      for (const auto &seconds :
           {prediction.decode(sequences, tokens), prediction.prompts(sequences, tokens)})
        require(!seconds || (*seconds > 0 && std::isfinite(*seconds)), "a time that is none");
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0)
    return 0;
  const std::string rest(reinterpret_cast<const char *>(data) + 1, size - 1);
  if (data[0] == 't')
    readTrace(rest);
  else if (data[0] == 'b')
    readBody(rest);
  else if (data[0] == 'p')
    readPrediction(rest);
  return 0;
}
