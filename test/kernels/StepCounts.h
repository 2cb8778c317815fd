//===- StepCounts.h - The numbers of a step -----------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_TEST_KERNELS_STEPCOUNTS_H
#define TENON_TEST_KERNELS_STEPCOUNTS_H

#include "runtime/device/cpu/KernelAbi.h"

namespace tenon::test {

/// What a step has besides arrays, in the order in which the emulated runner (Runner.cpp) is told.
inline constexpr uint32_t cpu::StepView::*kStepCounts[] = {
    &cpu::StepView::numTokens,         &cpu::StepView::numSequences,
    &cpu::StepView::numLogitRows,      &cpu::StepView::blockTableStride,
    &cpu::StepView::numAttentionTiles, &cpu::StepView::logitStride,
    &cpu::StepView::firstLogit,        &cpu::StepView::poolHeads,
    &cpu::StepView::skippedKeys,       &cpu::StepView::skippedValues};
static_assert(sizeof(cpu::StepView) == 6 * sizeof(void *) + sizeof(kStepCounts) /
                                                                sizeof(*kStepCounts) *
                                                                sizeof(uint32_t),
              "every field is an array or a number");

} // namespace tenon::test

#endif // TENON_TEST_KERNELS_STEPCOUNTS_H
