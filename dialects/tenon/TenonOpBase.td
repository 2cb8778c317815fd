//===- TenonOpBase.td - What every tenon op has ---------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0

#ifndef TENON_DIALECTS_TENON_TENONOPBASE_TD
#define TENON_DIALECTS_TENON_TENONOPBASE_TD

include "dialects/tenon/TenonTypes.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class Tenon_Op<string mnemonic, list<Trait> traits = []> : Op<Tenon_Dialect, mnemonic, traits>;

/// An op without side effects whose result types follow from its operands. Shape rules are stated
/// once, in `inferReturnTypes`, which serves builders, the parser and the verifier.
class Tenon_ValueOp<string mnemonic, list<Trait> traits = []>
    : Tenon_Op<mnemonic, !listconcat(traits, [Pure, InferTypeOpAdaptor])>;

#endif // TENON_DIALECTS_TENON_TENONOPBASE_TD
