// TR9: two collectors, each of a region of its own, and an operator with a context for both. One
// query spans them and each record names its region; none is in the other's store. One that is dead
// or does not answer hides nobody's rows. A change goes to exactly one. The nodes send what the
// test says: what the kernel tells is not what is asked here.
#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>

#include <filesystem>
#include <map>
#include <set>
#include <sstream>
#include <thread>

#include "common/tls.h"
#include "tests/fleet/simulated_agent.h"
#include "tests/support/alert_stream.h"
#include "tests/support/http.h"
#include "tests/unit/dev_pki.h"
#include "tests/unit/wire.h"

namespace picket::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;
using Json = nlohmann::json;
using Arguments = std::vector<std::string>;

constexpr int kOk = 0, kFailure = 1, kUsage = 2, kNoConnection = 4;
constexpr uint64_t kSecond = 1'000'000'000;

// What another process does raises no event here.
bool until(const std::function<bool()>& holds) {
  const auto deadline = std::chrono::steady_clock::now() + kDeadline;
  while (std::chrono::steady_clock::now() < deadline) {
    if (holds()) return true;
    poll(nullptr, 0, 20);
  }
  return false;
}

struct Region {
  std::string name;
  uint16_t port = 0;
  std::unique_ptr<Subprocess> collector = nullptr;
  std::unique_ptr<SimulatedAgent> node = nullptr;
  uint64_t sequence = 0;
};

class TR9 : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "picket-tr9-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    log_ = Fd(open((folder_ / "log").c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600));
    require_tls13();
    pki_.issue("collector collector");
    pki_.issue("operator admin ada");
    for (Region* region : {&eu_, &us_}) {
      start(*region);
      if (HasFatalFailure()) return;
    }
    write_contexts();
  }
  void TearDown() override {
    for (Region* region : {&eu_, &us_}) {
      region->node.reset();
      if (region->collector) region->collector->signal(SIGCONT);
      region->collector.reset();
    }
    if (HasFailure()) std::cerr << read_file(folder_ / "log").value_or("") << '\n';
    if (!folder_.empty()) std::filesystem::remove_all(folder_);
  }

  void start(Region& region) {
    const auto port = free_port(), http = free_port();
    ASSERT_TRUE(port.ok() && http.ok());
    if (region.port == 0) region.port = *port;
    const std::string file = folder_ / (region.name + ".yaml");
    const TlsFiles tls = pki_.files("collector");
    ASSERT_TRUE(write_file(file, fmt::format("listen: 127.0.0.1:{}\nhttp: 127.0.0.1:{}\n"
                                             "database: {}/collector.db\n"
                                             "tls: {{ca: {}, cert: {}, key: {}}}\n",
                                             region.port, *http, region.name, tls.ca.string(),
                                             tls.cert.string(), tls.key.string()))
                    .ok());
    std::filesystem::create_directory(folder_ / region.name);
    auto started =
        Subprocess::start({.argv = {PICKET_BINARY_DIR "/picket-collector", "--config", file},
                           .out = log_.get(),
                           .err = log_.get()});
    ASSERT_TRUE(started.ok()) << started.status();
    region.collector = *std::move(started);
    ASSERT_TRUE(until([&] {
      const auto answer = http_get(*http, "/readyz");
      return (answer.ok() && answer->code == 200) ||
             !region.collector->running_after(std::chrono::milliseconds(0));
    }));
    ASSERT_TRUE(region.collector->running_after(std::chrono::milliseconds(0))) << "it ended";
  }
  // One for both, and one for each as if there were no other.
  void write_contexts() {
    const TlsFiles ada = pki_.files("ada");
    const std::string who =
        fmt::format("ca: {}\ncert: {}\nkey: {}\nserver_id: spiffe://picket/collector/collector\n",
                    ada.ca.string(), ada.cert.string(), ada.key.string());
    std::string both = who + "regions:\n";
    for (const Region* region : {&eu_, &us_}) {
      both += fmt::format("  - {{region: {}, collector: '127.0.0.1:{}'}}\n", region->name,
                          region->port);
      ASSERT_TRUE(write_file(folder_ / (region->name + ".context"),
                             fmt::format("{}collector: 127.0.0.1:{}\n", who, region->port))
                      .ok());
    }
    ASSERT_TRUE(write_file(folder_ / "both.context", both).ok());
  }

  void send(Region& region, v1::Envelope envelope) {
    if (!region.node) {
      pki_.issue("node " + region.name + "-n1");
      region.node = std::make_unique<SimulatedAgent>(region.port, pki_.files(region.name + "-n1"));
      ASSERT_TRUE(region.node->hello().has_value());
    }
    envelope.set_sequence(++region.sequence);
    ASSERT_TRUE(region.node->send(batch("", {std::move(envelope)})));
    ASSERT_TRUE(region.node->wait_for_ack(region.sequence));
  }
  // "eu-3", three seconds behind the beginning.
  void raise(Region& region, std::vector<int> seconds) {
    for (const int second : seconds) {
      v1::Alert alert = make_alert(fmt::format("{}-{}", region.name, second));
      set_wall_ns(*alert.mutable_time(), kTimeNs + second * kSecond);
      alert.mutable_incident()->set_id("i-" + region.name);
      send(region, envelope(0, alert));
    }
  }
  void add_workspace(Region& region, const std::string& id, const std::string& name,
                     v1::WorkspaceState state = v1::WORKSPACE_STATE_RUNNING) {
    send(region, workspace_envelope(0, id, name, state));
  }
  void add_session(Region& region) {
    v1::Envelope envelope;
    v1::AgentSession& session = *envelope.mutable_session();
    session.set_id("7-" + region.name);
    session.set_agent("claude");
    send(region, envelope);
  }

  Arguments command(const std::string& context, Arguments arguments) const {
    Arguments argv{PICKET_BINARY_DIR "/picketctl", "--context", folder_ / (context + ".context")};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    return argv;
  }
  ProgramResult run(Arguments arguments, const std::string& context = "both") const {
    auto result = run_program({.argv = command(context, std::move(arguments))});
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? *std::move(result) : ProgramResult{-1, "", ""};
  }
  static std::vector<Json> parse(const std::string& text) {
    std::vector<Json> objects;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) objects.push_back(Json::parse(line));
    return objects;
  }
  std::vector<Json> json(Arguments arguments, const std::string& context = "both") const {
    arguments.insert(arguments.end(), {"-o", "json"});
    const ProgramResult result = run(arguments, context);
    EXPECT_EQ(result.exit_code, kOk) << result.err;
    EXPECT_EQ(result.err, "") << fmt::format("{}", fmt::join(arguments, " "));
    return parse(result.out);
  }
  // "REGION ID" of each.
  static std::vector<std::string> named(const std::vector<Json>& alerts) {
    std::vector<std::string> names;
    for (const Json& alert : alerts)
      names.push_back(
          fmt::format("{} {}", alert.value("region", "-"), alert["id"].get<std::string>()));
    return names;
  }
  // Whose audit log has an order of that kind.
  std::set<std::string> ordered_in(const std::string& kind) const {
    std::set<std::string> regions;
    for (const Json& entry : json({"audit", "list", "--limit", "1000"}))
      if (entry["action"].get<std::string>() == kind) regions.insert(entry["region"]);
    return regions;
  }
  // While the one node that shall get the order answers it.
  ProgramResult order(Region& region, Arguments arguments) {
    std::thread answer([&] {
      const auto command = region.node->wait_for_command();
      ASSERT_TRUE(command.has_value());
      v1::CommandResult result;
      result.set_command_id(command->id());
      result.set_action(command->action());
      result.set_workspace_id(command->workspace_id());
      result.set_ok(true);
      result.set_detail("done in " + region.name);
      v1::Envelope done = envelope(++region.sequence, result);
      EXPECT_TRUE(region.node->send(batch("", {std::move(done)})));
    });
    ProgramResult result = run(std::move(arguments));
    // A node that was not asked: its stream ends, and so does its wait.
    if (result.exit_code != kOk) region.collector->signal(SIGKILL);
    answer.join();
    return result;
  }

  std::filesystem::path folder_;
  Fd log_;
  const DevPki pki_;
  Region eu_{.name = "eu"}, us_{.name = "us-west"};
};

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
  EXPECT_TRUE(std::ranges::is_sorted(trail, {}, [](const Json& entry) { return entry["time"]; }));
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

TEST_F(TR9, AnOrderGoesWhereItsWorkspaceIsAndNowhereElse) {
  add_workspace(eu_, "aa11", "alpha");
  add_workspace(us_, "bb22", "beta");
  add_workspace(eu_, "cc33", "shared");
  add_workspace(us_, "dd44", "shared");
  add_workspace(eu_, "ee55", "moved", v1::WORKSPACE_STATE_GONE);
  add_workspace(us_, "ff66", "moved");
  if (HasFatalFailure()) return;
  const auto freeze = [](const std::string& workspace, Arguments more = {}) {
    Arguments arguments{"workspace", "freeze", workspace, "--reason", "r", "-o", "json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  };
  const ProgramResult several = run(freeze("shared"));
  EXPECT_EQ(several.exit_code, kUsage);
  EXPECT_THAT(several.err, AllOf(HasSubstr("nothing was done"), HasSubstr("eu, us-west")));
  const ProgramResult nowhere = run(freeze("none"));
  EXPECT_EQ(nowhere.exit_code, kFailure);
  EXPECT_THAT(nowhere.err, AllOf(HasSubstr("picketctl: eu: "), HasSubstr("picketctl: us-west: ")));
  EXPECT_THAT(ordered_in("workspace.freeze"), IsEmpty());

  for (const auto& [region, workspace] : std::vector<std::pair<Region*, std::string>>{
           {&eu_, "alpha"}, {&us_, "bb"}, {&us_, "moved"}}) {
    const ProgramResult done = order(*region, freeze(workspace));
    ASSERT_EQ(done.exit_code, kOk) << workspace << ": " << done.err;
    EXPECT_EQ(parse(done.out)[0]["region"], region->name);
    EXPECT_EQ(parse(done.out)[0]["detail"], "done in " + region->name);
  }
  EXPECT_EQ(order(eu_, freeze("shared", {"--region", "eu"})).exit_code, kOk);
  EXPECT_THAT(
      order(us_, {"workspace", "thaw", "shared", "--reason", "r", "--region", "us-west"}).out,
      StartsWith("us-west  done in us-west"));

  // Which is not to be known while one does not answer.
  us_.node.reset();
  us_.collector->signal(SIGKILL);
  ASSERT_TRUE(us_.collector->wait().ok());
  const ProgramResult unknown = run(freeze("alpha"));
  EXPECT_EQ(unknown.exit_code, kNoConnection);
  EXPECT_THAT(unknown.err,
              AllOf(HasSubstr("picketctl: us-west: connect to"), HasSubstr("nothing was done")));
  EXPECT_EQ(unknown.out, "");
  EXPECT_EQ(order(eu_, freeze("alpha", {"--region", "eu"})).exit_code, kOk);
}

TEST_F(TR9, AChangeOfThePolicyNamesItsRegion) {
  const std::string rules = folder_ / "rules", key = folder_ / "rules.key";
  std::filesystem::create_directory(rules);
  ASSERT_TRUE(write_file(rules + "/test.yaml",
                         "- rule: one\n  desc: d\n  condition: evt.type = execve\n  output: o\n"
                         "  priority: NOTICE\n")
                  .ok());
  ASSERT_TRUE(output_of({"openssl", "genpkey", "-algorithm", "ed25519", "-out", key}).ok());
  ASSERT_EQ(run({"rules", "sign", rules, "--key", key, "--serial", "7"}).exit_code, kOk);
  const Arguments publish{"policy", "publish", rules, "--reason", "r"};
  const std::vector<Arguments> changes{publish,
                                       {"policy", "rollout", "7", "--reason", "r"},
                                       {"policy", "halt", "--reason", "r"},
                                       {"waivers", "remove", "w", "--reason", "r"}};
  for (const Arguments& change : changes) {
    const ProgramResult refused = run(change);
    EXPECT_EQ(refused.exit_code, kUsage) << fmt::format("{}", fmt::join(change, " "));
    EXPECT_THAT(refused.err, HasSubstr("in which region? give --region with one of: eu, us-west"));
  }
  EXPECT_THAT(ordered_in("policy.publish"), IsEmpty());
  Arguments there = publish;
  there.insert(there.end(), {"--region", "us-west"});
  const ProgramResult published = run(there);
  EXPECT_EQ(published.exit_code, kOk) << published.err;
  EXPECT_THAT(published.out, StartsWith("us-west  bundle "));
  EXPECT_THAT(ordered_in("policy.publish"), ElementsAre("us-west"));
  const std::vector<Json> versions = json({"policy", "list"});
  ASSERT_EQ(versions.size(), 1U);
  EXPECT_EQ(versions[0]["region"], "us-west");
  EXPECT_EQ(json({"policy", "show", "7"})[0]["region"], "us-west");
  // Both have a log of their own: what was seen of one says nothing about the other.
  const Arguments verify{"audit", "verify", "--remember", folder_ / "seen"};
  EXPECT_EQ(run(verify).exit_code, kUsage);
  EXPECT_THAT(run(verify).err, HasSubstr("give --region with one of: eu, us-west"));
  Arguments eu_only = verify;
  eu_only.insert(eu_only.end(), {"--region", "eu"});
  EXPECT_EQ(json(eu_only)[0]["holds"], true);
}

}  // namespace
}  // namespace picket::test
