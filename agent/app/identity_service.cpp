#include "agent/app/identity_service.h"

#include <algorithm>
#include <utility>

namespace picket {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kLongestPause{100};
constexpr milliseconds kIdle = std::chrono::hours(1);  // a request or the end wakes it

}  // namespace

IdentityService::IdentityService(std::unique_ptr<Resolver> resolver, Answer answer,
                                 milliseconds give_up)
    : resolver_(std::move(resolver)), answer_(std::move(answer)), give_up_(give_up) {}

IdentityService::~IdentityService() { stop(); }

void IdentityService::start() {
  thread_ = std::thread([this] { run(); });
}

void IdentityService::stop() {
  requests_.close();
  if (thread_.joinable()) thread_.join();
}

void IdentityService::request(CgroupRef cgroup) {
  if (!requests_.push(cgroup))
    answer_(cgroup, absl::ResourceExhaustedError("too many identities are asked for"));
}

bool IdentityService::try_one(Pending& pending, Time now) {
  absl::StatusOr<Workspace> identity = resolver_->resolve(pending.cgroup);
  if (absl::IsUnavailable(identity.status()) && now < pending.give_up) {
    pending.next = now + pending.pause;
    pending.pause = std::min(pending.pause * 2, kLongestPause);
    return false;
  }
  answer_(pending.cgroup, std::move(identity));
  return true;
}

void IdentityService::run() {
  while (!requests_.finished()) {
    milliseconds wait = kIdle;
    for (const Pending& pending : pending_) {
      wait = std::clamp(std::chrono::ceil<milliseconds>(pending.next - Clock::now()),
                        milliseconds(0), wait);
    }
    if (auto cgroup = requests_.pop(wait)) {
      const Time now = Clock::now();
      pending_.push_back({std::move(*cgroup), now + give_up_, now});
    }
    const Time now = Clock::now();
    std::erase_if(pending_,
                  [&](Pending& pending) { return pending.next <= now && try_one(pending, now); });
  }
}

}  // namespace picket
