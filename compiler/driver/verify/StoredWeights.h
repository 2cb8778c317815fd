//===- StoredWeights.h - Weights read back from the file --------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_COMPILER_DRIVER_VERIFY_STOREDWEIGHTS_H
#define TENON_COMPILER_DRIVER_VERIFY_STOREDWEIGHTS_H

#include "compiler/engine/EngineWriter.h"
#include "dialects/plan/PlanDialect.h"

#include <map>

namespace tenon::compiler {

/// The weights of an engine that is being written, as the runtime will find them: what is verified
/// is what ships.
class StoredWeights {
public:
  /// The weights sections have been written. Both must outlive this.
  StoredWeights(mlir::plan::EngineOp plan, const EngineWriter &writer);

  /// Reads the bytes of `tensor`, or of the part of it that `chip` has. Fails if the plan stores no
  /// such weight there or one of another size than `out`.
  llvm::Error read(llvm::StringRef tensor, uint32_t chip, llvm::MutableArrayRef<uint8_t> out) const;

private:
  const EngineWriter &writer;
  std::map<uint32_t, uint32_t> programOf; ///< By chip.
  std::map<std::pair<uint32_t, llvm::StringRef>, mlir::plan::WeightOp>
      weights; ///< By program and tensor.
};

} // namespace tenon::compiler

#endif // TENON_COMPILER_DRIVER_VERIFY_STOREDWEIGHTS_H
