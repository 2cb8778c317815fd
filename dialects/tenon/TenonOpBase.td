//===- TenonOpBase.td - What every tenon op has ---------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0

#ifndef TENON_DIALECTS_TENON_TENONOPBASE_TD
#define TENON_DIALECTS_TENON_TENONOPBASE_TD

include "dialects/tenon/TenonInterfaces.td"
include "dialects/tenon/TenonTypes.td"
include "mlir/Dialect/Shard/Interfaces/ShardingInterface.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

/// Cost: what operands and results weigh, unless the op says otherwise.
def Tenon_OwnCost : DeclareOpInterfaceMethods<Tenon_CostOpInterface, ["getCost"]>;
/// Sharding rule: loops and indexing maps, and what a reduction loop does with partial results.
def Tenon_Sharded : DeclareOpInterfaceMethods<ShardingInterface, [
    "getLoopIteratorTypes", "getIndexingMaps", "getReductionLoopIteratorKinds"]>;

class Tenon_Op<string mnemonic, list<Trait> traits = []> : Op<Tenon_Dialect, mnemonic, traits>;

/// An op that computes: it has a sharding rule, a cost and a reference evaluation.
class Tenon_ComputeOp<string mnemonic, list<Trait> traits = []>
    : Tenon_Op<mnemonic, !listconcat(traits, [
        Tenon_Sharded, DeclareOpInterfaceMethods<Tenon_ReferenceOpInterface>])>;

/// An op without side effects whose result types follow from its operands. Shape rules are stated
/// once, in `inferReturnTypes`, which serves builders, the parser and the verifier.
class Tenon_ValueOp<string mnemonic, list<Trait> traits = []>
    : Tenon_ComputeOp<mnemonic, !listconcat(traits, [Pure, InferTypeOpAdaptor])>;

#endif // TENON_DIALECTS_TENON_TENONOPBASE_TD
