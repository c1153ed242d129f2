// What the uplink tells the pipeline, whose mailbox may be full: an order that finds no room is
// answered as refused, a loss is kept until there is room. Owner: the uplink thread. Nothing fails.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <vector>

#include "agent/app/mail.h"
#include "agent/app/outlet.h"
#include "agent/uplink/uplink.h"
#include "common/clock.h"

namespace picket {

class CollectorMail {
 public:
  using Post = std::function<bool(Mail)>;  // false: no room
  using Publish = std::function<void(v1::Envelope, Priority)>;

  // `spool`: its file; nothing in it is older than that.
  CollectorMail(const Clock& clock, std::filesystem::path spool, Post post, Publish publish);

  void on_command(const v1::Command& command);
  void on_loss(const UplinkLoss& loss);
  // All that was published before `boot_ns` is in the spool. false: the pipeline does not yet know
  // of a loss before it.
  bool settle(uint64_t boot_ns);

 private:
  uint64_t oldest_ns(const UplinkLoss& loss) const;
  bool hand_over();

  const Clock& clock_;
  const std::filesystem::path spool_;
  const Post post_;
  const Publish publish_;
  uint64_t settled_ns_;
  std::vector<DeliveryLoss> kept_;  // one for each place
};

}  // namespace picket
