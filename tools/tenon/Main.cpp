//===- Main.cpp - tenon ---------------------------------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "tools/tenon/Command.h"

#include <CLI/CLI.hpp>

#include <cstdio>

using namespace tenon;
using namespace tenon::tool;

static const char *const kFooter = R"(
Examples:
  tenon generate model.tenon --prompt "Why is the sky blue?"
  tenon generate model.tenon --raw --prompt "Once upon a time" --max-new-tokens 64 --json
  tenon chat model.tenon
  tenon score model.tenon --text book.txt --max-tokens 2048
  tenon embed model.tenon --text "A sentence." --json
  tenon bench model.tenon --sequences 1,16 --prompt-tokens 512 --new-tokens 128
  tenon serve model.tenon --port 8000
  tenon inspect model.tenon          tenon verify model.tenon

`tenon COMMAND --help` explains a command. Answers go to standard output, everything else to standard
error. TENON_LOG=debug|info|warning|error sets how much is said.

Exit codes: 0 done; 1 a promise of our own was broken; 2 wrong use or input; 3 a file is not there;
4 a file is damaged; 5 this build or machine cannot do it; 6 memory or a stated limit ran out;
7 another process of the job died or hangs; 130 cancelled.)";

int tool::exitCode(StatusCode code) {
  switch (code) {
  case StatusCode::Ok:
    return 0;
  case StatusCode::InvalidArgument:
    return 2;
  case StatusCode::NotFound:
    return 3;
  case StatusCode::DataLoss:
    return 4;
  case StatusCode::Unsupported:
    return 5;
  case StatusCode::ResourceExhausted:
  case StatusCode::DeadlineExceeded:
    return 6;
  case StatusCode::Cancelled:
    return 130;
  case StatusCode::Unavailable:
    return 7;
  case StatusCode::Internal:
    return 1;
  }
  return 1;
}

int main(int argc, char **argv) {
  CLI::App app{"tenon runs engines that tenon-compile made.", "tenon"};
  app.require_subcommand(1);
  app.set_version_flag("--version", TENON_VERSION);
  app.footer(kFooter);
  Action action;
  addGenerate(app, action);
  addChat(app, action);
  addScore(app, action);
  addEmbed(app, action);
  addTokenize(app, action);
  addInspect(app, action);
  addVerify(app, action);
  addBench(app, action);
  addServe(app, action);
  const auto named = [&](CLI::App *command) { return command->check_name(argv[1]); };
  if (argc > 1 && argv[1][0] != '-' && app.get_subcommands(named).empty()) {
    std::fprintf(stderr, "tenon: '%s' is no command; `tenon --help` lists them\n", argv[1]);
    return exitCode(StatusCode::InvalidArgument);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError &error) {
    return app.exit(error) == 0 ? 0 : exitCode(StatusCode::InvalidArgument);
  }
  const Status status = action();
  std::fflush(stdout);
  if (!status)
    std::fprintf(stderr, "tenon: %s\n", status.message().c_str());
  return exitCode(status.code());
}
