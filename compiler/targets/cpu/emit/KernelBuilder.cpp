//===- KernelBuilder.cpp - Writes kernel bodies as MLIR -------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/targets/cpu/emit/KernelBuilder.h"
#include "runtime/device/cpu/KernelAbi.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace tenon::cpu {

KernelBuilder::KernelBuilder(ModuleOp module, engine::Variant variant)
    : top(module), b(module.getBodyRegion()), loc(b.getUnknownLoc()), target(variant) {
  i1 = b.getI1Type();
  i8 = b.getI8Type();
  i16 = b.getI16Type();
  i32 = b.getI32Type();
  i64 = b.getI64Type();
  f16 = b.getF16Type();
  f32 = b.getF32Type();
  ptr = LLVM::LLVMPointerType::get(b.getContext());
}

Type KernelBuilder::vec(Type element, int64_t lanes) const {
  return VectorType::get({lanes}, element);
}

//===----------------------------------------------------------------------===//
// Constants
//===----------------------------------------------------------------------===//

Value KernelBuilder::constI8(int64_t v) {
  return arith::ConstantOp::create(b, loc, b.getI8IntegerAttr(static_cast<int8_t>(v)));
}
Value KernelBuilder::constI1(bool v) { return arith::ConstantOp::create(b, loc, b.getBoolAttr(v)); }
Value KernelBuilder::constI32(int64_t v) {
  return arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(static_cast<int32_t>(v)));
}
Value KernelBuilder::constI64(int64_t v) {
  return arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(v));
}
Value KernelBuilder::constF32(double v) {
  return arith::ConstantOp::create(b, loc, b.getF32FloatAttr(static_cast<float>(v)));
}
Value KernelBuilder::splatF32(double v) {
  return arith::ConstantOp::create(
      b, loc, DenseElementsAttr::get(cast<ShapedType>(vec(f32)), static_cast<float>(v)));
}
Value KernelBuilder::splatI32(int64_t v) {
  return arith::ConstantOp::create(
      b, loc, DenseElementsAttr::get(cast<ShapedType>(vec(i32)), static_cast<int32_t>(v)));
}
Value KernelBuilder::splatI8(int64_t v) {
  return arith::ConstantOp::create(
      b, loc, DenseElementsAttr::get(cast<ShapedType>(vec(i8, 64)), static_cast<int8_t>(v)));
}
Value KernelBuilder::lanesI32() {
  SmallVector<int32_t> lanes(kLanes);
  for (int32_t i = 0; i < kLanes; ++i)
    lanes[i] = i;
  return arith::ConstantOp::create(
      b, loc, DenseElementsAttr::get(cast<ShapedType>(vec(i32)), ArrayRef<int32_t>(lanes)));
}

//===----------------------------------------------------------------------===//
// Arithmetic
//===----------------------------------------------------------------------===//

#define TENON_BINARY(name, op)                                                                     \
  Value KernelBuilder::name(Value l, Value r) { return op::create(b, loc, l, r); }
TENON_BINARY(add, arith::AddIOp)
TENON_BINARY(sub, arith::SubIOp)
TENON_BINARY(mul, arith::MulIOp)
TENON_BINARY(divU, arith::DivUIOp)
TENON_BINARY(remU, arith::RemUIOp)
TENON_BINARY(minU, arith::MinUIOp)
TENON_BINARY(andI, arith::AndIOp)
TENON_BINARY(orI, arith::OrIOp)
TENON_BINARY(xorI, arith::XOrIOp)
TENON_BINARY(shl, arith::ShLIOp)
TENON_BINARY(shrU, arith::ShRUIOp)
TENON_BINARY(shrS, arith::ShRSIOp)
TENON_BINARY(addF, arith::AddFOp)
TENON_BINARY(subF, arith::SubFOp)
TENON_BINARY(mulF, arith::MulFOp)
TENON_BINARY(divF, arith::DivFOp)
#undef TENON_BINARY

Value KernelBuilder::subU(Value x, Value y) { return sub(x, minU(x, y)); }
Value KernelBuilder::mulC(Value a, int64_t c) { return c == 1 ? a : mul(a, constI64(c)); }
Value KernelBuilder::toI64(Value v) {
  return v.getType() == i64 ? v : arith::ExtUIOp::create(b, loc, i64, v);
}
Value KernelBuilder::toI32(Value v) {
  return v.getType() == i32 ? v : arith::TruncIOp::create(b, loc, i32, v);
}
Value KernelBuilder::fma(Value x, Value y, Value z) {
  return LLVM::FMAOp::create(b, loc, z.getType(), x, y, z);
}
Value KernelBuilder::sqrt(Value v) { return LLVM::SqrtOp::create(b, loc, v.getType(), v); }
Value KernelBuilder::negF(Value v) { return arith::NegFOp::create(b, loc, v); }
Value KernelBuilder::absF(Value v) { return LLVM::FAbsOp::create(b, loc, v.getType(), v); }
Value KernelBuilder::maxF(Value x, Value y) { return select(cmpF("ogt", x, y), x, y); }
Value KernelBuilder::minF(Value x, Value y) { return select(cmpF("olt", x, y), x, y); }
Value KernelBuilder::roundEven(Value v) {
  return LLVM::RoundEvenOp::create(b, loc, v.getType(), v);
}

//===----------------------------------------------------------------------===//
// Conversions
//===----------------------------------------------------------------------===//

/// The type of `like` with `element` as element.
static Type withElement(Type like, Type element) {
  if (auto v = dyn_cast<VectorType>(like))
    return VectorType::get(v.getShape(), element);
  return element;
}

Value KernelBuilder::splat(Value scalar, int64_t lanes) {
  return vector::BroadcastOp::create(b, loc, vec(scalar.getType(), lanes), scalar);
}
Value KernelBuilder::bitcast(Value v, Type to) {
  if (isa<VectorType>(v.getType()))
    return vector::BitCastOp::create(b, loc, to, v);
  return arith::BitcastOp::create(b, loc, to, v);
}
Value KernelBuilder::toF32(Value v) {
  Type to = withElement(v.getType(), f32);
  if (isa<FloatType>(getElementTypeOrSelf(v.getType())))
    return arith::ExtFOp::create(b, loc, to, v);
  return arith::SIToFPOp::create(b, loc, to, v);
}
Value KernelBuilder::toF16(Value v) {
  return arith::TruncFOp::create(b, loc, withElement(v.getType(), f16), v);
}
Value KernelBuilder::toSigned(Value v, Type to) {
  return arith::FPToSIOp::create(b, loc, withElement(v.getType(), to), v);
}
Value KernelBuilder::extendU(Value v, Type to) {
  return arith::ExtUIOp::create(b, loc, withElement(v.getType(), to), v);
}
Value KernelBuilder::extendS(Value v, Type to) {
  return arith::ExtSIOp::create(b, loc, withElement(v.getType(), to), v);
}
Value KernelBuilder::truncate(Value v, Type to) {
  return arith::TruncIOp::create(b, loc, withElement(v.getType(), to), v);
}
Value KernelBuilder::select(Value c, Value x, Value y) {
  return arith::SelectOp::create(b, loc, c, x, y);
}
Value KernelBuilder::cmpI(StringRef predicate, Value x, Value y) {
  return arith::CmpIOp::create(b, loc, *arith::symbolizeCmpIPredicate(predicate), x, y);
}
Value KernelBuilder::cmpF(StringRef predicate, Value x, Value y) {
  return arith::CmpFOp::create(b, loc, *arith::symbolizeCmpFPredicate(predicate), x, y);
}
Value KernelBuilder::shuffle(Value x, Value y, ArrayRef<int64_t> mask) {
  return vector::ShuffleOp::create(b, loc, x, y, mask);
}
Value KernelBuilder::extract(Value v, int64_t lane) {
  return vector::ExtractOp::create(b, loc, v, lane);
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

Value KernelBuilder::at(Value pointer, Value offset, int64_t constant) {
  if (offset)
    pointer = LLVM::GEPOp::create(b, loc, ptr, i8, pointer, ArrayRef<LLVM::GEPArg>{offset});
  if (constant)
    pointer = LLVM::GEPOp::create(b, loc, ptr, i8, pointer,
                                  ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(constant)});
  return pointer;
}
/// Alignment that can always be stated: that of one element.
static unsigned elementAlignment(Type type) {
  return std::max(1u, getElementTypeOrSelf(type).getIntOrFloatBitWidth() / 8);
}
Value KernelBuilder::load(Type type, Value pointer, Value offset, int64_t constant) {
  unsigned alignment = isa<LLVM::LLVMPointerType>(type) ? 8 : elementAlignment(type);
  return LLVM::LoadOp::create(b, loc, type, at(pointer, offset, constant), alignment);
}
void KernelBuilder::store(Value v, Value pointer, Value offset, int64_t constant) {
  LLVM::StoreOp::create(b, loc, v, at(pointer, offset, constant), elementAlignment(v.getType()));
}
Value KernelBuilder::loadSplat(Type scalar, Value pointer, Value offset, int64_t constant) {
  return splat(load(scalar, pointer, offset, constant));
}
Value KernelBuilder::stackBytes(int64_t bytes) {
  return LLVM::AllocaOp::create(b, loc, ptr, i8, constI64(bytes), /*alignment=*/64);
}
void KernelBuilder::prefetch(Value pointer, Value offset, int64_t constant, int locality) {
  LLVM::Prefetch::create(b, loc, at(pointer, offset, constant), /*rw=*/0, locality, /*cache=*/1);
}

Value KernelBuilder::atomicAdd(Value pointer, Value v) {
  return LLVM::AtomicRMWOp::create(b, loc, LLVM::AtomicBinOp::add, pointer, v,
                                   LLVM::AtomicOrdering::acq_rel);
}

//===----------------------------------------------------------------------===//
// Control flow
//===----------------------------------------------------------------------===//

Values KernelBuilder::forLoop(Value from, Value to, int64_t step, ValueRange carried,
                              llvm::function_ref<Values(Value, ValueRange)> body) {
  auto loop = scf::ForOp::create(b, loc, from, to, constI64(step), carried,
                                 [&](OpBuilder &inner, Location, Value iv, ValueRange args) {
                                   OpBuilder::InsertionGuard guard(b);
                                   b.setInsertionPoint(inner.getInsertionBlock(),
                                                       inner.getInsertionPoint());
                                   Values results = body(iv, args);
                                   scf::YieldOp::create(b, loc, results);
                                 });
  return Values(loop.getResults());
}
void KernelBuilder::forEach(Value from, Value to, int64_t step,
                            llvm::function_ref<void(Value)> body) {
  forLoop(from, to, step, {}, [&](Value iv, ValueRange) {
    body(iv);
    return Values{};
  });
}
void KernelBuilder::ifThen(Value condition, llvm::function_ref<void()> then) {
  ifElse(
      condition, {},
      [&] {
        then();
        return Values{};
      },
      nullptr);
}
Values KernelBuilder::ifElse(Value condition, TypeRange results, llvm::function_ref<Values()> then,
                             llvm::function_ref<Values()> otherwise) {
  auto op =
      scf::IfOp::create(b, loc, results, condition, /*withElse=*/static_cast<bool>(otherwise));
  auto fill = [&](Region &region, llvm::function_ref<Values()> body) {
    OpBuilder::InsertionGuard guard(b);
    Block &block = region.front();
    if (!block.empty())
      block.back().erase();
    b.setInsertionPointToEnd(&block);
    scf::YieldOp::create(b, loc, body());
  };
  fill(op.getThenRegion(), then);
  if (otherwise)
    fill(op.getElseRegion(), otherwise);
  return Values(op.getResults());
}

//===----------------------------------------------------------------------===//
// Functions
//===----------------------------------------------------------------------===//

void KernelBuilder::internalFunction(StringRef name, TypeRange arguments,
                                     llvm::function_ref<void(ValueRange)> body) {
  if (top.lookupSymbol(name))
    return;
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToEnd(top.getBody());
  auto type = LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(b.getContext()),
                                          llvm::to_vector(arguments));
  auto fn = LLVM::LLVMFuncOp::create(b, loc, name, type, LLVM::Linkage::Internal);
  fn.setPassthroughAttr(b.getStrArrayAttr({"noinline", "nounwind"}));
  b.setInsertionPointToStart(fn.addEntryBlock(b));
  body(fn.getArguments());
  LLVM::ReturnOp::create(b, loc, ValueRange{});
}

void KernelBuilder::callInternal(StringRef name, ValueRange arguments) {
  LLVM::CallOp::create(b, loc, TypeRange{}, name, arguments);
}

Value KernelBuilder::intrinsic(StringRef name, Type result, ValueRange arguments) {
  return LLVM::CallIntrinsicOp::create(b, loc, result, b.getStringAttr(name), arguments)
      .getResult(0);
}

void KernelBuilder::instruction(StringRef name, ValueRange arguments) {
  LLVM::CallIntrinsicOp::create(b, loc, b.getStringAttr(name), arguments);
}

void KernelBuilder::kernel(StringRef symbol, llvm::function_ref<void()> body) {
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToEnd(top.getBody());
  auto type = LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(b.getContext()),
                                          {ptr, ptr, i32, i32, ptr, ptr});
  auto fn = LLVM::LLVMFuncOp::create(b, loc, symbol, type, LLVM::Linkage::External);
  fn.setPassthroughAttr(b.getStrArrayAttr({"nounwind"}));
  b.setInsertionPointToStart(fn.addEntryBlock(b));
  buffers = fn.getArgument(0);
  step = fn.getArgument(1);
  worker = toI64(fn.getArgument(2));
  workers = toI64(fn.getArgument(3));
  scratch = fn.getArgument(4);
  claimed = fn.getArgument(5);
  body();
  LLVM::ReturnOp::create(b, loc, ValueRange{});
}

Value KernelBuilder::buffer(uint32_t index) { return load(ptr, buffers, {}, index * 8); }
Value KernelBuilder::stepU32(uint32_t fieldOffset) {
  return toI64(load(i32, step, {}, fieldOffset));
}
Value KernelBuilder::poolHeads(const KernelSpec &spec) {
  Value given = stepU32(offsetof(StepView, poolHeads));
  return select(cmpI("eq", given, constI64(0)), constI64(spec.kvHeads), given);
}
Value KernelBuilder::stepPointer(uint32_t fieldOffset) { return load(ptr, step, {}, fieldOffset); }

Value KernelBuilder::claim() {
  return toI64(LLVM::AtomicRMWOp::create(b, loc, LLVM::AtomicBinOp::add, claimed, constI32(1),
                                         LLVM::AtomicOrdering::monotonic));
}

void KernelBuilder::forClaimedItems(Value items, Value alike,
                                    llvm::function_ref<void(Value, Value, Value)> body) {
  Value fixed = sub(alike, divU(alike, constI64(kClaimedPart)));
  auto [first, last] = share(fixed);
  const auto claimNext = [&] { return Values{add(fixed, claim())}; };
  Value start = ifElse(cmpI("ult", first, last), i64, [&] { return Values{first}; }, claimNext)[0];
  auto loop = scf::WhileOp::create(
      b, loc, TypeRange{i64}, start,
      [&](OpBuilder &inner, Location, ValueRange item) {
        OpBuilder::InsertionGuard guard(b);
        b.setInsertionPoint(inner.getInsertionBlock(), inner.getInsertionPoint());
        scf::ConditionOp::create(b, loc, cmpI("ult", item[0], items), item);
      },
      [&](OpBuilder &inner, Location, ValueRange item) {
        OpBuilder::InsertionGuard guard(b);
        b.setInsertionPoint(inner.getInsertionBlock(), inner.getInsertionPoint());
        Value after = addC(item[0], 1);
        Value next =
            ifElse(cmpI("ult", after, last), i64, [&] { return Values{after}; }, claimNext)[0];
        body(item[0], next, cmpI("eq", item[0], start));
        scf::YieldOp::create(b, loc, next);
      });
  (void)loop;
}

std::pair<Value, Value> KernelBuilder::share(Value items) {
  return {divU(mul(items, worker), workers), divU(mul(items, addC(worker, 1)), workers)};
}

} // namespace tenon::cpu
