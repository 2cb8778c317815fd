//===- Cost.h - What an op moves and computes -------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
#ifndef TENON_DIALECTS_TENON_COST_H
#define TENON_DIALECTS_TENON_COST_H

#include "mlir/IR/Value.h"

#include <cstdint>

namespace mlir::tenon {

/// Cost of an op as linear forms of a step: T token rows, S logit rows, and C, the sum over token
/// rows of the positions that the row's sequence has. The same terms as `Cost` of
/// runtime/engine/plan.fbs.
///   bytes = weightBytes + bytesPerToken*T + bytesPerLogitRow*S + bytesPerContext*C
///   macs  = macsPerToken*T + macsPerLogitRow*S + macsPerContext*C
/// Bytes are those read and written in memory, weights as they are packed. Macs are the
/// multiply-accumulates of products and attention; what norms, rotations and activations do per
/// element hides behind their bytes and is not counted. A window makes C smaller than a linear form
/// can say: whoever evaluates the form caps the positions of a row at the window.
struct Cost {
  uint64_t weightBytes = 0, bytesPerToken = 0, bytesPerLogitRow = 0, bytesPerContext = 0;
  uint64_t macsPerToken = 0, macsPerLogitRow = 0, macsPerContext = 0;

  Cost &operator+=(const Cost &other);
  bool operator==(const Cost &other) const = default;
  uint64_t bytes(uint64_t tokens, uint64_t logitRows, uint64_t context) const;
  uint64_t macs(uint64_t tokens, uint64_t logitRows, uint64_t context) const;
};

/// Rows of f32 that a step makes: they live in a buffer. Its inputs (i32) and weights do not.
bool isActivation(Value value);

/// What dimension 0 of a value counts.
enum class RowDomain { Token, LogitRow, Kept };

/// Logit rows, or kept ones, from `tenon.select_rows` on, through fused regions; else tokens (so
/// also for arguments of functions: layers work on tokens). Costs count kept rows as logit rows,
/// which they are in a step that generates.
RowDomain rowDomain(Value value);

/// Bytes of a value: those of a weight if all dimensions are static, else those of each row. KV
/// handles have none.
Cost valueCost(Value value);

} // namespace mlir::tenon

#endif // TENON_DIALECTS_TENON_COST_H
