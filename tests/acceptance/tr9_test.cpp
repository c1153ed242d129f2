// TR9: two collectors, each of a region of its own, and an operator with a context for both. One
// query spans them and each record names its region; none is in the other's store. One that is dead
// or does not answer hides nobody's rows. A change goes to exactly one. The nodes send what the
// test says: what the kernel tells is not what is asked here.
#include "tests/acceptance/regions.h"

namespace picket::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

TEST_F(TR9, OneQuerySpansBothAndEachRecordNamesItsRegion) {
  raise(eu_, {1, 3, 5});
  raise(us_, {2, 4, 6});
  for (Region* region : {&eu_, &us_}) {
    add_workspace(*region, "w-" + region->name, "dev");
    add_session(*region);
    send(*region, coverage_envelope(0));
  }
  if (HasFatalFailure()) return;
  EXPECT_THAT(named(json({"alerts", "list"})),
              ElementsAre("eu eu-1", "us-west us-west-2", "eu eu-3", "us-west us-west-4", "eu eu-5",
                          "us-west us-west-6"));
  // The limit is that of the whole, not of each.
  EXPECT_THAT(named(json({"alerts", "list", "--limit", "3"})),
              ElementsAre("us-west us-west-4", "eu eu-5", "us-west us-west-6"));
  EXPECT_THAT(named(json({"--region", "us-west", "alerts", "list", "--limit", "2"})),
              ElementsAre("us-west us-west-4", "us-west us-west-6"));
  EXPECT_EQ(json({"alerts", "list", "--region", "us-west,eu"}).size(), 6U);
  EXPECT_THAT(run({"alerts", "list", "--limit", "2"}).out,
              AllOf(StartsWith("eu       2025-11-25T20:29:17.123Z  CRITICAL"),
                    HasSubstr("\nus-west  2025-11-25T20:29:18.123Z  CRITICAL")));
  EXPECT_EQ(run({"alerts", "list", "--region", "mars"}).exit_code, kUsage);
  EXPECT_THAT(run({"alerts", "list", "--region", "mars"}).err, HasSubstr("eu, us-west"));
  const std::vector<Arguments> reads{{"nodes"},           {"coverage"},
                                     {"status"},          {"workspace", "list"},
                                     {"agent", "list"},   {"policy", "status"},
                                     {"audit", "verify"}, {"alerts", "incidents"},
                                     {"audit", "list"},   {"workspace", "show", "dev"}};
  for (const Arguments& read : reads) {
    std::set<std::string> regions;
    for (const Json& row : json(read)) regions.insert(row.value("region", "-"));
    EXPECT_THAT(regions, ElementsAre("eu", "us-west")) << fmt::format("{}", fmt::join(read, " "));
    EXPECT_THAT(run(read).out, AllOf(HasSubstr("eu       "), HasSubstr("us-west  ")));
  }
  const std::vector<Json> trail = json({"audit", "list", "--limit", "5"});
  EXPECT_EQ(trail.size(), 5U);
  EXPECT_TRUE(std::ranges::is_sorted(
      trail, {}, [](const Json& entry) { return entry["time"].get<std::string>(); }));
  // What one has and the other has not is no failure.
  EXPECT_THAT(named(json({"alerts", "show", "us-west-2"})), ElementsAre("us-west us-west-2"));
  EXPECT_EQ(json({"agent", "report", "7-eu"})[0]["region"], "eu");
  const ProgramResult nowhere = run({"alerts", "show", "none"});
  EXPECT_EQ(nowhere.exit_code, kFailure);
  EXPECT_THAT(nowhere.err, AllOf(HasSubstr("picketctl: eu: "), HasSubstr("picketctl: us-west: ")));
  // Rows stay in their region; asked alone, without a name, all is as it ever was.
  EXPECT_THAT(named(json({"alerts", "list"}, "eu")), ElementsAre("- eu-1", "- eu-3", "- eu-5"));
  EXPECT_THAT(named(json({"alerts", "list"}, "us-west")),
              ElementsAre("- us-west-2", "- us-west-4", "- us-west-6"));
  EXPECT_THAT(run({"alerts", "list"}, "eu").out, StartsWith("2025-11-25T"));
}

TEST_F(TR9, OneWatchFollowsBothAndGoesOnBehindTheirCursors) {
  raise(us_, {1});
  if (HasFatalFailure()) return;
  const Arguments watch{"alerts", "watch", "-o", "json", "--after"};
  const auto after = [&](const std::string& cursors) {
    Arguments arguments = watch;
    arguments.push_back(cursors);
    return arguments;
  };
  auto stream = AlertStream::start(command("both", after("eu=0,us-west=0")));
  ASSERT_TRUE(stream.ok()) << stream.status();
  std::map<std::string, uint64_t> cursor;
  const auto comes = [&](AlertStream& from, Region& region, int second) {
    const std::string id = fmt::format("{}-{}", region.name, second);
    const auto alert = from.wait_for(id, [&](const Json& next) { return next["id"] == id; });
    ASSERT_TRUE(alert.ok()) << alert.status();
    EXPECT_EQ((*alert)["region"], region.name);
    cursor[region.name] = (*alert)["cursor"];
  };
  comes(**stream, us_, 1);
  for (const int second : {2, 3, 4}) {
    Region& region = second % 2 == 0 ? eu_ : us_;
    raise(region, {second});
    comes(**stream, region, second);
    if (HasFatalFailure()) return;
  }
  EXPECT_EQ((*stream)->seen().size(), 4U);
  stream->reset();
  raise(eu_, {5});
  raise(us_, {6});
  auto later = AlertStream::start(
      command("both", after(fmt::format("eu={},us-west={}", cursor["eu"], cursor["us-west"]))));
  ASSERT_TRUE(later.ok()) << later.status();
  comes(**later, eu_, 5);
  comes(**later, us_, 6);
  EXPECT_EQ((*later)->seen().size(), 2U) << "nothing twice";
  for (const char* wrong : {"7", "eu=7", "eu=7,us-west=1,mars=2"}) {
    const ProgramResult refused = run(after(wrong));
    EXPECT_EQ(refused.exit_code, kUsage) << wrong;
    EXPECT_THAT(refused.err, HasSubstr("a cursor of each region: eu, us-west")) << wrong;
  }
  EXPECT_EQ(run(after("eu=7,eu=8")).exit_code, kUsage);
}

TEST_F(TR9, OneThatDoesNotAnswerHidesNobody) {
  raise(eu_, {1});
  raise(us_, {2});
  auto out = make_pipe(), err = make_pipe();
  ASSERT_TRUE(out.ok() && err.ok());
  auto watch = Subprocess::start({.argv = command("both", {"alerts", "watch"}),
                                  .out = out->write.get(),
                                  .err = err->write.get()});
  ASSERT_TRUE(watch.ok()) << watch.status();
  out->write.reset();
  err->write.reset();
  LineReader alerts(std::move(out->read)), words(std::move(err->read));
  const auto next = [](LineReader& lines) {
    return lines.next(std::chrono::steady_clock::now() + kDeadline).value_or("(nothing)");
  };
  EXPECT_THAT((std::set<std::string>{next(words), next(words)}),
              ElementsAre("picketctl: eu: watching, Ctrl-C ends",
                          "picketctl: us-west: watching, Ctrl-C ends"));

  us_.collector->signal(SIGKILL);
  ASSERT_EQ(us_.collector->wait().value_or(-1), 128 + SIGKILL);
  EXPECT_THAT(next(words), StartsWith("picketctl: us-west: connect to 127.0.0.1:"));
  raise(eu_, {3});
  EXPECT_THAT(next(alerts), StartsWith("eu       2025-11-25T20:29:15.123Z"));
  const ProgramResult list = run({"alerts", "list", "-o", "json"});
  EXPECT_EQ(list.exit_code, kNoConnection);
  EXPECT_THAT(named(parse(list.out)), ElementsAre("eu eu-1", "eu eu-3"));
  EXPECT_THAT(list.err, AllOf(StartsWith("picketctl: us-west: connect to 127.0.0.1:"),
                              Not(HasSubstr("picketctl: eu"))));
  EXPECT_EQ(run({"alerts", "show", "eu-1"}).exit_code, kNoConnection) << "it may be there as well";
  EXPECT_THAT(named(json({"alerts", "list", "--region", "eu"})), ElementsAre("eu eu-1", "eu eu-3"));
  eu_.node.reset();
  eu_.collector->signal(SIGTERM);
  EXPECT_THAT(next(words), StartsWith("picketctl: eu: "));
  EXPECT_EQ((*watch)->wait().value_or(-1), kNoConnection);
  ASSERT_TRUE(eu_.collector->wait().ok());

  // One that is there and says nothing.
  start(us_);
  start(eu_);
  if (HasFatalFailure()) return;
  eu_.collector->signal(SIGSTOP);
  const ProgramResult halted = run({"alerts", "list", "-o", "json"});
  EXPECT_EQ(halted.exit_code, kNoConnection);
  EXPECT_THAT(named(parse(halted.out)), ElementsAre("us-west us-west-2"));
  EXPECT_THAT(halted.err, StartsWith("picketctl: eu: connect to 127.0.0.1:"));
}

}  // namespace
}  // namespace picket::test
