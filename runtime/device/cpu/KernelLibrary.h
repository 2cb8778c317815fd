//===- KernelLibrary.h - Emitted kernels, loaded ----------------*- C++ -*-===//
// SPDX-License-Identifier: Apache-2.0
#ifndef TENON_RUNTIME_DEVICE_CPU_KERNELLIBRARY_H
#define TENON_RUNTIME_DEVICE_CPU_KERNELLIBRARY_H

#include "runtime/base/Status.h"
#include "runtime/device/cpu/KernelAbi.h"

#include <cstddef>
#include <span>
#include <string>

namespace tenon::cpu {

/// A shared object of kernels, loaded from memory. Move-only; kernels must not be called after its
/// destruction. Loading runs what the object contains, so verify its checksum and trust its source
/// first: an engine is as powerful as a program.
class KernelLibrary {
public:
  KernelLibrary() = default;
  ~KernelLibrary();
  KernelLibrary(KernelLibrary &&other) noexcept;
  KernelLibrary &operator=(KernelLibrary &&other) noexcept;

  /// `object` is an ELF shared object for this machine; `name` is for messages.
  static StatusOr<KernelLibrary> load(std::span<const std::byte> object, const std::string &name);

  /// The kernel, or NotFound that names the symbol.
  StatusOr<KernelFn> find(const std::string &symbol) const;

private:
  std::string name;
  void *handle = nullptr;
  int fd = -1; ///< Kept open: the loader identifies an object by its path, /proc/self/fd/N.
};

} // namespace tenon::cpu

#endif // TENON_RUNTIME_DEVICE_CPU_KERNELLIBRARY_H
