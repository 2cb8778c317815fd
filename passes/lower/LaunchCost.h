//===- LaunchCost.h - What a launch moves and computes ----------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_PASSES_LOWER_LAUNCHCOST_H
#define TENON_PASSES_LOWER_LAUNCHCOST_H

#include "dialects/plan/PlanDialect.h"
#include "dialects/tenon/TenonOps.h"

namespace mlir::tenon {

/// The cost that the region states (`CostOpInterface`), as the plan writes it: its weights as they
/// are packed, its rows as they lie in buffers, the KV cache, and the products of its body.
plan::CostAttr launchCost(FusedOp region);

} // namespace mlir::tenon

#endif // TENON_PASSES_LOWER_LAUNCHCOST_H
