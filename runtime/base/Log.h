//===- Log.h - Messages for the person who runs it --------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
//
// Everything goes to standard error, so that standard output stays the answer. spdlog is compiled
// into Log.cpp alone; callers format with fmt.
//
#ifndef TENON_RUNTIME_BASE_LOG_H
#define TENON_RUNTIME_BASE_LOG_H

#include <string_view>

namespace tenon::log {

enum class Level { Debug, Info, Warning, Error };

/// Messages below this level are dropped. Starts at Warning, or what TENON_LOG names
/// (debug, info, warning, error).
void setLevel(Level level);
bool isEnabled(Level level);

/// Thread-safe.
void write(Level level, std::string_view message);
inline void debug(std::string_view m) { write(Level::Debug, m); }
inline void info(std::string_view m) { write(Level::Info, m); }
inline void warning(std::string_view m) { write(Level::Warning, m); }
inline void error(std::string_view m) { write(Level::Error, m); }

} // namespace tenon::log

#endif // TENON_RUNTIME_BASE_LOG_H
