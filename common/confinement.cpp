#include "common/confinement.h"

#include <fmt/format.h>
#include <seccomp.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace picket {
namespace {

using nlohmann::json;

// libseccomp returns negative errors.
absl::Status failed(std::string_view step, int error) {
  return absl::InternalError(fmt::format("seccomp: {}: {}", step, std::strerror(-error)));
}

absl::Status wrong(std::string_view what, const json& where) {
  return absl::InvalidArgumentError(fmt::format("seccomp profile: {}: {}", what, where.dump()));
}

absl::StatusOr<uint32_t> action_of(const json& entry, const char* action, const char* error) {
  const std::string& word = entry.at(action).get_ref<const std::string&>();
  if (word == "SCMP_ACT_ALLOW") return SCMP_ACT_ALLOW;
  if (word == "SCMP_ACT_ERRNO") return SCMP_ACT_ERRNO(entry.value(error, uint32_t{EPERM}));
  return wrong("an action that is not known here", entry);
}

absl::StatusOr<scmp_arg_cmp> condition_of(const json& argument) {
  const std::string& word = argument.at("op").get_ref<const std::string&>();
  if (word != "SCMP_CMP_EQ" && word != "SCMP_CMP_MASKED_EQ")
    return wrong("a comparison that is not known here", argument);
  return scmp_arg_cmp{argument.at("index").get<unsigned>(),
                      word == "SCMP_CMP_EQ" ? SCMP_CMP_EQ : SCMP_CMP_MASKED_EQ,
                      argument.at("value").get<uint64_t>(),
                      argument.value("valueTwo", uint64_t{0})};
}

absl::Status add_architecture(void* filter, const json& word) {
  constexpr std::string_view kPrefix = "SCMP_ARCH_";
  std::string name = word.get<std::string>();
  if (!name.starts_with(kPrefix)) return wrong("no architecture", word);
  name.erase(0, kPrefix.size());
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char letter) { return std::tolower(letter); });
  const uint32_t known = seccomp_arch_resolve_name(name.c_str());
  if (known == 0) return wrong("an architecture that nobody knows", word);
  const int added = seccomp_arch_add(filter, known);
  return added == 0 || added == -EEXIST ? absl::OkStatus() : failed("add " + name, added);
}

absl::Status add_calls(void* filter, const json& entry, uint32_t usual) {
  const auto action = action_of(entry, "action", "errnoRet");
  if (!action.ok()) return action.status();
  std::vector<scmp_arg_cmp> conditions;
  for (const json& argument : entry.value("args", json::array())) {
    auto condition = condition_of(argument);
    if (!condition.ok()) return condition.status();
    conditions.push_back(*condition);
  }
  for (const json& name : entry.at("names")) {
    const int number = seccomp_syscall_resolve_name(name.get_ref<const std::string&>().c_str());
    if (number == __NR_SCMP_ERROR) return wrong("a call that nobody knows", name);
    if (*action == usual) continue;  // named for its reader; a runtime leaves it out as well
    const int added = seccomp_rule_add_array(
        filter, *action, number, static_cast<unsigned>(conditions.size()), conditions.data());
    if (added != 0) return failed("add the call " + name.dump(), added);
  }
  return absl::OkStatus();
}

bool is_over(const json& entry, Stage stage) {
  return stage == Stage::started && entry.value("until", "") == "started";
}

absl::StatusOr<SeccompFilter> compile(const json& profile, Stage stage) {
  const auto usual = action_of(profile, "defaultAction", "defaultErrnoRet");
  if (!usual.ok()) return usual.status();
  SeccompFilter filter(seccomp_init(*usual));
  if (!filter) return absl::InternalError("seccomp: begin a filter");
  for (const json& word : profile.at("architectures"))
    if (absl::Status added = add_architecture(filter.get(), word); !added.ok()) return added;
  for (const json& entry : profile.at("syscalls")) {
    if (is_over(entry, stage)) continue;
    if (absl::Status added = add_calls(filter.get(), entry, *usual); !added.ok()) return added;
  }
  return filter;
}

}  // namespace

void ReleaseFilter::operator()(void* filter) const { seccomp_release(filter); }

absl::StatusOr<SeccompFilter> compile_profile(std::string_view profile, Stage stage) {
  try {
    return compile(json::parse(profile), stage);
  } catch (const json::exception& error) {
    return absl::InvalidArgumentError(fmt::format("seccomp profile: {}", error.what()));
  }
}

absl::Status confine(std::string_view profile) {
#ifdef PICKET_SANITIZED
  // Sanitizers trace and map as no program of ours may.
  return compile_profile(profile, Stage::started).status();
#endif
  const auto filter = compile_profile(profile, Stage::started);
  if (!filter.ok()) return filter.status();
  // libseccomp also asks for no_new_privs, without which only CAP_SYS_ADMIN may load a filter.
  if (const int set = seccomp_attr_set(filter->get(), SCMP_FLTATR_CTL_TSYNC, 1); set != 0)
    return failed("reach every thread", set);
  const int loaded = seccomp_load(filter->get());
  return loaded == 0 ? absl::OkStatus() : failed("load the filter", loaded);
}

}  // namespace picket
