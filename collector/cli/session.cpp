#include "collector/cli/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <memory>
#include <utility>

#include "absl/strings/str_split.h"
#include "common/alert_json.h"
#include "common/printable.h"
#include "common/tls.h"

namespace picket {
namespace {

std::string with_region(const CliContext& context, std::string_view message) {
  return context.region.empty() ? std::string(message)
                                : fmt::format("{}: {}", context.region, message);
}

// A column in front of the first line; a member of an object. false: nobody reads any more.
bool print(Row& row, const std::string& region, size_t width) {
  if (auto* object = std::get_if<nlohmann::ordered_json>(&row.content)) {
    if (!region.empty()) (*object)["region"] = region;
    std::cout << json_line(*object) << '\n';
  } else {
    if (!region.empty()) std::cout << fmt::format("{:<{}}  ", region, width);
    std::cout << std::get<std::string>(row.content);
  }
  std::cout.flush();
  return std::cout.good();
}

void say(std::string_view message) {
  std::cerr << fmt::format("picketctl: {}\n", printable(message));
}

}  // namespace

ExitCode exit_code_of(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return kExitOk;
    case absl::StatusCode::kUnavailable:
      return kExitNoConnection;
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
      return kExitDenied;
    default:
      return kExitFailure;
  }
}

std::string check_reason(const std::string& reason) {
  const bool blank = reason.find_first_not_of(" \t\r\n") == std::string::npos;
  return blank ? "a reason is required: it goes into the audit log" : "";
}

void Session::fail(ExitCode code, std::string_view message) {
  say(message);
  if (exit_code == kExitOk) exit_code = code;
}

void Session::fail(const CliContext& context, ExitCode code, std::string_view message) {
  fail(code, with_region(context, message));
}

absl::StatusOr<Session::Contexts> Session::contexts() const {
  if (context_file.empty())
    return absl::InvalidArgumentError("which collector? give --context FILE or set PICKET_CONTEXT");
  auto contexts = load_contexts(context_file);
  if (!contexts.ok()) return contexts.status();
  return select_regions(*std::move(contexts), regions);
}

Session::Contexts Session::load() {
  auto found = contexts();
  if (found.ok()) return *std::move(found);
  const std::vector<std::string> lines = absl::StrSplit(found.status().message(), '\n');
  for (const std::string& line : lines) fail(kExitUsage, line);
  return {};
}

// Nothing has been sent yet: what is wrong is on this side.
Session::Contexts Session::fit(Contexts contexts) {
  std::erase_if(contexts, [&](const CliContext& context) {
    const absl::Status status = check_files(context.tls);
    if (!status.ok()) fail(context, kExitUsage, std::string(status.message()));
    return !status.ok();
  });
  return contexts;
}

void Session::ask(const Contexts& contexts, const Query& query, const MergeOptions& merge,
                  const OnEnd& on_end) {
  size_t width = 0;
  std::vector<std::unique_ptr<Client>> clients;
  std::vector<RowSource> sources;
  for (const CliContext& context : contexts) {
    width = std::max(width, context.region.size());
    clients.push_back(std::make_unique<Client>(context));
    Client* const client = clients.back().get();
    sources.push_back({[client, &query](RowSink& rows) { return query(*client, rows); },
                       [client] { client->cancel(); }});
  }
  merge_rows(
      sources, merge,
      {[&](size_t i, Row& row) { return print(row, contexts[i].region, width); },
       [&](size_t i, const std::string& words) { say(with_region(contexts[i], words)); }, on_end});
}

void Session::report(const Contexts& contexts, const std::vector<absl::Status>& statuses,
                     ExitCode data_loss) {
  const bool found = std::ranges::any_of(statuses, &absl::Status::ok);
  for (size_t i = 0; i < statuses.size(); ++i) {
    const absl::Status& status = statuses[i];
    if (status.ok() || (found && absl::IsNotFound(status))) continue;
    fail(contexts[i], absl::IsDataLoss(status) ? data_loss : exit_code_of(status),
         std::string(status.message()));
  }
}

void Session::read(const Query& query, const MergeOptions& merge, ExitCode data_loss) {
  const Contexts contexts = fit(load());
  std::vector<absl::Status> statuses(contexts.size());
  ask(contexts, query, merge, [&](size_t i, const absl::Status& status) {
    statuses[i] = status;
    // Rows as they come have no end at which to say it.
    if (!merge.by_time) report({contexts[i]}, {std::exchange(statuses[i], absl::OkStatus())});
  });
  report(contexts, statuses, data_loss);
}

Session::Contexts Session::locate(Contexts contexts, const Find& find) {
  if (!find) {
    fail(kExitUsage,
         fmt::format("in which region? give --region with one of: {}", region_names(contexts)));
    return {};
  }
  const size_t all = contexts.size();
  contexts = fit(std::move(contexts));
  std::vector<absl::Status> statuses(contexts.size());
  ask(
      contexts, [&](Client& client, RowSink&) { return find(client); }, {},
      [&](size_t i, const absl::Status& status) { statuses[i] = status; });
  Contexts having;
  size_t unknown = all - contexts.size();
  for (size_t i = 0; i < statuses.size(); ++i) {
    if (statuses[i].ok())
      having.push_back(contexts[i]);
    else if (!absl::IsNotFound(statuses[i]))
      ++unknown;
  }
  if (unknown == 0 && having.size() == 1) return having;
  report(contexts, statuses);
  if (unknown != 0) {
    fail(kExitUsage, "nothing was done: it may be there as well; give --region");
  } else if (having.size() > 1) {
    fail(kExitUsage, fmt::format("nothing was done: it is in several regions; give --region with "
                                 "one of: {}",
                                 region_names(having)));
  }
  return {};
}

void Session::act(const Query& query, const Find& find) {
  Contexts contexts = load();
  contexts = contexts.size() > 1 ? locate(std::move(contexts), find) : fit(std::move(contexts));
  std::vector<absl::Status> statuses(contexts.size());
  ask(contexts, query, {}, [&](size_t i, const absl::Status& status) { statuses[i] = status; });
  report(contexts, statuses);
}

}  // namespace picket
