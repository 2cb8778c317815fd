//===- KernelLibrary.cpp - Emitted kernels, loaded ------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/device/cpu/KernelLibrary.h"

#include <cerrno>
#include <cstring>
#include <dlfcn.h>
#include <elf.h>
#include <sys/mman.h>
#include <unistd.h>
#include <utility>

namespace tenon::cpu {

KernelLibrary::~KernelLibrary() {
  if (handle)
    dlclose(handle);
  if (fd >= 0)
    close(fd);
}

KernelLibrary::KernelLibrary(KernelLibrary &&other) noexcept
    : name(std::move(other.name)), handle(std::exchange(other.handle, nullptr)),
      fd(std::exchange(other.fd, -1)) {}

KernelLibrary &KernelLibrary::operator=(KernelLibrary &&other) noexcept {
  std::swap(name, other.name);
  std::swap(handle, other.handle);
  std::swap(fd, other.fd);
  return *this;
}

/// What dlopen would only find out by crashing: the kind of file and its segments' bounds.
static Status checkElf(std::span<const std::byte> object, const std::string &name) {
  auto refuse = [&](const char *reason) { return Status::dataLoss(name + ": " + reason); };
  Elf64_Ehdr header;
  if (object.size() < sizeof(header))
    return refuse("too short for an ELF header");
  std::memcpy(&header, object.data(), sizeof(header));
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
      header.e_ident[EI_DATA] != ELFDATA2LSB)
    return refuse("not a 64-bit little-endian ELF object");
  if (header.e_type != ET_DYN)
    return refuse("not a shared object");
#if defined(__x86_64__)
  constexpr uint16_t machine = EM_X86_64;
#elif defined(__aarch64__)
  constexpr uint16_t machine = EM_AARCH64;
#else
  constexpr uint16_t machine = EM_NONE;
#endif
  if (header.e_machine != machine)
    return Status::unsupported(name + ": the object is for ELF machine " +
                               std::to_string(header.e_machine) + ", this process is " +
                               std::to_string(machine));
  if (header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phnum == 0 ||
      header.e_phoff > object.size() ||
      uint64_t(header.e_phnum) * sizeof(Elf64_Phdr) > object.size() - header.e_phoff)
    return refuse("its program headers lie outside the section");
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment;
    std::memcpy(&segment, object.data() + header.e_phoff + i * sizeof(segment), sizeof(segment));
    if (segment.p_type == PT_LOAD &&
        (segment.p_offset > object.size() || segment.p_filesz > object.size() - segment.p_offset))
      return refuse("a loaded segment lies outside the section");
  }
  return Status::ok();
}

StatusOr<KernelLibrary> KernelLibrary::load(std::span<const std::byte> object,
                                            const std::string &name) {
  TENON_RETURN_IF_ERROR(checkElf(object, name));
  KernelLibrary library;
  library.name = name;
  library.fd = memfd_create("tenon-kernels", MFD_CLOEXEC);
  if (library.fd < 0)
    return Status::resourceExhausted(name + ": memfd_create: " + std::strerror(errno));
  for (size_t done = 0; done < object.size();) {
    const ssize_t wrote = write(library.fd, object.data() + done, object.size() - done);
    if (wrote < 0 && errno == EINTR)
      continue;
    if (wrote <= 0)
      return Status::resourceExhausted(name + ": cannot copy into memory: " + std::strerror(errno));
    done += static_cast<size_t>(wrote);
  }
  const std::string path = "/proc/self/fd/" + std::to_string(library.fd);
  library.handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library.handle) {
    const char *reason = dlerror();
    return Status::dataLoss(name + ": cannot load: " + (reason ? reason : "unknown reason") +
                            " (needs /proc mounted and executable memory files allowed)");
  }
  return library;
}

StatusOr<KernelFn> KernelLibrary::find(const std::string &symbol) const {
  void *address = handle ? dlsym(handle, symbol.c_str()) : nullptr;
  if (!address)
    return Status::notFound(name + ": no kernel '" + symbol + "' in the object");
  return reinterpret_cast<KernelFn>(address);
}

} // namespace tenon::cpu
