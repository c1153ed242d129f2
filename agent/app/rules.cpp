#include "agent/app/rules.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

namespace picket {
namespace {

absl::Status fail(std::string_view attempted, const std::filesystem::path& file) {
  return absl::InternalError(
      fmt::format("{} {}: {}", attempted, file.string(), std::strerror(errno)));
}

// On the disk when it answers OK.
absl::Status write_whole(const std::filesystem::path& file, std::string_view text) {
  const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return fail("make", file);
  bool written = true;
  while (written && !text.empty()) {
    const ssize_t size = ::write(fd, text.data(), text.size());
    written = size > 0 || (size < 0 && errno == EINTR);
    if (size > 0) text.remove_prefix(static_cast<size_t>(size));
  }
  written = written && ::fsync(fd) == 0;
  const absl::Status status = written ? absl::OkStatus() : fail("write", file);
  ::close(fd);
  return status;
}

}  // namespace

absl::StatusOr<ReadRules> compile_rules(std::vector<RuleFile> files, LoadReport report) {
  auto rules = compile_rule_files(files, report);
  for (const Diagnostic& note : report.notes) SPDLOG_INFO("rules: {}", note.text());
  for (const Diagnostic& error : report.errors) SPDLOG_ERROR("rules: {}", error.text());
  if (!rules.ok()) return rules.status();
  if ((*rules)->rules().empty()) {
    std::string where;
    for (const RuleFile& file : files) where += (where.empty() ? "" : ", ") + file.name;
    return absl::InvalidArgumentError(
        fmt::format("load rules: no rule in {}", where.empty() ? "an empty list of paths" : where));
  }
  SPDLOG_INFO("{} rules from {} files", report.rules, report.files);
  return ReadRules{*std::move(rules), std::move(files)};
}

absl::StatusOr<ReadRules> read_rules(std::span<const std::filesystem::path> paths) {
  LoadReport report;
  std::vector<RuleFile> files = read_rule_files(paths, report);
  return compile_rules(std::move(files), std::move(report));
}

absl::Status replace_file(const std::filesystem::path& file, std::string_view text) {
  const std::filesystem::path fresh = file.string() + ".new";
  if (absl::Status status = write_whole(fresh, text); !status.ok()) return status;
  if (::rename(fresh.c_str(), file.c_str()) != 0) return fail("rename to", file);
  return absl::OkStatus();
}

absl::StatusOr<std::string> read_whole(const std::filesystem::path& file, size_t limit) {
  std::ifstream stream(file, std::ios::binary);
  if (!stream.is_open()) {
    if (errno != ENOENT) return fail("open", file);
    return absl::NotFoundError(fmt::format("{} does not exist", file.string()));
  }
  std::string text(limit + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(stream.gcount()));
  if (text.size() > limit)
    return absl::ResourceExhaustedError(
        fmt::format("read {}: it is larger than {} bytes", file.string(), limit));
  return text;
}

absl::Status keep_rules(const std::filesystem::path& kept, std::span<const RuleFile> files) {
  nlohmann::json all = nlohmann::json::array();
  for (const RuleFile& file : files) all.push_back({{"name", file.name}, {"text", file.text}});
  constexpr auto kReplace = nlohmann::json::error_handler_t::replace;
  return replace_file(kept, all.dump(-1, ' ', false, kReplace));
}

absl::StatusOr<ReadRules> kept_rules(const std::filesystem::path& kept) {
  std::ifstream stream(kept, std::ios::binary);
  if (!stream.is_open())
    return absl::NotFoundError(fmt::format("no rules were kept in {}", kept.string()));
  const std::string text{std::istreambuf_iterator<char>(stream), {}};
  const nlohmann::json all = nlohmann::json::parse(text, nullptr, false);
  std::vector<RuleFile> files;
  if (all.is_array()) {
    for (const auto& file : all) {
      if (!file.is_object() || !file.contains("name") || !file.contains("text")) continue;
      if (file["name"].is_string() && file["text"].is_string())
        files.push_back({file["name"], file["text"]});
    }
  }
  if (files.empty())
    return absl::DataLossError(fmt::format("the rules kept in {} are damaged", kept.string()));
  return compile_rules(std::move(files));
}

}  // namespace picket
