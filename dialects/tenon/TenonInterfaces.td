//===- TenonInterfaces.td - Knowledge that every op carries -*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0

#ifndef TENON_DIALECTS_TENON_TENONINTERFACES_TD
#define TENON_DIALECTS_TENON_TENONINTERFACES_TD

include "mlir/IR/OpBase.td"

def Tenon_CostOpInterface : OpInterface<"CostOpInterface"> {
  let cppNamespace = "::mlir::tenon";
  let description = [{
    Bytes and multiply-accumulates of an op as linear forms of tokens, logit rows and context.
    Planning, the roofline of a launch and the choice of sharding read it.
  }];
  let methods = [
    InterfaceMethod<[{
        What the op moves and computes if it is a launch of its own. A fused region has the weights,
        cache traffic and products of its body, but only the rows that enter and leave it.
      }], "::mlir::tenon::Cost", "getCost", (ins), "", [{
        return ::mlir::tenon::detail::operandsAndResultsCost($_op);
      }]>
  ];
}

def Tenon_ReferenceOpInterface : OpInterface<"ReferenceOpInterface"> {
  let cppNamespace = "::mlir::tenon";
  let description = [{
    The meaning of an op in plain C++: f32 values, sums in double. Independent of emitted kernels;
    `tenon-compile --verify` and the tests compare against it.
  }];
  let methods = [
    InterfaceMethod<[{
        Results for `operands`, whose shapes agree with the op's types (a dynamic dimension has any
        size). Writes to the KV cache where the op does. Fails, with an error at the op, if a value
        makes it meaningless (an id outside the vocabulary).
      }], "::mlir::FailureOr<::llvm::SmallVector<::mlir::tenon::HostTensor>>", "evaluate",
      (ins "::llvm::ArrayRef<::mlir::tenon::HostTensor>":$operands,
           "::mlir::tenon::ReferenceContext &":$context)>
  ];
}

#endif // TENON_DIALECTS_TENON_TENONINTERFACES_TD
