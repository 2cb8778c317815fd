//===- Log.cpp - Messages for the person who runs it ----------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/base/Log.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <cstdlib>
#include <memory>

namespace tenon::log {

static spdlog::level::level_enum toSpdlog(Level level) {
  switch (level) {
  case Level::Debug:
    return spdlog::level::debug;
  case Level::Info:
    return spdlog::level::info;
  case Level::Warning:
    return spdlog::level::warn;
  case Level::Error:
    return spdlog::level::err;
  }
  return spdlog::level::err;
}

/// Never destroyed: threads may log while the process exits.
static spdlog::logger &logger() {
  static spdlog::logger *instance = [] {
    auto *made = new spdlog::logger("tenon", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("[%H:%M:%S.%e] %l: %v");
    made->set_level(spdlog::level::warn);
    if (const char *wanted = std::getenv("TENON_LOG"))
      made->set_level(spdlog::level::from_str(wanted));
    return made;
  }();
  return *instance;
}

void setLevel(Level level) { logger().set_level(toSpdlog(level)); }
bool isEnabled(Level level) { return logger().should_log(toSpdlog(level)); }

void write(Level level, std::string_view message) {
  logger().log(toSpdlog(level), "{}", spdlog::string_view_t(message.data(), message.size()));
}

} // namespace tenon::log
