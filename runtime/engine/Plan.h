//===- Plan.h - A plan that has been checked --------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// What plan.fbs carries, as plain structures. Only readPlan() and checkPlan() see the FlatBuffer:
// behind them every index, size and linear form has been checked and nothing is optional.
//
#ifndef TENON_RUNTIME_ENGINE_PLAN_H
#define TENON_RUNTIME_ENGINE_PLAN_H

#include "runtime/device/cpu/KernelKind.h"
#include "runtime/engine/EngineFormat.h"
#include "runtime/engine/WeightFormat.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tenon::engine {

/// The sizes that linear forms are functions of.
struct StepLimits {
  uint64_t tokens = 16;    ///< T: most tokens of a step; a multiple of 16.
  uint64_t logitRows = 16; ///< S: most rows with logits; a multiple of 16.
  uint64_t workers = 1;    ///< W: worker threads.
};

/// bytes(T, S, W) = fixed + perToken*T + perLogitRow*S + perWorker*W.
struct LinearForm {
  uint64_t fixed = 0, perToken = 0, perLogitRow = 0, perWorker = 0;
  /// Cannot overflow for a checked plan and limits within its bounds.
  uint64_t at(const StepLimits &l) const {
    return fixed + perToken * l.tokens + perLogitRow * l.logitRows + perWorker * l.workers;
  }
};

struct BufferPlan {
  std::string name;
  LinearForm offset, size;
};

struct WeightPlan {
  std::string name;
  WeightFormat format = WeightFormat::F32;
  uint64_t rows = 0, columns = 0;
  uint64_t offset = 0; ///< In the chip's weights section, or in the made region.
  uint64_t size = 0;
  bool packed = false;
  uint64_t randomSeed = 0;          ///< != 0: made at load.
  uint32_t program = 0;             ///< Chips that run another do not have it.
  std::string tensor;               ///< Of the checkpoint.
  uint32_t partDim = 0;             ///< Dimension that chips share, 0: rows, 1: columns.
  std::vector<uint64_t> partBegins; ///< By chip of the grid's last axis; empty: the whole tensor.
};

using cpu::KernelKind;

struct KernelPlan {
  std::string symbol, kindName, spec;
  KernelKind kind = KernelKind::Linear;
  uint64_t scratchBytes = 0;
};

enum class ArgKind : uint8_t { Buffer, Weight, LayerWeight, KPool, VPool };
struct ArgPlan {
  ArgKind kind;
  uint32_t index;
};

/// Bytes and multiply-accumulates of a launch in a step.
struct CostForm {
  uint64_t weightBytes = 0, bytesPerToken = 0, bytesPerLogitRow = 0, bytesPerContext = 0;
  uint64_t macsPerToken = 0, macsPerLogitRow = 0, macsPerContext = 0;

  /// `context` is the sum over the step's rows of the positions each attends to.
  double bytes(uint64_t tokens, uint64_t logitRows, uint64_t context) const {
    return double(weightBytes) + double(bytesPerToken) * double(tokens) +
           double(bytesPerLogitRow) * double(logitRows) + double(bytesPerContext) * double(context);
  }
  double macs(uint64_t tokens, uint64_t logitRows, uint64_t context) const {
    return double(macsPerToken) * double(tokens) + double(macsPerLogitRow) * double(logitRows) +
           double(macsPerContext) * double(context);
  }
};

enum class CollectiveKind : uint8_t { AllReduce, GatherColumns, Send, Receive, GatherRows };
/// Of the rows between chips.
enum class Element : uint8_t { F32, BF16 };

/// How rows of a collective travel while chips compute the launch beside it (plan.fbs, Overlap).
struct OverlapPlan {
  uint32_t from = 0;  ///< Token rows of a micro-batch from which on they do; 0: never.
  uint32_t block = 0; ///< Rows that are computed, and travel, together.
  std::vector<uint64_t>
      strides; ///< By argument of that launch: bytes of a token row, 0: it has none.
};
/// Arguments of a launch that goes through its rows in blocks, at most.
inline constexpr size_t kMostBlockArguments = 16;

/// What chips do together in a launch without a kernel.
struct CollectivePlan {
  CollectiveKind kind = CollectiveKind::AllReduce;
  uint32_t axis = 0;
  std::vector<uint64_t> columns; ///< Ascending edges from 0.
  bool accumulate = false, logitRows = false, fence = false;
  Element given = Element::F32; ///< BF16 for AllReduce only; what is got is f32.
  std::string cause;
  OverlapPlan overlap; ///< With the launch before an AllReduce, or behind a GatherRows.
  uint64_t givenBytes() const { return given == Element::BF16 ? 2 : 4; }
  /// Whether there is a buffer for it. Rows are gathered in place, in the buffer that gets.
  bool gives() const {
    return kind != CollectiveKind::Receive && kind != CollectiveKind::GatherRows;
  }
  bool gets() const { return kind != CollectiveKind::Send; }
};

struct LaunchPlan {
  uint32_t kernel = 0; ///< Unless it is a collective.
  std::vector<ArgPlan> args;
  bool barrierBefore = true;
  uint32_t ownRows =
      0; ///< From so many token rows on, each chip of a stage does its own alone; 0: never.
  std::string name;
  CostForm cost;
  /// Args are then the buffer that is given (but for Receive) and the one that is got (but for
  /// Send).
  std::optional<CollectivePlan> collective;
  bool kept = false; ///< Over the rows that a step keeps for the end of the last layer.

  bool ofOwnRows(uint64_t tokens) const { return ownRows && tokens >= ownRows; }
  /// Token rows that the busiest of the `chips` of a stage works on, of a micro-batch of `tokens`.
  uint64_t rowsOf(uint64_t tokens, uint32_t chips) const {
    return ofOwnRows(tokens) ? (tokens + chips - 1) / chips : tokens;
  }
};

struct FunctionPlan {
  std::string name;
  std::vector<LaunchPlan> launches;
};

struct CallPlan {
  uint32_t function = 0;
  std::vector<uint32_t> weights;
  uint32_t kvLayer = 0; ///< Among the layers that the chip caches.
  uint32_t program = 0;
};

struct KvPlan {
  uint32_t layers = 0, kvHeads = 0, headDim = 0, blockTokens = 0, elementBytes = 0;
  uint64_t bytesPerBlock = 0;
  /// Bytes of K (or of V) of one block in one layer.
  uint64_t layerBlockBytes() const {
    return uint64_t(kvHeads) * headDim * blockTokens * elementBytes;
  }
};

struct LimitsPlan {
  uint32_t maxContext = 0;
  uint32_t defaultStepTokens = 0, maxStepTokens = 0;
  uint32_t defaultSequences = 0, maxSequences = 0;
  uint64_t defaultKvBytes = 0;
};

struct ModelPlan {
  std::string name, architecture, weightsKind;
  uint32_t vocabulary = 0, hidden = 0, layers = 0;
  uint64_t parameters = 0;
  int32_t bos = -1;
  std::vector<int32_t> eos;
};

struct ChipPlan {
  uint32_t id = 0;
  std::string kind;
  std::vector<BufferPlan> buffers;
  LinearForm arena;
  uint64_t weightsBytes = 0;
  uint32_t program = 0;               ///< A step is the calls of this program.
  uint32_t kvLayers = 0, kvHeads = 0; ///< What it caches.
  uint32_t firstToken = 0;            ///< Id of the first row of its embedding table.
  uint32_t firstKvHead = 0;           ///< Of the model's, the first that it caches.
};

struct CheckPlan {
  std::string region;
  float maxAbsError = 0, maxRelError = 0;
  uint32_t samples = 0;
};

/// How a token's last hidden state is read after a step, on the logits' chip.
struct PoolingPlan {
  uint32_t hiddenBuffer = 0; ///< [T, model.hidden] f32, before the last norm.
  uint32_t normWeight = 0;   ///< Plain f32, model.hidden columns.
  float normEps = 0;
};

/// Neighbouring chips.
struct ChipRange {
  uint32_t first = 0, count = 0;
  uint32_t end() const { return first + count; }
  bool holds(uint32_t chip) const { return chip >= first && chip < end(); }
};
/// What process `process` of `processes` runs of `chips`: shares as even as can be, in order.
inline ChipRange chipsOfProcess(uint32_t chips, uint32_t process, uint32_t processes) {
  const auto begin = [&](uint64_t p) { return static_cast<uint32_t>(p * chips / processes); };
  return {begin(process), begin(process + 1) - begin(process)};
}

struct Plan {
  uint32_t formatMinor =
      kFormatMinor; ///< Of the file: what its kernels know of their step (KernelAbi.h).
  std::string producer, target;
  std::vector<uint32_t> grid;
  uint32_t replicas =
      1; ///< Grids like this one that work side by side; the rest of the plan is of one of them.
  ModelPlan model;
  LimitsPlan limits;
  std::vector<ChipPlan> chips;
  KvPlan kv;
  std::vector<WeightPlan> weights;
  std::vector<KernelPlan> kernels;
  std::vector<FunctionPlan> functions;
  std::vector<CallPlan> calls;
  uint32_t logitsBuffer = 0;
  uint32_t logitsBlock =
      0; ///< Columns of a block whose maxima follow the step's logits; 0: none do.
  std::vector<CheckPlan> checks;
  std::optional<PoolingPlan> pooling; ///< Absent in engines of format 3.1 and in pipelines.

  uint64_t storedWeightBytes() const; ///< Bytes of weights that lie in the file, of all chips.
  uint64_t madeWeightBytes() const;   ///< Bytes of weights that are made at load, of all chips.
  /// Size of the region of weights that are made at load for one chip.
  uint64_t madeWeightBytes(const ChipPlan &chip) const;
  /// Bytes of K and V of a block in the layers and heads that a chip caches.
  uint64_t kvBytesPerBlock(const ChipPlan &chip) const {
    return uint64_t(2) * chip.kvLayers * kvLayerBlockBytes(chip);
  }
  /// Bytes of K (or of V) of one block in one layer on a chip.
  uint64_t kvLayerBlockBytes(const ChipPlan &chip) const {
    return uint64_t(chip.kvHeads) * kv.headDim * kv.blockTokens * kv.elementBytes;
  }
  /// Chips that share each layer: the grid's last axis.
  uint32_t chipsPerStage() const { return grid.back(); }
  /// The chip that holds the logits at the end of a step.
  uint32_t logitsChip() const { return static_cast<uint32_t>(chips.size()) - chipsPerStage(); }
  /// Whether the end of the last layer is computed for kept rows alone (LaunchPlan::kept). Rows
  /// with logits then count from the first of those.
  bool keepsRows() const;
  uint64_t scratchBytes() const; ///< Scratch of one worker: the most that any kernel needs.
  bool isEos(int32_t token) const;
  /// "linear_gate", "all_reduce": the kernel's kind, or the collective's.
  std::string kindOf(const LaunchPlan &launch) const;
};

/// "all_reduce".
const char *collectiveKindName(CollectiveKind kind);

/// Largest limits a plan may state and a runtime may ask for; keeps every form within 64 bits.
inline constexpr uint32_t kMaxStepTokens = 1u << 16;
inline constexpr uint32_t kMaxSequences = 1u << 16;
inline constexpr uint32_t kMaxContext = 1u << 24;
inline constexpr uint32_t kMaxReplicas = 1024;
inline constexpr uint32_t kMaxWorkers = 1024;
/// Largest coefficient of a linear form, and largest weight or arena.
inline constexpr uint64_t kMaxCoefficient = uint64_t(1) << 44;

} // namespace tenon::engine

#endif // TENON_RUNTIME_ENGINE_PLAN_H
