//===- ChromeTrace.cpp - Traced steps for Perfetto ------------------------===//
// SPDX-License-Identifier: Apache-2.0
//
// The Trace Event Format that chrome://tracing and Perfetto read: an array of objects with times in
// microseconds; "X" is a stretch of time, "C" a counter, "M" a name.
//
#include "tools/tenon/StepTrace.h"

#include <boost/json.hpp>
#include <fmt/format.h>

#include <iterator>

namespace tenon::tool {

namespace {
/// Appends events to one text.
class TraceText {
public:
  explicit TraceText(uint64_t origin) : origin(origin) {}

  void name(const char *what, uint32_t process, uint32_t thread, const std::string &name) {
    comma();
    fmt::format_to(std::back_inserter(text),
                   R"({{"ph":"M","name":"{}","pid":{},"tid":{},"args":{{"name":{}}}}})", what,
                   process, thread, quoted(name));
  }
  void slice(const char *category, const std::string &name, uint32_t process, uint32_t thread,
             uint64_t began, uint64_t ended, const std::string &arguments = "") {
    comma();
    fmt::format_to(
        std::back_inserter(text),
        R"({{"ph":"X","cat":"{}","name":{},"pid":{},"tid":{},"ts":{:.3f},"dur":{:.3f},"args":{{{}}}}})",
        category, quoted(name), process, thread, at(began), double(ended - began) * 1e-3,
        arguments);
  }
  void counter(const char *name, uint32_t process, uint64_t when, uint64_t value) {
    comma();
    fmt::format_to(std::back_inserter(text),
                   R"({{"ph":"C","name":"{}","pid":{},"tid":0,"ts":{:.3f},"args":{{"bytes":{}}}}})",
                   name, process, at(when), value);
  }
  std::string finish(const std::string &title) {
    return fmt::format(
        "{{\"displayTimeUnit\":\"ns\",\"otherData\":{{\"title\":{}}},\"traceEvents\":[\n{}\n]}}\n",
        quoted(title), text);
  }
  static std::string quoted(const std::string &value) {
    return boost::json::serialize(boost::json::string(value.data(), value.size()));
  }

private:
  void comma() {
    if (!text.empty())
      text += ",\n";
  }
  double at(uint64_t nanos) const { return (double(nanos) - double(origin)) * 1e-3; }

  const uint64_t origin;
  std::string text;
};
} // namespace

std::string StepTrace::chromeTrace(const std::string &title) const {
  const uint64_t origin =
      steps.empty()
          ? 0
          : steps.front().began - std::min(steps.front().began, steps.front().times.schedule);
  TraceText out(origin);
  const uint32_t host = static_cast<uint32_t>(chips.size());
  for (uint32_t chip = 0; chip < chips.size(); ++chip) {
    out.name("process_name", chip, 0, fmt::format("chip {} ({})", chip, plan.chips[chip].kind));
    for (uint32_t worker = 0; worker < byPhase[0][chip].workers; ++worker)
      out.name("thread_name", chip, worker, fmt::format("worker {}", worker));
  }
  out.name("process_name", host, 0, "host");
  out.name("thread_name", host, 0, "steps");

  for (size_t s = 0; s < steps.size(); ++s) {
    const Step &step = steps[s];
    // The executor's own events begin after the tables are filled; the host's part lies around.
    out.slice("host", "schedule", host, 0, step.began - step.times.schedule, step.began);
    out.slice("step", step.times.promptRows ? "prompt step" : "decode step", host, 0, step.began,
              step.ended,
              fmt::format(R"("rows":{},"prompt_rows":{},"logit_rows":{},"context":{})",
                          step.times.rows, step.times.promptRows, step.times.logitRows,
                          step.times.context));
    out.slice("host", "sample", host, 0, step.ended, step.ended + step.times.sample);
    const size_t end = s + 1 < steps.size() ? steps[s + 1].firstSlice : slices.size();
    for (size_t i = step.firstSlice; i < end; ++i) {
      const Slice &slice = slices[i];
      const Chip &chip = chips[slice.chip];
      const engine::LaunchPlan &launch = *chip.launches[slice.launch];
      const std::string &kind = chip.kinds[slice.launch];
      switch (slice.kind) {
      case Slice::Kind::Barrier:
        out.slice("wait", "barrier", slice.chip, slice.worker, slice.began, slice.ended);
        continue;
      case Slice::Kind::Others:
        out.slice("wait", "other chips", slice.chip, slice.worker, slice.began, slice.ended,
                  fmt::format(R"("before":{})", TraceText::quoted(kind)));
        continue;
      case Slice::Kind::Launch:
        break;
      }
      if (slice.worker == 0)
        out.counter("arena in use", slice.chip, slice.began, step.arena[slice.chip][slice.launch]);
      out.slice(launch.collective ? "collective" : "launch", launch.name, slice.chip, slice.worker,
                slice.began, slice.ended,
                fmt::format(R"("kind":{},"launch":{})", TraceText::quoted(kind), slice.launch));
    }
  }
  return out.finish(title);
}

} // namespace tenon::tool
