#include "collector/cli/context.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <set>

#include "absl/strings/str_join.h"
#include "common/config_reader.h"

namespace picket {
namespace {

void read(ConfigReader& reader, CliContext& context) {
  reader.read("region", context.region);
  reader.read("collector", context.collector);
  reader.read("ca", context.tls.ca);
  reader.read("cert", context.tls.cert);
  reader.read("key", context.tls.key);
  reader.read("server_id", context.server_id);
}

void check(ConfigReader& reader, const CliContext& context) {
  if (context.collector.empty()) reader.fail("collector", "expected HOST:PORT of the collector");
  if (context.tls.ca.empty()) reader.fail("ca", "expected the file of the certificate authority");
  if (context.tls.cert.empty()) reader.fail("cert", "expected the file of your certificate");
  if (context.tls.key.empty()) reader.fail("key", "expected the file of your private key");
  if (context.server_id.empty()) {
    reader.fail("server_id", "expected the collector's SPIFFE id");
  }
  if (std::ranges::any_of(context.region, [](unsigned char c) {
        return !std::isalnum(c) && c != '-' && c != '_' && c != '.';
      })) {
    reader.fail("region", "expected a name of letters, digits, '-', '_' and '.'");
  }
}

// What stands beside `regions` is for those that do not say otherwise.
std::vector<CliContext> read_regions(ConfigReader& reader, const CliContext& common) {
  for (const char* own : {"region", "collector"})
    if (reader.has(own)) reader.fail(own, "expected in each of the regions, not beside them");
  std::vector<CliContext> contexts;
  std::set<std::string> names;
  for (ConfigReader& each : reader.list("regions")) {
    CliContext context = common;
    context.region = context.collector = "";
    read(each, context);
    check(each, context);
    if (context.region.empty())
      each.fail("region", "expected the region's name");
    else if (!names.insert(context.region).second)
      each.fail("region", fmt::format("two regions have the name \"{}\"", context.region));
    each.finish_section();
    contexts.push_back(std::move(context));
  }
  if (contexts.empty()) reader.fail("regions", "expected one region at least");
  return contexts;
}

}  // namespace

absl::StatusOr<std::vector<CliContext>> load_contexts(const std::filesystem::path& file) {
  auto reader = ConfigReader::open(file);
  if (!reader.ok()) return reader.status();
  CliContext only;
  read(*reader, only);
  std::vector<CliContext> contexts;
  if (reader->has("regions")) {
    contexts = read_regions(*reader, only);
  } else {
    check(*reader, only);
    contexts.push_back(std::move(only));
  }
  if (absl::Status status = reader->finish(); !status.ok()) return status;
  return contexts;
}

absl::StatusOr<std::vector<CliContext>> select_regions(std::vector<CliContext> contexts,
                                                       const std::vector<std::string>& names) {
  if (!names.empty() && contexts.front().region.empty())
    return absl::NotFoundError(
        fmt::format("no region \"{}\": the context names none", names.front()));
  for (const std::string& name : names)
    if (std::ranges::find(contexts, name, &CliContext::region) == contexts.end())
      return absl::NotFoundError(fmt::format("no region \"{}\" in the context; expected one of: {}",
                                             name, region_names(contexts)));
  if (!names.empty())
    std::erase_if(contexts, [&](const CliContext& context) {
      return std::ranges::find(names, context.region) == names.end();
    });
  return contexts;
}

std::string region_names(const std::vector<CliContext>& contexts) {
  return absl::StrJoin(contexts, ", ", [](std::string* text, const CliContext& context) {
    text->append(context.region);
  });
}

}  // namespace picket
