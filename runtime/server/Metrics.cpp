//===- Metrics.cpp - What /metrics shows ----------------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/server/Metrics.h"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <sstream>

namespace tenon::server {

using prometheus::Counter;
using prometheus::Gauge;
using prometheus::Histogram;
using Buckets = Histogram::BucketBoundaries;

// vLLM's buckets.
static const Buckets kTtft = {.001, .005, .01, .02, .04, .06, .08, .1, .25, .5,  .75,
                              1,    2.5,  5,   7.5, 10,  20,  40,  80, 160, 640, 2560};
static const Buckets kItl = {.01, .025, .05, .075, .1,  .15, .2, .3, .4, .5,
                             .75, 1,    2.5, 5,    7.5, 10,  20, 40, 80};
static const Buckets kLatency = {.3, .5, .8, 1,  1.5, 2,   2.5, 5,   10,   15,  20,
                                 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680};
static const Buckets kIterationTokens = {1,   8,    16,   32,   64,   128,  256,
                                         512, 1024, 2048, 4096, 8192, 16384};
/// Weight of the latest step in tenon:roofline_share.
static constexpr double kRecent = 1.0 / 64;
static const Buckets kFewChoices = {1, 2, 5, 10, 20};
/// Of a step's phases: from 5 µs, the host's share, to seconds, a long prompt chunk.
static const Buckets kStep = {5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 2.5e-4, 3e-4, 4e-4, 5e-4, 7e-4,
                              1e-3, 2e-3, 5e-3, .01,  .02,  .05,  .1,     .2,   .5,   1,    2.5};

/// 1, 2, 5, 10, ... up to `most`.
static Buckets untilContext(uint32_t most) {
  Buckets buckets;
  for (double decade = 1;; decade *= 10)
    for (double step : {1.0, 2.0, 5.0}) {
      if (step * decade > most)
        return buckets;
      buckets.push_back(step * decade);
    }
}

struct Metrics::Families {
  prometheus::Registry registry;
  const prometheus::Labels labels;
  const Buckets tokens;

  const Roofline roofline;

  Families(const std::string &model, uint32_t context, Roofline r)
      : labels{{"model_name", model}, {"engine", "0"}}, tokens(untilContext(context)),
        roofline(std::move(r)) {}

  void addReplica() {
    const std::string number = std::to_string(replicas.size());
    const auto blocks = [&](const char *state) {
      return &gauge("tenon:replica_kv_blocks", "KV blocks of a replica by who holds them.",
                    {{"replica", number}, {"state", state}});
    };
    const prometheus::Labels mine = {{"replica", number}};
    replicas.push_back(
        {&gauge("tenon:replica_requests_running", "Sequences in the running batch of a replica.",
                mine),
         &gauge("tenon:replica_requests_waiting",
                "Sequences that wait to be computed by a replica.", mine),
         blocks("used"), blocks("cached"), blocks("free"),
         &counter("tenon:replica_sequences_total", "Sequences that a replica was given.", mine),
         &counter("tenon:replica_prompt_tokens_total", "Prompt tokens computed by a replica.",
                  mine),
         &counter("tenon:replica_steps_total", "Steps of a replica.", mine)});
  }

  Counter &counter(const char *name, const char *help, prometheus::Labels more = {}) {
    return prometheus::BuildCounter().Name(name).Help(help).Labels(labels).Register(registry).Add(
        more);
  }
  Gauge &gauge(const char *name, const char *help, prometheus::Labels more = {}) {
    return prometheus::BuildGauge().Name(name).Help(help).Labels(labels).Register(registry).Add(
        more);
  }
  Histogram &histogram(const char *name, const char *help, const Buckets &buckets,
                       prometheus::Labels more = {}) {
    return prometheus::BuildHistogram().Name(name).Help(help).Labels(labels).Register(registry).Add(
        more, buckets);
  }

  // clang-format off
  Gauge &running = gauge("vllm:num_requests_running", "Sequences in the running batch.");
  Gauge &waiting = gauge("vllm:num_requests_waiting", "Sequences that wait to be computed.");
  Gauge &usage = gauge("vllm:kv_cache_usage_perc", "Share of KV blocks that sequences hold; 1 is all.");
  Gauge &oldUsage = gauge("vllm:gpu_cache_usage_perc", "Older name of vllm:kv_cache_usage_perc.");
  Gauge &kvUsed = gauge("tenon:kv_blocks", "KV blocks by who holds them.", {{"state", "used"}});
  Gauge &kvCached = gauge("tenon:kv_blocks", "KV blocks by who holds them.", {{"state", "cached"}});
  Gauge &kvFree = gauge("tenon:kv_blocks", "KV blocks by who holds them.", {{"state", "free"}});
  Counter &preemptions = counter("vllm:num_preemptions_total", "Sequences that gave their blocks back and were computed again.");
  Counter &prefixQueries = counter("vllm:prefix_cache_queries_total", "Prompt tokens looked up in the prefix tree.");
  Counter &prefixHits = counter("vllm:prefix_cache_hits_total", "Prompt tokens found there.");
  Counter &promptTokens = counter("vllm:prompt_tokens_total", "Prompt tokens computed.");
  Counter &generationTokens = counter("vllm:generation_tokens_total", "Tokens generated.");
  std::map<std::string, Counter *> success;
  Histogram &ttft = histogram("vllm:time_to_first_token_seconds", "From arrival to the first token.", kTtft);
  Histogram &itl = histogram("vllm:inter_token_latency_seconds", "Between two tokens of a sequence.", kItl);
  Histogram &oldItl = histogram("vllm:time_per_output_token_seconds", "Older name of vllm:inter_token_latency_seconds.", kItl);
  Histogram &tpot = histogram("vllm:request_time_per_output_token_seconds", "Mean time between tokens of a sequence.", kItl);
  Histogram &e2e = histogram("vllm:e2e_request_latency_seconds", "From arrival to the end.", kLatency);
  Histogram &queueTime = histogram("vllm:request_queue_time_seconds", "From arrival to the first row computed.", kLatency);
  Histogram &inference = histogram("vllm:request_inference_time_seconds", "From the first row computed to the last token.", kLatency);
  Histogram &prefill = histogram("vllm:request_prefill_time_seconds", "From the first row computed to the first token.", kLatency);
  Histogram &decode = histogram("vllm:request_decode_time_seconds", "From the first to the last token.", kLatency);
  Histogram &requestPrompt = histogram("vllm:request_prompt_tokens", "Prompt tokens of a sequence.", tokens);
  Histogram &requestNew = histogram("vllm:request_generation_tokens", "Tokens generated of a sequence.", tokens);
  Histogram &requestMax = histogram("vllm:request_max_num_generation_tokens", "Tokens a sequence may have at most.", tokens);
  Histogram &paramsN = histogram("vllm:request_params_n", "The parameter n.", kFewChoices);
  Histogram &paramsMax = histogram("vllm:request_params_max_tokens", "The parameter max_tokens.", tokens);
  Histogram &requestPreemptions = histogram("vllm:request_num_preemptions", "Preemptions of a sequence.", {0, 1, 2, 5, 10});
  Histogram &iteration = histogram("vllm:iteration_tokens_total", "Rows of a step.", kIterationTokens);
  Histogram &schedule = histogram("tenon:step_seconds", "Where a step's time goes.", kStep, {{"phase", "schedule"}});
  Histogram &execute = histogram("tenon:step_seconds", "Where a step's time goes.", kStep, {{"phase", "execute"}});
  Histogram &sample = histogram("tenon:step_seconds", "Where a step's time goes.", kStep, {{"phase", "sample"}});
  Histogram &grammar = histogram("tenon:step_seconds", "Where a step's time goes.", kStep, {{"phase", "grammar"}});
  Counter &grammarHits = counter("tenon:grammars_total", "Constraints of requests, by what they met.", {{"outcome", "hit"}});
  Counter &grammarsCompiled = counter("tenon:grammars_total", "Constraints of requests, by what they met.", {{"outcome", "compiled"}});
  Counter &grammarsRefused = counter("tenon:grammars_total", "Constraints of requests, by what they met.", {{"outcome", "refused"}});
  Counter &grammarSeconds = counter("tenon:grammar_compile_seconds_total", "Time spent on compiling grammars.");
  Gauge &grammarBytes = gauge("tenon:grammar_cache_bytes", "Memory of the compiled grammars that are kept.");
  Histogram &emit = histogram("tenon:step_seconds", "Where a step's time goes.", kStep, {{"phase", "emit"}});
  Histogram &host = histogram("tenon:step_host_seconds", "Schedule, sample and emit of a step together.", kStep);
  Counter &bytes = counter("tenon:bytes_moved_total", "Bytes that the steps' launches read and wrote, by the plan's account.");
  Counter &macs = counter("tenon:multiply_accumulates_total", "Multiply-accumulates of the steps' launches, by the plan's account.");
  Counter &leastSeconds = counter("tenon:roofline_seconds_total", "Least time that the steps' launches could have taken on this machine; 0 unless measured at start.");
  Gauge &share = gauge("tenon:roofline_share", "Least over taken time of the executor, over the last steps; 0 unless measured at start.");
  Counter &filledSlots = counter("tenon:kv_slots_total", "Token places in the blocks of running sequences, summed over steps.", {{"state", "filled"}});
  Counter &emptySlots = counter("tenon:kv_slots_total", "Token places in the blocks of running sequences, summed over steps.", {{"state", "empty"}});
  Gauge &waste = gauge("tenon:kv_waste_ratio", "Share of the token places in blocks of running sequences that hold none.");
  Counter &executeSeconds = counter("tenon:execute_seconds_total", "Time inside the executor.");
  // clang-format on

  /// What one of several replicas has of it.
  struct Replica {
    Gauge *running, *waiting, *used, *cached, *free;
    Counter *accepted, *promptTokens, *steps;
    uint64_t seenAccepted = 0;
  };
  std::vector<Replica> replicas; ///< Empty if there is one.

  engine::CostForm step; ///< All launches of a step together.
  std::mutex averaging;
  double recentLeast = 0, recentTook = 0; ///< Moving averages; guarded by `averaging`.
  uint64_t seenPreemptions = 0, seenQueries = 0, seenHits = 0;
  grammar::GrammarStore::Stats seenGrammars;
  std::mutex scraping;
};

/// The cost of a step is linear in its rows, so one form stands for all launches.
static engine::CostForm costOfStep(const engine::Plan &plan) {
  engine::CostForm sum;
  for (const engine::CallPlan &call : plan.calls)
    for (const engine::LaunchPlan &launch : plan.functions[call.function].launches) {
      const engine::CostForm &c = launch.cost;
      sum.weightBytes += c.weightBytes;
      sum.bytesPerToken += c.bytesPerToken;
      sum.bytesPerLogitRow += c.bytesPerLogitRow;
      sum.bytesPerContext += c.bytesPerContext;
      sum.macsPerToken += c.macsPerToken;
      sum.macsPerLogitRow += c.macsPerLogitRow;
      sum.macsPerContext += c.macsPerContext;
    }
  return sum;
}

Metrics::Metrics(const std::string &modelName, const engine::Plan &plan, uint32_t maxContext,
                 const MachineRates &rates, uint32_t replicas)
    : families(std::make_unique<Families>(modelName, maxContext,
                                          Roofline(plan, rates.dividedBy(replicas)))) {
  Families &f = *families;
  for (uint32_t r = 0; replicas > 1 && r < replicas; ++r)
    f.addReplica();
  f.step = costOfStep(plan);
  for (const char *reason : {"stop", "length", "abort", "error"})
    f.success[reason] = &f.counter("vllm:request_success_total", "Sequences over, by their end.",
                                   {{"finished_reason", reason}});
}

Metrics::~Metrics() = default;

void Metrics::onStep(uint32_t replica, const generate::StepTimes &t, uint64_t emitNanos) {
  Families &f = *families;
  if (t.rows == 0)
    return;
  if (!f.replicas.empty()) {
    f.replicas[replica].promptTokens->Increment(t.promptRows);
    f.replicas[replica].steps->Increment();
  }
  f.iteration.Observe(t.rows);
  f.promptTokens.Increment(t.promptRows);
  f.schedule.Observe(double(t.schedule) * 1e-9);
  f.execute.Observe(double(t.execute) * 1e-9);
  f.sample.Observe(double(t.sample) * 1e-9);
  if (t.masked)
    f.grammar.Observe(double(t.grammar) * 1e-9);
  f.emit.Observe(double(emitNanos) * 1e-9);
  f.host.Observe(double(t.schedule + t.sample + emitNanos) * 1e-9);
  f.executeSeconds.Increment(double(t.execute) * 1e-9);
  f.filledSlots.Increment(double(t.kvSlots.filled));
  f.emptySlots.Increment(double(t.kvSlots.held - t.kvSlots.filled));
  if (const double least = f.roofline.leastSeconds(t); least > 0) {
    f.leastSeconds.Increment(least);
    const double took = double(t.execute) * 1e-9;
    const std::lock_guard lock(f.averaging);
    f.recentLeast += (least - f.recentLeast) * kRecent;
    f.recentTook += (took - f.recentTook) * kRecent;
    f.share.Set(f.recentLeast / f.recentTook);
  }
  f.bytes.Increment(f.step.bytes(t.rows, t.logitRows, t.positions));
  f.macs.Increment(f.step.macs(t.rows, t.logitRows, t.context));
}

void Metrics::onRequest(uint32_t choices, uint32_t maxNewTokens) {
  families->paramsN.Observe(choices);
  families->paramsMax.Observe(maxNewTokens);
}

void Metrics::onFirstToken(double seconds) {
  families->ttft.Observe(seconds);
  families->generationTokens.Increment();
}

void Metrics::onNextToken(double seconds) {
  families->itl.Observe(seconds);
  families->oldItl.Observe(seconds);
  families->generationTokens.Increment();
}

void Metrics::onSequenceOver(const SequenceRecord &r) {
  Families &f = *families;
  const auto span = [](uint64_t from, uint64_t to) {
    return to > from ? double(to - from) * 1e-9 : 0.0;
  };
  const auto reason = f.success.find(r.finishReason);
  (reason == f.success.end() ? f.success["error"] : reason->second)->Increment();
  f.e2e.Observe(span(r.arrived, r.ended));
  f.requestPrompt.Observe(r.promptTokens);
  f.requestNew.Observe(r.newTokens);
  f.requestMax.Observe(r.maxNewTokens);
  f.requestPreemptions.Observe(r.preemptions);
  if (!r.firstToken)
    return;
  f.queueTime.Observe(span(r.arrived, r.started));
  f.prefill.Observe(span(r.started, r.firstToken));
  f.decode.Observe(span(r.firstToken, r.lastToken));
  f.inference.Observe(span(r.started, r.lastToken));
  if (r.newTokens > 1)
    f.tpot.Observe(span(r.firstToken, r.lastToken) / (r.newTokens - 1));
}

void Metrics::onRejected(const char *reason) {
  families
      ->counter("vllm:admission_rejections_total", "Requests refused because of load.",
                {{"reason", reason}})
      .Increment();
}

void Metrics::onHttp(const std::string &handler, const std::string &method, int status,
                     double seconds) {
  families
      ->counter("http_requests_total", "HTTP requests answered.",
                {{"handler", handler}, {"method", method}, {"status", std::to_string(status)}})
      .Increment();
  families
      ->histogram("http_request_duration_seconds", "From a request's arrival to its answer's end.",
                  {.01, .05, .1, .5, 1, 5, 10, 60}, {{"handler", handler}})
      .Observe(seconds);
}

static uint32_t usedBlocks(const Load &load) {
  return load.kvBlocks - std::min(load.kvBlocks, load.kvFree + load.kvCached);
}

std::string Metrics::text(std::span<const Load> loads,
                          const grammar::GrammarStore::Stats &grammars) {
  Families &f = *families;
  Load load;
  for (const Load &one : loads)
    load += one;
  {
    const std::lock_guard lock(f.scraping);
    const uint32_t used = usedBlocks(load);
    f.running.Set(load.running);
    f.waiting.Set(load.waiting);
    const double share = load.kvBlocks ? double(used) / load.kvBlocks : 0;
    f.usage.Set(share);
    f.oldUsage.Set(share);
    f.kvUsed.Set(used);
    f.waste.Set(load.kvSlots.held ? 1 - double(load.kvSlots.filled) / double(load.kvSlots.held)
                                  : 0);
    f.kvCached.Set(load.kvCached);
    f.kvFree.Set(load.kvFree);
    const auto advance = [](Counter &counter, uint64_t &seen, uint64_t now) {
      counter.Increment(double(now - std::min(seen, now)));
      seen = now;
    };
    for (size_t r = 0; r < f.replicas.size(); ++r) {
      Families::Replica &replica = f.replicas[r];
      replica.running->Set(loads[r].running);
      replica.waiting->Set(loads[r].waiting);
      replica.used->Set(usedBlocks(loads[r]));
      replica.cached->Set(loads[r].kvCached);
      replica.free->Set(loads[r].kvFree);
      advance(*replica.accepted, replica.seenAccepted, loads[r].accepted);
    }
    advance(f.preemptions, f.seenPreemptions, load.preemptions);
    advance(f.prefixQueries, f.seenQueries, load.prefixQueries);
    advance(f.prefixHits, f.seenHits, load.prefixHits);
    advance(f.grammarHits, f.seenGrammars.hits, grammars.hits);
    advance(f.grammarsCompiled, f.seenGrammars.compiled, grammars.compiled);
    advance(f.grammarsRefused, f.seenGrammars.refused, grammars.refused);
    const uint64_t nanos = grammars.compileNanos;
    f.grammarSeconds.Increment(double(nanos - std::min(nanos, f.seenGrammars.compileNanos)) * 1e-9);
    f.seenGrammars.compileNanos = nanos;
    f.grammarBytes.Set(double(grammars.bytes));
  }
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, f.registry.Collect());
  return std::move(out).str();
}

} // namespace tenon::server
