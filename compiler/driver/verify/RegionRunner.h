//===- RegionRunner.h - One region by kernel and by reference ---*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_COMPILER_DRIVER_VERIFY_REGIONRUNNER_H
#define TENON_COMPILER_DRIVER_VERIFY_REGIONRUNNER_H

#include "compiler/driver/verify/SampleStep.h"
#include "compiler/driver/verify/WeightImages.h"
#include "dialects/tenon/reference/HostKvCache.h"
#include "dialects/tenon/reference/ReferenceContext.h"
#include "frontends/Checkpoint.h"
#include "passes/lower/LaunchSpec.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/Support/Error.h"

namespace tenon::compiler {

/// How far apart two results are.
struct ResultError {
  double maxAbs = 0;    ///< Largest difference.
  double magnitude = 0; ///< Largest magnitude of the reference.
  double relative() const { return magnitude > 0 ? maxAbs / magnitude : maxAbs; }
};

/// Runs one region on sampled steps. Weights are those that the region has in the first call of its
/// function; activations are random.
class RegionRunner {
public:
  RegionRunner(mlir::tenon::FusedOp region, const mlir::tenon::LaunchSpec &launch,
               uint64_t scratchBytes, const frontend::Checkpoint &checkpoint);

  /// Reads the weights of the region as they are stored.
  llvm::Error loadWeights(const StoredWeights &stored);

  /// The worst result of one step, with the kernel's work shared by `workers`.
  llvm::Expected<ResultError> run(cpu::KernelFn kernel, const SampleStep &step, uint32_t workers,
                                  uint64_t seed);

private:
  struct Activation {
    mlir::tenon::HostTensor values;
    AlignedBytes bytes; ///< As the kernel reads it.
  };
  struct Pools {
    AlignedBytes keys, values;
  };

  uint64_t rowsOf(mlir::Value value, const SampleStep &step) const;
  Activation makeActivation(mlir::Value value, const SampleStep &step, SampleRandom &random) const;
  mlir::tenon::HostTensor makeInts(mlir::BlockArgument argument, const SampleStep &step) const;
  void fillCache(mlir::tenon::HostKvCache &cache, Pools &pools, const SampleStep &step,
                 SampleRandom &random) const;
  ResultError compareCache(const mlir::tenon::HostKvCache &cache, Pools &pools,
                           const SampleStep &step) const;
  ResultError compare(mlir::Value result, const mlir::tenon::HostTensor &expected,
                      const uint8_t *got) const;

  mlir::tenon::FusedOp region;
  const mlir::tenon::LaunchSpec &launch;
  uint64_t scratchBytes;
  const frontend::Checkpoint &checkpoint;
  llvm::DenseMap<mlir::Value, WeightImage> weights;
};

} // namespace tenon::compiler

#endif // TENON_COMPILER_DRIVER_VERIFY_REGIONRUNNER_H
