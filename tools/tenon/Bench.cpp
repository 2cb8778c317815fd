//===- Bench.cpp - tenon bench --------------------------------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "tools/tenon/BenchChip.h"
#include "tools/tenon/BenchCollectives.h"
#include "tools/tenon/BenchMeasure.h"
#include "tools/tenon/BenchReport.h"
#include "tools/tenon/BenchRoofline.h"
#include "tools/tenon/BenchServe.h"
#include "tools/tenon/Command.h"
#include "tools/tenon/OptionValues.h"
#include "tools/tenon/Processes.h"
#include "tools/tenon/Session.h"
#include "tools/tenon/WriteChips.h"

#include <CLI/CLI.hpp>
#include <fmt/core.h>

namespace tenon::tool {

namespace {

Status writeRoofline(const BenchOptions &o, const Session &session, const BenchResults &results,
                     const ChipLimits &chip) {
  const Row &row = results.rows.front();
  const std::string &model = session.plan().model.name;
  return writeFile(o.svg, rooflineSvg(fmt::format("{}: {} sequences, prompt {}, context {}, {} "
                                                  "threads",
                                                  model.empty() ? session.engine().name() : model,
                                                  row.decode->sequences, row.prefill->tokens,
                                                  row.decode->tokens, session.threads()),
                                      row, chip));
}

Status writeTrace(const BenchOptions &o, const Session &session, const BenchResults &results) {
  const Cell &cell = *results.rows.front().decode;
  return writeFile(
      o.trace, cell.trace->chromeTrace(fmt::format("{}: {} sequences after {} tokens, {} threads",
                                                   session.engine().name(), cell.sequences,
                                                   cell.tokens, session.threads())));
}

Status run(const BenchOptions &o) {
  if (o.run.engine.empty())
    return Status::invalidArgument("bench: give an engine, or `tenon bench chip`");
  if (!o.svg.empty() && o.launches == LaunchDetail::None)
    return Status::invalidArgument("bench: --svg shows launches; take --launches none away");
  if (!o.trace.empty() && o.launches == LaunchDetail::None)
    return Status::invalidArgument("bench: --trace shows launches; take --launches none away");
  if (!o.svg.empty() && !o.limits)
    return Status::invalidArgument("bench: --svg draws the machine's roofs; take --no-limits away");
  auto opened = Session::open(o.run);
  if (!opened)
    return opened.status();
  Session &session = **opened;
  // Before and after, the better counts: what others do to the machine meanwhile lowers both. Each
  // row starts its own count of peak memory, so that the probe's buffer is not in it.
  ChipLimits chip;
  chip.threads = session.threads();
  const auto look = [&]() -> Status {
    auto measured = measureChip(session.threads(), 1);
    if (!measured)
      return measured.status();
    if (chip.known())
      chip.improveWith(*measured);
    else
      chip = *measured;
    return Status::ok();
  };
  if (o.limits)
    TENON_RETURN_IF_ERROR(look());
  auto results = measureGrid(session, o);
  if (!results)
    return results.status();
  if (o.limits)
    TENON_RETURN_IF_ERROR(look());
  if (o.json)
    printBenchJson(session, o, *results, chip);
  else
    printBenchTables(session, o, *results, chip);
  if (!o.trace.empty())
    TENON_RETURN_IF_ERROR(writeTrace(o, session, *results));
  return o.svg.empty() ? Status::ok() : writeRoofline(o, session, *results, chip);
}

/// `tenon bench --threads 1 chip`: `bench` has read what `chip` was meant to.
void refuseOptionsOfBench(const CLI::App &bench, const CLI::App &kind) {
  for (const CLI::Option *option : bench.get_options())
    if (option->count())
      throw CLI::ValidationError(option->get_name(),
                                 "stands before `" + kind.get_name() +
                                     "`, which does not see it; write it behind, "
                                     "if it is one of its options");
}

constexpr const char *kFooter = R"(
A row for each combination of --sequences, --prompt-tokens and --context. Prefill is from an empty
cache; decode begins with the context in the cache (how it got there is not timed) and counts steps
in which every sequence draws a token. Rates are of the repetition with the median time. Launches are
timed in a run of their own with a barrier after each.

Examples:
  tenon bench m.tenon --sequences 1,4,16 --prompt-tokens 128,512 --new-tokens 128
  tenon bench m.tenon --context 0,512,8192      # decode from empty, after 512, after 8,192 tokens
  tenon bench m.tenon --launches all --svg roofline.svg
  tenon bench m.tenon --trace steps.json        # open in ui.perfetto.dev
  tenon bench chip                              # what this machine can do
  tenon bench chip --write chips.json --chips 2 --engine m.tenon
  tenon bench collectives                       # how fast chips talk
  tenon bench serve --model m --clients 16      # load on a server)";

} // namespace

void addBench(CLI::App &app, Action &action) {
  auto o = std::make_shared<BenchOptions>();
  CLI::App *command =
      app.add_subcommand("bench", "Measure speed and memory, and compare with the machine's limit");
  addRunOptions(*command, o->run);
  command->get_option("engine")->required(false);
  command->add_option("--sequences", o->sequences, "Sequences at once, such as 1,16")
      ->delimiter(',')
      ->check(CLI::Range(1u, 65536u));
  command->add_option("--prompt-tokens", o->promptTokens, "Tokens of each prompt, such as 128,512")
      ->delimiter(',')
      ->check(CLI::Range(1u, 1u << 24));
  command
      ->add_option(
          "--context", o->contexts,
          "Tokens in the cache when decode begins, such as 0,512,8192; 0 is a prompt of one "
          "token (default: the prompt's)")
      ->delimiter(',')
      ->check(CLI::Range(0u, 1u << 24));
  command->add_option("--new-tokens", o->newTokens, "Tokens to decode for each sequence")
      ->check(CLI::Range(1u, 1u << 24));
  command
      ->add_option("--repeat", o->repeat,
                   "Measure each this often and report the median (default 3)")
      ->check(CLI::Range(1u, 1000u));
  addChoice<std::optional<LaunchDetail>>(
      *command, "--launches", o->launches,
      {{"none", LaunchDetail::None}, {"first", LaunchDetail::First}, {"all", LaunchDetail::All}},
      "Rows whose launches are timed: none, first or all (default: all with --json, else first)");
  command->add_option("--svg", o->svg, "Write a roofline plot of the first row's launches")
      ->type_name("FILE");
  command
      ->add_option("--trace", o->trace,
                   "Write the first row's steps, a lane for each worker of each chip, for Perfetto "
                   "or chrome://tracing")
      ->type_name("FILE");
  command->add_flag_callback(
      "--no-limits", [o] { o->limits = false; },
      "Do not measure the machine; shares of its limit are left out");
  command->add_flag("--json", o->json, "One JSON object on standard output");
  command->footer(kFooter);
  CLI::App *chip =
      command->add_subcommand("chip", "Measure this machine: bandwidth and multiply-accumulates");
  chip->footer("\nExamples:\n  tenon bench chip --json\n"
               "  tenon bench chip --write chips.json --chips 2 --engine m.tenon   # for "
               "tenon-compile --chips");
  auto threads = std::make_shared<uint32_t>(0);
  auto json = std::make_shared<bool>(false);
  chip->add_option("--threads", *threads, "Worker threads (default: one for each core)")
      ->check(CLI::Range(1u, 1024u));
  chip->add_flag("--json", *json, "One JSON object on standard output");
  auto write = std::make_shared<WriteChipsOptions>();
  CLI::Option *file =
      chip->add_option("--write", write->path, "Write a chips file for tenon-compile --chips")
          ->type_name("FILE");
  chip->add_option("--engine", write->engine,
                   "Rates that its kernels reach instead of the machine's bounds; for one chip")
      ->needs(file);
  chip->add_option("--chips", write->chips, "Chips to describe; they share the threads (default 1)")
      ->check(CLI::Range(1u, 256u))
      ->needs(file);
  CLI::App *serve = addBenchServe(*command, action);
  CLI::App *collectives = addBenchCollectives(*command, action);
  command->callback([o, command, chip, serve, collectives, threads, json, write, &action] {
    for (const CLI::App *kind : {chip, serve, collectives})
      if (kind->parsed())
        refuseOptionsOfBench(*command, *kind);
    if (serve->parsed() || collectives->parsed())
      return; // It has set the action.
    if (chip->parsed())
      action = [=] {
        return onFirstProcess([&] { return runBenchChip(*threads, *json, *write); });
      };
    else
      action = [o] { return withProcesses(o->run, [&] { return run(*o); }); };
  });
}

} // namespace tenon::tool
