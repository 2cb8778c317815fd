//===- LaunchCost.cpp - What a launch moves and computes ------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "passes/lower/LaunchCost.h"

using namespace mlir;
using namespace mlir::tenon;

plan::CostAttr mlir::tenon::launchCost(FusedOp region) {
  const Cost cost = cast<CostOpInterface>(region.getOperation()).getCost();
  return plan::CostAttr::get(region.getContext(), cost.weightBytes, cost.bytesPerToken,
                             cost.bytesPerLogitRow, cost.bytesPerContext, cost.macsPerToken,
                             cost.macsPerLogitRow, cost.macsPerContext);
}
