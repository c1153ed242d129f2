// What the kernel is told to leave out is derived from the rules: never anything that one of them
// could match.
#include <gmock/gmock.h>

#include <random>

#include "agent/detect/rule/interest.h"
#include "tests/unit/rule_fixture.h"

namespace picket {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

Interest interest(std::string_view condition) {
  return interest_of(
      *rules_of("- rule: r\n  desc: d\n  output: it happened\n  priority: NOTICE\n"
                "  condition: |\n    " +
                std::string(condition) + "\n"));
}

bool asks(const Interest& interest, bool reads, bool writes, bool named) {
  return interest.opens[PK_OPENS_OF(reads, writes, named)];
}

TEST(Interest, ACallIsAskedForByRulesOnIt) {
  const Interest calls = interest("evt.type in (ptrace, mount) and evt.arg.flags contains MS_BIND");
  EXPECT_TRUE(calls.calls[PK_CALL_ptrace]);
  EXPECT_TRUE(calls.calls[PK_CALL_mount]);
  EXPECT_FALSE(calls.calls[PK_CALL_umount2]);
  EXPECT_FALSE(calls.calls[PK_CALL_unlink]);
  EXPECT_FALSE(calls.calls[PK_CALL_openat]);
}

TEST(Interest, WhateverIsNotCertainIsAskedFor) {
  const Interest by_name = interest("proc.name = nc");
  auto left_out = ~by_name.calls;
  for (const pk_call failed : {PK_CALL_execve, PK_CALL_execveat}) {
    EXPECT_TRUE(left_out[failed]) << "the rule does not ask how a call ended";
    left_out.reset(failed);
  }
  EXPECT_LE(left_out.count(), 1u);
  EXPECT_TRUE(by_name.opens.all());
  const Interest other_than = interest("not evt.type = mount");
  EXPECT_FALSE(other_than.calls[PK_CALL_mount]);
  EXPECT_TRUE(other_than.calls[PK_CALL_unlink]);
  EXPECT_TRUE(interest("evt.type startswith un").calls[PK_CALL_unshare]);
  EXPECT_TRUE(interest("evt.type = unlink or fs.path.name = /x").calls[PK_CALL_rename]);
}

TEST(Interest, AFailedExecIsAskedForByRulesOnHowACallEnded) {
  EXPECT_TRUE(interest("evt.type = execve and evt.failed = true").calls[PK_CALL_execve]);
  EXPECT_TRUE(interest("evt.type = execveat and evt.res = EACCES").calls[PK_CALL_execveat]);
  EXPECT_TRUE(interest("evt.rawres < 0").calls[PK_CALL_execve]);
  EXPECT_FALSE(interest("evt.type = execve and proc.name = nc").calls[PK_CALL_execve]);
  EXPECT_FALSE(interest("evt.type = mount and evt.failed = true").calls[PK_CALL_execve]);
}

TEST(Interest, WhatTheAgentMakesOutOfAcceptsAsksForThem) {
  const Interest relayed = interest("evt.type = relayed and event.relayed.loop = true");
  EXPECT_TRUE(relayed.calls[PK_CALL_accept]);
  EXPECT_TRUE(relayed.calls[PK_CALL_accept4]);
  EXPECT_FALSE(relayed.calls[PK_CALL_listen]);
  EXPECT_FALSE(interest("evt.type = connect").calls[PK_CALL_accept]);
}

TEST(Interest, AnEventTypeAsksForEveryCallThatCausesIt) {
  const Interest file = interest("evt.type = file_change");
  EXPECT_TRUE(file.calls[PK_CALL_unlinkat]);
  EXPECT_TRUE(file.calls[PK_CALL_fchmodat2]);
  EXPECT_FALSE(file.calls[PK_CALL_ptrace]);
}

TEST(Interest, OpensAreAskedForByModeAndByName) {
  const Interest writing = interest(
      "evt.type in (open, openat) and evt.is_open_write = true and fd.name = /etc/cron.d/x");
  EXPECT_THAT(writing.names, ElementsAre("x"));
  EXPECT_TRUE(asks(writing, false, true, true));
  EXPECT_TRUE(asks(writing, true, true, true));
  EXPECT_FALSE(asks(writing, true, false, true));
  EXPECT_FALSE(asks(writing, false, true, false));

  const Interest reading =
      interest("evt.is_open_read = true and fd.name in (/etc/shadow, /a/token)");
  EXPECT_THAT(reading.names, ElementsAre("shadow", "token"));
  EXPECT_TRUE(asks(reading, true, false, true));
  EXPECT_FALSE(asks(reading, true, false, false));
  EXPECT_FALSE(asks(reading, false, true, true));
}

TEST(Interest, ClassesOfFilesAreMarkedAndAskForNothingElse) {
  const Interest classes = interest_of(*rules_of(
      "- file_class: aws\n  kind: secret\n  paths: ['*/.aws/credentials', '*/.ssh/*']\n" +
      rule_with("evt.is_open_read = true and fd.class.kind = secret and fd.class.tool = false")));
  EXPECT_THAT(classes.marks,
              ElementsAre(Pair(".ssh", PK_NAME_SECRET_DIR), Pair("credentials", PK_NAME_SECRET)));
  EXPECT_FALSE(asks(classes, true, false, false));
  EXPECT_FALSE(asks(classes, true, false, true));
}

TEST(Interest, APlaceThatOnlyAPathTellsIsAskedForUnderEveryName) {
  const Interest below = interest("evt.is_open_write = true and fd.name startswith /etc/");
  EXPECT_THAT(below.names, IsEmpty());
  EXPECT_TRUE(asks(below, false, true, false));
  EXPECT_FALSE(asks(below, true, false, false));
  EXPECT_TRUE(asks(interest("evt.is_open_read = true and not fd.name = /x"), true, false, false));
  EXPECT_TRUE(asks(interest("fd.filename != x and evt.is_open_read = true"), true, false, false));
}

TEST(Interest, WhatTheKernelFindsOfInterestItselfAsksForNothingElse) {
  for (const char* condition :
       {"evt.type = file_open and fd.fstype = proc and fd.inner_path = /kcore",
        "evt.type = file_open and evt.foreign_namespace = true",
        "evt.type = file_open and evt.failed = true and fd.name endswith /core_pattern"})
    EXPECT_TRUE(interest(condition).opens.none()) << condition;
  EXPECT_TRUE(interest("evt.type = file_open and not fd.inner_path = /kcore").opens.all());
  EXPECT_TRUE(interest("evt.type = file_open and evt.failed = false").opens.all());
}

// It is told anyway, once for each process.
TEST(Interest, OpensThatMakeAFileNeedNoAsking) {
  EXPECT_TRUE(interest("evt.is_open_create = true").opens.none());
}

TEST(Interest, WithoutRulesNothingIsAskedFor) {
  Interest none = interest("evt.type = procexit");
  none.calls.reset(PK_CALL_NONE);  // what no call causes
  EXPECT_TRUE(none.calls.none());
  EXPECT_TRUE(none.opens.none());
}

// Random conditions over what decides, and over what does not, against random events.
class Dice {
 public:
  explicit Dice(uint32_t seed) : random_(seed) {}
  template <size_t N>
  std::string_view one_of(const std::string_view (&words)[N]) {
    return words[random_() % N];
  }
  uint32_t below(uint32_t end) { return random_() % end; }

 private:
  std::mt19937 random_;
};

constexpr std::string_view kPaths[] = {"/etc/a", "/a", "/etc/b", "b", "/etc/a.d/c", "/"};

std::string random_comparison(Dice& dice) {
  constexpr std::string_view kCalls[] = {"open", "openat", "ptrace", "mount", "unlink", "chmod"};
  constexpr std::string_view kTexts[] = {"=", "!=", "startswith", "endswith", "contains", "glob"};
  constexpr std::string_view kFiles[] = {"fd.name", "fd.filename", "fs.path.name"};
  constexpr std::string_view kModes[] = {"evt.is_open_read", "evt.is_open_write",
                                         "evt.is_open_create"};
  constexpr std::string_view kBooleans[] = {"true", "false"};
  switch (dice.below(5)) {
    case 0:
      return fmt::format("evt.type in ({}, {})", dice.one_of(kCalls), dice.one_of(kCalls));
    case 1:
      return fmt::format("evt.type {} {}", dice.one_of(kTexts), dice.one_of(kCalls));
    case 2:
      return fmt::format("{} {} {}", dice.one_of(kFiles), dice.one_of(kTexts), dice.one_of(kPaths));
    case 3:
      return fmt::format("{} in ({}, {})", dice.one_of(kFiles), dice.one_of(kPaths),
                         dice.one_of(kPaths));
    default:
      return fmt::format("{} = {}", dice.one_of(kModes), dice.one_of(kBooleans));
  }
}

std::string random_condition(Dice& dice, int depth) {
  if (depth == 0 || dice.below(4) == 0) return random_comparison(dice);
  const std::string one = random_condition(dice, depth - 1);
  if (dice.below(4) == 0) return "not (" + one + ")";
  return fmt::format("({}) {} ({})", one, dice.below(2) == 0 ? "and" : "or",
                     random_condition(dice, depth - 1));
}

Scene random_scene(Dice& dice) {
  struct Kind {
    pk_type type;
    pk_call call;
  };
  constexpr Kind kKinds[] = {{PK_OPEN, PK_CALL_open},     {PK_OPEN, PK_CALL_openat},
                             {PK_SYSTEM, PK_CALL_ptrace}, {PK_SYSTEM, PK_CALL_mount},
                             {PK_FILE, PK_CALL_unlink},   {PK_FILE, PK_CALL_chmod}};
  const Kind kind = kKinds[dice.below(std::size(kKinds))];
  Scene scene(kind.type);
  scene.record.header().call = kind.call;
  if (kind.type == PK_SYSTEM) return scene;
  scene.with("path", dice.one_of(kPaths));
  if (kind.type == PK_FILE) return scene;
  scene.with("kind", "file");
  for (const std::string_view mode : {"reads", "writes", "created"})
    scene.with(mode, dice.below(2) == 0 ? "true" : "false");
  return scene;
}

bool is_told(const Interest& interest, const Scene& scene) {
  const std::vector<std::byte> bytes = scene.record.bytes();
  const Event event = *Event::parse(bytes);
  const auto* open = event.as<pk_open>();
  if (open == nullptr) return interest.calls[event.header().call];
  const std::string_view path = event.text(open->path);
  const std::string_view name = path.substr(path.rfind('/') + 1);
  const bool named = name.empty() || std::ranges::count(interest.names, name) != 0;
  return open->created || asks(interest, open->reads, open->writes, named);
}

TEST(Interest, NothingThatARuleMatchesIsLeftOut) {
  uint32_t matched = 0, left_out = 0;
  for (uint32_t seed = 0; seed < 500; ++seed) {
    Dice dice(seed);
    const std::string condition = random_condition(dice, 3);
    const Interest wanted = interest(condition);
    for (int i = 0; i < 20; ++i) {
      const Scene scene = random_scene(dice);
      const bool told = is_told(wanted, scene), matches = scene.matches(condition);
      ASSERT_TRUE(told || !matches) << "seed " << seed << ": " << condition;
      matched += matches;
      left_out += !told;
    }
  }
  EXPECT_GT(matched, 500u);
  EXPECT_GT(left_out, 500u);
}

}  // namespace
}  // namespace picket
