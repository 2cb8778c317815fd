//===- Chat.cpp - tenon chat ----------------------------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/generate/Generator.h"
#include "tools/tenon/Command.h"
#include "tools/tenon/Processes.h"
#include "tools/tenon/Session.h"

#include <CLI/CLI.hpp>
#include <fmt/core.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <iostream>

namespace tenon::tool {

namespace {

struct ChatOptions {
  RunOptions run;
  sample::SamplingParams sampling;
  std::string system;
  uint32_t maxNewTokens = 1024;
};

std::atomic<bool> interrupted{false};

/// Shows an answer while it grows, and keeps it.
class Speaker : public generate::Listener {
public:
  explicit Speaker(const text::Tokenizer &tokenizer) : stream(tokenizer, true) {}

  void onToken(const generate::TokenEvent &event) override {
    if (event.finish != generate::FinishReason::Stop)
      put(stream.push(event.token));
    if (event.finish != generate::FinishReason::None)
      put(stream.finish());
  }
  std::string said;

private:
  void put(std::string_view text) {
    said += text;
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
  }
  text::DecodeStream stream;
};

/// One turn: the whole conversation is the prompt; the prefix tree has computed most of it before.
Status answer(const Session &session, generate::Generator &generator, const ChatOptions &o,
              std::vector<text::ChatMessage> &history, uint64_t turn) {
  auto ids = session.encodeChat(history);
  if (!ids)
    return ids.status();
  generate::Request request;
  request.prompt = std::move(*ids);
  request.sampling = o.sampling;
  request.sampling.seed += turn;
  request.maxNewTokens = o.maxNewTokens;
  request.stopTokens = session.stopTokens();
  auto number = generator.add(std::move(request));
  if (!number)
    return number.status();
  Speaker speaker(session.tokenizer());
  interrupted = false;
  while (generator.hasWork()) {
    TENON_RETURN_IF_ERROR(generator.step(speaker));
    if (interrupted)
      generator.cancel(*number);
  }
  fmt::print("\n");
  history.push_back({"assistant", speaker.said});
  return Status::ok();
}

Status run(const ChatOptions &o) {
  auto opened = Session::open(o.run);
  if (!opened)
    return opened.status();
  Session &session = **opened;
  executor::CapacityRequest wanted;
  wanted.sequences = 1;
  TENON_RETURN_IF_ERROR(session.prepare(wanted));

  generate::Generator generator(session.executor(), session.plan(), /*prefixTree=*/true);

  struct sigaction action{};
  action.sa_handler = [](int) { interrupted = true; };
  sigaction(SIGINT, &action, nullptr);

  std::vector<text::ChatMessage> history;
  const auto reset = [&] {
    history.clear();
    if (!o.system.empty())
      history.push_back({"system", o.system});
  };
  reset();
  fmt::print(stderr, "{}: /reset starts over, /quit leaves, Ctrl-C stops an answer\n",
             session.plan().model.name);
  std::string line;
  for (uint64_t turn = 0;; ++turn) {
    fmt::print(stderr, "> ");
    if (!std::getline(std::cin, line)) { // end of input, or Ctrl-C at the prompt
      fmt::print(stderr, "\n");
      return Status::ok();
    }
    if (line == "/quit")
      return Status::ok();
    if (line == "/reset") {
      reset();
      continue;
    }
    if (line.empty())
      continue;
    history.push_back({"user", line});
    if (Status status = answer(session, generator, o, history, turn); !status) {
      if (status.code() != StatusCode::InvalidArgument)
        return status;
      // Too long, for example: the conversation goes on without this turn.
      fmt::print(stderr, "tenon: {} (try /reset)\n", status.message());
      history.pop_back();
    }
  }
}

} // namespace

void addChat(CLI::App &app, Action &action) {
  auto options = std::make_shared<ChatOptions>();
  CLI::App *command = app.add_subcommand("chat", "Talk with a model; it keeps the conversation");
  addRunOptions(*command, options->run);
  command->add_option("--system", options->system,
                      "What the model is told before the conversation");
  command->add_option("--max-new-tokens", options->maxNewTokens, "Tokens of an answer at most")
      ->check(CLI::Range(1u, 1u << 24));
  addSamplingOptions(*command, options->sampling);
  command->footer("\nExamples:\n  tenon chat m.tenon --temperature 0.7\n"
                  "  echo \"Name three rivers.\" | tenon chat m.tenon");
  command->callback([options, &action] {
    action = [options] { return withProcesses(options->run, [&] { return run(*options); }); };
  });
}

} // namespace tenon::tool
