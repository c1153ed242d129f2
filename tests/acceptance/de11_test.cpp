// DE11: one workspace that connects to another one, by its address or by a unix socket that both
// see, or opens a FIFO that the other one has opened, is an alert that names both owners; to itself
// it is none.
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

}  // namespace
}  // namespace picket::test
