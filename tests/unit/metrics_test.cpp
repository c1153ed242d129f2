// What is counted, as Prometheus reads it, and the plain HTTP that it is read by.
#include "common/metrics.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "common/health_server.h"
#include "tests/support/http.h"
#include "tests/support/subprocess.h"

namespace picket {
namespace {

using test::http_get;
using ::testing::HasSubstr;

TEST(Metrics, ArePrintedAsPrometheusReadsThem) {
  MetricRegistry registry;
  registry.counter("calls_total", "Calls", {"reason", "a \"b\" \\ c\nd"}).add(3);
  registry.counter("calls_total", "Calls", {"reason", "none"});
  registry.gauge("open", "Open\nnow").set(7);
  registry.ask("asked", "Asked", MetricRegistry::Kind::gauge, [] {
    return std::vector<MetricRegistry::Series>{{{}, 5}};
  });
  EXPECT_EQ(registry.text(),
            "# HELP calls_total Calls\n# TYPE calls_total counter\n"
            "calls_total{reason=\"a \\\"b\\\" \\\\ c\\nd\"} 3\n"
            "calls_total{reason=\"none\"} 0\n"
            "# HELP open Open\\nnow\n# TYPE open gauge\nopen 7\n"
            "# HELP asked Asked\n# TYPE asked gauge\nasked 5\n");
}

TEST(Metrics, TheSameNameIsTheSameSeries) {
  MetricRegistry registry;
  registry.counter("calls_total", "Calls").add();
  registry.counter("calls_total", "Calls").add(2);
  EXPECT_EQ(registry.text(),
            "# HELP calls_total Calls\n# TYPE calls_total counter\ncalls_total 3\n");
}

TEST(Metrics, AHistogramCountsUpToEachBound) {
  MetricRegistry registry;
  Histogram& histogram = registry.histogram("seconds", "Seconds", {0.5, 2});
  for (const double value : {0.25, 0.5, 1.0, 3.0}) histogram.observe(value);
  EXPECT_THAT(registry.text(), HasSubstr("seconds_bucket{le=\"0.5\"} 2\n"
                                         "seconds_bucket{le=\"2\"} 3\n"
                                         "seconds_bucket{le=\"+Inf\"} 4\n"
                                         "seconds_sum 4.75\nseconds_count 4\n"));
}

class HealthTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(server_.start("127.0.0.1:0").ok());
    port_ = static_cast<uint16_t>(server_.port());
  }
  // The answer's first line.
  std::string ask(const std::string& request) {
    const test::Fd connection = connected();
    EXPECT_EQ(send(connection.get(), request.data(), request.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(request.size()));
    std::string answer;
    char byte = 0;
    while (recv(connection.get(), &byte, 1, 0) == 1) answer += byte;
    body_ = answer.find("\r\n\r\n") + 4 < answer.size();
    return answer.substr(0, answer.find("\r\n"));
  }
  test::Fd connected() const {
    test::Fd connection(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port_);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(connection.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    return connection;
  }

  MetricRegistry registry_;
  HealthServer server_{registry_};
  uint16_t port_ = 0;
  bool body_ = false;
};

TEST_F(HealthTest, AnswersProbesAndScrapers) {
  registry_.gauge("open", "Open").set(7);
  EXPECT_EQ(http_get(port_, "/livez")->body, "ok\n");
  EXPECT_EQ(http_get(port_, "/readyz")->code, 503);
  EXPECT_EQ(http_get(port_, "/readyz")->body, "starting\n");
  server_.set_not_ready("");
  EXPECT_EQ(http_get(port_, "/readyz")->code, 200);
  EXPECT_THAT(http_get(port_, "/metrics?from=here")->body, HasSubstr("open 7\n"));
  EXPECT_EQ(http_get(port_, "/other")->code, 404);
}

TEST_F(HealthTest, TakesNothingButQuestions) {
  EXPECT_EQ(ask("HEAD /livez HTTP/1.1\r\nHost: node\r\n\r\n"), "HTTP/1.1 200 OK");
  EXPECT_FALSE(body_);
  EXPECT_EQ(ask("DELETE /livez HTTP/1.1\r\n\r\n"), "HTTP/1.1 405 Method Not Allowed");
  EXPECT_EQ(ask("GET /livez HTTP/1.1\r\nContent-Length: 9\r\n\r\n"), "");
  EXPECT_EQ(ask("not HTTP\r\n\r\n"), "HTTP/1.1 400 Bad Request");
  EXPECT_EQ(ask("\x16\x03\x01\x02TLS"), "HTTP/1.1 400 Bad Request");
  EXPECT_EQ(ask("GET / HTTP/1.1\r\nLong: " + std::string(10'000, 'x') + "\r\n\r\n"),
            "HTTP/1.1 400 Bad Request");
}

TEST_F(HealthTest, AConnectionThatSaysNothingKeepsNobodyWaiting) {
  const test::Fd silent = connected(), half = connected();
  ASSERT_EQ(send(half.get(), "GET /li", 7, MSG_NOSIGNAL), 7);
  EXPECT_EQ(http_get(port_, "/livez")->code, 200);
}

TEST_F(HealthTest, AnAddressThatIsTakenIsNamed) {
  HealthServer second(registry_);
  const absl::Status status = second.start("127.0.0.1:" + std::to_string(port_));
  EXPECT_THAT(status.message(), HasSubstr("Address already in use"));
  EXPECT_FALSE(second.start("127.0.0.1").ok());
  EXPECT_FALSE(second.start("127.0.0.1:65536").ok());
}

}  // namespace
}  // namespace picket
