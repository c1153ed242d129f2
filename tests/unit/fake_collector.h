// The collector's side of AgentService, in process, with knobs for everything that can go wrong.
// Any thread. Errors: wait_until() gives up after a time no working program needs.
#pragma once

#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "common/tls.h"
#include "picket/v1/agent.grpc.pb.h"

namespace picket {

class FakeCollector final : public v1::AgentService::Service {
 public:
  struct Knobs {
    bool commit = true;       // remembers what it received
    bool acknowledge = true;  // and says so, apart from the answer to hello
    size_t drop_after = 0;    // ends the stream once, after so many envelopes of it
    uint64_t lie = 0;         // acknowledges this instead
    uint64_t lie_in_greeting = 0;
  };
  struct State {
    Knobs knobs;
    std::vector<v1::Hello> hellos;
    std::vector<std::string> peers;                              // SPIFFE ids, one for each hello
    std::vector<v1::Envelope> received;                          // resends included
    std::map<std::string, uint64_t> last;                        // committed, by epoch
    std::map<std::string, std::vector<v1::Envelope>> committed;  // by epoch, without resends
  };

  explicit FakeCollector(TlsFiles files);
  ~FakeCollector() override;

  void start();  // the first time on any port, then always on the same
  void stop();
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  int port() const { return port_; }

  void set(Knobs knobs);
  State state() const;
  // false: did not happen for very long.
  bool wait_until(const std::function<bool(const State&)>& happened) const;
  bool send(const v1::Command& command);  // to the connected agent; waits for one

 private:
  using AgentStream = grpc::ServerReaderWriter<v1::ConnectResponse, v1::ConnectRequest>;
  grpc::Status Connect(grpc::ServerContext* context, AgentStream* stream) override;
  bool greet(grpc::ServerContext& context, AgentStream& stream, std::string& epoch);
  bool take_in(const v1::Batch& batch, const std::string& epoch, size_t& taken);
  void acknowledge(AgentStream& stream, uint64_t sequence);

  const TlsFiles files_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  State state_;
  AgentStream* stream_ = nullptr;  // greeted
};

}  // namespace picket
