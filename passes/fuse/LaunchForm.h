//===- LaunchForm.h - The parts of a fused region by role -------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// What VerifyFused accepts and what the lowering reads: which op of a body plays which part in the
// kernel of its kind. One place that knows the shape of every kind.
//
#ifndef TENON_PASSES_FUSE_LAUNCHFORM_H
#define TENON_PASSES_FUSE_LAUNCHFORM_H

#include "dialects/tenon/TenonOps.h"
#include "runtime/device/cpu/KernelKind.h"

#include <string>

namespace mlir::tenon {

/// Kinds of launch: those of kernels, in the order of cpu::KernelKind and named as there, and
/// collectives.
enum class LaunchKind {
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
  // Collectives: no kernel, but launches of a step like the others.
  AllReduce,
  GatherColumns,
  Send,
  Receive,
};

/// True for kinds that chips do together.
inline bool isCollective(LaunchKind kind) { return kind >= LaunchKind::AllReduce; }
static_assert(int(LaunchKind::Attention) == int(::tenon::cpu::KernelKind::Attention));

/// Name in snake case, as `tenon.fused` carries it.
StringRef stringifyLaunchKind(LaunchKind kind);
std::optional<LaunchKind> symbolizeLaunchKind(StringRef name);

/// Ops of a body by role; a role that the body does not fill is null. Values inside the body that
/// are block arguments stand for operands of the region (`FusedOp::getCaptured`).
///
///   rope_table            ropeTable
///   embed                 embed
///   norm_quant            [select] norm [quantize], and with a kept selection its rows before
///   norm_add              postNorm add
///   norm_add_norm_quant   postNorm add norm [quantize]
///   quantize              quantize
///   linear                linear [add or round]  |  logits
///   linear_gate           linear (gate) second (up) gate [quantize]
///   linear_qkv            linear (q) second (k) third (v), [qNorm kNorm] qRope kRope [scale]
///   append attention             attend merge [quantize]
///   all_reduce            allReduce [add]
///   gather_columns        gather
///   send, receive         send, receive
struct LaunchForm {
  LaunchKind kind;
  RopeTableOp ropeTable;
  EmbedOp embed;
  SelectRowsOp select;
  RmsNormOp postNorm, norm;
  AddOp add;
  Value residual; ///< Operand of `add` (a block argument) that the sum is written over.
  QuantizeRowsOp quantize;
  RoundRowsOp round;
  LinearOp linear, second, third;
  LogitsOp logits;
  GateOp gate;
  RmsNormOp qNorm, kNorm;
  RopeOp qRope, kRope;
  ScaleOp scale;
  KvAppendOp append;
  AttendOp attend;
  MergeHeadsOp merge;
  AllReduceOp allReduce;
  GatherColumnsOp gather;
  SendOp send;
  ReceiveOp receive;
};

/// Assigns the ops of `region` to their roles. Fails with `why` if the body is not one that a
/// kernel of its kind computes.
FailureOr<LaunchForm> matchLaunch(FusedOp region, std::string &why);

} // namespace mlir::tenon

#endif // TENON_PASSES_FUSE_LAUNCHFORM_H
