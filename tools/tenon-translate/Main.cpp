//===- Main.cpp - tenon-translate -----------------------------------------===//
// SPDX-License-Identifier: Apache-2.0
//
// Plans between text and FlatBuffer: `tenon-translate --plan-to-flatbuffer plan.mlir -o plan.bin`.
//
#include "compiler/engine/PlanTranslate.h"

#include "mlir/Tools/mlir-translate/MlirTranslateMain.h"

int main(int argc, char **argv) {
  tenon::compiler::registerPlanTranslations();
  return mlir::failed(mlir::mlirTranslateMain(argc, argv, "Tenon plan translation"));
}
