// Relays: the program behind a connection that another process holds, found by what both hold, in
// whatever order it becomes known; protocols, servers and scripts are none.
#include <gtest/gtest.h>

#include <cstring>

#include "agent/enrich/first_bytes.h"
#include "agent/enrich/relays.h"
#include "agent/event/record_builder.h"

namespace picket {
namespace {

constexpr uint64_t kWorkspace = 7, kCookie = 99;

class RelaysTest : public testing::Test {
 protected:
  size_t tell(const std::vector<std::byte>& record) {
    const auto event = Event::parse(record);
    EXPECT_TRUE(event.has_value());
    const Process& process = processes_.apply(*event);
    return relays_.on_event(*event, process, processes_).size();
  }

  static void head(pk_header& header, uint32_t pid) {
    header.pid = header.tid = pid;
    header.start_ns = pid * 1000;
    header.cgroup_id = kWorkspace;
    header.time_ns = 1'000'000'000;
  }

  // A shell whose input is one pipe and whose output another.
  size_t shell(const std::vector<std::string>& argv) {
    RecordBuilder exec(PK_EXEC);
    head(exec.header(), 10);
    EXPECT_TRUE(exec.set_list("argv", argv).ok());
    EXPECT_TRUE(exec.set_text("fd0.kind", "pipe").ok());
    EXPECT_TRUE(exec.set_text("fd0.inode", "501").ok());
    EXPECT_TRUE(exec.set_text("fd1.kind", "pipe").ok());
    EXPECT_TRUE(exec.set_text("fd1.inode", "502").ok());
    return tell(exec.bytes());
  }

  // What process 20, which has the connection, starts, and whose output it keeps.
  size_t child() {
    RecordBuilder exec(PK_EXEC);
    head(exec.header(), 30);
    EXPECT_TRUE(exec.set_text("parent_pid", "20").ok());
    EXPECT_TRUE(exec.set_text("parent_start_ns", "20000").ok());
    EXPECT_TRUE(exec.set_list("argv", {"sh", "-c", "id"}).ok());
    EXPECT_TRUE(exec.set_text("fd1.kind", "pipe").ok());
    EXPECT_TRUE(exec.set_text("fd1.inode", "503").ok());
    return tell(exec.bytes());
  }

  size_t connect() {
    RecordBuilder connect(PK_CONNECT);
    head(connect.header(), 20);
    EXPECT_TRUE(connect.set_text("proto", "tcp").ok());
    EXPECT_TRUE(connect.set_text("socket", "99").ok());
    EXPECT_TRUE(connect.set_text("remote_addr", "203.0.113.9").ok());
    return tell(connect.bytes());
  }

  size_t holds(uint8_t other = PK_DIR_UNKNOWN) {
    pk_holds holds{};
    head(holds.header, 20);
    holds.header.size = sizeof holds;
    holds.header.type = PK_HOLDS;
    holds.header.abi = PK_ABI;
    const auto add = [&](uint8_t kind, uint64_t id, bool reads, bool writes, uint8_t direction) {
      pk_held& held = holds.held[holds.count];
      held.kind = kind;
      held.fd = static_cast<uint8_t>(3 + holds.count++);
      held.id = id;
      held.reads = reads;
      held.writes = writes;
      held.direction = direction;
    };
    add(PK_FD_INET, kCookie, true, true, PK_DIR_OUTBOUND);
    add(PK_FD_PIPE, 501, false, true, 0);
    add(PK_FD_PIPE, 502, true, false, 0);
    if (other != PK_DIR_UNKNOWN) add(PK_FD_INET, 98, true, true, other);
    std::vector<std::byte> bytes(sizeof holds);
    std::memcpy(bytes.data(), &holds, sizeof holds);
    return tell(bytes);
  }

  // Process 20 with channels as its input and output.
  size_t netcat(const char* in, const char* out) {
    RecordBuilder exec(PK_EXEC);
    head(exec.header(), 20);
    EXPECT_TRUE(exec.set_list("argv", {"nc", "-lp4444"}).ok());
    EXPECT_TRUE(exec.set_text("fd0.kind", "pipe").ok());
    EXPECT_TRUE(exec.set_text("fd0.inode", in).ok());
    EXPECT_TRUE(exec.set_text("fd1.kind", "pipe").ok());
    EXPECT_TRUE(exec.set_text("fd1.inode", out).ok());
    return tell(exec.bytes());
  }

  size_t accept() {
    RecordBuilder accept(PK_SOCKET);
    head(accept.header(), 20);
    accept.header().call = PK_CALL_accept4;
    EXPECT_TRUE(accept.set_text("proto", "tcp").ok());
    EXPECT_TRUE(accept.set_text("socket", "97").ok());
    EXPECT_TRUE(accept.set_text("result", "4").ok());
    EXPECT_TRUE(accept.set_text("direction", "inbound").ok());
    return tell(accept.bytes());
  }

  size_t payload(std::string_view data, std::string_view received = "0") {
    RecordBuilder payload(PK_PAYLOAD);
    head(payload.header(), 20);
    EXPECT_TRUE(payload.set_text("socket", "99").ok());
    EXPECT_TRUE(payload.set("data", data).ok());
    EXPECT_TRUE(payload.set_text("received", received).ok());
    return tell(payload.bytes());
  }

  ProcessTable processes_;
  Relays relays_;
};

TEST_F(RelaysTest, AShellIsFoundOnceWhenItsOutputGoesOut) {
  EXPECT_EQ(connect(), 0u);
  EXPECT_EQ(shell({"sh"}), 0u);
  EXPECT_EQ(holds(), 0u);
  EXPECT_EQ(payload("$ "), 1u);
  EXPECT_EQ(holds(), 0u);
}

TEST_F(RelaysTest, TheConnectionMayComeLast) {
  EXPECT_EQ(shell({"bash", "-i"}), 0u);
  EXPECT_EQ(connect(), 0u);
  EXPECT_EQ(payload("hello\n"), 0u);
  EXPECT_EQ(holds(), 1u);
}

TEST_F(RelaysTest, AProtocolIsNoShell) {
  connect();
  shell({"sh"});
  holds();
  EXPECT_EQ(payload("GET / HTTP/1.1\r\n"), 0u);
}

TEST_F(RelaysTest, AServerRelaysWhatItAccepted) {
  connect();
  shell({"sh"});
  holds(PK_DIR_INBOUND);
  EXPECT_EQ(payload("$ "), 0u);
}

TEST_F(RelaysTest, WhoAcceptsBesideTheShellsOwnChannelsIsToldOnce) {
  shell({"sh"});
  netcat("502", "501");
  EXPECT_EQ(accept(), 1u);
  EXPECT_EQ(accept(), 0u);
}

TEST_F(RelaysTest, TheGuestMayBeThereBeforeTheShell) {
  netcat("502", "501");
  EXPECT_EQ(accept(), 0u);
  EXPECT_EQ(shell({"busybox", "sh", "-i"}), 1u);
}

TEST_F(RelaysTest, OneDirectionAloneIsAServerInAPipeline) {
  shell({"sh"});
  netcat("502", "600");
  EXPECT_EQ(accept(), 0u);
}

TEST_F(RelaysTest, BusyboxIsWhatItsFirstArgumentSays) {
  connect();
  shell({"busybox", "cat", "x"});
  holds();
  EXPECT_EQ(payload("hello\n"), 0u);
  EXPECT_EQ(shell({"/bin/busybox", "sh"}), 1u);
}

TEST_F(RelaysTest, AScriptDoesNotReadItsCommands) {
  connect();
  shell({"sh", "-c", "id"});
  holds();
  EXPECT_EQ(payload("uid=0\n"), 0u);
}

TEST_F(RelaysTest, WhoRunsWhatTheOtherSideAsksForIsToldOnce) {
  connect();
  EXPECT_EQ(child(), 0u);
  EXPECT_EQ(payload("uid=0\n", "3"), 1u);
  EXPECT_EQ(child(), 0u);
}

TEST_F(RelaysTest, WhoShowsAPromptIsToldWithTheFirstCommand) {
  connect();
  EXPECT_EQ(payload("shell> "), 0u);
  EXPECT_EQ(child(), 1u);
}

TEST_F(RelaysTest, AClientSpeaksFirstOrInAProtocol) {
  connect();
  child();
  EXPECT_EQ(payload("load 1\n"), 0u) << "nobody had asked";
  EXPECT_EQ(child(), 0u);
}

TEST_F(RelaysTest, AProtocolMayBeSpokenToFirst) {
  connect();
  child();
  EXPECT_EQ(payload("EHLO dev\r\n", "40"), 0u);
}

TEST(FirstBytes, OfPrompts) {
  EXPECT_TRUE(is_prompt("$ "));
  EXPECT_TRUE(is_prompt("shell>\n"));
  EXPECT_FALSE(is_prompt("load 1\n"));
  EXPECT_FALSE(is_prompt(""));
  EXPECT_FALSE(is_prompt("GET /x HTTP/1.1\r\nX: $"));
}

TEST(FirstBytes, OfProtocolsAndOfShells) {
  EXPECT_TRUE(is_known_protocol("SSH-2.0-x\r\n"));
  EXPECT_TRUE(is_known_protocol(std::string_view("\x16\x03\x01\x02\x00", 5)));
  EXPECT_TRUE(is_known_protocol(std::string_view("\0\0\0\x08\x04\xd2\x16\x2f", 8)));
  EXPECT_FALSE(is_known_protocol("\x1b]0;dev@host\a$ "));
  EXPECT_FALSE(is_known_protocol("uid=0(root)\n"));
}

}  // namespace
}  // namespace picket
