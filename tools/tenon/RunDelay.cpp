//===- RunDelay.cpp - How long threads waited for a processor -------------===//
// SPDX-License-Identifier: Apache-2.0

#include "tools/tenon/RunDelay.h"

#include <cstdio>
#include <dirent.h>
#include <fcntl.h>
#include <string>
#include <unistd.h>

namespace tenon::tool {

RunDelay::RunDelay() {
  DIR *tasks = opendir("/proc/self/task");
  if (!tasks)
    return;
  while (const dirent *entry = readdir(tasks)) {
    if (entry->d_name[0] == '.')
      continue;
    const std::string path = std::string("/proc/self/task/") + entry->d_name + "/schedstat";
    if (const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC); file >= 0)
      files.push_back(file);
  }
  closedir(tasks);
}

RunDelay::~RunDelay() {
  for (int file : files)
    close(file);
}

uint64_t RunDelay::nanos() const {
  uint64_t sum = 0;
  for (int file : files) {
    // Time on a processor, time waiting for one, and how often.
    char text[96];
    const ssize_t length = pread(file, text, sizeof(text) - 1, 0);
    unsigned long long ran = 0, waited = 0;
    if (length <= 0)
      continue; // The thread has ended.
    text[length] = 0;
    if (std::sscanf(text, "%llu %llu", &ran, &waited) == 2)
      sum += waited;
  }
  return sum;
}

} // namespace tenon::tool
