#include "tests/bench/replay/ten_rules.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

namespace picket::bench {
namespace {

using std::string_view;

template <size_t N>
bool one_of(string_view value, const std::array<string_view, N>& values) {
  return std::ranges::find(values, value) != values.end();
}

constexpr std::array<string_view, 5> kShells{"sh", "bash", "dash", "zsh", "ash"};
constexpr std::array<string_view, 6> kServers{"nginx",  "httpd",    "apache2",
                                              "mysqld", "postgres", "redis-server"};
constexpr std::array<string_view, 4> kMiners{"xmrig", "minerd", "ccminer", "t-rex"};
constexpr std::array<string_view, 3> kScanners{"nmap", "masscan", "zmap"};
constexpr std::array<string_view, 2> kPasswords{"/etc/shadow", "/etc/sudoers"};
constexpr std::array<string_view, 3> kReaders{"sudo", "su", "login"};
constexpr std::array<string_view, 2> kTools{"ssh", "git"};
constexpr std::array<uint16_t, 4> kPorts{4444, 5555, 6667, 31337};
constexpr std::array<uint8_t, 4> kMetadata{169, 254, 169, 254};

int on_exec(const Process& process) {
  const string_view name = process.comm, exe = process.exe;
  int found = 0;
  if (one_of(name, kShells)) {
    found += process.parent != nullptr && one_of(process.parent->comm, kServers) ? 1 : 0;
    found += exe.starts_with("/tmp/") ? 1 : 0;
  }
  found += one_of(name, kMiners) ? 1 : 0;
  found += one_of(name, kScanners) || exe.ends_with("/nmap") ? 1 : 0;
  found += process.layer == PK_LAYER_MEMFD ? 1 : 0;
  return found;
}

int on_open(const Event& event, const pk_open& open, const Process& process) {
  const string_view path = event.text(open.path);
  int found = 0;
  if (open.reads != 0) found += one_of(path, kPasswords) && !one_of(process.comm, kReaders) ? 1 : 0;
  if (open.writes != 0) {
    found += path.ends_with("/.ssh/authorized_keys") ? 1 : 0;
    found += path.starts_with("/etc/cron") || path.starts_with("/var/spool/cron") ? 1 : 0;
  }
  return found;
}

int on_connect(const pk_connect& connect, const Process& process) {
  int found = 0;
  found += std::memcmp(connect.remote_addr, kMetadata.data(), kMetadata.size()) == 0 ? 1 : 0;
  const bool odd = std::ranges::find(kPorts, connect.remote_port) != kPorts.end();
  found += odd && !one_of(process.comm, kTools) ? 1 : 0;
  return found;
}

}  // namespace

int ten_rules(const Observation& observation) {
  switch (observation.event.type()) {
    case PK_EXEC:
      return on_exec(observation.process);
    case PK_OPEN:
      return on_open(observation.event, *observation.event.as<pk_open>(), observation.process);
    case PK_CONNECT:
      return on_connect(*observation.event.as<pk_connect>(), observation.process);
    default:
      return 0;
  }
}

}  // namespace picket::bench
