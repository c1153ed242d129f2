#include "collector/query/audit_trail.h"

#include "common/utf8.h"

namespace picket {
namespace {

constexpr size_t kMaxObject = 1000;

}  // namespace

absl::Status AuditTrail::add(const Caller& caller, const std::string& action,
                             const std::string& object, const std::string& outcome) const {
  v1::AuditEntry entry;
  entry.set_actor(caller.actor());
  entry.set_action(action);
  entry.set_object(to_utf8(std::string_view(object).substr(0, kMaxObject)));
  entry.set_outcome(outcome);
  entry.set_source(caller.source);
  return writer_.run_and_wait(
      [&](Store& store) { return store.append_audit(std::move(entry)).status(); });
}

}  // namespace picket
