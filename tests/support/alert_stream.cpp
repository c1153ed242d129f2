#include "tests/support/alert_stream.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

namespace picket::test {

AlertStream::AlertStream(std::unique_ptr<JsonSchema> schema, std::unique_ptr<Subprocess> program,
                         Fd output)
    : schema_(std::move(schema)), program_(std::move(program)), lines_(std::move(output)) {}

absl::StatusOr<std::unique_ptr<AlertStream>> AlertStream::start(std::vector<std::string> command) {
  auto schema = JsonSchema::read(PICKET_SOURCE_DIR "/docs/alert.schema.json");
  if (!schema.ok()) return schema.status();
  auto output = make_pipe();
  if (!output.ok()) return output.status();
  auto program = Subprocess::start(
      {.argv = std::move(command), .out = output->write.get(), .err = STDERR_FILENO});
  if (!program.ok()) return program.status();
  return std::unique_ptr<AlertStream>(
      new AlertStream(*std::move(schema), *std::move(program), std::move(output->read)));
}

absl::Status AlertStream::read_one(std::chrono::steady_clock::time_point deadline) {
  auto line = lines_.next(deadline);
  if (!line)
    return lines_.closed() ? absl::UnavailableError("picketctl alerts watch has ended")
                           : absl::DeadlineExceededError("no further alert came");
  Alert alert = Alert::parse(*line, nullptr, false);
  if (alert.is_discarded())
    return absl::InvalidArgumentError(fmt::format("picketctl printed no JSON: {}", *line));
  if (absl::Status valid = schema_->check(alert); !valid.ok()) return valid;
  seen_.push_back(std::move(alert));
  return absl::OkStatus();
}

absl::StatusOr<std::vector<AlertStream::Alert>> AlertStream::all_until(const std::string& what,
                                                                       const Wanted& wanted) {
  auto deadline = std::chrono::steady_clock::now() + kDeadline;
  for (size_t i = 0;; ++i) {
    while (i == seen_.size())
      if (absl::Status read = read_one(deadline); !read.ok()) {
        std::string came;
        for (const Alert& alert : seen_) came += alert.dump() + "\n";
        return absl::Status(read.code(), fmt::format("wait for {}: {}; the alerts were:\n{}", what,
                                                     std::string(read.message()), came));
      }
    if (wanted(seen_[i])) return std::vector<Alert>(seen_.begin(), seen_.begin() + i + 1);
  }
}

absl::StatusOr<AlertStream::Alert> AlertStream::wait_for(const std::string& what,
                                                         const Wanted& wanted) {
  auto all = all_until(what, wanted);
  if (!all.ok()) return all.status();
  return std::move(all->back());
}

}  // namespace picket::test
