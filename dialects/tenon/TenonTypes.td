//===- TenonTypes.td - KV cache handles and tensor forms ----*- tablegen -*-===//
// SPDX-License-Identifier: Apache-2.0

#ifndef TENON_DIALECTS_TENON_TENONTYPES_TD
#define TENON_DIALECTS_TENON_TENONTYPES_TD

include "dialects/tenon/TenonAttributes.td"
include "mlir/IR/CommonTypeConstraints.td"

class Tenon_Type<string name, string typeMnemonic> : TypeDef<Tenon_Dialect, name> {
  let mnemonic = typeMnemonic;
  let genVerifyDecl = 1;
}

def Tenon_KvType : Tenon_Type<"Kv", "kv"> {
  let summary = "Handle to the KV cache of one layer";
  let description = [{
    `!tenon.kv<kvHeads, headDim>`: keys and values of every sequence of the step, at all earlier
    positions, for one layer. Elements are stored as f16 (round to nearest even). Which block holds
    which position is the runtime's (block tables); the dialect only knows sequence and position of
    each row of the step.

    ```mlir
    !tenon.kv<3, 64>
    ```
  }];
  let parameters = (ins "int64_t":$kvHeads, "int64_t":$headDim);
  let assemblyFormat = "`<` $kvHeads `,` $headDim `>`";
}

def Tenon_CacheType : Tenon_Type<"Cache", "cache"> {
  let summary = "The KV cache of all layers";
  let description = [{
    `!tenon.cache<layers, kvHeads, headDim>`: what a step is given; `tenon.kv_layer` takes one layer's
    handle out of it.

    ```mlir
    !tenon.cache<30, 3, 64>
    ```
  }];
  let parameters = (ins "int64_t":$layers, "int64_t":$kvHeads, "int64_t":$headDim);
  let assemblyFormat = "`<` $layers `,` $kvHeads `,` $headDim `>`";
}

/// f32 elements; whether an encoding is allowed is the op's matter (and its verifier says so).
def Tenon_Tensor : RankedTensorOf<[F32]>;
/// Dense f32 vector without encoding: norm weights, inverse frequencies.
def Tenon_Vector : 1DTensorOf<[F32]>;
/// Token ids, positions, row numbers.
def Tenon_Index : 1DTensorOf<[I32]>;

#endif // TENON_DIALECTS_TENON_TENONTYPES_TD
