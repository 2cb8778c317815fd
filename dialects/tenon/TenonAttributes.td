//===- TenonAttributes.td - Encodings and enums ---------*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0

#ifndef TENON_DIALECTS_TENON_TENONATTRIBUTES_TD
#define TENON_DIALECTS_TENON_TENONATTRIBUTES_TD

include "dialects/tenon/TenonBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/TensorEncoding.td"

class Tenon_Attr<string name, string attrMnemonic, list<Trait> traits = []>
    : AttrDef<Tenon_Dialect, name, traits> {
  let mnemonic = attrMnemonic;
}

def Tenon_BlocksAttr : Tenon_Attr<"Blocks", "blocks", [
    DeclareAttrInterfaceMethods<VerifiableTensorEncoding>]> {
  let summary = "Encoding of a weight matrix: the format its elements are stored in";
  let description = [{
    The logical elements of the tensor are f32; they are stored in one of the formats of
    `runtime/engine/WeightFormat.h`: `f32`, `f16`, `bf16`, `q8_0`, `q4_0`, `q4_1`, `q5_0`, `q5_1`,
    `q4_k`, `q5_k`, `q6_k`, `q4_r`, `q4_rm`, `q5_r`, `q5_rm`, `q6_r`, `q8_r`, and the last six with scales for 64 and for
    128 columns: `q4_r64`, `q4_rm128`, ... A tensor with this encoding is a matrix `[output channels, columns]` of f32 whose
    columns are a multiple of 32 (of 256 for the k formats).
    A matrix without an encoding is stored as f32.

    ```mlir
    tensor<576x1536xf32, #tenon.blocks<q4_1>>
    ```
  }];
  let parameters = (ins AttrParameter<"::tenon::WeightFormat", "stored format">:$format);
  let assemblyFormat = "`<` custom<WeightFormat>($format) `>`";
}

def Tenon_RowElement : I32EnumAttr<"RowElement", "element type of rounded activation rows", [
    I32EnumAttrCase<"Int15", 0, "int15">, I32EnumAttrCase<"Int8", 1, "int8">,
    I32EnumAttrCase<"BF16", 2, "bf16">]> {
  let cppNamespace = "::mlir::tenon";
  let genSpecializedAttr = 0;
}

def Tenon_RowsAttr : Tenon_Attr<"Rows", "rows", [
    DeclareAttrInterfaceMethods<VerifiableTensorEncoding>]> {
  let summary = "Encoding of activation rows that are quantised per group of columns, or rounded";
  let description = [{
    Every row is cut into groups of `group` columns; a group has one scale and integer elements. The
    layout and the rounding are those of `QuantRowLayout` in `runtime/device/cpu/KernelAbi.h`. The
    logical elements of the tensor are `scale * q`. `int15` is a high and a low plane of int8, which
    integer products read one after the other; `int8` is one plane, half the multiplications, and less
    exact (`docs/decisions/0001-activation-numerics.md`). Groups are of 32.

    `bf16` is what chips may send each other: every element by itself, rounded to nearest even, in
    groups of 1.

    ```mlir
    tensor<?x576xf32, #tenon.rows<int15, 32>>
    ```
  }];
  let parameters = (ins EnumParameter<Tenon_RowElement>:$element, "uint32_t":$group);
  let assemblyFormat = "`<` $element `,` $group `>`";
  let genVerifyDecl = 1;
}

def Tenon_CutAttr : Tenon_Attr<"Cut", "cut"> {
  let summary = "Which part of a stored tensor a chip holds";
  let description = [{
    `#tenon.cut<dim, [begins]>`: along dimension `dim` chip `i` of the tensor axis holds the elements
    from `begins[i]` on, as many as the type says. Parts may overlap: a chip that needs what
    another has too holds its own copy.

    ```mlir
    #tenon.cut<0, [0, 384]>
    ```
  }];
  let parameters = (ins "int64_t":$dim, ArrayRefParameter<"int64_t">:$begins);
  let assemblyFormat = "`<` $dim `,` `[` $begins `]` `>`";
  let genVerifyDecl = 1;
}

def Tenon_Activation : I32EnumAttr<"Activation", "activation function of a gate", [
    I32EnumAttrCase<"Silu", 0, "silu">,
    I32EnumAttrCase<"GeluTanh", 1, "gelu_tanh">]> {
  let cppNamespace = "::mlir::tenon";
  let genSpecializedAttr = 0;
}

def Tenon_ActivationAttr : EnumAttr<Tenon_Dialect, Tenon_Activation, "activation"> {
  let summary = "Activation function of a gate";
  let description = [{
    - `silu`: `x / (1 + exp(-x))`.
    - `gelu_tanh`: `x / 2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 * x^3)))`
      (Hendrycks and Gimpel, "Gaussian Error Linear Units", section 2).
  }];
}

#endif // TENON_DIALECTS_TENON_TENONATTRIBUTES_TD
