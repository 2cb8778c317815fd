//===- ProgramLowering.h - One program of a plan ----------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// What the chips that run one module do in a step: its launches, the buffers that its values
// become, and the ops of the plan that state them. A plan has one of these for each program.
//
#ifndef TENON_PASSES_LOWER_PROGRAMLOWERING_H
#define TENON_PASSES_LOWER_PROGRAMLOWERING_H

#include "passes/lower/BufferAssignment.h"
#include "passes/lower/LowerToPlan.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace mlir::tenon {

class ProgramLowering {
public:
  /// `number` names the program in the plan. `module` outlives this.
  ProgramLowering(ModuleOp module, uint32_t number, const LowerToPlanOptions &options)
      : module(module), number(number), options(options) {}

  /// Reads the module's launches and assigns buffers. Fails with an error at the op at fault.
  LogicalResult analyse();

  ArrayRef<BufferInfo> buffers() const { return assignment.buffers(); }
  /// Bytes for each worker of the workspace that all launches share: they follow one another. 0 if
  /// none needs one.
  uint64_t workspaceBytes() const;
  /// Its buffer. Others are named after launches, and where names are equal, a dot and a number.
  static constexpr StringLiteral kWorkspace = "workspace.shared";
  /// Name of the buffer with the logits; empty if the program ends without.
  StringRef logitsBuffer() const { return logits; }
  uint64_t vocabulary() const;
  uint64_t hidden() const;
  CacheType cache() const;
  /// Id of the first token that chip `rank` along the tensor axis has in its part of the embedding.
  std::optional<int64_t> firstToken(int64_t rank) const;
  /// The first of the model's KV heads that chip `rank` along the tensor axis caches.
  int64_t firstKvHead(int64_t rank) const;

  // Each appends its ops where `builder` stands.
  /// Returns the bytes of stored weights.
  uint64_t addWeights(OpBuilder &builder) const;
  /// How the last hidden state is read, if the program ends with a norm over the rows that have
  /// logits.
  void addPooling(OpBuilder &builder) const;
  /// `count` kernels are there already; returns how many there are then.
  unsigned addKernels(OpBuilder &builder, unsigned count);
  LogicalResult addFunctions(OpBuilder &builder);
  void addCalls(OpBuilder &builder) const;

private:
  struct PendingCall {
    StringAttr function;
    SmallVector<Attribute> weights;
    uint64_t kvLayer = 0;
  };

  LogicalResult collectLaunches();
  LogicalResult collectLaunch(Operation *op);
  LogicalResult addSegment(OpBuilder &builder, ArrayRef<FusedOp> regions, StringAttr name);
  LogicalResult addCall(OpBuilder &builder, func::CallOp call);
  void addFunction(OpBuilder &builder, func::FuncOp function);
  void addLaunch(OpBuilder &builder, FusedOp region);
  plan::ArgAttr argument(plan::SlotRole role, Value pointer);

  /// A name of this program's own: those of program 0 are as they are in the module.
  StringAttr own(const Twine &name, const char *separator) const;
  FlatSymbolRefAttr weightName(StringRef name) const {
    return FlatSymbolRefAttr::get(own(name, "#"));
  }
  FlatSymbolRefAttr bufferName(Value value) const;
  IntegerAttr programAttr(OpBuilder &builder) const {
    return number ? builder.getI64IntegerAttr(number) : IntegerAttr();
  }

  mutable ModuleOp module; ///< Ops have no const members.
  uint32_t number;
  const LowerToPlanOptions &options;
  mutable func::FuncOp step;
  LaunchMap launches;
  llvm::DenseMap<Value, RowDomain> rows; ///< Of activations; tokens if absent.
  BufferAssignment assignment;
  std::string logits;
  llvm::DenseMap<Operation *, StringAttr> kernelNames;
  /// Of function arguments: place in the call's list.
  llvm::DenseMap<Value, uint32_t> layerWeights;
  llvm::SmallPtrSet<Operation *, 8> lowered; ///< Functions that are there.
  SmallVector<PendingCall> calls;
};

} // namespace mlir::tenon

#endif // TENON_PASSES_LOWER_PROGRAMLOWERING_H
