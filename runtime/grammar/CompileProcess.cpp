//===- CompileProcess.cpp - Grammars compiled behind a wall ---------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/grammar/CompileProcess.h"

#include "runtime/base/Sanitizer.h"
#include "runtime/grammar/TokenGrammar.h"

#include <fmt/core.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

namespace tenon::grammar {

namespace {

/// Before every message, both ways.
struct Frame {
  uint32_t kind; ///< A Constraint::Kind, or a Reply.
  uint32_t detail;
  uint64_t bytes; ///< That follow.
};
enum Reply : uint32_t { Compiled, Refused, Died };

bool sendAll(int socket, const void *data, size_t bytes) {
  for (const char *at = static_cast<const char *>(data); bytes > 0;) {
    const ssize_t n = ::send(socket, at, bytes, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return false;
    at += n;
    bytes -= static_cast<size_t>(n);
  }
  return true;
}

bool receiveAll(int socket, void *data, size_t bytes) {
  for (char *at = static_cast<char *>(data); bytes > 0;) {
    const ssize_t n = ::recv(socket, at, bytes, 0);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return false;
    at += n;
    bytes -= static_cast<size_t>(n);
  }
  return true;
}

bool sendFrame(int socket, uint32_t kind, uint32_t detail, std::string_view body) {
  const Frame frame{kind, detail, body.size()};
  return sendAll(socket, &frame, sizeof(frame)) && sendAll(socket, body.data(), body.size());
}

bool receiveFrame(int socket, Frame &frame, std::string &body) {
  if (!receiveAll(socket, &frame, sizeof(frame)))
    return false;
  body.resize(frame.bytes);
  return receiveAll(socket, body.data(), body.size());
}

void limitMemory(size_t more) {
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
#if !TENON_SANITIZED // Else the address space says nothing.
  unsigned long pages = 0;
  if (FILE *file = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(file, "%lu", &pages) != 1)
      pages = 0;
    std::fclose(file);
  }
  const rlim_t bytes = pages * static_cast<rlim_t>(::sysconf(_SC_PAGESIZE)) + more;
  const rlimit limit{bytes, bytes};
  ::setrlimit(RLIMIT_AS, &limit);
#endif
}

/// The default of both signals ends the process.
void setDeadline(uint32_t milliseconds) {
  const auto arm = [](int which, uint64_t ms) {
    itimerval value{};
    value.it_value = {time_t(ms / 1000), suseconds_t(ms % 1000 * 1000)};
    ::setitimer(which, &value, nullptr);
  };
  arm(ITIMER_PROF, milliseconds);
  arm(ITIMER_REAL, uint64_t(milliseconds) * 4);
}

/// Compiles until the socket closes.
[[noreturn]] void work(int socket, const StatusOr<std::shared_ptr<const Vocabulary>> &vocabulary,
                       const CompileProcess::Bounds &bounds) {
  std::unique_ptr<Compiler> compiler;
  if (vocabulary)
    compiler = std::make_unique<Compiler>(*vocabulary, bounds.cacheBytes);
  limitMemory(bounds.bytes);
  Frame frame{};
  Constraint constraint;
  while (receiveFrame(socket, frame, constraint.text)) {
    constraint.kind = static_cast<Constraint::Kind>(frame.kind);
    Status status = vocabulary.status();
    std::string out;
    if (compiler) {
      setDeadline(bounds.milliseconds);
      auto grammar = compiler->compile(constraint);
      if (grammar)
        out = (*grammar)->serialize();
      else
        status = grammar.status();
      setDeadline(0);
    }
    const bool sent = status
                          ? sendFrame(socket, Compiled, 0, out)
                          : sendFrame(socket, Refused, uint32_t(status.code()), status.message());
    if (!sent)
      break;
  }
  ::_exit(0);
}

/// Keeps one worker alive, and tells the other end of the socket when one died.
[[noreturn]] void supervise(int socket, const text::Tokenizer &tokenizer,
                            const std::vector<int32_t> &stopTokens, uint32_t vocabulary,
                            const CompileProcess::Bounds &bounds) {
  ::prctl(PR_SET_NAME, "tenon-grammar");
  // The terminal's signals are the server's: it closes the socket when it is done.
  for (const int signal : {SIGINT, SIGTERM, SIGHUP})
    ::signal(signal, SIG_IGN);
  if (const int null = ::open("/dev/null", O_RDWR); null >= 0) {
    ::dup2(null, 0);
    ::dup2(null, 1);
  }
  ::setpriority(PRIO_PROCESS, 0, 5); // Steps go first.
  // Not the client's doing, so outside of the bounds; and not before somebody needs it.
  char first = 0;
  ssize_t asked = 0;
  while ((asked = ::recv(socket, &first, 1, MSG_PEEK)) < 0 && errno == EINTR)
    ;
  if (asked <= 0) // The server has gone.
    ::_exit(0);
  const auto words = Vocabulary::of(tokenizer, stopTokens, vocabulary);
  while (true) {
    const pid_t worker = ::fork();
    if (worker == 0)
      work(socket, words, bounds);
    int state = 0;
    while (worker > 0 && ::waitpid(worker, &state, 0) < 0 && errno == EINTR)
      ;
    if (worker < 0 || (WIFEXITED(state) && WEXITSTATUS(state) == 0))
      ::_exit(0);
    if (!sendFrame(socket, Died, WIFSIGNALED(state) ? uint32_t(WTERMSIG(state)) : 0, {}))
      ::_exit(0);
  }
}

} // namespace

StatusOr<std::unique_ptr<CompileProcess>>
CompileProcess::start(const text::Tokenizer &tokenizer, const std::vector<int32_t> &stopTokens,
                      uint32_t vocabulary, const Bounds &bounds) {
  if (!available())
    return Status::unsupported("this build has no constrained output");
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    return Status::internal(fmt::format("socketpair: {}", std::strerror(errno)));
  // The first child ends at once, so that nobody has to wait for the supervisor.
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(ends[0]);
    if (::fork() == 0)
      supervise(ends[1], tokenizer, stopTokens, vocabulary, bounds);
    ::_exit(0);
  }
  ::close(ends[1]);
  if (child < 0) {
    ::close(ends[0]);
    return Status::internal(fmt::format("fork: {}", std::strerror(errno)));
  }
  while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR)
    ;
  return std::unique_ptr<CompileProcess>(new CompileProcess(ends[0], bounds));
}

CompileProcess::~CompileProcess() { ::close(socket); }

void CompileProcess::interrupt() { ::shutdown(socket, SHUT_RDWR); }

StatusOr<std::string> CompileProcess::compile(const Constraint &constraint,
                                              const std::function<void()> &meanwhile) {
  Frame frame{};
  std::string body;
  const bool sent = sendFrame(socket, uint32_t(constraint.kind), 0, constraint.text);
  if (sent && meanwhile)
    meanwhile();
  if (!sent || !receiveFrame(socket, frame, body))
    return Status::internal("the process that compiles grammars is gone");
  switch (frame.kind) {
  case Compiled:
    return body;
  case Refused:
    return Status(static_cast<StatusCode>(frame.detail), std::move(body));
  default:
    return Status::invalidArgument(
        fmt::format("the constraint is too complex: {} of processor time and {} MiB of memory were "
                    "not enough; simplify it",
                    bounds.milliseconds % 1000 ? fmt::format("{} ms", bounds.milliseconds)
                                               : fmt::format("{} s", bounds.milliseconds / 1000),
                    bounds.bytes >> 20));
  }
}

} // namespace tenon::grammar
