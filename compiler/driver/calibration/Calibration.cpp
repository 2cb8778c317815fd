//===- Calibration.cpp - A model's own text, and what it computes ---------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/driver/calibration/Calibration.h"

#include "compiler/driver/calibration/InputFile.h"
#include "compiler/driver/calibration/Openings.h"
#include "runtime/device/cpu/Topology.h"
#include "runtime/executor/Executor.h"
#include "runtime/generate/StepDraws.h"
#include "runtime/text/Tokenizer.h"

#include <numeric>

namespace tenon::compiler {

namespace {

/// A text that is being written.
struct Sequence {
  std::vector<int32_t> tokens; ///< The opening, and what was drawn after it.
  std::vector<int32_t> blocks;
  uint32_t position = 0; ///< Of the next token to be read.
};

/// Lets an engine write, all sequences token by token.
class Writer {
public:
  static StatusOr<std::unique_ptr<InputFile>> run(const std::string &enginePath,
                                                  const std::string &path, Progress &progress) {
    engine::EngineOptions options;
    options.threads = cpu::readTopology().usefulWorkers;
    auto engine = engine::Engine::open(enginePath, options);
    if (!engine)
      return engine.status();
    Writer writer(**engine);
    TENON_RETURN_IF_ERROR(writer.prepare(path, options.threads));
    TENON_RETURN_IF_ERROR(writer.write(progress));
    return std::move(writer.inputs);
  }

private:
  explicit Writer(const engine::Engine &engine) : engine(engine) {}

  Status prepare(const std::string &path, uint32_t workers) {
    const engine::Plan &plan = engine.plan();
    length = std::min(kCalibrationLength, plan.limits.maxContext);
    executor::CapacityRequest wanted;
    wanted.workers = workers;
    wanted.sequences = wanted.stepTokens = wanted.logitRows =
        std::min(kCalibrationSequences, plan.limits.maxSequences);
    wanted.context = length;
    const uint32_t blocks = (length + plan.kv.blockTokens - 1) / plan.kv.blockTokens;
    wanted.kvBytes = uint64_t(blocks) * *wanted.sequences * plan.kv.bytesPerBlock;
    auto capacity = executor::chooseCapacity(plan, wanted);
    if (!capacity)
      return capacity.status();
    auto file = InputFile::create(path, plan, uint64_t(*wanted.sequences) * length);
    if (!file)
      return file.status();
    inputs = std::move(*file);
    executor::ExecutorOptions options;
    options.pin = false;
    options.observer = inputs.get();
    auto made = executor::Executor::create(engine, *capacity, options);
    if (!made)
      return made.status();
    executor = std::move(*made);

    const auto section = engine.section(engine::SectionKind::Tokenizer);
    auto tokenizer =
        text::Tokenizer::load({reinterpret_cast<const uint8_t *>(section.data()), section.size()});
    if (!tokenizer)
      return tokenizer.status();
    for (std::string_view text : kOpenings) {
      auto ids = tokenizer->encode(text, /*addSpecial=*/true, /*parseSpecial=*/false);
      if (!ids)
        return ids.status();
      if (!ids->empty())
        openings.push_back(std::move(*ids));
    }
    if (openings.empty())
      return Status::unsupported(engine.name() + ": the tokenizer gives no tokens");
    sequences.resize(*wanted.sequences);
    for (uint32_t s = 0; s < sequences.size(); ++s) {
      sequences[s].blocks.resize(blocks);
      std::iota(sequences[s].blocks.begin(), sequences[s].blocks.end(), int32_t(s * blocks));
      begin(sequences[s]);
    }
    return Status::ok();
  }

  void begin(Sequence &sequence) {
    sequence.tokens = openings[begun++ % openings.size()];
    sequence.position = 0;
  }

  Status write(Progress &progress) {
    sample::SamplingParams params;
    params.temperature = 1;
    params.topP = 0.95f;
    const sample::TokenHistory history;
    generate::StepDraws draws(engine.plan().model.vocabulary, executor->numWorkers(),
                              static_cast<uint32_t>(sequences.size()));
    std::vector<executor::StepRows> rows(sequences.size());
    uint64_t drawn = 0;
    for (uint32_t step = 0; step < length; ++step) {
      progress.update("calibrating", double(step) / length, "the model's own text");
      for (size_t s = 0; s < sequences.size(); ++s)
        rows[s] = {std::span(&sequences[s].tokens[sequences[s].position], 1), sequences[s].position,
                   sequences[s].blocks, 1};
      TENON_RETURN_IF_ERROR(executor->run(rows));
      TENON_RETURN_IF_ERROR(inputs->endStep(rows.size()));
      draws.clear();
      for (uint32_t s = 0; s < sequences.size(); ++s) {
        generate::StepDraws::Draw &draw = draws.add();
        draw.logits = executor->logitsToDraw(s);
        draw.params = &params;
        draw.history = &history;
        draw.index = drawn++;
      }
      draws.run(*executor);
      for (size_t s = 0; s < sequences.size(); ++s)
        advance(sequences[s], draws.results()[s].sampled.token);
    }
    return Status::ok();
  }

  /// After a step: the next token is the opening's own, or `drawn`. A text that has ended is
  /// followed by another.
  void advance(Sequence &sequence, int32_t drawn) {
    if (++sequence.position < sequence.tokens.size())
      return;
    if (engine.plan().isEos(drawn))
      return begin(sequence);
    sequence.tokens.push_back(drawn);
  }

  const engine::Engine &engine;
  std::unique_ptr<InputFile> inputs; // outlives the executor
  std::unique_ptr<executor::Executor> executor;
  std::vector<std::vector<int32_t>> openings;
  std::vector<Sequence> sequences;
  uint32_t length = 0;
  size_t begun = 0;
};

} // namespace

llvm::Expected<std::unique_ptr<InputSource>>
calibrate(ReferenceEngine &reference, const std::string &path, Progress &progress) {
  auto engine = reference.path();
  if (!engine)
    return engine.takeError();
  auto inputs = Writer::run(*engine, path, progress);
  if (!inputs)
    return llvm::createStringError("calibration: " + inputs.status().message() +
                                   "; --no-calibration rounds without");
  return std::unique_ptr<InputSource>(std::move(*inputs));
}

} // namespace tenon::compiler
