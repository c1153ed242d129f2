// Calls that a collector must not answer: by whom, of what, and from where. Each row says the code,
// the counter and the audit entry; the rows of every RPC come from the services' descriptors, so a
// new RPC without a row fails here.
#include <gmock/gmock.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/gzip_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <set>

#include "picket/v1/agent.pb.h"
#include "tests/fleet/abuse_fixture.h"
#include "tests/unit/wire.h"

namespace picket::test {
namespace {

using grpc::StatusCode;

constexpr char kOperators[] = "/picket.v1.OperatorService/";
constexpr char kConnect[] = "/picket.v1.AgentService/Connect";

// Of the service descriptors, as paths.
std::set<std::string> every_rpc() {
  std::set<std::string> paths;
  for (const auto* file :
       {v1::ConnectRequest::descriptor()->file(), v1::GetStatusRequest::descriptor()->file()})
    for (int i = 0; i < file->service_count(); ++i)
      for (int j = 0; j < file->service(i)->method_count(); ++j)
        paths.insert("/" + file->service(i)->full_name() + "/" +
                     file->service(i)->method(j)->name());
  return paths;
}

// Who may, and what the audit log calls it.
struct Rpc {
  std::set<std::string> roles;
  std::string action;
  bool counts = true;  // what is no message
};

const std::set<std::string> kAll = {"viewer", "analyst", "responder", "author", "admin"};
const std::map<std::string, Rpc> kRpcs = {
    {"ListAlerts", {kAll, "alerts.list"}},
    {"WatchAlerts", {kAll, "alerts.watch"}},
    {"GetAlert", {kAll, "alerts.show"}},
    {"ListWorkspaces", {kAll, "workspace.list"}},
    {"ListAgentSessions", {{"analyst", "responder", "admin"}, "agent.sessions"}},
    {"ListNodes", {kAll, "nodes.list"}},
    {"GetStatus", {kAll, "status.show"}},
    {"RunCommand", {{"responder", "admin"}, "workspace.unknown"}},
    {"ListAudit", {{"analyst", "responder", "admin"}, "audit.list"}},
    {"PublishPolicy", {{"author", "admin"}, "policy.publish"}},
    {"ChangePolicy", {{"author", "admin"}, "policy.change"}},
    {"GetPolicy", {kAll, "policy.status"}}};
// Who has no business with any of them: the code, and how it is counted.
struct Stranger {
  std::string who;
  StatusCode code;
  std::string counted, counted_by_agents;
};
const std::vector<Stranger> kStrangers = {
    {"n1", StatusCode::PERMISSION_DENIED, "not_an_operator", ""},
    {"wizard", StatusCode::PERMISSION_DENIED, "role_denied", "not_a_node"},
    {"far", StatusCode::PERMISSION_DENIED, "scope_denied", "not_a_node"},
    {"foreigner", StatusCode::UNAUTHENTICATED, "no_identity", "no_identity"},
    {"dns", StatusCode::UNAUTHENTICATED, "no_identity", "no_identity"},
    {"two", StatusCode::UNAUTHENTICATED, "no_identity", "no_identity"}};

class AbuseCalls : public AbuseTest {
 protected:
  static std::string serialized(const google::protobuf::Message& message) {
    return message.SerializeAsString();
  }
  // By gzip, with so many zeroes behind the bytes.
  static std::string packed(const std::string& bytes, size_t zeroes = 0) {
    namespace io = google::protobuf::io;
    std::string out;
    io::StringOutputStream stream(&out);
    io::GzipOutputStream gzip(&stream);
    {
      io::CodedOutputStream coded(&gzip);
      coded.WriteString(bytes);
      const std::string chunk(std::min<size_t>(zeroes, 1U << 20), '\0');
      for (size_t left = zeroes; left > 0; left -= std::min(left, chunk.size()))
        coded.WriteRaw(chunk.data(), static_cast<int>(std::min(left, chunk.size())));
    }
    gzip.Close();
    return out;
  }
  // A hello, and the beginning of a field of this size that the collector does not know, as a newer
  // agent may send.
  static std::string hello_before(size_t size) {
    std::string bytes = serialized(hello());
    {
      google::protobuf::io::StringOutputStream stream(&bytes);
      google::protobuf::io::CodedOutputStream coded(&stream);
      coded.WriteTag(1000U << 3 | 2);
      coded.WriteVarint32(static_cast<uint32_t>(size));
    }
    return bytes;
  }
  static v1::ConnectRequest hello() {
    v1::ConnectRequest request;
    request.mutable_hello()->set_epoch("epoch-1");
    return request;
  }
};

TEST_F(AbuseCalls, EveryRpcHasItsRow) {
  std::set<std::string> rows{kConnect};
  for (const auto& [name, rpc] : kRpcs) rows.insert(kOperators + name);
  EXPECT_EQ(rows, every_rpc());
}

TEST_F(AbuseCalls, WhoMayNotIsRefusedEverywhere) {
  for (const auto& [name, rpc] : kRpcs) {
    for (const Stranger& stranger : kStrangers)
      ASSERT_NO_FATAL_FAILURE(check({stranger.who + " " + name,
                                     stranger.who,
                                     kOperators + name,
                                     "",
                                     {stranger.code, stranger.counted, rpc.action}}));
    for (const std::string& role : kAll) {
      if (!rpc.roles.contains(role)) {
        ASSERT_NO_FATAL_FAILURE(
            check({role + " " + name,
                   role,
                   kOperators + name,
                   "",
                   {StatusCode::PERMISSION_DENIED, "role_denied", rpc.action}}));
        continue;
      }
      const Http2Answer answer = call(role, kOperators + name, "", false, name == "WatchAlerts");
      const int code = answer.grpc.value_or(0);
      EXPECT_NE(code, StatusCode::PERMISSION_DENIED) << role << " " << name;
      EXPECT_NE(code, StatusCode::UNAUTHENTICATED) << role << " " << name;
      EXPECT_FALSE(answer.reset || answer.closed) << role << " " << name;
    }
  }
  for (const Stranger& stranger : kStrangers) {
    if (stranger.counted_by_agents.empty()) continue;
    const StatusCode code = stranger.counted_by_agents == "no_identity"
                                ? StatusCode::UNAUTHENTICATED
                                : StatusCode::PERMISSION_DENIED;
    ASSERT_NO_FATAL_FAILURE(check({stranger.who + " Connect",
                                   stranger.who,
                                   kConnect,
                                   serialized(hello()),
                                   {code, stranger.counted_by_agents, ""}}));
  }
  for (const std::string& role : kAll)
    ASSERT_NO_FATAL_FAILURE(check({role + " Connect",
                                   role,
                                   kConnect,
                                   serialized(hello()),
                                   {StatusCode::PERMISSION_DENIED, "not_a_node", ""}}));
  EXPECT_GE(refused_, 95U);
}

// Who is limited to a namespace has none of what is of all.
TEST_F(AbuseCalls, AScopeEndsWhereItEnds) {
  for (const char* name : {"ListAudit", "PublishPolicy", "ChangePolicy"})
    ASSERT_NO_FATAL_FAILURE(
        check({std::string("blue ") + name,
               "blue",
               kOperators + std::string(name),
               "",
               {StatusCode::PERMISSION_DENIED, "scope_denied", kRpcs.at(name).action}}));
}

TEST_F(AbuseCalls, WhatIsNoMessageIsNoCall) {
  const std::map<std::string, std::string> broken = {
      {"a field that does not exist", "\x07"},
      {"a length beyond the end", "\x0a\x7f"},
      {"a number without an end", std::string(11, '\xff')},
      {"a group that does not end", "\x0b"},
      {"noise", std::string("\xde\xad\xbe\xef\x00\x01", 6)}};
  for (const auto& [name, rpc] : kRpcs)
    for (const auto& [what, bytes] : broken) {
      const bool streams = name == "PublishPolicy";
      ASSERT_NO_FATAL_FAILURE(
          check({name + ": " + what, "admin", kOperators + name, bytes,
                 streams ? Refusal{StatusCode::INVALID_ARGUMENT, "", rpc.action}
                         : Refusal{StatusCode::INVALID_ARGUMENT, "garbage", "call"}}));
    }
  for (const auto& [what, bytes] : broken)
    ASSERT_NO_FATAL_FAILURE(check({"Connect: " + what,
                                   "n1",
                                   kConnect,
                                   bytes,
                                   {StatusCode::INVALID_ARGUMENT, "garbage", ""}}));
  // Text that is none, in a field that every list has.
  v1::GetAlertRequest request;
  request.set_id("a");
  std::string text = serialized(request);
  text.back() = '\xff';
  ASSERT_NO_FATAL_FAILURE(check({"GetAlert: bad UTF-8",
                                 "viewer",
                                 kOperators + std::string("GetAlert"),
                                 text,
                                 {StatusCode::INVALID_ARGUMENT, "garbage", "call"}}));
  // Nobody unpacks what operators send.
  ASSERT_NO_FATAL_FAILURE(check({"GetAlert: packed",
                                 "viewer",
                                 kOperators + std::string("GetAlert"),
                                 packed(serialized(request)),
                                 {StatusCode::INVALID_ARGUMENT, "garbage", "call"},
                                 true}));
  EXPECT_GE(refused_, 65U);
}

TEST_F(AbuseCalls, AStreamOfAnAgentKeepsItsOrder) {
  const auto batch_of = [](std::vector<v1::Envelope> envelopes) {
    v1::ConnectRequest request;
    *request.mutable_batch() = batch("", std::move(envelopes)).batch;
    return request;
  };
  v1::ConnectRequest nameless = hello();
  nameless.mutable_hello()->clear_epoch();
  v1::ConnectRequest endless = hello();
  endless.mutable_hello()->set_epoch(std::string(257, 'e'));
  const std::string first = serialized(hello());
  struct Row {
    std::string name;
    std::vector<std::string> messages;
    Refusal expected;
  };
  const auto invalid = [](const std::string& counted) {
    return Refusal{StatusCode::INVALID_ARGUMENT, counted, ""};
  };
  v1::Alert not_utf8 = make_alert("a");
  not_utf8.set_rule("\xff");
  const std::vector<Row> rows = {
      {"nothing", {""}, invalid("empty_message")},
      {"a batch before hello",
       {serialized(batch_of({envelope(1, make_alert("a"))}))},
       invalid("batch_before_hello")},
      {"no epoch", {serialized(nameless)}, invalid("no_epoch")},
      {"an endless epoch", {serialized(endless)}, invalid("oversized")},
      {"hello twice", {first, first}, invalid("second_hello")},
      {"hello and nothing", {first, ""}, invalid("empty_message")},
      {"sequence 0",
       {first, serialized(batch_of({envelope(0, make_alert("a"))}))},
       invalid("out_of_order")},
      {"a sequence twice",
       {first, serialized(batch_of({envelope(5, make_alert("a")), envelope(5, make_alert("b"))}))},
       invalid("out_of_order")},
      {"a batch again",
       {first, serialized(batch_of({envelope(7, make_alert("a"))})),
        serialized(batch_of({envelope(7, make_alert("a"))}))},
       invalid("out_of_order")},
      {"a step back",
       {first, serialized(batch_of({envelope(9, make_alert("a")), envelope(8, make_alert("b"))}))},
       invalid("out_of_order")},
      {"a sequence beyond all",
       {first, serialized(batch_of({envelope(1ULL << 63, make_alert("a"))}))},
       invalid("out_of_order")},
      {"text that is none",
       {first, serialized(batch_of({envelope(20, not_utf8)}))},
       invalid("garbage")},
      {"noise after hello", {first, "\xde\xad"}, invalid("garbage")}};
  for (const Row& row : rows) {
    const double before = count("picket_ingest_refused_total", row.expected.counted);
    RawConnection connection = connect("n1");
    std::string body;
    for (const std::string& message : row.messages) body += http2::message(message);
    connection.write(http2::frame(http2::kHeaders, http2::kEndHeaders, 1,
                                  http2::header_block(http2::request_headers(kConnect))));
    const Http2Answer answer = http2_answer(connection, {.stream = 1, .body = body}, soon());
    EXPECT_EQ(answer.grpc, static_cast<int>(row.expected.code)) << row.name;
    EXPECT_EQ(count("picket_ingest_refused_total", row.expected.counted), before + 1) << row.name;
  }
}

// A few kilobytes on the wire do not become any amount of memory.
TEST_F(AbuseCalls, WhatIsPackedIsUnpackedToABound) {
  const uint64_t before = peak_kib();
  const std::string fits = packed(hello_before(1U << 20), 1U << 20);
  EXPECT_EQ(call("n1", kConnect, fits, true).grpc, StatusCode::OK) << "what an agent sends is read";
  const std::string bomb = packed(hello_before(600U << 20), 600U << 20);
  ASSERT_LT(bomb.size(), 4U << 20);
  for (int i = 0; i < 4; ++i)
    ASSERT_NO_FATAL_FAILURE(check(
        {"a bomb", "n1", kConnect, bomb, {StatusCode::RESOURCE_EXHAUSTED, "too_large", ""}, true}));
  const std::string torn = fits.substr(0, fits.size() / 2);
  ASSERT_NO_FATAL_FAILURE(check({"half of what was packed",
                                 "n1",
                                 kConnect,
                                 torn,
                                 {StatusCode::INVALID_ARGUMENT, "garbage", ""},
                                 true}));
  ASSERT_NO_FATAL_FAILURE(check({"larger than a message, as it is",
                                 "n1",
                                 kConnect,
                                 std::string(5U << 20, 'k'),
                                 {StatusCode::RESOURCE_EXHAUSTED, "", ""}}));
  EXPECT_LT(peak_kib() - before, 64U << 10) << "of 600 MiB, KiB";
}

}  // namespace
}  // namespace picket::test
