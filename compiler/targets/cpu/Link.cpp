//===- Link.cpp - One object to a shared object ---------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "compiler/targets/cpu/Link.h"
#include "compiler/targets/cpu/VariantTraits.h"

#include "lld/Common/Driver.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"

LLD_HAS_DRIVER(elf)

namespace tenon::cpu {

llvm::Expected<std::vector<uint8_t>> linkShared(llvm::StringRef object, engine::Variant variant) {
  // lld reads and writes files; both live in the temporary directory for the moment of the link.
  llvm::SmallString<128> in, out;
  int fd;
  if (std::error_code ec = llvm::sys::fs::createTemporaryFile("tenon-kernels", "o", fd, in))
    return llvm::createStringError(
        ec, "cannot create a temporary file to link kernels (set TMPDIR to a writable folder)");
  auto removeIn = llvm::make_scope_exit([&] { llvm::sys::fs::remove(in); });
  {
    llvm::raw_fd_ostream stream(fd, /*shouldClose=*/true);
    stream << object;
    stream.close();
    if (stream.has_error()) {
      std::error_code ec = stream.error();
      stream.clear_error();
      return llvm::createStringError(ec, "cannot write %s", in.c_str());
    }
  }
  if (std::error_code ec = llvm::sys::fs::createTemporaryFile("tenon-kernels", "so", out))
    return llvm::createStringError(ec, "cannot create a temporary file to link kernels");
  auto removeOut = llvm::make_scope_exit([&] { llvm::sys::fs::remove(out); });

  std::string diagnostics;
  llvm::raw_string_ostream errors(diagnostics);
  const char *emulation = isNeon(variant) ? "aarch64linux" : "elf_x86_64";
  std::vector<const char *> arguments = {
      "ld.lld",          "-m", emulation,     "-shared",          "--no-undefined", "--strip-all",
      "--build-id=none", "-z", "noexecstack", "--hash-style=gnu", "-soname",        "tenon-kernels",
      "--threads=1",     "-o", out.c_str(),   in.c_str()};
  lld::Result result =
      lld::lldMain(arguments, llvm::nulls(), errors, {{lld::Gnu, &lld::elf::link}});
  if (result.retCode != 0)
    return llvm::createStringError("linking kernels failed: %s", diagnostics.c_str());
  auto buffer =
      llvm::MemoryBuffer::getFile(out, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!buffer)
    return llvm::createStringError(buffer.getError(), "cannot read %s", out.c_str());
  llvm::StringRef bytes = (*buffer)->getBuffer();
  return std::vector<uint8_t>(bytes.bytes_begin(), bytes.bytes_end());
}

} // namespace tenon::cpu
