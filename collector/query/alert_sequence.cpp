#include <algorithm>

#include "collector/query/alert_stream.h"
#include "common/alert_json.h"

namespace picket {
namespace {

constexpr size_t kPage = 200;
constexpr size_t kPageBytes = 4U << 20;

}  // namespace

AlertQuery alert_query(const v1::AlertFilter& filter) {
  AlertQuery query;
  if (filter.has_since()) query.since_ns = wall_ns(filter.since());
  query.workspace = filter.workspace();
  query.rule = filter.rule();
  query.incident = filter.incident();
  return query;
}

bool matches(const AlertQuery& query, const v1::Alert& alert) {
  if (!query.rule.empty() && alert.rule() != query.rule) return false;
  if (!in_scope(query.namespaces, alert.workspace())) return false;
  if (alert.incident().id().compare(0, query.incident.size(), query.incident) != 0) return false;
  const v1::Workspace& workspace = alert.workspace();
  return query.workspace.empty() || workspace.name() == query.workspace ||
         workspace.id().compare(0, query.workspace.size(), query.workspace) == 0;
}

absl::Status AlertSequence::open() {
  opened_ = true;
  if (source_.admit) {
    if (absl::Status status = source_.admit(); !status.ok()) return status;
  }
  auto reader = source_.store.reader();
  if (!reader.ok()) return reader.status();
  reader_ = *std::move(reader);
  if (absl::Status status = reader_->resolve(query_); !status.ok()) return status;
  if (!stored_) return absl::OkStatus();
  const auto newest = reader_->newest_row();
  if (!newest.ok()) return newest.status();
  seam_ = query_.up_to_row = *newest;
  if (after_) return absl::OkStatus();
  const auto first = reader_->first_page(query_);
  if (!first.ok()) return first.status();
  cursor_ = *first;
  left_ = query_.limit == 0 ? UINT64_MAX : query_.limit;
  return absl::OkStatus();
}

absl::Status AlertSequence::load() {
  if (!opened_) {
    if (absl::Status status = open(); !status.ok()) return status;
  }
  page_.clear();
  position_ = 0;
  if (!stored_) return absl::OkStatus();
  return after_ ? load_by_row() : load_by_time();
}

absl::Status AlertSequence::load_by_row() {
  auto page = reader_->alerts_after(*after_, kPage, kPageBytes);
  if (!page.ok()) return page.status();
  page_ = *std::move(page);
  stored_ = !page_.empty() && page_.back().row < seam_;
  if (!page_.empty()) after_ = page_.back().row;
  std::erase_if(page_, [&](const StoredAlert& one) {
    return one.row > seam_ || !matches(query_, one.alert);  // the former come live
  });
  return absl::OkStatus();
}

absl::Status AlertSequence::load_by_time() {
  const size_t size = std::min<uint64_t>(kPage, left_);
  auto page = reader_->page(query_, cursor_, size);
  if (!page.ok()) return page.status();
  page_ = *std::move(page);
  left_ -= page_.size();
  if (page_.size() < size || left_ == 0) stored_ = false;
  return absl::OkStatus();
}

AlertSequence::Next AlertSequence::next(v1::Alert& alert, uint64_t& row, absl::Status& status) {
  if (position_ < page_.size()) {
    row = page_[position_].row;
    alert = std::move(page_[position_++].alert);
    return Next::alert;
  }
  if (stored_) return Next::load;
  if (!live_) return Next::end;
  while (const auto stored = live_->take()) {
    if (stored->row <= seam_ || !matches(query_, stored->alert)) continue;
    alert = stored->alert;
    row = stored->row;
    return Next::alert;
  }
  switch (live_->state()) {
    case Subscription::State::open:
      return Next::wait;
    case Subscription::State::overflowed:
      status = absl::ResourceExhaustedError(
          "alerts come faster than they are read: watch again, with --since or --after");
      return Next::end;
    case Subscription::State::closed:
      status = absl::UnavailableError("the collector is stopping");
      return Next::end;
  }
  return Next::end;
}

}  // namespace picket
