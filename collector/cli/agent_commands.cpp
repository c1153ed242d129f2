#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <array>
#include <memory>
#include <nlohmann/json.hpp>

#include "collector/cli/fleet_commands.h"
#include "collector/cli/render.h"
#include "common/alert_json.h"

namespace picket {
namespace {

using Json = nlohmann::ordered_json;

struct List {
  const char* name;
  const v1::SessionEntries& (v1::AgentSession::*entries)() const;
};
constexpr std::array kLists = {
    List{"commands", &v1::AgentSession::commands},
    List{"files", &v1::AgentSession::files},
    List{"hosts", &v1::AgentSession::hosts},
    List{"credentials", &v1::AgentSession::credentials},
    List{"denials", &v1::AgentSession::denials},
};

Json list_object(const v1::SessionEntries& list) {
  Json entries = Json::array();
  for (const v1::SessionEntry& entry : list.entries())
    entries.push_back({{"text", entry.text()},
                       {"count", entry.count()},
                       {"writes", entry.writes()},
                       {"bytes_in", entry.bytes_in()},
                       {"bytes_out", entry.bytes_out()},
                       {"first", time_text(entry.first())}});
  return Json{{"entries", std::move(entries)}, {"left_out", list.left_out()}};
}

Json session_object(const v1::NodeAgentSession& one, bool whole) {
  const v1::AgentSession& session = one.session();
  Json object{{"session", session.id()},
              {"agent", session.agent()},
              {"program", session.program()},
              {"workspace", session.workspace_id()},
              {"workspace_name", session.workspace_name()},
              {"owner", session.owner()},
              {"node", one.node()},
              {"first", time_text(session.first())},
              {"last", time_text(session.last())},
              {"ended", session.ended()},
              {"bytes_in", session.bytes_in()},
              {"bytes_out", session.bytes_out()}};
  if (whole)
    for (const List& list : kLists) object[list.name] = list_object((session.*list.entries)());
  return object;
}

std::string session_line(const v1::NodeAgentSession& one) {
  const v1::AgentSession& session = one.session();
  return fmt::format("{}  {}  {}  {}  {}  {}\n", session.id(), printable(session.agent()),
                     printable(session.workspace_name()), time_text(session.last()),
                     session.ended() ? "ended" : "runs", printable(session.program()));
}

std::string entry_line(const v1::SessionEntry& entry) {
  std::string line = fmt::format("    {:>6}  {}", entry.count(), printable(entry.text()));
  if (entry.writes() != 0) line += fmt::format("  written {}", entry.writes());
  if (entry.bytes_in() != 0 || entry.bytes_out() != 0)
    line += fmt::format("  {} bytes in, {} out", entry.bytes_in(), entry.bytes_out());
  return line + '\n';
}

std::string session_text(const v1::NodeAgentSession& one) {
  const v1::AgentSession& session = one.session();
  std::string text = fmt::format(
      "session {} of {}, {}\n  workspace  {} {} of {}, node {}\n  program    {}\n  time       {} "
      "to "
      "{}\n  bytes      {} in, {} out\n",
      session.id(), printable(session.agent()), session.ended() ? "ended" : "runs",
      printable(session.workspace_id()), printable(session.workspace_name()),
      session.owner().empty() ? "nobody known" : printable(session.owner()), printable(one.node()),
      printable(session.program()), time_text(session.first()), time_text(session.last()),
      session.bytes_in(), session.bytes_out());
  for (const List& list : kLists) {
    const v1::SessionEntries& entries = (session.*list.entries)();
    text += fmt::format("  {}\n", list.name);
    for (const v1::SessionEntry& entry : entries.entries()) text += entry_line(entry);
    if (entries.left_out() != 0)
      text += fmt::format("    and {} times something else, for which there was no room\n",
                          entries.left_out());
  }
  return text;
}

// One that was asked for is shown with all that it did.
absl::Status add_sessions(Client& client, const v1::ListAgentSessionsRequest& request, bool json,
                          RowSink& rows) {
  const auto response = client.agent_sessions(request);
  if (!response.ok()) return response.status();
  const bool whole = !request.session().empty();
  for (const v1::NodeAgentSession& one : response->sessions()) {
    const uint64_t last_ns = wall_ns(one.session().last());
    rows.add(json    ? Row(session_object(one, whole), last_ns)
             : whole ? Row(session_text(one), last_ns)
                     : Row(session_line(one), last_ns));
  }
  return absl::OkStatus();
}

void add_list(CLI::App& agent, Session& session) {
  const auto request = std::make_shared<v1::ListAgentSessionsRequest>();
  CLI::App* list = agent.add_subcommand("list", "The newest sessions of AI agents");
  list->add_option_function<std::string>(
      "--workspace", [request](const std::string& asked) { request->set_workspace(asked); },
      "Only of this one: id or name");
  list->fallthrough()->callback([request, &session] {
    session.read([&](Client& client, RowSink& rows) {
      return add_sessions(client, *request, session.json, rows);
    });
  });
}

void add_report(CLI::App& agent, Session& session) {
  const auto request = std::make_shared<v1::ListAgentSessionsRequest>();
  CLI::App* report = agent.add_subcommand(
      "report", "What one session did: commands, files, hosts, bytes, credentials, denials");
  report
      ->add_option_function<std::string>(
          "SESSION", [request](const std::string& asked) { request->set_session(asked); },
          "Id, or the beginning of it: picketctl agent list, or an alert's lineage.agent_session")
      ->required();
  report->fallthrough()->callback([request, &session] {
    session.read([&](Client& client, RowSink& rows) {
      return add_sessions(client, *request, session.json, rows);
    });
  });
}

}  // namespace

void add_agent_commands(CLI::App& app, Session& session) {
  CLI::App* agent = app.add_subcommand("agent", "What AI agents did, session by session");
  agent->fallthrough()->require_subcommand(1);
  add_list(*agent, session);
  add_report(*agent, session);
}

}  // namespace picket
