#include "agent/app/kept_serials.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "agent/app/rules.h"

namespace picket {
namespace {

constexpr size_t kFileMax = 1 << 20;

bool is_kept_serial(const nlohmann::json& one) {
  return one.is_object() && one.contains("serial") && one["serial"].is_number_unsigned() &&
         one.contains("bundle") && one["bundle"].is_string();
}

}  // namespace

absl::StatusOr<KeptSerials> read_serials(const std::filesystem::path& file) {
  const auto text = read_whole(file, kFileMax);
  if (absl::IsNotFound(text.status())) return KeptSerials();
  if (!text.ok()) return text.status();
  const nlohmann::json all = nlohmann::json::parse(*text, nullptr, false);
  bool whole = all.is_object();
  KeptSerials serials;
  if (whole) {
    for (const auto& [key, one] : all.items()) {
      whole = whole && is_kept_serial(one);
      if (whole) serials[key] = {one["serial"], one["bundle"]};
    }
  }
  if (whole) return serials;
  return absl::DataLossError(
      fmt::format("{} is damaged: which serial was in force is not known; to take any, remove it",
                  file.string()));
}

absl::Status keep_serials(const std::filesystem::path& file, const KeptSerials& serials) {
  nlohmann::json all = nlohmann::json::object();
  for (const auto& [key, one] : serials)
    all[key] = {{"serial", one.serial}, {"bundle", one.bundle_id}};
  return replace_file(file, all.dump());
}

}  // namespace picket
