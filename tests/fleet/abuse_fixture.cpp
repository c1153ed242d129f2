#include "tests/fleet/abuse_fixture.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <stdlib.h>

#include <fstream>
#include <iostream>
#include <iterator>
#include <utility>

#include "collector/store/sqlite_reader.h"
#include "tests/support/http.h"

namespace picket::test {
namespace {

// As packaging/pki/picket-pki takes them, and names that it would not make.
const std::map<std::string, std::string> kIssued = {{"collector", "collector collector"},
                                                    {"n1", "node n1"},
                                                    {"n2", "node n2"},
                                                    {"viewer", "operator viewer viewer"},
                                                    {"analyst", "operator analyst analyst"},
                                                    {"responder", "operator responder responder"},
                                                    {"author", "operator author author"},
                                                    {"admin", "operator admin admin"},
                                                    {"blue", "operator admin blue"},
                                                    {"far", "operator admin far"},
                                                    {"old", "operator admin old --days -1"}};
const std::map<std::string, std::string> kNamed = {
    {"wizard", "URI:spiffe://picket/operator/wizard/mallory"},
    {"foreigner", "URI:spiffe://other/operator/admin/eve"},
    {"dns", "DNS:spiffe://picket/operator/admin/evil"},
    {"two", "URI:spiffe://picket/node/n1,URI:spiffe://picket/operator/admin/evil"}};

}  // namespace

TlsFiles AbuseTest::certificate(const std::string& who) {
  if (!std::filesystem::exists(pki_.files(who).cert)) {
    if (const auto named = kNamed.find(who); named != kNamed.end())
      pki_.issue_with_names(who, named->second);
    else
      pki_.issue(kIssued.at(who));
  }
  return pki_.files(who);
}

void AbuseTest::SetUp() {
  std::string pattern = (std::filesystem::temp_directory_path() / "picket-abuse-XXXXXX").string();
  ASSERT_NE(mkdtemp(pattern.data()), nullptr);
  signal(SIGPIPE, SIG_IGN);  // OpenSSL writes to whoever has hung up
  folder_ = pattern;
  log_ = Fd(open((folder_ / "log").c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600));
  for (uint16_t* port : {&port_, &http_}) {
    const auto found = free_port();
    ASSERT_TRUE(found.ok());
    *port = *found;
  }
  const TlsFiles own = certificate("collector");
  std::ofstream(folder_ / "collector.yaml") << fmt::format(
      "listen: 127.0.0.1:{}\nhttp: 127.0.0.1:{}\ndatabase: collector.db\ncluster: here\n"
      "scopes:\n"
      "  - {{operator: spiffe://picket/operator/admin/blue, namespaces: [blue-ns]}}\n"
      "  - {{operator: spiffe://picket/operator/admin/far, clusters: [elsewhere]}}\n"
      "tls: {{ca: {}, cert: {}, key: {}}}\n",
      port_, http_, own.ca.string(), own.cert.string(), own.key.string());
  auto started = Subprocess::start(
      {.argv = {PICKET_BINARY_DIR "/picket-collector", "--config", folder_ / "collector.yaml"},
       .out = log_.get(),
       .err = log_.get()});
  ASSERT_TRUE(started.ok()) << started.status();
  collector_ = *std::move(started);
  for (;;) {
    const auto answer = http_get(http_, "/readyz");
    if (answer.ok() && answer->code == 200) break;
    ASSERT_TRUE(collector_->running_after(std::chrono::milliseconds(10))) << "it ended by itself";
  }
}

void AbuseTest::TearDown() {
  if (collector_ && !HasFatalFailure()) {
    expect_alive("everything");
    EXPECT_LT(peak_kib(), most_kib_);
    callers_.clear();
    collector_->signal(SIGTERM);
    EXPECT_EQ(collector_->wait().value_or(-1), 0) << "it ends in good order";
  }
  collector_.reset();
  if (HasFailure()) std::cerr << read_file(folder_ / "log").value_or("") << '\n';
  std::filesystem::remove_all(folder_);
  std::filesystem::remove_all(pki_.folder());
}

RawConnection AbuseTest::connect(const std::string& who, bool settled) {
  auto connection = RawConnection::tls(port_, certificate(who));
  EXPECT_TRUE(connection.ok()) << who << ": " << connection.status();
  if (!connection.ok()) return *RawConnection::plain(port_);
  EXPECT_TRUE(connection->write(http2::hello()));
  if (settled) http2_answer(*connection, {.until_settings = true}, soon());
  return *std::move(connection);
}

Http2Answer AbuseTest::call(const std::string& who, const std::string& path,
                            const std::string& body, bool compressed, bool goes_on) {
  Caller& caller = callers_[who];
  if (!caller.connection || caller.connection->closed())
    caller = {std::make_unique<RawConnection>(connect(who)), 1};
  http2::Headers headers = http2::request_headers(path);
  if (compressed) headers.emplace_back("grpc-encoding", "gzip");
  const std::string message = http2::message(body, compressed);
  const bool is_large = message.size() > 16384;
  if (is_large) caller = {std::make_unique<RawConnection>(connect(who)), 1};
  const uint32_t stream = std::exchange(caller.next_stream, caller.next_stream + 2);
  caller.connection->write(
      http2::frame(http2::kHeaders, http2::kEndHeaders, stream, http2::header_block(headers)) +
      (is_large ? "" : http2::frame(http2::kData, http2::kEndStream, stream, message)));
  Http2Answer answer = http2_answer(
      *caller.connection,
      {.stream = stream, .body = is_large ? message : std::string_view(), .until_headers = goes_on},
      soon());
  if (goes_on && !answer.grpc)
    caller.connection->write(
        http2::frame(http2::kReset, 0, stream, std::string("\0\0\0\x8", 4)));  // CANCEL
  return answer;
}

void AbuseTest::check(const CallRow& row) {
  const Refusal& expected = row.expected;
  const uint64_t entries = last_audit();
  const double before =
      expected.counted.empty() ? 0 : count("picket_ingest_refused_total", expected.counted);
  const Http2Answer answer = call(row.who, row.path, row.body, row.compressed);
  ASSERT_TRUE(answer.grpc.has_value()) << row.name << ": no status";
  EXPECT_EQ(*answer.grpc, static_cast<int>(expected.code)) << row.name;
  if (!expected.counted.empty()) {
    EXPECT_EQ(count("picket_ingest_refused_total", expected.counted), before + 1)
        << row.name << ": " << expected.counted;
  }
  auto written = refusals_since(entries);
  // What gRPC answers itself is written down behind the answer.
  for (const auto deadline = soon();
       !expected.action.empty() && written.empty() && std::chrono::steady_clock::now() < deadline;)
    written = refusals_since(entries);
  if (expected.action.empty()) {
    EXPECT_TRUE(written.empty()) << row.name << ": " << written.front().ShortDebugString();
  } else {
    ASSERT_EQ(written.size(), 1U) << row.name;
    EXPECT_EQ(written[0].action(), expected.action) << row.name;
  }
  ++refused_;
}

double AbuseTest::count(const std::string& metric, const std::string& reason) const {
  const auto value = test::metric(http_, metric, fmt::format("reason=\"{}\"", reason));
  EXPECT_TRUE(value.ok()) << value.status();
  return value.value_or(-1);
}

std::vector<v1::AuditEntry> AbuseTest::refusals_since(uint64_t sequence) const {
  const auto reader = sqlite::open_reader(folder_ / "collector.db");
  EXPECT_TRUE(reader.ok()) << reader.status();
  auto entries = (*reader)->audit(sequence, 100);
  EXPECT_TRUE(entries.ok()) << entries.status();
  if (!entries.ok()) return {};
  std::erase_if(*entries, [](const v1::AuditEntry& entry) {
    return !entry.outcome().starts_with("refused: ");
  });
  return *std::move(entries);
}

uint64_t AbuseTest::last_audit() const {
  const auto reader = sqlite::open_reader(folder_ / "collector.db");
  EXPECT_TRUE(reader.ok()) << reader.status();
  return (*reader)->last_audit_sequence().value_or(0);
}

uint64_t AbuseTest::peak_kib() const {
  std::ifstream status(fmt::format("/proc/{}/status", collector_->pid()));
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmHWM:")) return std::stoull(line.substr(6));
  ADD_FAILURE() << "no peak of memory is told";
  return 0;
}

size_t AbuseTest::descriptors() const {
  const auto folder =
      std::filesystem::directory_iterator(fmt::format("/proc/{}/fd", collector_->pid()));
  return static_cast<size_t>(std::distance(begin(folder), end(folder)));
}

void AbuseTest::expect_alive(const char* after) {
  EXPECT_TRUE(collector_->running_after(std::chrono::milliseconds(0))) << after;
  const auto ready = http_get(http_, "/readyz");
  EXPECT_TRUE(ready.ok() && ready->code == 200) << after;
  const Http2Answer answer = call("viewer", "/picket.v1.OperatorService/GetStatus", "");
  EXPECT_EQ(answer.grpc, 0) << after;
}

}  // namespace picket::test
