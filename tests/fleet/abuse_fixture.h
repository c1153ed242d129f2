// A collector as a program of its own and everybody who may knock at it: for what must not shake
// it. Rows of abuse are said by hand (tests/support/http2.h), and what the collector counted and
// wrote down is read next to each. Owner: the test's thread. Errors: test failures.
#pragma once

#include <grpcpp/support/status_code_enum.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "picket/v1/operator.pb.h"
#include "tests/support/http2.h"
#include "tests/support/subprocess.h"
#include "tests/unit/dev_pki.h"

namespace picket::test {

// What a peer is answered, and what is left of it.
struct Refusal {
  grpc::StatusCode code;
  std::string counted;  // reason of picket_ingest_refused_total; empty: gRPC refuses by itself
  std::string action;   // of the audit entry; empty: there is none
};

struct CallRow {
  std::string name, who, path, body;
  Refusal expected;
  bool compressed = false;
};

class AbuseTest : public testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;  // after it the collector has to be as well as before

  // Made when it is first asked for.
  TlsFiles certificate(const std::string& who);
  // To the collector, with HTTP/2's beginning said; `settled`: and its settings acknowledged,
  // before which gRPC does not hold a peer to them.
  RawConnection connect(const std::string& who, bool settled = true);
  // Over a connection that `who` keeps as long as the collector does. A stream that was answered
  // with headers and goes on is given up.
  Http2Answer call(const std::string& who, const std::string& path, const std::string& body,
                   bool compressed = false, bool goes_on = false);
  void check(const CallRow& row);

  double count(const std::string& metric, const std::string& reason) const;
  std::vector<v1::AuditEntry> refusals_since(uint64_t sequence) const;
  uint64_t last_audit() const;
  uint64_t peak_kib() const;   // of memory, ever
  size_t descriptors() const;  // open
  void expect_alive(const char* after);

  static std::chrono::steady_clock::time_point soon() {
    return std::chrono::steady_clock::now() + kDeadline;
  }

  struct Caller {
    std::unique_ptr<RawConnection> connection;
    uint32_t next_stream = 1;
  };
  const DevPki pki_;
  std::filesystem::path folder_;
  Fd log_;
  std::unique_ptr<Subprocess> collector_;
  uint16_t port_ = 0, http_ = 0;
  std::map<std::string, Caller> callers_;
  size_t refused_ = 0;  // rows so far
  // Three times what a collector without traffic takes.
  uint64_t most_kib_ = 96U << 10;
};

}  // namespace picket::test
