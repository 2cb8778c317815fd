//===- Filters.h - The two tables of filters --------------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_TEXT_JINJA_FILTERS_H
#define TENON_RUNTIME_TEXT_JINJA_FILTERS_H

#include "runtime/text/jinja/Ast.h"

#include <span>

namespace tenon::text::jinja {

std::span<const Builtin>
scalarFilters(); ///< Of strings, numbers and any value (ScalarFilters.cpp).
std::span<const Builtin> sequenceFilters(); ///< Of what can be iterated over (SequenceFilters.cpp).

} // namespace tenon::text::jinja

#endif // TENON_RUNTIME_TEXT_JINJA_FILTERS_H
