//===- Prediction.cpp - How long a step will take -------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/driver/Prediction.h"

#include "compiler/driver/Overlap.h"

#include "dialects/plan/CpuKernels.h"
#include "runtime/executor/MicroBatches.h"

#include "llvm/ADT/SmallSet.h"

#include <algorithm>
#include <numeric>

namespace tenon::compiler {

using namespace mlir::plan;
using mlir::Operation;

double StepPrediction::seconds() const {
  return std::accumulate(stages.begin(), stages.end(), 0.0);
}
double StepPrediction::slowest() const { return *llvm::max_element(stages); }

static uint32_t chipsOfReplica(EngineOp engine) {
  const auto chips = engine.getOps<ChipOp>();
  return static_cast<uint32_t>(std::distance(chips.begin(), chips.end()));
}

uint64_t collectiveBytes(EngineOp engine, CollectiveOp op, const StepShape &step) {
  // A step that generates keeps the rows with logits.
  const uint64_t rows = op.getLogitRows() || op.getKept() ? step.logitRows : step.tokens;
  return rows * op.getTargetColumns() * op.getSourceElementBytes();
}

/// Whether chips do rows of their own in a step, in a launch with `from` as own_rows.
static bool doesOwnRows(std::optional<uint64_t> from, const StepShape &step) {
  return from && step.sharesRows && step.tokens >= *from;
}

static const ChipKind &kindOf(const ChipsFile &chips, size_t chip) {
  return chips.chips[std::min(chip, chips.chips.size() - 1)];
}

/// Whether chips from `first` on have one memory. One process runs them then.
static bool shareMemory(const ChipsFile &chips, uint32_t first, uint32_t count) {
  const ChipKind &kind = kindOf(chips, first);
  return kind.sharedReadBandwidth && first / kind.sharedBy == (first + count - 1) / kind.sharedBy;
}

double collectiveSeconds(EngineOp engine, CollectiveOp op, const ChipsFile &chips, uint32_t chip,
                         const StepShape &step) {
  llvm::ArrayRef<int64_t> grid = engine.getGrid();
  const uint32_t tensor = grid.back();
  const bool within = op.getAxis() + 1 == grid.size();
  const bool passes =
      op.getKind() == CollectiveKind::Send || op.getKind() == CollectiveKind::Receive;
  const uint32_t count = passes ? 2 : static_cast<uint32_t>(grid[op.getAxis()]);
  const uint32_t replica =
      chip / chipsOfReplica(engine) * chipsOfReplica(engine); // Its first chip.
  uint32_t first = within ? chip / tensor * tensor : replica + chip % tensor;
  if (passes)
    first = op.getKind() == CollectiveKind::Send ? chip : chip - tensor;
  const Link *link = chips.linkOf(first, count, within ? 1 : tensor);
  if (count < 2 || !link)
    return 0;
  const double n = count, bytes = collectiveBytes(engine, op, step);
  const double alpha = link->latencySeconds, beta = link->bandwidth;
  const double half = (link->ring ? n - 1 : 1) * alpha + (n - 1) / n * bytes / beta;
  const bool ownRows = doesOwnRows(op.getOwnRows(), step);
  if (op.getLogitRows() && within && shareMemory(chips, first, count))
    return link->ring ? (n - 1) * alpha
                      : alpha; // Written in place (runtime/executor/SharedMemory.h): they meet.
  switch (op.getKind()) {
  case CollectiveKind::GatherRows:
    return ownRows ? half : 0;
  case CollectiveKind::AllReduce: {
    if (ownRows)
      return half;
    const double halves = (link->ring ? 2 * (n - 1) : 2) * alpha + 2 * (n - 1) / n * bytes / beta;
    const double pairs = (link->ring ? n - 1 : 1) * alpha + (n - 1) * bytes / beta;
    return std::min(halves, pairs);
  }
  case CollectiveKind::GatherColumns:
    return half;
  case CollectiveKind::Receive:
    return alpha + bytes / beta; // The sender's share is not counted twice.
  case CollectiveKind::Send:
    return 0;
  }
  return 0;
}

namespace {
/// Multiply-accumulates a second that a kernel's numbers run at in a step of `rows` rows.
double rateOf(const cpu::KernelSpec &spec, const ChipKind &chip, uint64_t rows) {
  if (spec.quantIn) // Two planes of int8 make one product of 15 bits.
    return chip.int8MacsAt(double(rows)) / (spec.rowBits == 8 ? 1 : 2);
  for (WeightFormat format : spec.formats)
    if (format == WeightFormat::BF16 || format == WeightFormat::F16)
      return chip.bf16Macs;
  return chip.f32Macs;
}

/// Bytes a second that a chip gets while others read too.
struct Reach {
  double read = 0;    ///< Of weights and activations.
  double context = 0; ///< Of keys and values.
  double meeting = 0; ///< Seconds: chips that read each other's keys meet before they do.
};

double launchSeconds(LaunchOp launch, const cpu::KernelSpec &spec, const ChipKind &chip,
                     const Reach &reach, uint32_t chips, StepShape step) {
  CostAttr c = launch.getCost();
  if (doesOwnRows(launch.getOwnRows(), step))
    step.tokens = (step.tokens + chips - 1) / chips;
  if (spec.window) { // Rows look back so far at most.
    step.context = std::min<uint64_t>(step.context, step.tokens * spec.window);
    step.positions = std::min<uint64_t>(step.positions, step.logitRows * spec.window + step.tokens);
  }
  const double bytes = double(c.getWeightBytes()) + double(c.getBytesPerToken()) * step.tokens +
                       double(c.getBytesPerLogitRow()) * step.logitRows;
  const double context = double(c.getBytesPerContext()) * step.positions;
  const double macs = double(c.getMacsPerToken()) * step.tokens +
                      double(c.getMacsPerLogitRow()) * step.logitRows +
                      double(c.getMacsPerContext()) * step.context;
  const uint64_t rows = c.getMacsPerLogitRow() ? step.logitRows : step.tokens;
  return std::max(bytes / reach.read + context / reach.context, macs / rateOf(spec, chip, rows)) +
         chip.launchSeconds + (spec.kind == cpu::KernelKind::Attention ? reach.meeting : 0);
}

/// How many chips of a stage read each of its KV heads, on average.
double readersOfAHead(EngineOp engine, uint32_t stage) {
  const uint32_t tensor = engine.getGrid().back();
  uint64_t read = 0;
  llvm::SmallSet<uint32_t, 16> heads;
  for (ChipOp chip : engine.getOps<ChipOp>()) {
    if (chip.getId() / tensor != stage)
      continue;
    const uint32_t first = chip.getFirstKvHead().value_or(0), count = chip.getKvHeads().value_or(0);
    for (uint32_t head = first; head < first + count; ++head)
      heads.insert(head);
    read += count;
  }
  return heads.empty() ? 1 : double(read) / double(heads.size());
}

/// What a chip, number `id` of its replica's `chips`, gets while the others of its stage, or of the
/// replica, read too, and the same of other replicas.
Reach reachOf(EngineOp engine, const ChipsFile &file, uint32_t id, uint32_t chips,
              const StepSurroundings &around) {
  const uint32_t tensor = engine.getGrid().back(), place = around.replica * chips + id;
  const ChipKind &chip = kindOf(file, place);
  const double ownContext = chip.contextBandwidth ? chip.contextBandwidth : chip.readBandwidth;
  if (!chip.sharedReadBandwidth)
    return {chip.readBandwidth, ownContext, 0};
  const uint32_t first = around.overlapped ? 0 : id / tensor * tensor,
                 end = around.overlapped ? chips : first + tensor;
  const uint32_t group = place / chip.sharedBy * chip.sharedBy;
  uint32_t readers = 0;
  for (uint32_t replica = 0; replica < std::max(around.active, around.replica + 1); ++replica) {
    if (replica >= around.active && replica != around.replica)
      continue; // Idle.
    const uint32_t from = std::max(replica * chips + first, group),
                   to = std::min(replica * chips + end, group + chip.sharedBy);
    readers += to > from ? to - from : 0;
  }
  const double sharedContext = chip.sharedContextBandwidth
                                   ? chip.sharedContextBandwidth
                                   : chip.sharedReadBandwidth * ownContext / chip.readBandwidth;
  const double together = std::min(ownContext, sharedContext / readers);
  if (readers == 1)
    return {std::min(chip.readBandwidth, chip.sharedReadBandwidth), together, 0};
  // Chips of one process have a KV head once, and read it at about the same time: from the memory
  // it comes once. What fewer streams cost lies between one reader and as many as there are, by the
  // number of streams.
  const uint32_t stage = place / tensor * tensor; // Its first chip.
  const double ofAHead = shareMemory(file, stage, tensor) ? readersOfAHead(engine, id / tensor) : 1;
  const double perByte =
      1 / ownContext + (1 / together - 1 / ownContext) * (readers / ofAHead - 1) / (readers - 1);
  const Link *link = ofAHead > 1 ? file.linkOf(stage, tensor, 1) : nullptr;
  return {std::min(chip.readBandwidth, chip.sharedReadBandwidth / readers), 1 / perByte,
          link ? link->latencySeconds : 0};
}
} // namespace

/// The part of what chips of a stage send each other that goes on while they compute. Within one
/// process nothing is sent.
static double besideOf(EngineOp engine, const ChipsFile &chips, uint32_t chip) {
  const uint32_t tensor = engine.getGrid().back();
  const uint32_t first = chip / tensor * tensor;
  const Link *link = chips.linkOf(first, tensor, 1);
  return link && !shareMemory(chips, first, tensor) ? link->overlap : 0;
}

StepPrediction predictStep(EngineOp engine, const ChipsFile &chips, const StepShape &step,
                           const StepSurroundings &around) {
  llvm::DenseMap<mlir::StringAttr, cpu::KernelSpec> specs;
  for (KernelOp kernel : engine.getOps<KernelOp>()) {
    std::string error;
    specs[kernel.getSymNameAttr()] = *specFromAttr(kernel.getKind(), kernel.getSpec(), error);
  }
  llvm::DenseMap<mlir::StringAttr, uint64_t> calls;
  llvm::DenseMap<mlir::StringAttr, uint32_t> programs;
  for (CallOp call : engine.getOps<CallOp>()) {
    ++calls[call.getFunctionAttr().getAttr()];
    programs[call.getFunctionAttr().getAttr()] = call.getProgramNumber();
  }

  StepPrediction result;
  const uint32_t tensor = engine.getGrid().back();
  const uint32_t count = chipsOfReplica(engine);
  for (ChipOp chip : engine.getOps<ChipOp>()) {
    const uint32_t id = chip.getId(),
                   place = around.replica * count + id; // In the plan, in the file.
    const ChipKind &kind = kindOf(chips, place);
    const Reach reach = reachOf(engine, chips, id, count, around);
    double seconds = 0;
    for (FunctionOp function : engine.getOps<FunctionOp>()) {
      const mlir::StringAttr name = function.getSymNameAttr();
      if (programs.lookup(name) != chip.getProgramNumber())
        continue;
      double once = 0;
      for (Operation &op : function.getBody().front())
        if (auto launch = llvm::dyn_cast<LaunchOp>(op))
          once += launchSeconds(launch, specs[launch.getKernelAttr().getAttr()], kind, reach,
                                tensor, step);
        else
          once += exposedSeconds(
              llvm::cast<CollectiveOp>(op), step, tensor,
              collectiveSeconds(engine, llvm::cast<CollectiveOp>(op), chips, place, step),
              besideOf(engine, chips, place), [&](LaunchOp product, const StepShape &rows) {
                return launchSeconds(product, specs[product.getKernelAttr().getAttr()], kind, reach,
                                     tensor, rows);
              });
      seconds += once * calls.lookup(name);
    }
    result.stages.resize(std::max<size_t>(result.stages.size(), id / tensor + 1));
    result.stages[id / tensor] = std::max(result.stages[id / tensor], seconds);
  }
  return result;
}

double pipelineSeconds(llvm::ArrayRef<StepPrediction> microBatches) {
  std::vector<double> free; // When each stage has done all micro-batches so far.
  double done = 0;
  for (const StepPrediction &micro : microBatches) {
    free.resize(micro.stages.size());
    done = 0;
    for (size_t stage = 0; stage < free.size(); ++stage)
      done = free[stage] = std::max(free[stage], done) + micro.stages[stage];
  }
  return done;
}

static uint32_t stagesOf(EngineOp engine) {
  llvm::ArrayRef<int64_t> grid = engine.getGrid();
  return grid.size() > 1 ? static_cast<uint32_t>(grid.front()) : 1;
}

/// The slowest of the first `active` replicas; of those that have equal chips one is as good as
/// another.
template <typename Fn>
static double slowestReplica(EngineOp engine, const ChipsFile &chips, uint32_t active,
                             Fn &&seconds) {
  const size_t count = chipsOfReplica(engine);
  double most = 0;
  for (uint32_t replica = 0; replica < active; ++replica) {
    bool equal = replica > 0;
    for (size_t id = replica * count; equal && id < (replica + 1) * count; ++id)
      equal = kindOf(chips, id) == kindOf(chips, id - count);
    if (!equal)
      most = std::max(most, seconds(replica));
  }
  return most;
}

double predictPrompts(EngineOp engine, const ChipsFile &chips, uint64_t sequences,
                      uint64_t tokens) {
  const uint64_t most = std::max<uint64_t>(1, engine.getLimits().getDefaultStepTokens());
  const uint64_t replicas = engine.getNumReplicas();
  const auto active = static_cast<uint32_t>(std::min(replicas, sequences));
  const uint64_t prompts = (sequences + replicas - 1) / replicas; // Of the fullest.
  return slowestReplica(engine, chips, sequences == 1 ? replicas : active, [&](uint32_t replica) {
    std::vector<StepPrediction> prompt; // The micro-batches of one.
    double alone = 0; // Seconds of one: a step needs what the last stage makes of the one before.
    for (uint64_t done = 0; done < tokens; done += most) {
      const uint64_t end = std::min(tokens, done + most);
      const uint64_t each =
          executor::microBatchRows(static_cast<uint32_t>(end - done), stagesOf(engine));
      const size_t before = prompt.size();
      for (uint64_t at = done; at < end; at += each) {
        StepShape shape = promptStep(at, std::min(end, at + each));
        if (at + each < end)
          shape.logitRows = 0;
        prompt.push_back(
            predictStep(engine, chips, shape,
                        {prompts > 1 || each < end - done, replica, sequences == 1 ? 0 : active}));
      }
      alone += pipelineSeconds(llvm::ArrayRef(prompt).drop_front(before));
    }
    std::vector<StepPrediction> all;
    for (uint64_t p = 0; p < prompts; ++p)
      llvm::append_range(all, prompt);
    return prompts == 1 ? alone : pipelineSeconds(all);
  });
}

double predictDecode(EngineOp engine, const ChipsFile &chips, uint64_t sequences,
                     uint64_t context) {
  const uint32_t stages = stagesOf(engine);
  const uint64_t replicas = engine.getNumReplicas();
  const auto active = static_cast<uint32_t>(std::min(replicas, sequences));
  sequences = (sequences + replicas - 1) / replicas; // Of the fullest.
  const uint64_t share =
      std::min<uint64_t>(sequences, std::max<uint64_t>((sequences + stages - 1) / stages,
                                                       executor::kRowsReadTogether));
  const uint64_t steps = stages == 1 ? 1 : (sequences + share - 1) / share;
  const uint64_t rows = steps == 1 ? sequences : share;
  const uint64_t each = executor::microBatchRows(static_cast<uint32_t>(rows), stages);
  return slowestReplica(engine, chips, active, [&](uint32_t replica) {
    std::vector<StepPrediction> micro;
    double busy = 0; // The busiest stage, in one of the steps.
    for (uint64_t at = 0; at < rows; at += each) {
      micro.push_back(predictStep(engine, chips, decodeStep(std::min(each, rows - at), context),
                                  {steps > 1 || each < rows, replica, active}));
      busy += micro.back().slowest();
    }
    return std::max(double(steps) * busy, pipelineSeconds(micro));
  });
}

} // namespace tenon::compiler
