#include "collector/export/destinations.h"

namespace picket {
namespace {

template <class... Cases>
struct Match : Cases... {
  using Cases::operator()...;
};
template <class... Cases>
Match(Cases...) -> Match<Cases...>;

}  // namespace

std::unique_ptr<Output> make_output(const OutputConfig& config, const std::string& version,
                                    const Clock& clock) {
  const AlertFormat format = config.format;
  return std::visit(
      Match{
          [&](const FileTarget& target) { return file_output(target, format, version); },
          [&](const HttpTarget& target) { return http_output(target, format, version, clock); },
          [&](const OtlpTarget& target) { return otlp_output(target, version); },
          [&](const SyslogTarget& target) { return syslog_output(target, format, version); },
          [&](const KafkaTarget& target) { return kafka_output(target, format, version); },
      },
      config.target);
}

std::string kind_of(const OutputConfig& config) {
  return std::visit(Match{
                        [](const FileTarget&) { return "file"; },
                        [](const HttpTarget&) { return "http"; },
                        [](const OtlpTarget&) { return "otlp"; },
                        [](const SyslogTarget&) { return "syslog"; },
                        [](const KafkaTarget&) { return "kafka"; },
                    },
                    config.target);
}

}  // namespace picket
