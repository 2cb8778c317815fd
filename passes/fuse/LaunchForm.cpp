//===- LaunchForm.cpp - The parts of a fused region by role ---------------===//
// SPDX-License-Identifier: Apache-2.0

#include "passes/fuse/LaunchForm.h"

#include "llvm/ADT/StringSwitch.h"

using namespace mlir;
using namespace mlir::tenon;

StringRef mlir::tenon::stringifyLaunchKind(LaunchKind kind) {
  if (!isCollective(kind))
    return ::tenon::cpu::kernelKindName(static_cast<::tenon::cpu::KernelKind>(kind));
  switch (kind) {
  case LaunchKind::AllReduce:
    return "all_reduce";
  case LaunchKind::GatherColumns:
    return "gather_columns";
  case LaunchKind::Send:
    return "send";
  case LaunchKind::Receive:
    return "receive";
  default:
    break;
  }
  llvm_unreachable("all kinds are named");
}

std::optional<LaunchKind> mlir::tenon::symbolizeLaunchKind(StringRef name) {
  for (int i = 0; i <= static_cast<int>(LaunchKind::Receive); ++i)
    if (stringifyLaunchKind(static_cast<LaunchKind>(i)) == name)
      return static_cast<LaunchKind>(i);
  return std::nullopt;
}

namespace {
/// Takes a body apart from its results backwards. Every op is claimed once; what is left unclaimed
/// at the end makes the match fail.
class Matcher {
public:
  Matcher(FusedOp region, LaunchForm &form, std::string &why)
      : region(region), form(form), why(why) {
    for (Operation &op : region.getBodyBlock().without_terminator())
      unclaimed.insert(&op);
  }

  LogicalResult match();

private:
  LogicalResult fail(const Twine &message) {
    why = message.str();
    return failure();
  }

  /// The op that defines `value`, if it is an `Op`, and claims it.
  template <typename Op> Op claim(Value value) {
    auto op = value.getDefiningOp<Op>();
    if (op && unclaimed.erase(op))
      return op;
    return Op();
  }

  /// Claims an `Op` that defines `value` if there is one and returns its input, else `value`
  /// itself.
  template <typename Op> Value claimOptional(Value value, Op &op) {
    op = claim<Op>(value);
    return op ? Value(op->getOperand(0)) : value;
  }

  bool isInput(Value value) { return isa<BlockArgument>(value); }
  Value result(unsigned i) { return region.getYield().getValues()[i]; }

  LogicalResult matchSingle();
  LogicalResult matchNorm();
  LogicalResult matchPostNorm();
  LogicalResult matchLinear();
  LogicalResult matchGate();
  LogicalResult matchQkv();
  LogicalResult matchHead(Value heads, RopeOp &rope, RmsNormOp &norm, LinearOp &linear);
  LogicalResult matchAttention();
  LogicalResult matchCollective();
  LogicalResult matchProducts();
  /// The rows quantised or the whole: `form.quantize` and what it reads.
  Value tail(Value value) { return claimOptional(value, form.quantize); }

  FusedOp region;
  LaunchForm &form;
  std::string &why;
  llvm::SmallPtrSet<Operation *, 16> unclaimed;
};
} // namespace

LogicalResult Matcher::matchSingle() {
  if (region.getNumResults() != 1)
    return fail("yields one value");
  form.ropeTable = claim<RopeTableOp>(result(0));
  form.embed = claim<EmbedOp>(result(0));
  form.quantize = claim<QuantizeRowsOp>(result(0));
  bool found = form.kind == LaunchKind::RopeTable ? !!form.ropeTable
               : form.kind == LaunchKind::Embed   ? !!form.embed
                                                  : !!form.quantize;
  return found ? success() : fail("does not yield the op that its kind names");
}

LogicalResult Matcher::matchNorm() {
  const unsigned results = region.getNumResults();
  if (results != 1 && results != 2)
    return fail("yields the normed rows, and before them those kept");
  form.norm = claim<RmsNormOp>(tail(result(results - 1)));
  if (!form.norm || form.norm.getType().getRank() != 2)
    return fail("yields no norm over whole rows");
  Value input = claimOptional(form.norm.getInput(), form.select);
  if (!isInput(input))
    return fail("the norm reads no input of the region");
  if (results == 2 && (!form.select || !form.select.getKept() || result(0) != form.select))
    return fail("the first of two results is no kept rows");
  return success();
}

LogicalResult Matcher::matchPostNorm() {
  const bool withNorm = form.kind == LaunchKind::NormAddNormQuant;
  if (region.getNumResults() != (withNorm ? 2 : 1))
    return fail(withNorm ? "yields the sum and the normed rows" : "yields the sum");
  Value sum = result(0);
  if (withNorm) {
    form.norm = claim<RmsNormOp>(tail(result(1)));
    if (!form.norm || form.norm.getInput() != sum)
      return fail("the second result is no norm of the first");
  }
  form.add = claim<AddOp>(sum);
  if (!form.add)
    return fail("the first result is no sum");
  for (unsigned i : {1, 0}) {
    form.postNorm = claim<RmsNormOp>(form.add->getOperand(i));
    form.residual = form.add->getOperand(1 - i);
    if (form.postNorm)
      break;
  }
  if (!form.postNorm || !isInput(form.residual) || !isInput(form.postNorm.getInput()))
    return fail("the sum is not one of an input and a norm of an input");
  return success();
}

LogicalResult Matcher::matchLinear() {
  if (region.getNumResults() != 1)
    return fail("yields one product");
  form.logits = claim<LogitsOp>(result(0));
  if (form.logits)
    return success();
  form.add = claim<AddOp>(result(0));
  if (!form.add) {
    form.linear = claim<LinearOp>(claimOptional(result(0), form.round));
    return form.linear ? success() : fail("yields no product");
  }
  for (unsigned i : {1, 0}) {
    form.linear = claim<LinearOp>(form.add->getOperand(i));
    form.residual = form.add->getOperand(1 - i);
    if (form.linear)
      break;
  }
  if (!form.linear || !isInput(form.residual))
    return fail("the sum is not one of an input and a product");
  return success();
}

LogicalResult Matcher::matchGate() {
  if (region.getNumResults() != 1)
    return fail("yields the gated rows");
  form.gate = claim<GateOp>(tail(result(0)));
  if (!form.gate)
    return fail("yields no gate");
  form.linear = claim<LinearOp>(form.gate.getGate());
  form.second = claim<LinearOp>(form.gate.getUp());
  if (!form.linear || !form.second || form.linear.getInput() != form.second.getInput())
    return fail("gate and up are not two products of one input");
  return success();
}

/// rope(norm?(split_heads(linear))).
LogicalResult Matcher::matchHead(Value heads, RopeOp &rope, RmsNormOp &norm, LinearOp &linear) {
  rope = claim<RopeOp>(heads);
  if (!rope)
    return fail("query and key are not rotated");
  auto split = claim<SplitHeadsOp>(claimOptional(rope.getInput(), norm));
  linear = split ? claim<LinearOp>(split.getInput()) : LinearOp();
  return linear ? success() : fail("query and key are not heads of a product");
}

LogicalResult Matcher::matchQkv() {
  if (region.getNumResults() != 2)
    return fail("yields the query heads and the KV handle");
  const bool queryFirst = !isa<KvType>(result(0).getType());
  form.append = claim<KvAppendOp>(result(queryFirst ? 1 : 0));
  if (!form.append || !isInput(form.append.getKv()))
    return fail("yields no tenon.kv_append to an input");
  Value query = claimOptional(result(queryFirst ? 0 : 1), form.scale);
  if (failed(matchHead(query, form.qRope, form.qNorm, form.linear)) ||
      failed(matchHead(form.append.getKey(), form.kRope, form.kNorm, form.second)))
    return failure();
  auto split = claim<SplitHeadsOp>(form.append.getValue());
  form.third = split ? claim<LinearOp>(split.getInput()) : LinearOp();
  if (!form.third)
    return fail("values are not heads of a product");
  if (form.linear.getInput() != form.second.getInput() ||
      form.linear.getInput() != form.third.getInput())
    return fail("query, key and value are not products of one input");
  if (form.qRope.getTable() != form.kRope.getTable())
    return fail("query and key are rotated by different tables");
  if (!form.qNorm != !form.kNorm || (form.qNorm && form.qNorm.getEps() != form.kNorm.getEps()))
    return fail("query and key are normed differently");
  return success();
}

LogicalResult Matcher::matchAttention() {
  if (region.getNumResults() != 1)
    return fail("yields the merged heads");
  form.merge = claim<MergeHeadsOp>(tail(result(0)));
  form.attend = form.merge ? claim<AttendOp>(form.merge.getInput()) : AttendOp();
  return form.attend ? success() : fail("yields no merged heads of tenon.attend");
}

LogicalResult Matcher::matchCollective() {
  if (form.kind == LaunchKind::Send) {
    for (Operation &op : region.getBodyBlock().without_terminator())
      if (auto send = dyn_cast<SendOp>(op); send && unclaimed.erase(&op))
        form.send = send;
    return form.send && isInput(form.send.getInput()) ? success() : fail("sends no input");
  }
  if (region.getNumResults() != 1)
    return fail("yields what the chips have told each other");
  if (form.kind == LaunchKind::Receive) {
    form.receive = claim<ReceiveOp>(result(0));
    return form.receive ? success() : fail("yields nothing received");
  }
  if (form.kind == LaunchKind::GatherColumns) {
    form.gather = claim<GatherColumnsOp>(result(0));
    return form.gather && isInput(form.gather.getInput()) ? success()
                                                          : fail("yields no gathered input");
  }
  form.add = claim<AddOp>(result(0));
  Value sum = result(0);
  for (unsigned i : {1, 0}) {
    if (!form.add || form.allReduce)
      break;
    sum = form.add->getOperand(i);
    form.residual = form.add->getOperand(1 - i);
    form.allReduce = claim<AllReduceOp>(sum);
  }
  if (!form.add)
    form.allReduce = claim<AllReduceOp>(sum);
  if (!form.allReduce || !isInput(form.allReduce.getInput()))
    return fail("yields no sum of an input over chips");
  if (form.add && !isInput(form.residual))
    return fail("adds the sum to what is no input");
  return success();
}

LogicalResult Matcher::match() {
  auto matchKind = [&] {
    switch (form.kind) {
    case LaunchKind::RopeTable:
    case LaunchKind::Embed:
    case LaunchKind::Quantize:
      return matchSingle();
    case LaunchKind::NormQuant:
      return matchNorm();
    case LaunchKind::NormAdd:
    case LaunchKind::NormAddNormQuant:
      return matchPostNorm();
    case LaunchKind::Linear:
      return matchLinear();
    case LaunchKind::LinearGate:
      return matchGate();
    case LaunchKind::LinearQkv:
      return matchQkv();
    case LaunchKind::Attention:
      return matchAttention();
    case LaunchKind::AllReduce:
    case LaunchKind::GatherColumns:
    case LaunchKind::Send:
    case LaunchKind::Receive:
      return matchCollective();
    }
    llvm_unreachable("all kinds are matched");
  };
  if (failed(matchKind()))
    return failure();
  for (Operation &op : region.getBodyBlock().without_terminator())
    if (unclaimed.contains(&op))
      return fail("holds " + op.getName().getStringRef() + ", which has no part in it");
  return matchProducts();
}

/// Every product reads an input and a weight from outside, all of them the same kind of rows.
LogicalResult Matcher::matchProducts() {
  SmallVector<Operation *> products;
  for (Operation *product : {form.linear.getOperation(), form.second.getOperation(),
                             form.third.getOperation(), form.logits.getOperation()})
    if (product)
      products.push_back(product);
  for (Operation *product : products) {
    if (!llvm::all_of(product->getOperands(), [&](Value value) { return isInput(value); }))
      return fail("multiplies what is no input of the region");
    auto blocks = [](Operation *op) {
      return hasBlockFormat(cast<RankedTensorType>(op->getOperand(1).getType()));
    };
    if (blocks(product) != blocks(products.front()))
      return fail("mixes float and block formats");
    if (blocks(product) && !isQuantizedRows(product->getOperand(0).getType()))
      return fail("multiplies a block format with dense rows");
  }
  return success();
}

FailureOr<LaunchForm> mlir::tenon::matchLaunch(FusedOp region, std::string &why) {
  std::optional<LaunchKind> kind = symbolizeLaunchKind(region.getKind());
  if (!kind) {
    why = "is no kind of launch";
    return failure();
  }
  LaunchForm form{};
  form.kind = *kind;
  Matcher matcher(region, form, why);
  if (failed(matcher.match()))
    return failure();
  return form;
}
