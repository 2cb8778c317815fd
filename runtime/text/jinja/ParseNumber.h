//===- ParseNumber.h - Numbers in strings, as Python reads them -*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_TEXT_JINJA_PARSENUMBER_H
#define TENON_RUNTIME_TEXT_JINJA_PARSENUMBER_H

#include "runtime/text/jinja/Budget.h"

#include <optional>

namespace tenon::text::jinja {

/// int(text, base); nullopt where Python raises ValueError. Fails outside 64 bits.
std::optional<int64_t> parseInteger(Budget &budget, std::string_view text, int64_t base);

/// float(text); nullopt where Python raises ValueError.
std::optional<double> parseReal(std::string_view text);

} // namespace tenon::text::jinja

#endif // TENON_RUNTIME_TEXT_JINJA_PARSENUMBER_H
