// Makes the outputs: one function for each kind of destination, each in a file of its own. What
// they make belongs to one runner's thread. Errors: a secret or certificate that cannot be read is
// an error of the send that needs it.
#pragma once

#include <memory>
#include <string>

#include "collector/export/output.h"
#include "collector/export/output_config.h"
#include "common/clock.h"

namespace picket {

// Appends lines; a batch is acknowledged when the disk has it.
std::unique_ptr<Output> file_output(const FileTarget& target, AlertFormat format,
                                    const std::string& version);
// One POST for each alert.
std::unique_ptr<Output> http_output(const HttpTarget& target, AlertFormat format,
                                    const std::string& version, const Clock& clock);
// One POST for all that are offered.
std::unique_ptr<Output> otlp_output(const OtlpTarget& target, const std::string& version);
// RFC 5425: a connection for all that are offered, acknowledged when the receiver closes it.
std::unique_ptr<Output> syslog_output(const SyslogTarget& target, AlertFormat format,
                                      const std::string& version);
// Acknowledged by all in-sync replicas.
std::unique_ptr<Output> kafka_output(const KafkaTarget& target, AlertFormat format,
                                     const std::string& version);

// `clock` outlives it.
std::unique_ptr<Output> make_output(const OutputConfig& config, const std::string& version,
                                    const Clock& clock);
std::string kind_of(const OutputConfig& config);

}  // namespace picket
