//===- template-probe.cpp - Chat templates against their references -------===//
// SPDX-License-Identifier: Apache-2.0
//
//   template-probe CASES.json.. : renders every case and compares with what jinja2 gave
//
// A case is {"name", "template", "context", "expected"}, or "error": true instead of "expected"
// where jinja2 raises. template_oracle.py writes such files.
//
#include "runtime/text/Template.h"

#include <boost/json.hpp>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

using namespace tenon::text;

int main(int argc, char **argv) {
  size_t total = 0, wrong = 0;
  for (int i = 1; i < argc; ++i) {
    std::ifstream in(argv[i], std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    boost::system::error_code bad;
    const boost::json::value cases = boost::json::parse(text, bad, {}, {.max_depth = 200});
    if (bad || !cases.is_array()) {
      std::fprintf(stderr, "template-probe: %s holds no cases\n", argv[i]);
      return 2;
    }
    for (const boost::json::value &entry : cases.get_array()) {
      const boost::json::object &test = entry.get_object();
      TemplateLimits limits;
      limits.now = 1753794000; // 2025-07-29 13:00:00 UTC
      tenon::StatusOr<std::string> found = tenon::Status::internal("not rendered");
      if (const auto parsed = Template::parse(test.at("template").get_string()); parsed)
        found = parsed->render(test.at("context").get_object(), limits);
      else
        found = parsed.status();
      const bool wantsError = test.contains("error");
      ++total;
      if (wantsError ? !found.isOk() : found.isOk() && *found == test.at("expected").get_string())
        continue;
      ++wrong;
      std::printf("%s: %s\n  wanted %s\n  found  %s\n", test.at("name").get_string().c_str(),
                  test.at("template").get_string().c_str(),
                  wantsError ? test.at("python").get_string().c_str()
                             : boost::json::serialize(test.at("expected")).c_str(),
                  found ? boost::json::serialize(boost::json::string(*found)).c_str()
                        : found.status().message().c_str());
    }
  }
  std::printf("%zu cases, %zu differ\n", total, wrong);
  return wrong == 0 && total != 0 ? 0 : 1;
}
