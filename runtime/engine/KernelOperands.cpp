//===- KernelOperands.cpp - What each kind of kernel is launched with -----===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/engine/KernelOperands.h"

#include <string_view>

namespace tenon::engine {

using cpu::KernelKind;

namespace {

enum class Rows : uint8_t { Whole, OneByOne, InBlocks };
enum class Places : uint8_t { Ignored, Asked };

/// An operand of `form` is two letters: its sort, then < (read), > (written) or = (both). Behind
/// '|' stand those that come all or not at all.
consteval KernelOperands read(std::string_view form, Rows rows, Places places = Places::Ignored) {
  KernelOperands kernel;
  bool optional = false;
  for (size_t i = 0; i < form.size();) {
    if (form[i] == '|') {
      optional = true;
      ++i;
      continue;
    }
    Operand &operand = kernel.list[kernel.most++];
    operand = {OperandSort(form[i]), form[i + 1] != '>', form[i + 1] != '<'};
    kernel.takesPools |= operand.sort == OperandSort::KPool;
    kernel.fewest += !optional;
    i += 2;
  }
  kernel.rowByRow = rows == Rows::OneByOne;
  kernel.inBlocks = rows == Rows::InBlocks;
  kernel.asksPlaces = places == Places::Asked;
  return kernel;
}

/// In the order of KernelKind.
constexpr KernelOperands kKernels[] = {
    read("b>v<", Rows::OneByOne, Places::Asked),                  // RopeTable
    read("b>p<", Rows::OneByOne, Places::Asked),                  // Embed
    read("b<v<b>|b>", Rows::OneByOne),                            // NormQuant
    read("b<v<b=", Rows::OneByOne),                               // NormAdd
    read("b<v<b=v<b>", Rows::OneByOne),                           // NormAddNormQuant
    read("b<b>", Rows::OneByOne),                                 // Quantize
    read("b<p<b>", Rows::InBlocks),                               // Linear
    read("b<p<p<b>", Rows::InBlocks),                             // LinearGate
    read("b<p<p<p<b>K>V>b<|v<v<", Rows::InBlocks, Places::Asked), // LinearQkv
    read("b<K<V<b>|b=", Rows::Whole, Places::Asked),              // Attention
};
static_assert(std::size(kKernels) == std::size(cpu::kKernelKindNames));

} // namespace

const KernelOperands &operandsOf(KernelKind kind) { return kKernels[size_t(kind)]; }

} // namespace tenon::engine
