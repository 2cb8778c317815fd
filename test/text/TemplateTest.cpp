//===- TemplateTest.cpp - Limits and errors of chat templates -------------===//
// SPDX-License-Identifier: Apache-2.0
//
// What templates render is compared with jinja2 in template_oracle.py; here is what must end.
//
#include "runtime/text/Template.h"

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include <ctime>
#include <malloc.h>

namespace tenon::text {
namespace {

boost::json::object context(const char *json = "{}") {
  return boost::json::parse(json).as_object();
}

StatusOr<std::string> render(std::string_view source, const char *json = "{}",
                             const TemplateLimits &limits = {}) {
  auto parsed = Template::parse(source);
  if (!parsed)
    return parsed.status();
  return parsed->render(context(json), limits);
}

void expectExhausted(std::string_view source, const TemplateLimits &limits = {}) {
  const std::clock_t begin = std::clock(); // Processor time.
  const auto found = render(source, "{}", limits);
  const double time = double(std::clock() - begin) / CLOCKS_PER_SEC;
  ASSERT_FALSE(found.isOk()) << source;
  EXPECT_EQ(found.status().code(), StatusCode::ResourceExhausted)
      << source << ": " << found.status().message();
  EXPECT_NE(found.status().message().find("line "), std::string::npos) << found.status().message();
  EXPECT_LT(time, 30) << source; // Seconds at most, also under a sanitizer.
}

TEST(Template, appliesToMessages) {
  const auto parsed = Template::parse(
      "{% for m in messages %}<{{ m.role }}>{{ m['content'] }}{% endfor %}"
      "{% if add_generation_prompt %}<assistant>{% endif %}{{ bos_token }}{{ tools }}");
  ASSERT_TRUE(parsed.isOk());
  const std::vector<ChatMessage> messages = {{"system", "S"}, {"user", "é"}};
  EXPECT_EQ(*applyChatTemplate(*parsed, messages, true), "<system>S<user>é<assistant>None");
  const boost::json::object extra = context(R"({"bos_token": "<s>", "tools": [1]})");
  EXPECT_EQ(*applyChatTemplate(*parsed, messages, false, &extra), "<system>S<user>é<s>[1]");
}

TEST(Template, endlessLoopsEnd) {
  expectExhausted("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}");
  expectExhausted(
      "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}");
  expectExhausted("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}");
  expectExhausted("{% macro f() %}{{ f() }}{{ f() }}{% endmacro %}{{ f() }}");
  expectExhausted("{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}");
  expectExhausted(
      "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}");
  expectExhausted("{% macro f() %}{{ caller() }}{% call f() %}{% endcall %}{% endmacro %}{% call "
                  "f() %}{% endcall %}");
  expectExhausted("{% macro f(a=f()) %}{% endmacro %}{{ f() }}");
}

TEST(Template, growthEnds) {
  expectExhausted("{% set ns = namespace(x='ab') %}{% for i in range(99) %}{% set ns.x = ns.x + "
                  "ns.x %}{% endfor %}");
  expectExhausted("{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = ns.x + "
                  "ns.x %}{% endfor %}");
  expectExhausted("{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, "
                  "ns.x] %}{% endfor %}{{ ns.x }}");
  expectExhausted("{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, "
                  "ns.x] %}{% endfor %}{{ ns.x|tojson }}");
  expectExhausted(
      "{% set ns = namespace(x=[1], y=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}"
      "{% set ns.y = [ns.y, ns.y] %}{% endfor %}{{ ns.x == ns.y }}");
  expectExhausted(
      "{% set ns = namespace(x=1) %}{% for i in range(9999) %}{% set ns.x = [ns.x] %}{% endfor %}");
  expectExhausted("{% set ns = namespace(x=1) %}{% for i in range(9999) %}{% set ns.x = {'a': "
                  "ns.x} %}{% endfor %}");
  expectExhausted("{{ 'x' * 999999999999 }}");
  expectExhausted("{{ [0] * 999999999999 }}");
  expectExhausted("{{ 'a'|center(999999999999) }}");
  expectExhausted("{{ 'a\nb'|indent(999999999999) }}");
  expectExhausted("{{ 'a'.rjust(9223372036854775807, '😀') }}");
  expectExhausted("{{ [1]|batch(9223372036854775807, 0)|list }}");
  expectExhausted("{{ {}|tojson(indent=999999999999) }}");
  expectExhausted("{% set x = 'a' * 1000000 %}{{ x.replace('', x) }}");
  expectExhausted(
      "{% set x = 'a' * 10000000 %}{{ x.replace('a', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa') }}");
  expectExhausted("{% set x = 'a' * 100000 %}{{ x.join([x] * 99999) }}");
  expectExhausted("{% for i in range(99999) %}{{ 'x' * 1000 }}{% endfor %}");
  expectExhausted("{% set x = 'a' * 1000000 %}{% for i in range(99999) %}{% if 'b' in x %}{% endif "
                  "%}{% endfor %}");
  expectExhausted("{{ strftime_now('%999999999d') }}");
}

TEST(Template, nestingEnds) {
  const auto repeated = [](const char *unit, int count) {
    std::string out;
    for (int i = 0; i < count; ++i)
      out += unit;
    return out;
  };
  expectExhausted("{{ " + repeated("(", 100000) + "1" + repeated(")", 100000) + "}}");
  expectExhausted("{{ " + repeated("[", 100000) + repeated("]", 100000) + "}}");
  expectExhausted("{{ " + repeated("not ", 100000) + "x }}");
  expectExhausted("{{ " + repeated("-", 100000) + "1 }}");
  expectExhausted("{{ x" + repeated(".a", 100000) + " }}");
  expectExhausted("{{ x" + repeated("|upper", 100000) + " }}");
  expectExhausted("{{ x" + repeated("()", 100000) + " }}");
  expectExhausted("{{ 1" + repeated(" + 1", 100000) + " }}");
  expectExhausted("{{ 1" + repeated(" if 1 else 1", 100000) + " }}");
  expectExhausted(repeated("{% if 1 %}", 100000));
  expectExhausted(repeated("{% for x in y %}", 100000));
  EXPECT_TRUE(render("{{ 1" + repeated(" ~ 1", 10000) + " }}").isOk());
}

TEST(Template, cyclesAreTakenApart) {
  const char *cyclic[] = {
      "{% set ns = namespace() %}{% set ns.x = ns %}{% set ns.y = [ns] %}",
      "{% set ns = namespace() %}{% for x in [ns] %}{% set ns.l = loop %}{{ loop.changed(loop) "
      "}}{% endfor %}",
      "{% set ns = namespace() %}{% macro f() %}{{ ns }}{% endmacro %}{% set ns.f = f %}{% set g = "
      "f %}",
      "{% for x in [1] %}{{ loop.changed(loop, [loop]) }}{{ raise_exception('out') }}{% endfor %}",
      "{% set ns = namespace() %}{% for i in range(20000) %}{% set n = namespace(next=ns.head) %}"
      "{% set ns.head = n %}{% endfor %}"};
  const auto renderAll = [&] {
    for (const char *source : cyclic)
      EXPECT_NE(render(source).status().code(), StatusCode::ResourceExhausted) << source;
  };
  renderAll();
  const size_t before = mallinfo2().uordblks; // Bytes in use; a sanitizer's allocator reports none.
  for (int i = 0; i < 20; ++i)
    renderAll();
  EXPECT_LE(mallinfo2().uordblks, before + 4096);
}

TEST(Template, limitsAreTheCallers) {
  TemplateLimits limits;
  limits.maxOutputBytes = 10;
  expectExhausted("{{ 'x' * 11 }}", limits);
  EXPECT_EQ(*render("{{ 'x' * 10 }}", "{}", limits), "xxxxxxxxxx");
  limits = {};
  limits.maxSteps = 100;
  expectExhausted("{% for i in range(1000) %}{% endfor %}", limits);
  limits = {};
  limits.maxDepth = 3;
  EXPECT_TRUE(render("{% macro f(n) %}{% if n %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(2) }}",
                     "{}", limits)
                  .isOk());
  expectExhausted("{% macro f(n) %}{% if n %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(3) }}",
                  limits);
}

TEST(Template, errorsSayTheLine) {
  const auto message = [](const char *source) { return render(source).status().message(); };
  EXPECT_EQ(message("a\n{% if x %}\n{{ y. }}"),
            "chat template, line 3: a name or number is wanted behind '.'");
  EXPECT_EQ(message("\n\n{{ 1 + 'a' }}"),
            "chat template, line 3: unsupported operand types for +: 'int' and 'str'");
  EXPECT_EQ(message("{{ a.b }}"), "chat template, line 1: 'a' is undefined");
  EXPECT_EQ(message("\n{% endfor %}"), "chat template, line 2: unknown tag 'endfor'");
  EXPECT_EQ(message("{{ raise_exception('Roles must alternate') }}"), "Roles must alternate");
  EXPECT_EQ(message("{% include 'x' %}"),
            "chat template, line 1: the tag 'include' has no place in a chat template");
}

TEST(Template, refusesWhatIsNoText) {
  EXPECT_FALSE(Template::parse("a\xff").isOk());
  EXPECT_FALSE(Template::parse(std::string(Template::kMaxSourceBytes + 1, 'a')).isOk());
  EXPECT_TRUE(Template::parse("").isOk());
}

TEST(Template, deepContextsEnd) {
  boost::json::value deep = 1;
  for (int i = 0; i < 500; ++i)
    deep = boost::json::array{std::move(deep)};
  const auto parsed = Template::parse("{{ x }}");
  ASSERT_TRUE(parsed.isOk());
  const auto found = parsed->render({{"x", deep}});
  EXPECT_EQ(found.status().code(), StatusCode::ResourceExhausted);
}

TEST(Template, showsTheTime) {
  TemplateLimits limits;
  limits.now = 0;
  EXPECT_EQ(*render("{{ strftime_now('%Y-%m-%d') }}", "{}", limits), "1970-01-01");
  EXPECT_EQ(render("{{ strftime_now('%Y') }}")->size(), 4u);
}

TEST(Template, rendersLongConversationsInLinearTime) {
  const auto parsed = Template::parse("{% for m in messages %}{{ '<|im_start|>' + m['role'] + "
                                      "'\\n' + m['content'] + '<|im_end|>\\n' }}{% endfor %}");
  std::vector<ChatMessage> messages(2000, {"user", std::string(2000, 'x')});
  const auto text = applyChatTemplate(*parsed, messages, true);
  ASSERT_TRUE(text.isOk()) << text.status().message();
  EXPECT_GT(text->size(), 4'000'000u);
}

} // namespace
} // namespace tenon::text
