//===- Divergence.cpp - How far two engines' answers are apart ------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/driver/accuracy/Divergence.h"

#include "runtime/device/cpu/Topology.h"
#include "runtime/executor/Executor.h"
#include "runtime/sample/Softmax.h"
#include "runtime/text/Tokenizer.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <thread>

namespace tenon::compiler {

namespace {

constexpr uint32_t kWindow = 512;
/// Rows of a step. All of them have logits, which are as wide as the vocabulary.
constexpr uint32_t kStepTokens = 32;

/// One engine, ready for a window.
class Reader {
public:
  static StatusOr<Reader> open(const std::string &path) {
    engine::EngineOptions options;
    // Both engines read at once, each on half of the processors: on two, no worker waits for
    // another.
    options.threads = std::max(1u, cpu::readTopology().usefulWorkers / 2);
    auto engine = engine::Engine::open(path, options);
    if (!engine)
      return engine.status();
    const engine::Plan &plan = (*engine)->plan();
    Reader reader;
    reader.window = std::min(kWindow, plan.limits.maxContext);
    executor::CapacityRequest wanted;
    wanted.workers = options.threads;
    wanted.sequences = 1;
    wanted.context = reader.window;
    wanted.stepTokens = wanted.logitRows = std::min(kStepTokens, plan.limits.maxStepTokens);
    const uint64_t blocks = (reader.window + plan.kv.blockTokens - 1) / plan.kv.blockTokens;
    wanted.kvBytes = blocks * plan.kv.bytesPerBlock;
    auto capacity = executor::chooseCapacity(plan, wanted);
    if (!capacity)
      return capacity.status();
    executor::ExecutorOptions executorOptions;
    executorOptions.pin = false; // Two engines share the processors.
    auto executor = executor::Executor::create(**engine, *capacity, executorOptions);
    if (!executor)
      return executor.status();
    reader.blocks.resize(blocks);
    std::iota(reader.blocks.begin(), reader.blocks.end(), 0);
    reader.opened = std::move(*engine);
    reader.executor = std::move(*executor);
    return reader;
  }

  /// Reads `tokens` at `position` of the window; their logits are then there.
  Status read(std::span<const int32_t> tokens, uint32_t position) {
    executor::StepRows rows;
    rows.tokens = tokens;
    rows.firstPosition = position;
    rows.blocks = blocks;
    rows.logitRows = static_cast<uint32_t>(tokens.size());
    return executor->run({&rows, 1});
  }
  std::span<const float> logits(uint32_t row) const { return executor->logits(row); }
  const engine::Engine &engine() const { return *opened; }
  uint32_t stepTokens() const { return executor->capacity().stepTokens; }

  uint32_t window = 0;

private:
  std::unique_ptr<engine::Engine> opened; // outlives the executor
  std::unique_ptr<executor::Executor> executor;
  std::vector<int32_t> blocks;
};

/// Values whose sums run in f32 lanes before they are added in double precision.
constexpr size_t kSumBlock = 256, kSumLanes = 16;

float largestOf(std::span<const float> logits) {
  return *std::max_element(logits.begin(), logits.end());
}

double logSumExp(std::span<const float> logits, float largest) {
  double sum = 0;
  for (size_t at = 0; at < logits.size(); at += kSumBlock) {
    float lanes[kSumLanes] = {};
    for (size_t i = at; i < std::min(at + kSumBlock, logits.size()); ++i)
      lanes[i % kSumLanes] += sample::expNegative(logits[i] - largest);
    for (float lane : lanes)
      sum += double(lane);
  }
  return double(largest) + std::log(sum);
}

StatusOr<std::vector<int32_t>> encode(const engine::Engine &engine, std::string_view text) {
  const auto bytes = engine.section(engine::SectionKind::Tokenizer);
  if (bytes.empty())
    return Status::unsupported(engine.name() + ": the engine has no tokenizer");
  auto tokenizer =
      text::Tokenizer::load({reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size()});
  if (!tokenizer)
    return tokenizer.status();
  return tokenizer->encode(text, /*addSpecial=*/true, /*parseSpecial=*/false);
}

/// Calls both at once and returns when both are done.
template <typename First, typename Second> void together(First first, Second second) {
  std::thread other(second);
  first();
  other.join();
}

/// Sums over positions.
struct Totals {
  double kl = 0, largest = 0, referenceNll = 0, nll = 0;
  uint64_t positions = 0, agreeing = 0, scored = 0;

  void add(std::span<const float> reference, std::span<const float> candidate) {
    const double kl = klDivergence(reference, candidate);
    this->kl += kl;
    largest = std::max(largest, kl);
    const auto top = [](std::span<const float> row) {
      return std::max_element(row.begin(), row.end()) - row.begin();
    };
    agreeing += top(reference) == top(candidate);
    ++positions;
  }
  void add(const Totals &other) {
    kl += other.kl;
    largest = std::max(largest, other.largest);
    referenceNll += other.referenceNll;
    nll += other.nll;
    positions += other.positions;
    agreeing += other.agreeing;
    scored += other.scored;
  }
  void addNext(std::span<const float> reference, std::span<const float> candidate, int32_t next) {
    const auto nllOf = [next](std::span<const float> row) {
      return logSumExp(row, largestOf(row)) - double(row[next]);
    };
    referenceNll += nllOf(reference);
    nll += nllOf(candidate);
    ++scored;
  }
};

} // namespace

double klDivergence(std::span<const float> reference, std::span<const float> candidate) {
  const float p = largestOf(reference), q = largestOf(candidate);
  // sum p (log p - log q), with the logs relative to their largest: the rest cancels late.
  double weighted = 0, sum = 0;
  for (size_t at = 0; at < reference.size(); at += kSumBlock) {
    const size_t end = std::min(at + kSumBlock, reference.size());
    float differences[kSumLanes] = {}, masses[kSumLanes] = {};
    for (size_t i = at; i < end; ++i) {
      const float a = reference[i] - p, mass = sample::expNegative(a);
      masses[i % kSumLanes] += mass;
      differences[i % kSumLanes] += mass * (a - (candidate[i] - q));
    }
    for (size_t lane = 0; lane < kSumLanes; ++lane) {
      weighted += double(differences[lane]);
      sum += double(masses[lane]);
    }
  }
  return weighted / sum - std::log(sum) + logSumExp(candidate, q) - double(q);
}

StatusOr<Divergence> measureDivergence(const std::string &referencePath,
                                       const std::string &candidatePath, std::string_view text,
                                       uint64_t maxTokens) {
  auto reference = Reader::open(referencePath);
  if (!reference)
    return reference.status();
  auto candidate = Reader::open(candidatePath);
  if (!candidate)
    return candidate.status();
  auto ids = encode(candidate->engine(), text);
  if (!ids)
    return ids.status();
  if (ids->size() > maxTokens)
    ids->resize(maxTokens);
  if (ids->size() < 2)
    return Status::invalidArgument("the text has " + std::to_string(ids->size()) +
                                   " tokens; an accuracy needs at least two");

  const std::span<const int32_t> all(*ids);
  const uint32_t window = std::min(reference->window, candidate->window);
  const uint32_t step = std::min(reference->stepTokens(), candidate->stepTokens());
  Totals totals;
  for (size_t first = 0; first < all.size(); first += window) {
    const auto tokens = all.subspan(first, std::min<size_t>(window, all.size() - first));
    for (size_t at = 0; at < tokens.size(); at += step) {
      const auto rows = tokens.subspan(at, std::min<size_t>(step, tokens.size() - at));
      Status ofReference, ofCandidate;
      together([&] { ofCandidate = candidate->read(rows, uint32_t(at)); },
               [&] { ofReference = reference->read(rows, uint32_t(at)); });
      TENON_RETURN_IF_ERROR(ofReference);
      TENON_RETURN_IF_ERROR(ofCandidate);
      const auto compare = [&](size_t row, size_t end) {
        Totals part;
        for (; row < end; ++row) {
          part.add(reference->logits(uint32_t(row)), candidate->logits(uint32_t(row)));
          if (at + row + 1 < tokens.size())
            part.addNext(reference->logits(uint32_t(row)), candidate->logits(uint32_t(row)),
                         tokens[at + row + 1]);
        }
        return part;
      };
      Totals lower, upper;
      together([&] { lower = compare(0, rows.size() / 2); },
               [&] { upper = compare(rows.size() / 2, rows.size()); });
      totals.add(lower);
      totals.add(upper);
    }
  }
  if (!std::isfinite(totals.kl) || !std::isfinite(totals.nll))
    return Status::internal(candidate->engine().name() + ": gives logits that are no numbers");
  Divergence result;
  result.positions = totals.positions;
  result.meanKl = totals.kl / double(totals.positions);
  result.maxKl = totals.largest;
  result.topAgreement = double(totals.agreeing) / double(totals.positions);
  if (totals.scored) {
    result.referencePerplexity = std::exp(totals.referenceNll / double(totals.scored));
    result.perplexity = std::exp(totals.nll / double(totals.scored));
  }
  return result;
}

} // namespace tenon::compiler
