//===- BenchServe.cpp - tenon bench serve ---------------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "tools/tenon/BenchServe.h"

#include "tools/tenon/LoadClient.h"
#include "tools/tenon/LoadInput.h"
#include "tools/tenon/LoadText.h"
#include "tools/tenon/OptionValues.h"
#include "tools/tenon/Processes.h"
#include "tools/tenon/Session.h"

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <numeric>
#include <random>
#include <sys/resource.h>

namespace tenon::tool {

namespace {

struct Options {
  LoadPlan plan;
  uint32_t requests = 64, promptTokens = 128, newTokens = 128;
  double rate = 0;
  double spread = 0; ///< Lengths vary evenly by this share around their mean.
  double sloTtftMs = 0, sloTpotMs = 0;
  std::string trace, body, text;
  bool json = false;
};

std::vector<LoadRequest> makeRequests(const Options &o) {
  std::mt19937_64 random(o.plan.seed ^ 0x5eed);
  const auto uniform = [&] { return double(random() >> 11) * 0x1p-53; };
  const auto vary = [&](uint32_t mean) {
    return std::max(1u, uint32_t(std::lround(mean * (1 + o.spread * (2 * uniform() - 1)))));
  };
  std::vector<LoadRequest> requests(o.requests);
  double at = 0;
  for (LoadRequest &r : requests) {
    r = {at, vary(o.promptTokens), vary(o.newTokens)};
    if (o.rate > 0) // Poisson arrivals.
      at += -std::log(1 - uniform()) / o.rate;
  }
  return requests;
}

struct Percentiles {
  double mean = 0, p50 = 0, p90 = 0, p99 = 0, most = 0;
  explicit Percentiles(std::vector<double> v) {
    if (v.empty())
      return;
    std::sort(v.begin(), v.end());
    // Linear between ranks, as NumPy does it.
    const auto at = [&](double share) {
      const double place = share * double(v.size() - 1);
      const auto low = size_t(place);
      return v[low] + (place - double(low)) * (v[std::min(low + 1, v.size() - 1)] - v[low]);
    };
    mean = std::accumulate(v.begin(), v.end(), 0.0) / double(v.size());
    p50 = at(.5), p90 = at(.9), p99 = at(.99), most = v.back();
  }
  boost::json::object json() const {
    return {{"mean", mean}, {"p50", p50}, {"p90", p90}, {"p99", p99}, {"max", most}};
  }
};

/// Processor time of this process so far.
double cpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](timeval t) { return double(t.tv_sec) + double(t.tv_usec) * 1e-6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

struct Report {
  double seconds = 0, cpuSeconds = 0;
  size_t good = 0, bad = 0, withinSlo = 0;
  uint64_t promptTokens = 0, cachedTokens = 0, newTokens = 0;
  std::vector<double> ttft, tpot, itl, e2e;
  std::string firstError;
};

Report summarize(const Options &o, const std::vector<LoadResult> &results, double seconds) {
  Report report;
  report.seconds = seconds;
  for (size_t i = 0; i < results.size(); ++i) {
    const LoadResult &r = results[i];
    if (!r.good) {
      ++report.bad;
      if (report.firstError.empty())
        report.firstError = fmt::format("status {}: {}", r.status, r.error);
      continue;
    }
    ++report.good;
    report.promptTokens += o.plan.requests[i].promptTokens;
    report.cachedTokens += r.cachedTokens;
    report.newTokens += r.tokens;
    const double tpot = r.tokens > 1 ? (r.last - r.first) / (r.tokens - 1) : 0;
    report.ttft.push_back(r.first * 1e3);
    report.e2e.push_back(r.last * 1e3);
    if (r.tokens > 1)
      report.tpot.push_back(tpot * 1e3);
    for (const float gap : r.between)
      report.itl.push_back(gap * 1e3);
    report.withinSlo += (o.sloTtftMs <= 0 || r.first * 1e3 <= o.sloTtftMs) &&
                        (o.sloTpotMs <= 0 || tpot * 1e3 <= o.sloTpotMs);
  }
  return report;
}

void print(const Options &o, const Report &r) {
  const Percentiles ttft(r.ttft), tpot(r.tpot), itl(r.itl), e2e(r.e2e);
  const double requestRate = double(r.good) / r.seconds, newRate = double(r.newTokens) / r.seconds;
  const double allRate = double(r.newTokens + r.promptTokens) / r.seconds;
  if (o.json) {
    printJson({{"completed", r.good},
               {"failed", r.bad},
               {"seconds", r.seconds},
               {"client_cpu_seconds", r.cpuSeconds},
               {"prompt_tokens", r.promptTokens},
               {"cached_tokens", r.cachedTokens},
               {"new_tokens", r.newTokens},
               {"requests_per_second", requestRate},
               {"new_tokens_per_second", newRate},
               {"tokens_per_second", allRate},
               {"goodput_requests_per_second", double(r.withinSlo) / r.seconds},
               {"ttft_ms", ttft.json()},
               {"tpot_ms", tpot.json()},
               {"itl_ms", itl.json()},
               {"e2e_ms", e2e.json()}});
    return;
  }
  fmt::print("{} completed, {} failed in {:.2f} s: {:.2f} requests/s, {:.1f} new tokens/s, {:.1f} "
             "tokens/s with prompts ({} of {} prompt tokens cached)\n",
             r.good, r.bad, r.seconds, requestRate, newRate, allRate, r.cachedTokens,
             r.promptTokens);
  fmt::print("this program used {:.2f} s of processor time ({:.1f} % of one)\n", r.cpuSeconds,
             r.cpuSeconds / r.seconds * 100);
  if (o.sloTtftMs > 0 || o.sloTpotMs > 0)
    fmt::print("within the objective: {} requests, {:.2f} a second\n", r.withinSlo,
               double(r.withinSlo) / r.seconds);
  fmt::print("{:>24} {:>10} {:>10} {:>10} {:>10} {:>10}\n", "ms", "mean", "p50", "p90", "p99",
             "max");
  const auto row = [](const char *name, const Percentiles &p) {
    fmt::print("{:>24} {:>10.2f} {:>10.2f} {:>10.2f} {:>10.2f} {:>10.2f}\n", name, p.mean, p.p50,
               p.p90, p.p99, p.most);
  };
  row("time to first token", ttft);
  row("time per output token", tpot);
  row("between tokens", itl);
  row("end to end", e2e);
}

Status run(Options o) {
  if (!o.trace.empty()) {
    auto requests = readTrace(o.trace, o.requests);
    if (!requests)
      return requests.status();
    o.plan.requests = std::move(*requests);
  } else {
    o.plan.requests = makeRequests(o);
  }
  if (o.rate > 0 || !o.trace.empty())
    o.plan.clients = 0;
  if (std::ranges::all_of(o.plan.requests, [&](const LoadRequest &r) {
        return r.promptTokens < o.plan.sharedPrefix;
      }))
    return Status::invalidArgument(fmt::format(
        "--shared-prefix {}: no prompt is as long, so none would begin with it; give longer ones",
        o.plan.sharedPrefix));
  if (!o.body.empty()) {
    auto fields = readMoreFields(o.body);
    if (!fields)
      return fields.status();
    o.plan.moreFields = std::move(*fields);
  }
  if (!o.text.empty()) {
    auto ids = tokenizeByServer(o.plan, o.text);
    if (!ids)
      return ids.status();
    uint32_t longest = o.plan.sharedPrefix;
    for (const LoadRequest &r : o.plan.requests)
      longest = std::max(longest, r.promptTokens);
    if (ids->size() < longest)
      return Status::invalidArgument(fmt::format(
          "--text {}: the text has {} tokens, and a prompt is to have {}; give a longer "
          "text or shorter prompts",
          o.text, ids->size(), longest));
    o.plan.text = std::move(*ids);
  }
  double seconds = 0;
  const double before = cpuSeconds();
  auto results = runLoad(o.plan, seconds);
  if (!results)
    return results.status();
  Report report = summarize(o, *results, seconds);
  report.cpuSeconds = cpuSeconds() - before;
  print(o, report);
  if (report.bad == 0)
    return Status::ok();
  return Status::unsupported(
      fmt::format("{} requests failed; the first: {}", report.bad, report.firstError));
}

} // namespace

CLI::App *addBenchServe(CLI::App &bench, Action &action) {
  auto o = std::make_shared<Options>();
  CLI::App *command = bench.add_subcommand(
      "serve", "Put load on a server that speaks /v1/completions, and measure what clients see");
  command->add_option("--host", o->plan.host, "The server's IP address (default 127.0.0.1)");
  command->add_option("--port", o->plan.port, "Its port (default 8000)");
  command->add_option("--model", o->plan.model, "What it calls the model")->required();
  command->add_option("--api-key", o->plan.apiKey, "Its key");
  command
      ->add_option("--clients", o->plan.clients,
                   "Closed loop: clients that ask again once answered (default 16)")
      ->check(CLI::Range(1u, 4096u));
  command->add_option("--rate", o->rate, "Open loop instead: Poisson arrivals a second")
      ->check(between(1e-3, 1e6))
      ->excludes("--clients");
  command->add_option("--requests", o->requests, "Requests in all (default 64)")
      ->check(CLI::Range(1u, 1u << 20));
  command->add_option("--prompt-tokens", o->promptTokens, "Mean length of prompts (default 128)")
      ->check(CLI::Range(1u, 1u << 24));
  command->add_option("--new-tokens", o->newTokens, "Mean length of answers (default 128)")
      ->check(CLI::Range(1u, 1u << 24));
  command->add_option("--spread", o->spread, "Lengths vary evenly by this share (0 to 1)")
      ->check(between(0, 1));
  CLI::Option *trace = command->add_option(
      "--trace", o->trace,
      "Open loop from a JSONL file: timestamp (ms), input_length, output_length");
  for (const char *said : {"--clients", "--rate", "--prompt-tokens", "--new-tokens", "--spread"})
    trace->excludes(said); // By the file.
  command->add_option("--shared-prefix", o->plan.sharedPrefix,
                      "Tokens at the beginning that all prompts share");
  command->add_option(
      "--body", o->body,
      "A JSON object with more fields of each request, such as {\"temperature\":1}");
  command->add_flag("--words", o->plan.words,
                    "Prompts are text of common words, for servers that take no token ids");
  command
      ->add_option("--text", o->text,
                   "Prompts are pieces of this file, as the server's /tokenize cuts it into tokens")
      ->excludes("--words");
  command->add_option("--vocabulary", o->plan.vocabulary, "Prompt ids are 100 to 100 + this")
      ->check(CLI::Range(1u, 1u << 24))
      ->excludes("--words")
      ->excludes("--text");
  command->add_option("--seed", o->plan.seed, "Of lengths, arrivals and prompts");
  command->add_option("--slo-ttft-ms", o->sloTtftMs, "Goodput: time to first token at most");
  command->add_option("--slo-tpot-ms", o->sloTpotMs, "Goodput: time per output token at most");
  command->add_flag("--json", o->json, "One JSON object on standard output");
  command->footer("\nExamples:\n  tenon bench serve --model m --clients 16 --requests 128\n"
                  "  tenon bench serve --model m --rate 4 --spread 0.5 --slo-ttft-ms 500");
  command->callback(
      [o, &action] { action = [o] { return onFirstProcess([&] { return run(*o); }); }; });
  return command;
}

} // namespace tenon::tool
