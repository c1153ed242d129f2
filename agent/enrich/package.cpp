#include "agent/enrich/package.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include "agent/enrich/command_line.h"

namespace picket {
namespace {

constexpr int64_t kPatternMemory = 1 << 20;

absl::StatusOr<std::shared_ptr<const re2::RE2>> compile_one(const std::string& text) {
  if (text.empty()) return nullptr;
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kPatternMemory);
  auto pattern = std::make_shared<const re2::RE2>(text, options);
  if (!pattern->ok())
    return absl::InvalidArgumentError(
        fmt::format("'{}' is no regular expression: {}", text, pattern->error()));
  return pattern;
}

bool fits(const re2::RE2* pattern, std::string_view text) {
  return pattern == nullptr ||
         re2::RE2::FullMatch(re2::StringPiece(text.data(), text.size()), *pattern);
}

// Whether it fits; the first group goes to `name`, if it is not known yet.
bool fits(const re2::RE2* pattern, std::string_view text, std::string& name) {
  if (pattern == nullptr || pattern->NumberOfCapturingGroups() == 0 || !name.empty())
    return fits(pattern, text);
  return re2::RE2::FullMatch(re2::StringPiece(text.data(), text.size()), *pattern, &name);
}

bool has_argument(const re2::RE2* pattern, const Process& process) {
  if (pattern == nullptr) return true;
  Arguments arguments(process.argv);
  for (size_t i = 0; i < kArgumentsSeen && arguments.more(); ++i)
    if (fits(pattern, arguments.next())) return true;
  return false;
}

bool fits_arguments(const re2::RE2* pattern, const Process& process) {
  if (pattern == nullptr) return true;
  std::string joined;
  for (Arguments arguments(process.argv); arguments.more();) {
    if (!joined.empty()) joined += ' ';
    joined += arguments.next();
  }
  return fits(pattern, joined);
}

}  // namespace

absl::StatusOr<PackageMark> PackageMark::compile(const PackagePattern& pattern) {
  PackageMark mark;
  const std::pair<const std::string*, Pattern*> parts[] = {{&pattern.command, &mark.command_},
                                                           {&pattern.folder, &mark.folder_},
                                                           {&pattern.program, &mark.program_},
                                                           {&pattern.arguments, &mark.arguments_}};
  for (const auto& [text, compiled] : parts) {
    auto one = compile_one(*text);
    if (!one.ok()) return one.status();
    *compiled = *std::move(one);
  }
  return mark;
}

std::optional<std::string> PackageMark::name_of(const Process& process,
                                                const Process& manager) const {
  std::string name;
  if (!fits(folder_.get(), process.cwd, name) || !fits(program_.get(), process.exe, name) ||
      !has_argument(command_.get(), manager) || !fits_arguments(arguments_.get(), process))
    return std::nullopt;
  if (name.empty()) name = last_component(process.cwd);
  return name;
}

}  // namespace picket
