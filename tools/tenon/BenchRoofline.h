//===- BenchRoofline.h - A roofline plot of the launches --------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_TOOLS_TENON_BENCHROOFLINE_H
#define TENON_TOOLS_TENON_BENCHROOFLINE_H

#include "tools/tenon/BenchMeasure.h"

#include <string>

namespace tenon::tool {

/// An SVG: multiply-accumulates per byte against multiply-accumulates per second, both logarithmic;
/// the chip's bandwidths and peaks as roofs; a mark for each kind of launch of `row` that
/// multiplies, round for decode and square for prefill (roofline model: Williams, Waterman,
/// Patterson, CACM 52(4), 2009). `row`'s launches were timed.
std::string rooflineSvg(const std::string &title, const Row &row, const ChipLimits &chip);

} // namespace tenon::tool

#endif // TENON_TOOLS_TENON_BENCHROOFLINE_H
