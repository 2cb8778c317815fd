//===- ReferenceInterpreter.h - Run a step without kernels ------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
#ifndef TENON_DIALECTS_TENON_REFERENCE_REFERENCEINTERPRETER_H
#define TENON_DIALECTS_TENON_REFERENCE_REFERENCEINTERPRETER_H

#include "dialects/tenon/TenonOps.h"
#include "dialects/tenon/reference/HostKvCache.h"
#include "dialects/tenon/reference/ReferenceContext.h"

#include "mlir/IR/BuiltinOps.h"

namespace mlir::tenon {

/// Rows of one step and where they stand.
struct ReferenceStep {
  std::vector<int32_t> ids, positions, sequences; ///< [tokens]
  std::vector<int32_t> logitRows;                 ///< Rows that need logits, ascending.
};

/// Evaluates the functions of a module op by op: `tenon` ops by their reference evaluation, calls
/// by their callee. Works before and after the fuse stage. The module must outlive it and not
/// change under it.
class ReferenceInterpreter {
public:
  using WeightSource = std::function<FailureOr<RowReader>(StringRef symbol, RankedTensorType type)>;
  /// Told about every op after it was evaluated: its operands and results.
  using Observer = std::function<void(Operation *op, ArrayRef<HostTensor> operands,
                                      ArrayRef<HostTensor> results)>;

  ReferenceInterpreter(ModuleOp module, WeightSource weights);

  /// `--verify` looks at each fused region through this. An observer that writes to the cache
  /// changes what follows.
  void setObserver(Observer observer) { this->observer = std::move(observer); }

  using Exchange = std::function<FailureOr<SmallVector<HostTensor>>(Operation *op,
                                                                    ArrayRef<HostTensor> operands)>;
  /// For the program of one chip among several: what collectives give, and the id of the first
  /// token that the chip's part of the embedding has (ReferenceContext.h).
  void setExchange(Exchange exchange, int32_t firstToken) {
    this->exchange = std::move(exchange);
    this->firstToken = firstToken;
  }

  /// Runs @step(ids, positions, rows, cache), with the rows kept behind these after
  /// `tenon-keep-rows`, and returns the logits [logit rows, vocabulary], or an empty tensor if the
  /// module is a program that ends without them.
  /// Fails, with an error at the op or module, if the module has no such function or an op cannot
  /// be evaluated.
  FailureOr<HostTensor> runStep(const ReferenceStep &step, HostKvCache &cache);

  /// Runs any function of the module; `context.positions` and `sequences` place its rows.
  FailureOr<SmallVector<HostTensor>> run(StringRef function, ArrayRef<HostTensor> arguments,
                                         ReferenceContext &context);

private:
  FailureOr<SmallVector<HostTensor>> runBlock(Block &block, ArrayRef<HostTensor> arguments,
                                              ReferenceContext &context);

  ModuleOp module;
  WeightSource weights;
  Observer observer;
  Exchange exchange;
  int32_t firstToken = 0;
};

/// Evaluates a block of tenon ops that ends with `tenon.yield`.
FailureOr<SmallVector<HostTensor>> evaluateBody(Block &block, ArrayRef<HostTensor> arguments,
                                                ReferenceContext &context);

} // namespace mlir::tenon

#endif // TENON_DIALECTS_TENON_REFERENCE_REFERENCEINTERPRETER_H
