#include "agent/app/collector_mail.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "agent/app/envelopes.h"

namespace picket {
namespace {

constexpr std::string_view kDamaged = "damaged spool ";  // and the file that is kept

// nullopt: the file system does not tell.
std::optional<uint64_t> birth_wall_ns(const std::filesystem::path& file) {
  struct statx status {};
  if (statx(AT_FDCWD, file.c_str(), 0, STATX_BTIME, &status) != 0) return std::nullopt;
  if ((status.stx_mask & STATX_BTIME) == 0) return std::nullopt;
  return static_cast<uint64_t>(status.stx_btime.tv_sec) * 1'000'000'000 + status.stx_btime.tv_nsec;
}

void widen(DeliveryLoss& loss, const DeliveryLoss& by) {
  loss.count += by.count;
  loss.first_sequence = std::min(loss.first_sequence, by.first_sequence);
  loss.last_sequence = std::max(loss.last_sequence, by.last_sequence);
  loss.from_ns = std::min(loss.from_ns, by.from_ns);
  loss.to_ns = std::max(loss.to_ns, by.to_ns);
}

}  // namespace

CollectorMail::CollectorMail(const Clock& clock, std::filesystem::path spool, Post post,
                             Publish publish)
    : clock_(clock),
      spool_(std::move(spool)),
      post_(std::move(post)),
      publish_(std::move(publish)),
      settled_ns_(clock.boot_ns()) {}

void CollectorMail::on_command(const v1::Command& command) {
  if (post_(command)) return;
  Response refused;
  refused.verdict.action = action_of(command.action());
  refused.verdict.command = refused.verdict.finding = command.id();
  refused.verdict.target.workspace_id = command.workspace_id();
  refused.status = absl::ResourceExhaustedError("too many messages wait in the agent");
  publish_(result_envelope(refused, clock_.wall_ns()), Priority::alert);
}

uint64_t CollectorMail::oldest_ns(const UplinkLoss& loss) const {
  if (loss.where == "outbox") return settled_ns_;  // all before that is committed
  const bool damaged = loss.where.starts_with(kDamaged);
  const auto born_ns =
      birth_wall_ns(damaged ? loss.where.substr(kDamaged.size()) : spool_.string());
  // A spool may be older than the boot: times before it wrap around, and back again.
  return born_ns ? Timeline::of(clock_).boot_ns(*born_ns) : settled_ns_;
}

void CollectorMail::on_loss(const UplinkLoss& loss) {
  const DeliveryLoss told{loss.count,         loss.where,      loss.first_sequence,
                          loss.last_sequence, oldest_ns(loss), clock_.boot_ns()};
  const auto known = std::ranges::find(kept_, told.where, &DeliveryLoss::where);
  if (known == kept_.end()) {
    kept_.push_back(told);
  } else {
    widen(*known, told);
  }
  hand_over();
}

bool CollectorMail::hand_over() {
  std::erase_if(kept_, [&](const DeliveryLoss& loss) { return post_(loss); });
  return kept_.empty();
}

bool CollectorMail::settle(uint64_t boot_ns) {
  if (!hand_over()) return false;
  settled_ns_ = boot_ns;
  return true;
}

}  // namespace picket
