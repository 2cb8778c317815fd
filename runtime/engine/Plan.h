//===- Plan.h - A plan that has been checked --------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// What plan.fbs carries, as plain structures. Only readPlan() and checkPlan() see the FlatBuffer:
// behind them every index, size and linear form has been checked and nothing is optional.
//
#ifndef TENON_RUNTIME_ENGINE_PLAN_H
#define TENON_RUNTIME_ENGINE_PLAN_H

#include "runtime/engine/WeightFormat.h"

#include <cstdint>
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
  uint64_t randomSeed = 0; ///< != 0: made at load.
};

/// Kinds of runtime/device/cpu kernels, in the order of compiler/targets/cpu/KernelSpec.h.
enum class KernelKind : uint8_t {
  RopeTable,
  Embed,
  NormQuant,
  NormAdd,
  NormAddNormQuant,
  Quantize,
  Linear,
  LinearGate,
  LinearQkv,
  Attention,
};

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

struct LaunchPlan {
  uint32_t kernel = 0;
  std::vector<ArgPlan> args;
  bool barrierBefore = true;
  std::string name;
  CostForm cost;
};

struct FunctionPlan {
  std::string name;
  std::vector<LaunchPlan> launches;
};

struct CallPlan {
  uint32_t function = 0;
  std::vector<uint32_t> weights;
  uint32_t kvLayer = 0;
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
};

struct CheckPlan {
  std::string region;
  float maxAbsError = 0, maxRelError = 0;
  uint32_t samples = 0;
};

struct Plan {
  std::string producer, target;
  std::vector<uint32_t> grid;
  ModelPlan model;
  LimitsPlan limits;
  std::vector<ChipPlan> chips;
  KvPlan kv;
  std::vector<WeightPlan> weights;
  std::vector<KernelPlan> kernels;
  std::vector<FunctionPlan> functions;
  std::vector<CallPlan> calls;
  uint32_t logitsBuffer = 0;
  std::vector<CheckPlan> checks;

  uint64_t storedWeightBytes() const; ///< Bytes of weights that lie in the file.
  uint64_t madeWeightBytes() const;   ///< Size of the region of weights that are made at load.
  uint64_t scratchBytes() const;      ///< Scratch of one worker: the most that any kernel needs.
  bool isEos(int32_t token) const;
};

/// Largest limits a plan may state and a runtime may ask for; keeps every form within 64 bits.
inline constexpr uint32_t kMaxStepTokens = 1u << 16;
inline constexpr uint32_t kMaxSequences = 1u << 16;
inline constexpr uint32_t kMaxContext = 1u << 24;
inline constexpr uint32_t kMaxWorkers = 1024;
/// Largest coefficient of a linear form, and largest weight or arena.
inline constexpr uint64_t kMaxCoefficient = uint64_t(1) << 44;

} // namespace tenon::engine

#endif // TENON_RUNTIME_ENGINE_PLAN_H
