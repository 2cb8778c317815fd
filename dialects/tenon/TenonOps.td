//===- TenonOps.td - All ops of the tenon dialect -------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0

#ifndef TENON_DIALECTS_TENON_TENONOPS_TD
#define TENON_DIALECTS_TENON_TENONOPS_TD

include "dialects/tenon/WeightOps.td"
include "dialects/tenon/DenseOps.td"
include "dialects/tenon/AttentionOps.td"
include "dialects/tenon/CollectiveOps.td"
include "dialects/tenon/FusedOps.td"

#endif // TENON_DIALECTS_TENON_TENONOPS_TD
