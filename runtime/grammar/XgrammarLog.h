//===- XgrammarLog.h - What the library says meanwhile ----------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_GRAMMAR_XGRAMMARLOG_H
#define TENON_RUNTIME_GRAMMAR_XGRAMMARLOG_H

#include <string>

namespace tenon::grammar {

/// Takes the first warning of the library on this thread since the last call; empty if there was
/// none. It warns where it leaves a constraint out: the answer might break it.
std::string takeWarning();

} // namespace tenon::grammar

#endif // TENON_RUNTIME_GRAMMAR_XGRAMMARLOG_H
