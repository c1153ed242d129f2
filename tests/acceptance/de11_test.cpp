// DE11: one workspace that connects to another one, by its address or by a unix socket that both
// see, opens a FIFO or a file of shared memory that the other one has opened, or is started in its
// network namespace, is an alert that names both owners; to itself it is none.
#include <stdlib.h>

#include <filesystem>

#include "tests/acceptance/egress_test.h"

namespace picket::test {
namespace {

TEST_F(EgressTest, AConnectionToAnotherWorkspaceNamesBothOwners) {
  deploy();
  if (HasFatalFailure()) return;
  // A folder of both.
  const std::string shared = sandbox().path("share");
  ASSERT_TRUE(std::filesystem::create_directory(shared));
  auto server = make_container(
      {.id = "de11-server", .annotations = {{"owner", "ann"}}, .writable_binds = {shared}});
  auto client = make_container(
      {.id = "de11-client", .annotations = {{"owner", "bob"}}, .writable_binds = {shared}});
  ASSERT_TRUE(server && client);
  // One cable between the two namespaces.
  in_network(*server, {"ip", "link", "add", "cable", "type", "veth", "peer", "name", "cable",
                       "netns", std::to_string(client->init_pid())});
  for (const auto& [container, address] :
       {std::pair{server.get(), "10.99.11.1"}, std::pair{client.get(), "10.99.11.2"}}) {
    in_network(*container, {"ip", "address", "add", std::string(address) + "/24", "dev", "cable"});
    in_network(*container, {"ip", "link", "set", "cable", "up"});
  }
  run(*server, {"contact", "serve", "10.99.11.1", "80"});
  run(*server, {"contact", "unix-serve", shared + "/service"});
  run(*server, {"contact", "unix", shared + "/service"});
  run(*server, {"contact", "tcp", "10.99.11.1", "80", "to itself"});
  EXPECT_TRUE(found(*server, "workspace_peer").empty());

  const auto writes = [&](const std::string& path) {
    return std::vector<std::string>{"sh", "-c", "exec 8<>" + path};
  };
  run(*server, {"mkfifo", shared + "/fifo", "/tmp/own"});
  run(*server, writes(shared + "/fifo"));
  run(*server, writes("/tmp/own"));
  EXPECT_TRUE(found(*server, "workspace_peer").empty());

  run(*client, {"contact", "tcp", "10.99.11.1", "80", "hello"});
  run(*client, {"contact", "unix", shared + "/service"});
  run(*client, writes(shared + "/fifo"));
  const auto alerts = found(*client, "workspace_peer");
  ASSERT_EQ(alerts.size(), 3u) << Alert(alerts).dump(1);
  for (const Alert& alert : alerts) {
    expect_identity(alert, *client);
    EXPECT_THAT(
        alert["output"].get<std::string>(),
        ::testing::AllOf(::testing::HasSubstr(" of bob talks"), ::testing::HasSubstr(" of ann: ")));
  }
}

const auto kNamesBoth =
    ::testing::AllOf(::testing::HasSubstr(" of bob "), ::testing::HasSubstr(" of ann"));

// A folder in this machine's memory, which goes with the test.
class SharedMemory {
 public:
  SharedMemory() {
    std::string name = "/dev/shm/picket-test-XXXXXX";
    if (mkdtemp(name.data()) != nullptr) path_ = name;
  }
  ~SharedMemory() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

TEST_F(EgressTest, AFileInMemoryThatTheOtherOneWroteNamesBothOwners) {
  const SharedMemory memory;
  ASSERT_FALSE(memory.path().empty());
  deploy();
  if (HasFatalFailure()) return;
  const auto make = [&](const char* id, const char* owner) {
    return make_container(
        {.id = id, .annotations = {{"owner", owner}}, .writable_binds = {memory.path()}});
  };
  auto server = make("de11-writes", "ann"), client = make("de11-reads", "bob");
  ASSERT_TRUE(server && client);
  const std::string ring = memory.path() + "/ring";
  run(*server, {"sh", "-c", "echo secret >" + ring});
  run(*server, {"cat", ring});
  for (Container* one : {server.get(), client.get()})
    run(*one, {"sh", "-c", "echo own >/dev/shm/ring; cat /dev/shm/ring"});
  EXPECT_TRUE(found(*server, "workspace_peer").empty());
  EXPECT_TRUE(found(*client, "workspace_peer").empty());

  run(*client, {"cat", ring});
  const auto alerts = found(*client, "workspace_peer");
  ASSERT_EQ(alerts.size(), 1u) << Alert(alerts).dump(1);
  expect_identity(alerts[0], *client);
  EXPECT_THAT(alerts[0]["output"].get<std::string>(), kNamesBoth);
}

TEST_F(EgressTest, WhoIsStartedInAnothersNetworkNamesBothOwners) {
  deploy();
  if (HasFatalFailure()) return;
  auto server = make_container({.id = "de11-host", .annotations = {{"owner", "ann"}}});
  ASSERT_TRUE(server);
  const auto beside = [&](const char* id, const char* owner) {
    return make_container(
        {.id = id, .annotations = {{"owner", owner}}, .network_of = server->init_pid()});
  };
  auto own = beside("de11-sidecar", "ann"), guest = beside("de11-guest", "bob");
  ASSERT_TRUE(own && guest);
  EXPECT_TRUE(found(*own, "workspace_peer.namespace").empty());
  const auto alerts = found(*guest, "workspace_peer.namespace");
  ASSERT_EQ(alerts.size(), 1u) << Alert(alerts).dump(1);
  expect_identity(alerts[0], *guest);
  EXPECT_THAT(alerts[0]["output"].get<std::string>(), kNamesBoth);
}

}  // namespace
}  // namespace picket::test
