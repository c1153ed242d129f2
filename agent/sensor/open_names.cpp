#include "agent/sensor/open_names.h"

#include <bpf/bpf.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "bpf/picket/policy.h"

namespace picket {
namespace {

constexpr uint32_t kSecret = PK_NAME_SECRET, kSecretDir = PK_NAME_SECRET_DIR;
constexpr uint32_t kStart = PK_NAME_PERSISTENCE, kStartDir = PK_NAME_PERSISTENCE_DIR;

constexpr auto kNames = std::to_array<OpenName>({
    // Secrets: of the system, of people's tools, of clouds.
    {"shadow", kSecret},
    {"gshadow", kSecret},
    {"sudoers", kSecret | kStart},
    {"id_rsa", kSecret},
    {"id_dsa", kSecret},
    {"id_ecdsa", kSecret},
    {"id_ed25519", kSecret},
    {"authorized_keys", kSecret | kStart},
    {"authorized_keys2", kSecret | kStart},
    {".git-credentials", kSecret},
    {".netrc", kSecret},
    {".npmrc", kSecret},
    {".pypirc", kSecret},
    {".pgpass", kSecret},
    {".my.cnf", kSecret},
    {".env", kSecret},
    {".vault-token", kSecret},
    {".boto", kSecret},
    {"credentials", kSecret},
    {"credentials.db", kSecret},
    {"credentials.json", kSecret},
    {"access_tokens.db", kSecret},
    {"accessTokens.json", kSecret},
    {"application_default_credentials.json", kSecret},
    {"hosts.yml", kSecret},
    {"kubeconfig", kSecret},
    {"admin.conf", kSecret},
    {"token", kSecret},
    {"environ", kSecret},
    {"kcore", kSecret},
    {"mem", kSecret},
    {".ssh", kSecretDir},
    {".aws", kSecretDir},
    {".azure", kSecretDir},
    {".gnupg", kSecretDir},
    {".kube", kSecretDir},
    {".docker", kSecretDir},
    {"gcloud", kSecretDir},
    {"serviceaccount", kSecretDir},
    // Where what is written runs some day.
    {"crontab", kStart},
    {"anacrontab", kStart},
    {"profile", kStart},
    {"bash.bashrc", kStart},
    {".bashrc", kStart},
    {".bash_profile", kStart},
    {".bash_login", kStart},
    {".bash_logout", kStart},
    {".profile", kStart},
    {".zshrc", kStart},
    {".zshenv", kStart},
    {".zprofile", kStart},
    {"rc.local", kStart},
    {"ld.so.preload", kStart},
    {"ld.so.conf", kStart},
    {"environment", kStart},
    {"passwd", kStart},
    {"cron.d", kStartDir},
    {"cron.hourly", kStartDir},
    {"cron.daily", kStartDir},
    {"cron.weekly", kStartDir},
    {"cron.monthly", kStartDir},
    {"crontabs", kStartDir},
    {"init.d", kStartDir},
    {"profile.d", kStartDir},
    {"sudoers.d", kSecretDir | kStartDir},
    {"pam.d", kStartDir},
    {"system", kStartDir},
    {"user", kStartDir},
    {"autostart", kStartDir},
    {"ld.so.conf.d", kStartDir},
    {"udev", kStartDir},
    {"rules.d", kStartDir},
    {"manifests", kStartDir},
    {"hooks", kStartDir},
    {"update-motd.d", kStartDir},
});
static_assert(kNames.size() <= PK_NAMES_MAX);

}  // namespace

std::span<const OpenName> open_names() { return kNames; }

uint64_t hash_open_name(std::string_view name) {
  pk_name words{};
  std::memcpy(words.words, name.data(), std::min(name.size(), sizeof(words)));
  return pk_hash_name(&words);
}

absl::Status enter_open_names(int names) {
  for (const OpenName& entry : kNames) {
    const uint64_t hash = hash_open_name(entry.name);
    if (bpf_map_update_elem(names, &hash, &entry.bits, BPF_ANY) == 0) continue;
    return absl::InternalError(
        fmt::format("cannot enter the name {}: {}", entry.name, strerror(errno)));
  }
  return absl::OkStatus();
}

}  // namespace picket
