//===- KernelBuilder.h - Writes kernel bodies as MLIR -----------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// A thin layer over OpBuilder for straight-line vector code and counted loops. Kernels work on raw
// pointers, 64-bit byte offsets and vectors of 16 lanes; LLVM splits those for narrower targets, so
// one emitter serves every variant and the order of floating-point operations is the same on all.
//
#ifndef TENON_COMPILER_TARGETS_CPU_EMIT_KERNELBUILDER_H
#define TENON_COMPILER_TARGETS_CPU_EMIT_KERNELBUILDER_H

#include "compiler/targets/cpu/KernelSpec.h"
#include "compiler/targets/cpu/VariantTraits.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringRef.h"

namespace tenon::cpu {

using mlir::Type;
using mlir::Value;
using mlir::ValueRange;
using Values = llvm::SmallVector<Value, 16>;

/// Lanes of every vector that an emitter handles.
inline constexpr int64_t kLanes = 16;

class KernelBuilder {
public:
  KernelBuilder(mlir::ModuleOp module, engine::Variant variant);

  engine::Variant variant() const { return target; }
  mlir::ModuleOp module() const { return top; }

  // Types.
  Type i1, i8, i16, i32, i64, f16, f32, ptr;
  Type vec(Type element, int64_t lanes = kLanes) const;

  // Constants.
  Value constI8(int64_t v);
  Value constI1(bool v);
  Value constI32(int64_t v);
  Value constI64(int64_t v);
  Value constF32(double v);
  Value splatF32(double v);  ///< vector<16xf32>
  Value splatI32(int64_t v); ///< vector<16xi32>
  Value splatI8(int64_t v);  ///< vector<64xi8>
  Value lanesI32();          ///< vector<16xi32> 0..15

  // Integers (i64 unless the operands are vectors).
  Value add(Value a, Value b);
  Value sub(Value a, Value b);
  Value mul(Value a, Value b);
  Value divU(Value a, Value b);
  Value remU(Value a, Value b);
  Value minU(Value a, Value b);
  Value subU(Value a, Value b); ///< a - b, 0 where a < b.
  Value andI(Value a, Value b);
  Value orI(Value a, Value b);
  Value xorI(Value a, Value b);
  Value shl(Value a, Value b);
  Value shrU(Value a, Value b);
  Value shrS(Value a, Value b);
  Value addC(Value a, int64_t c) { return c ? add(a, constI64(c)) : a; }
  Value mulC(Value a, int64_t c);
  Value toI64(Value v); ///< Zero-extends an i32.
  Value toI32(Value v);

  // Floats, scalar or vector alike.
  Value addF(Value a, Value b);
  Value subF(Value a, Value b);
  Value mulF(Value a, Value b);
  Value divF(Value a, Value b);
  Value fma(Value a, Value b, Value c);
  Value sqrt(Value v);
  Value negF(Value v);
  Value absF(Value v);
  /// a > b ? a : b, one instruction on every target; NaN in a yields b.
  Value maxF(Value a, Value b);
  Value minF(Value a, Value b);
  Value roundEven(Value v);

  // Conversions.
  Value splat(Value scalar, int64_t lanes = kLanes);
  Value bitcast(Value v, Type to);
  Value toF32(Value v);             ///< f16 -> f32, or signed integers -> f32, by element type.
  Value toF16(Value v);             ///< f32 -> f16, round to nearest even.
  Value toSigned(Value v, Type to); ///< f32 -> integers, truncating (round first).
  Value extendU(Value v, Type to);
  Value extendS(Value v, Type to);
  Value truncate(Value v, Type to);
  Value select(Value condition, Value a, Value b);
  Value cmpI(llvm::StringRef predicate, Value a, Value b); ///< "slt", "sgt", "ult", "eq", …
  Value cmpF(llvm::StringRef predicate, Value a, Value b); ///< "olt", "ogt", …
  Value shuffle(Value a, Value b, llvm::ArrayRef<int64_t> mask);
  Value extract(Value v, int64_t lane);

  // Memory. `offset` in bytes, may be null; `constant` is added to it.
  Value at(Value pointer, Value offset, int64_t constant = 0);
  Value load(Type type, Value pointer, Value offset = {}, int64_t constant = 0);
  void store(Value v, Value pointer, Value offset = {}, int64_t constant = 0);
  /// Loads one scalar and splats it to 16 lanes.
  Value loadSplat(Type scalar, Value pointer, Value offset = {}, int64_t constant = 0);
  /// Room on the stack, 64-byte aligned, until the function returns. Not in a loop.
  Value stackBytes(int64_t bytes);
  void prefetch(Value pointer, Value offset, int64_t constant, int locality);
  /// Adds to a word shared by the workers and returns what it was; acquires and releases.
  Value atomicAdd(Value pointer, Value v);

  // Control flow.
  /// for (i = from; i < to; i += step) carried = body(i, carried); all i64. Returns what is carried
  /// out.
  Values forLoop(Value from, Value to, int64_t step, ValueRange carried,
                 llvm::function_ref<Values(Value, ValueRange)> body);
  void forEach(Value from, Value to, int64_t step, llvm::function_ref<void(Value)> body);
  void ifThen(Value condition, llvm::function_ref<void()> then);
  Values ifElse(Value condition, mlir::TypeRange results, llvm::function_ref<Values()> then,
                llvm::function_ref<Values()> otherwise);

  // Functions.
  /// Starts an internal, never inlined function and leaves the builder in its body. With `restore`
  /// the former insertion point comes back after `body` ran. Returns at once if `name` exists.
  void internalFunction(llvm::StringRef name, mlir::TypeRange arguments,
                        llvm::function_ref<void(ValueRange)> body);
  void callInternal(llvm::StringRef name, ValueRange arguments);
  /// An LLVM intrinsic by name.
  Value intrinsic(llvm::StringRef name, Type result, ValueRange arguments);
  /// An LLVM intrinsic without a result.
  void instruction(llvm::StringRef name, ValueRange arguments);

  /// Starts a kernel with the ABI of runtime/device/cpu/KernelAbi.h.
  void kernel(llvm::StringRef symbol, llvm::function_ref<void()> body);
  // Valid within `kernel`:
  Value buffer(uint32_t index);        ///< Pointer `index` of the launch.
  Value stepU32(uint32_t fieldOffset); ///< i64, zero-extended field of StepView.
  /// KV heads in a block of the pools that the launch reads or writes; i64.
  Value poolHeads(const KernelSpec &spec);
  Value stepPointer(uint32_t fieldOffset);
  Value worker, workers, scratch; ///< i64, i64, pointer

  /// The share [first, last) of `items` for this worker.
  std::pair<Value, Value> share(Value items);
  /// Calls `body(item, next, isFirst)` for the items that this worker gets of 0..items-1: a fixed
  /// run of the first `alike`, which take equally long, then as many of their last quarter and of
  /// the others as it can claim (KernelAbi.h). `next` is what comes after `item`, `items` or more
  /// if nothing does.
  void forClaimedItems(Value items, Value alike,
                       llvm::function_ref<void(Value item, Value next, Value isFirst)> body);

private:
  mlir::ModuleOp top;
  mlir::OpBuilder b;
  mlir::Location loc;
  engine::Variant target;
  Value claim();
  Value buffers, step, claimed;
};

} // namespace tenon::cpu

#endif // TENON_COMPILER_TARGETS_CPU_EMIT_KERNELBUILDER_H
