// What no client library sends: bytes that are no TLS, no HTTP/2, no gRPC or no HTTP; peers that
// begin and never finish; floods of streams. The collector ends each of them within a bound and
// goes on as before.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <poll.h>

#include <algorithm>

#include "tests/fleet/abuse_fixture.h"
#include "tests/support/http.h"

namespace picket::test {
namespace {

using namespace std::chrono_literals;
using grpc::StatusCode;
using http2::frame;

constexpr char kStatus[] = "/picket.v1.OperatorService/GetStatus";
constexpr char kConnect[] = "/picket.v1.AgentService/Connect";
// Of docs/operate.md: a handshake, a hello, a request for HTTP.
constexpr auto kBegun = 20s, kHello = 10s, kHttp = 5s;
constexpr auto kSlack = 10s;  // of a busy machine

std::string u32(uint32_t value) {
  const char bytes[4] = {static_cast<char>(value >> 24), static_cast<char>(value >> 16),
                         static_cast<char>(value >> 8), static_cast<char>(value)};
  return std::string(bytes, 4);
}

// A request that would be answered, but for its headers.
std::string request(const http2::Headers& headers) {
  return frame(http2::kHeaders, http2::kEndHeaders, 1, http2::header_block(headers)) +
         frame(http2::kData, http2::kEndStream, 1, http2::message(""));
}
// The request, with one header replaced, or left out when it is to be nothing.
std::string with(const std::string& name, const std::string& value) {
  http2::Headers headers = http2::request_headers(kStatus);
  std::erase_if(headers, [&](const auto& header) { return header.first == name; });
  if (!value.empty()) headers.emplace_back(name, value);
  return request(headers);
}

class AbuseWire : public AbuseTest {
 protected:
  RawConnection plain(uint16_t port) {
    auto connection = RawConnection::plain(port);
    EXPECT_TRUE(connection.ok()) << connection.status();
    return *std::move(connection);
  }
  // Whether the peer hangs up by then.
  static bool is_ended(RawConnection& connection, std::chrono::steady_clock::time_point deadline) {
    while (!connection.closed() && std::chrono::steady_clock::now() < deadline)
      connection.read(deadline);
    return connection.closed();
  }
};

// Who cannot show a certificate of ours is refused before HTTP/2, and counted by reason.
TEST_F(AbuseWire, WhatIsNoTlsOfOursIsRefused) {
  const DevPki foreign;
  foreign.issue("operator admin eve");
  struct Row {
    std::string name, counted;
    std::function<void()> knock;
  };
  const auto tls = [this](std::optional<TlsFiles> files, int version = TLS1_3_VERSION,
                          const std::string& protocol = "h2") {
    auto connection = RawConnection::tls(port_, files, version, protocol);
    if (!connection.ok()) return;
    EXPECT_TRUE(is_ended(*connection, soon()));
  };
  const auto say = [this](const std::string& bytes) {
    RawConnection connection = plain(port_);
    connection.write(bytes);
    EXPECT_TRUE(is_ended(connection, soon())) << bytes;
  };
  const std::vector<Row> rows = {
      {"no certificate", "no_certificate", [&] { tls(std::nullopt); }},
      {"another authority", "untrusted", [&] { tls(foreign.files("eve")); }},
      {"the collector's own certificate", "untrusted", [&] { tls(certificate("collector")); }},
      {"an old certificate", "untrusted", [&] { tls(certificate("old")); }},
      {"TLS 1.2", "tls_version", [&] { tls(certificate("viewer"), TLS1_2_VERSION); }},
      {"HTTP/1.1 in plain text", "plaintext", [&] { say("GET / HTTP/1.1\r\nHost: x\r\n\r\n"); }},
      {"HTTP/2 in plain text", "plaintext", [&] { say(http2::hello()); }},
      {"SSH", "", [&] { say("SSH-2.0-OpenSSH_9.2\r\n"); }},
      {"zeroes", "", [&] { say(std::string(64, '\0')); }},
      {"a record that is too long", "",
       [&] { say("\x16\x03\x01\xff\xff" + std::string(64, 'x')); }},
      {"an alert", "", [&] { say(std::string("\x15\x03\x03\x00\x02\x02\x28", 7)); }},
      {"a hello that is none", "",
       [&] { say(std::string("\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", 10)); }}};
  for (const Row& row : rows) {
    const auto sum = [&] {
      return row.counted.empty() ? *metric(http_, "picket_tls_refused_total")
                                 : count("picket_tls_refused_total", row.counted);
    };
    const double before = sum();
    row.knock();
    const auto deadline = soon();
    while (sum() <= before && std::chrono::steady_clock::now() < deadline) poll(nullptr, 0, 5);
    EXPECT_EQ(sum(), before + 1) << row.name;
  }
  std::filesystem::remove_all(foreign.folder());
}

// gRPC answers these itself: the stream or the connection ends, nothing of Picket's is reached.
TEST_F(AbuseWire, WhatIsNoHttp2EndsTheConnection) {
  const std::string settings = http2::hello();
  const std::string good = with("te", "trailers");
  const std::vector<std::pair<std::string, std::string>> rows = {
      {"HTTP/1.1 in TLS", "POST / HTTP/1.1\r\nHost: x\r\n\r\n"},
      {"a preface that is wrong", "PRI * HTTP/3.0\r\n\r\nSM\r\n\r\n"},
      {"noise", std::string(200, '\x5a')},
      {"a frame that is too large", settings + std::string("\xff\xff\xff\0\0\0\0\0\1", 9)},
      {"settings of a stream", settings + frame(http2::kSettings, 0, 1, "")},
      {"settings of 5 bytes", settings + frame(http2::kSettings, 0, 0, "12345")},
      {"a ping of 7 bytes", settings + frame(http2::kPing, 0, 0, "1234567")},
      {"a reset of 3 bytes", settings + good + frame(http2::kReset, 0, 1, "123")},
      {"a window of 2 bytes", settings + frame(http2::kWindow, 0, 0, "12")},
      {"GOAWAY of 3 bytes", settings + frame(http2::kGoAway, 0, 0, "123")},
      {"continuation of nothing", settings + frame(http2::kContinuation, 4, 1, "x")},
      {"headers that are cut by data",
       settings + frame(http2::kHeaders, 0, 1, "") + frame(http2::kData, 1, 1, "x")},
      {"headers that are cut by another stream",
       settings + frame(http2::kHeaders, 0, 1, "") + frame(http2::kContinuation, 4, 3, "")},
      {"an index that does not exist", settings + frame(http2::kHeaders, 5, 1, "\xff\xff\xff\x0f")},
      {"an index without an end",
       settings + frame(http2::kHeaders, 5, 1, "\xff\xff\xff\xff\xff\xff\xff\xff")},
      {"more padding than payload", settings + frame(http2::kHeaders, 13, 1, "\xff")},
      {"a dynamic table beyond all",
       settings + frame(http2::kHeaders, 5, 1, "\x3f\xff\xff\xff\x7f")}};
  for (const auto& [name, bytes] : rows) {
    auto connection = RawConnection::tls(port_, certificate("viewer"));
    ASSERT_TRUE(connection.ok()) << name;
    connection->write(bytes);
    const Http2Answer answer = http2_answer(*connection, {.stream = 1}, soon());
    EXPECT_TRUE(answer.closed || answer.away || answer.reset || answer.grpc.value_or(0) != 0)
        << name;
    ++refused_;
  }
  EXPECT_EQ(refused_, rows.size());
}

TEST_F(AbuseWire, WhatIsNoCallIsRefused) {
  struct Row {
    std::string name, bytes;
    std::optional<int> grpc = {};
  };
  http2::Headers large = http2::request_headers(kStatus), many = large;
  large.emplace_back("x-large", std::string(12000, 'x'));
  for (int i = 0; i < 400; ++i) many.emplace_back("x-" + std::to_string(i), "0123456789012345");
  const auto call_of = [](const std::string& path) {
    return request(http2::request_headers(path));
  };
  const std::vector<Row> rows = {
      {"an RPC that does not exist", call_of("/picket.v1.OperatorService/DropAll"), 12},
      {"a service that does not exist", call_of("/grpc.reflection.v1.Reflection/X"), 12},
      {"health of gRPC", call_of("/grpc.health.v1.Health/Check"), 12},
      {"no path of an RPC", call_of("/"), 12},
      {"a path above", call_of("/../../etc/passwd"), 12},
      {"a long path", call_of("/" + std::string(4000, 'a')), 12},
      {"an RPC in small letters", call_of("/picket.v1.operatorservice/getstatus"), 12},
      {"no message",
       frame(http2::kHeaders, http2::kEndHeaders | http2::kEndStream, 1,
             http2::header_block(http2::request_headers(kStatus))),
       3},
      {"GET", with(":method", "GET")},
      {"no method", with(":method", "")},
      {"no path", with(":path", "")},
      {"no scheme", with(":scheme", "")},
      {"a header that is too large", request(large)},
      {"too many headers", request(many)},
      {"deflate", with("grpc-encoding", "deflate"), 12}};
  for (const Row& row : rows) {
    RawConnection connection = connect("viewer");
    connection.write(row.bytes);
    const Http2Answer answer = http2_answer(connection, {.stream = 1}, soon());
    // Never an answer of ours.
    EXPECT_TRUE(answer.closed || answer.away || answer.reset || answer.grpc.value_or(0) != 0 ||
                answer.http.value_or(200) != 200)
        << row.name;
    EXPECT_EQ(answer.grpc, row.grpc ? row.grpc : answer.grpc) << row.name;
    ++refused_;
  }
  EXPECT_EQ(refusals_since(0).size(), 1U) << "of what was a call and no message";
}

TEST_F(AbuseWire, TheHttpPortTakesQuestionsOnly) {
  struct Row {
    std::string name, bytes, answer;  // how its first line begins; empty: it hangs up
  };
  const std::vector<Row> rows = {
      {"POST", "POST /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 405"},
      {"DELETE", "DELETE /livez HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 405"},
      {"PUT with a body", "PUT /livez HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", "HTTP/1.1 4"},
      {"CONNECT", "CONNECT x:1 HTTP/1.1\r\n\r\n", "HTTP/1.1 405"},
      {"TRACE", "TRACE / HTTP/1.1\r\n\r\n", "HTTP/1.1 405"},
      {"no page", "GET /admin HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404"},
      {"above", "GET /../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404"},
      {"packed above", "GET /%2e%2e/etc/passwd HTTP/1.1\r\n\r\n", "HTTP/1.1 404"},
      {"a page of a name that goes on", "GET /metricsx HTTP/1.1\r\n\r\n", "HTTP/1.1 404"},
      {"a whole address", "GET http://x/metrics HTTP/1.1\r\n\r\n", "HTTP/1.1 404"},
      {"noise", "\xde\xad\xbe\xef\r\n\r\n", "HTTP/1.1 400"},
      {"TLS", std::string("\x16\x03\x01\x00\xff\r\n\r\n", 9), "HTTP/1.1 400"},
      {"HTTP/2", std::string(http2::kPreface), "HTTP/1.1 400"},
      {"no version", "GET /livez\r\n\r\n", "HTTP/1.1 400"},
      {"HTTP/9.9", "GET /livez HTTP/9.9\r\n\r\n", "HTTP/1.1 400"},
      {"a header without a name", "GET /livez HTTP/1.1\r\n: x\r\n\r\n", "HTTP/1.1 400"},
      {"a header without a colon", "GET /livez HTTP/1.1\r\nhost x\r\n\r\n", "HTTP/1.1 400"},
      {"a header with a NUL", std::string("GET /livez HTTP/1.1\r\na: \0\r\n\r\n", 29),
       "HTTP/1.1 400"},
      {"a length that is none", "GET /livez HTTP/1.1\r\nContent-Length: x\r\n\r\n", "HTTP/1.1 400"},
      {"two lengths", "GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
       "HTTP/1.1 400"},
      {"a header beyond 8 KiB", "GET /livez HTTP/1.1\r\na: " + std::string(9000, 'a') + "\r\n\r\n",
       "HTTP/1.1 400"},
      {"a path beyond 8 KiB", "GET /" + std::string(9000, 'a') + " HTTP/1.1\r\n\r\n",
       "HTTP/1.1 400"}};
  for (const Row& row : rows) {
    RawConnection connection = plain(http_);
    connection.write(row.bytes);
    std::string answer;
    for (std::string more; !(more = connection.read(soon())).empty();) answer += more;
    EXPECT_TRUE(answer.starts_with(row.answer)) << row.name << ": " << answer.substr(0, 40);
    EXPECT_TRUE(connection.closed()) << row.name;
    ++refused_;
  }
}

// Many at once of each kind; all of them are gone within the bounds, and nobody else had to wait.
TEST_F(AbuseWire, WhoNeverFinishesIsHungUpOn) {
  constexpr int kEach = 10;
  struct Slow {
    std::string name;
    RawConnection connection;
    std::chrono::seconds bound;
  };
  expect_alive("nothing");
  callers_.clear();
  const size_t before = descriptors();
  certificate("n1");
  certificate("viewer");
  const auto start = std::chrono::steady_clock::now();
  std::vector<Slow> slow;
  const auto add = [&](const char* name, RawConnection connection, std::string_view bytes,
                       std::chrono::seconds bound) {
    connection.write(bytes);
    slow.push_back({name, std::move(connection), bound});
  };
  for (int i = 0; i < kEach; ++i) {
    add("says nothing", plain(port_), "", kBegun);
    add("half a TLS hello", plain(port_), std::string("\x16\x03\x01\x02\x00\x01\x00", 7), kBegun);
    auto silent = RawConnection::tls(port_, certificate("viewer"));
    ASSERT_TRUE(silent.ok());
    add("TLS and nothing", *std::move(silent), "", kBegun);
    auto half = RawConnection::tls(port_, certificate("viewer"));
    ASSERT_TRUE(half.ok());
    add("half a preface", *std::move(half), http2::kPreface.substr(0, 10), kBegun);
    add("a stream without hello", connect("n1"),
        frame(http2::kHeaders, http2::kEndHeaders, 1,
              http2::header_block(http2::request_headers(kConnect))),
        kHello);
    add("HTTP and nothing", plain(http_), "", kHttp);
    add("half a request", plain(http_), "GET /livez HTTP/1.1\r\na: ", kHttp);
  }
  expect_alive("slow peers");
  std::ranges::stable_sort(slow, {}, &Slow::bound);
  for (Slow& one : slow) {
    const auto deadline = start + one.bound + kSlack;
    if (one.bound == kHello) {  // the stream ends, the connection may go on
      const Http2Answer answer = http2_answer(one.connection, {.stream = 1}, deadline);
      EXPECT_EQ(answer.grpc, StatusCode::DEADLINE_EXCEEDED) << one.name;
    } else {
      EXPECT_TRUE(is_ended(one.connection, deadline)) << one.name;
    }
  }
  EXPECT_EQ(count("picket_ingest_refused_total", "no_hello"), kEach);
  slow.clear();
  callers_.clear();
  const auto deadline = soon();
  while (descriptors() > before && std::chrono::steady_clock::now() < deadline) poll(nullptr, 0, 5);
  EXPECT_LE(descriptors(), before);
}

// An operator watches 16 times at most, also over connections that keep to nothing that HTTP/2
// settles.
TEST_F(AbuseWire, AFloodOfWatchesIsBounded) {
  const std::string block =
      http2::header_block(http2::request_headers("/picket.v1.OperatorService/WatchAlerts"));
  std::vector<RawConnection> connections;
  for (int i = 0; i < 4; ++i) {
    connections.push_back(connect("viewer", false));
    for (uint32_t stream = 1; stream < 100; stream += 2)
      connections.back().write(frame(http2::kHeaders, http2::kEndHeaders, stream, block) +
                               frame(http2::kData, http2::kEndStream, stream, http2::message("")));
  }
  const auto deadline = soon();
  const auto refused = [&] { return count("picket_ingest_refused_total", "too_many_watches"); };
  const auto watching = [&] { return *metric(http_, "picket_query_watchers"); };
  while (refused() + watching() < 200 && std::chrono::steady_clock::now() < deadline)
    poll(nullptr, 0, 5);
  EXPECT_EQ(refused() + watching(), 200);
  EXPECT_LE(watching(), 20) << "16, and who asked in the same moment";
}

// What is more than 100 at a time ends the connection, or is refused.
TEST_F(AbuseWire, AFloodOfStreamsIsBounded) {
  RawConnection connection = connect("n1");
  const std::string block = http2::header_block(http2::request_headers(kConnect));
  std::string many;
  for (uint32_t i = 0; i < 1000; ++i)
    many += frame(http2::kHeaders, http2::kEndHeaders, 2 * i + 1, block);
  connection.write(many);
  const Http2Answer answer = http2_answer(connection, {.stream = 1999}, soon());
  EXPECT_TRUE(answer.closed || answer.away || answer.reset || answer.grpc.value_or(0) != 0);
  expect_alive("a flood of streams");
}

TEST_F(AbuseWire, StreamsThatAreResetAtOnceCostNothing) {
  const std::string block = http2::header_block(http2::request_headers(kStatus));
  RawConnection connection = connect("viewer");
  for (uint32_t i = 0; i < 20'000 && !connection.closed(); ++i)
    connection.write(frame(http2::kHeaders, http2::kEndHeaders, 2 * i + 1, block) +
                     frame(http2::kReset, 0, 2 * i + 1, u32(8)));
  expect_alive("streams that were reset");
}

// Of frames that ask for an answer, and headers that go on and on.
TEST_F(AbuseWire, AFloodOfFramesIsBounded) {
  const std::vector<std::pair<std::string, std::string>> floods = {
      {"pings", frame(http2::kPing, 0, 0, "12345678")},
      {"settings", frame(http2::kSettings, 0, 0, "")},
      {"empty data", frame(http2::kData, 0, 1, "")},
      {"priorities", frame(http2::kPriority, 0, 3, std::string("\0\0\0\0\x10", 5))},
      {"unknown frames", frame(0xbe, 0, 0, "x")},
      {"continuations", frame(http2::kContinuation, 0, 1, std::string(1000, '\0'))}};
  most_kib_ = 256U << 10;  // gRPC keeps each answer until the peer has read it
  for (const auto& [name, flood] : floods) {
    RawConnection connection = connect("viewer");
    const bool continues = name == "continuations";
    connection.write(frame(http2::kHeaders, continues ? 0 : http2::kEndHeaders, 1,
                           http2::header_block(http2::request_headers(kStatus))));
    std::string many;
    for (int i = 0; i < 100; ++i) many += flood;
    const auto deadline = std::chrono::steady_clock::now() + 10s;
    for (int i = 0; i < 300 && connection.write(many); ++i)
      while (!connection.closed() && std::chrono::steady_clock::now() < deadline &&
             !connection.read(std::chrono::steady_clock::now() + 1ms).empty()) {
      }
    expect_alive(name.c_str());
    fmt::print("after {}: a peak of {} KiB\n", name, peak_kib());
  }
}

}  // namespace
}  // namespace picket::test
