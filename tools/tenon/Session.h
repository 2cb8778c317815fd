//===- Session.h - An engine ready to answer --------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_TOOLS_TENON_SESSION_H
#define TENON_TOOLS_TENON_SESSION_H

#include "runtime/engine/Engine.h"
#include "runtime/executor/Replicas.h"
#include "runtime/sample/Sampler.h"
#include "runtime/text/Template.h"
#include "runtime/text/Tokenizer.h"

#include <boost/json/fwd.hpp>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace tenon::tool {

/// Seconds without a sign of life after which a chip or process has failed, unless said otherwise.
inline constexpr double kRankTimeout = 6;

/// Options of every command that runs a model.
struct RunOptions {
  std::string engine;
  uint32_t threads = 0; ///< 0: one for each core.
  std::string variant;
  std::optional<uint64_t> kvMemory;
  std::optional<uint32_t> maxSequences, stepTokens, maxContext;
  bool verifyWeights = false;
  bool hugePages = false;
  bool noPin = false;
  uint32_t microBatch = 0;           ///< Rows; 0: chosen.
  std::optional<double> rankTimeout; ///< Seconds; absent: kRankTimeout.
  bool drains = false; ///< Rank 0 ends in order when it is asked to end; the others wait for it.
  /// The processes that run the engine together; null for one (Processes.h).
  collective::Cluster *cluster = nullptr;
};

/// Adds the engine's position and the options above to a subcommand.
void addRunOptions(CLI::App &command, RunOptions &options);

/// Adds --temperature, --top-k and the like.
void addSamplingOptions(CLI::App &command, sample::SamplingParams &sampling);

/// What an executor notes while it runs (ExecutorOptions).
enum class Watch : uint8_t { Nothing, Launches, Trace };

/// An open engine with its tokenizer; the executor follows once the requests' size is known.
class Session {
public:
  static StatusOr<std::unique_ptr<Session>> open(const RunOptions &options);

  /// This process's part of the engine, ready to run.
  static StatusOr<std::unique_ptr<engine::Engine>> openEngine(const RunOptions &options);
  /// Worker threads of this process: --threads, or a fair share of the processors.
  static uint32_t workersFor(const RunOptions &options);

  /// Opens the engine to look at it only.
  static StatusOr<std::unique_ptr<engine::Engine>> inspect(const std::string &path);

  const engine::Engine &engine() const { return *opened; }
  const engine::Plan &plan() const { return opened->plan(); }
  const text::Tokenizer &tokenizer() const { return *words; }
  uint32_t threads() const { return workers; }

  /// Ids that end an answer: the plan's, and those that the tokenizer knows.
  std::vector<int32_t> stopTokens() const;

  /// The prompt's ids: as it is (`raw`), or within the chat template as the user's turn.
  StatusOr<std::vector<int32_t>> encodePrompt(const std::string &prompt, bool raw) const;

  /// The ids of a conversation, ready for the assistant's next turn.
  StatusOr<std::vector<int32_t>> encodeChat(std::span<const text::ChatMessage> messages) const;

  /// Makes the executors: `replicas` of them, which share the threads. Where neither options nor
  /// `wanted` say, the plan's defaults hold; options win. All sizes are of one replica.
  Status prepare(executor::CapacityRequest wanted, Watch watch = Watch::Nothing,
                 uint32_t replicas = 1);
  executor::Replicas &replicas() { return *runners; }
  /// The first replica's.
  executor::Executor &executor() { return (*runners)[0]; }
  /// What the chips' plan, in all replicas, and the tokenizer, which is mapped beside it, take. The
  /// executors must be there.
  uint64_t plannedBytes() const;
  void releaseExecutor() { runners.reset(); }

private:
  RunOptions options;
  uint32_t workers = 1;
  std::unique_ptr<engine::Engine> opened;
  std::optional<text::Tokenizer> words;
  mutable std::optional<text::Template> chatTemplate;
  std::unique_ptr<executor::Replicas> runners;
};

/// "1.25 MiB" and the like.
std::string formatBytes(uint64_t bytes);

/// Writes one JSON object and a newline to standard output.
void printJson(const boost::json::object &object);

} // namespace tenon::tool

#endif // TENON_TOOLS_TENON_SESSION_H
