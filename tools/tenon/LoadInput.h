//===- LoadInput.h - What a load is given to read ---------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_TOOLS_TENON_LOADINPUT_H
#define TENON_TOOLS_TENON_LOADINPUT_H

#include "tools/tenon/LoadClient.h"

#include <istream>
#include <string>
#include <vector>

namespace tenon::tool {

/// The first `most` requests of the trace at `path`, one a line: {"timestamp": milliseconds,
/// "input_length": n, "output_length": n, ...}. NotFound if it cannot be read, InvalidArgument
/// names the line that is none.
StatusOr<std::vector<LoadRequest>> readTrace(const std::string &path, uint32_t most);

/// As above, of `lines`; `name` is for messages.
StatusOr<std::vector<LoadRequest>> readTrace(std::istream &lines, const std::string &name,
                                             uint32_t most);

/// LoadPlan::moreFields of the JSON object `body`; InvalidArgument if it is none.
StatusOr<std::string> readMoreFields(const std::string &body);

} // namespace tenon::tool

#endif // TENON_TOOLS_TENON_LOADINPUT_H
