//===- FusedOps.td - Regions that are one launch --------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0

#ifndef TENON_DIALECTS_TENON_FUSEDOPS_TD
#define TENON_DIALECTS_TENON_FUSEDOPS_TD

include "dialects/tenon/TenonOpBase.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"

def Tenon_FusedOp : Tenon_ComputeOp<"fused", [
    Tenon_OwnCost,
    IsolatedFromAbove, SingleBlock, RecursiveMemoryEffects]> {
  let summary = "Ops that one launch computes";
  let description = [{
    A region that becomes one kernel launch. `kind` names the kernel family of the target
    (`linear_qkv`, `norm_quant`; for CPUs the kinds of `runtime/device/cpu/KernelKind.h` in snake
    case). The region is isolated: what it reads are its operands. The body keeps the original ops,
    so cost, sharding and reference evaluation of the region are those of its body. `VerifyFused`
    checks that a body is one that its kind can compute.

    Before:
    ```mlir
    %n = tenon.rms_norm %x, %w {eps = 1.0e-5 : f32} : (tensor<?x576xf32>, tensor<576xf32>) -> tensor<?x576xf32>
    %q = tenon.quantize_rows %n : tensor<?x576xf32> -> tensor<?x576xf32, #tenon.rows<int15, 32>>
    ```
    After:
    ```mlir
    %q = tenon.fused "norm_quant"(%a = %x : tensor<?x576xf32>, %b = %w : tensor<576xf32>)
        -> tensor<?x576xf32, #tenon.rows<int15, 32>> {
      %n = tenon.rms_norm %a, %b {eps = 1.0e-5 : f32} : (tensor<?x576xf32>, tensor<576xf32>) -> tensor<?x576xf32>
      %r = tenon.quantize_rows %n : tensor<?x576xf32> -> tensor<?x576xf32, #tenon.rows<int15, 32>>
      tenon.yield %r : tensor<?x576xf32, #tenon.rows<int15, 32>>
    }
    ```
  }];
  let arguments = (ins StrAttr:$kind, Variadic<AnyType>:$inputs);
  let results = (outs Variadic<AnyType>:$outputs);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let hasCanonicalizer = 1;
  let skipDefaultBuilders = 1;
  let builders = [
    /// A region with the arguments of `inputs`' types and no terminator yet.
    OpBuilder<(ins "StringRef":$kind, "TypeRange":$outputs, "ValueRange":$inputs)>
  ];
  let extraClassDeclaration = [{
    Block &getBodyBlock() { return getBody().front(); }
    YieldOp getYield();
    /// The operand that block argument `argument` of the body stands for.
    Value getCaptured(BlockArgument argument) { return getInputs()[argument.getArgNumber()]; }
  }];
}

def Tenon_YieldOp : Tenon_Op<"yield", [Pure, Terminator, ReturnLike, HasParent<"FusedOp">]> {
  let summary = "Results of a fused region";
  let description = [{
    ```mlir
    tenon.yield %a, %b : tensor<?x576xf32>, tensor<?x576xf32, #tenon.rows<int15, 32>>
    ```
  }];
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "($values^ `:` type($values))? attr-dict";
}

#endif // TENON_DIALECTS_TENON_FUSEDOPS_TD
