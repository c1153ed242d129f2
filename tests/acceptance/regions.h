// Two collectors, each of a region of its own, with nodes that send what the test says; contexts
// for one and for both. The test's thread only.
#pragma once

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <functional>
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

using Json = nlohmann::json;
using Arguments = std::vector<std::string>;

inline constexpr int kOk = 0, kFailure = 1, kUsage = 2, kNoConnection = 4;
inline constexpr uint64_t kSecond = 1'000'000'000;

// What another process does raises no event here.
inline bool until(const std::function<bool()>& holds) {
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
      if (entry["action"] == kind) regions.insert(entry["region"].get<std::string>());
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

}  // namespace picket::test
