#include <fmt/format.h>

#include "collector/export/connection.h"
#include "collector/export/destinations.h"
#include "collector/export/render.h"

namespace picket {
namespace {

// Syslog has no answers. But a receiver that is told that the connection ends has to say so as well
// (RFC 5425, 4.4), and it does when it has read all that came before: this is taken for its word.
class SyslogOutput final : public Output {
 public:
  SyslogOutput(const SyslogTarget& target, AlertFormat format, const std::string& version)
      : facility_(target.facility),
        format_(format),
        version_(version),
        connection_(target.host, target.port, true, target.tls) {}

  absl::StatusOr<Taken> send(std::span<const StoredAlert> alerts, std::stop_token stop) override {
    std::string frames;
    for (const StoredAlert& one : alerts) {
      const std::string message =
          syslog_message(one.alert, render(format_, one.alert, version_), facility_, version_);
      frames += fmt::format("{} {}", message.size(), message);
    }
    absl::Status status = connection_.open(stop);
    if (status.ok()) status = connection_.write_and_finish(frames, stop);
    if (!status.ok()) return status;
    return Taken{alerts.size()};
  }

 private:
  const uint64_t facility_;
  const AlertFormat format_;
  const std::string version_;
  Connection connection_;
};

}  // namespace

std::unique_ptr<Output> syslog_output(const SyslogTarget& target, AlertFormat format,
                                      const std::string& version) {
  return std::make_unique<SyslogOutput>(target, format, version);
}

}  // namespace picket
