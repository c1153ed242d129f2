// evt.*, user.*, group.*, container.*, k8s.* and workspace.*: the event itself, and where and as
// whom it happened.
#include <fmt/format.h>

#include <array>
#include <chrono>
#include <iterator>

#include "agent/detect/rule/field.h"
#include "agent/enrich/ownership.h"

namespace picket::rule {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;
constexpr uint32_t kNeverSet = 0xffffffff;
constexpr size_t kShortId = 12;

const Workspace& workspace(const FieldRequest& request) { return request.observation.workspace; }

void read_type(const FieldRequest& request, FieldResult& result) {
  const Event& event = request.observation.event;
  for (const std::string_view name :
       event_names(event.type(), static_cast<pk_call>(event.header().call))) {
    result.add(name);
  }
}
void read_time(const FieldRequest& request, FieldResult& result) {
  const uint64_t time = request.observation.event.header().time_ns;
  fmt::format_to(std::back_inserter(result.text), "{}.{:09}", time / kSecond, time % kSecond);
  result.add(std::string_view(result.text));
}
void read_raw_time(const FieldRequest& request, FieldResult& result) {
  result.add(static_cast<int64_t>(request.observation.event.header().time_ns));
}
void read_event_number(const FieldRequest& request, FieldResult& result) {
  result.add(static_cast<int64_t>(request.moment.number));
}
std::optional<std::chrono::sys_seconds> time_of_day(const FieldRequest& request) {
  if (!request.moment.wall_minus_boot_ns.has_value()) return std::nullopt;
  const uint64_t wall_ns =
      request.observation.event.header().time_ns + *request.moment.wall_minus_boot_ns;
  return std::chrono::sys_seconds(std::chrono::seconds(wall_ns / kSecond));
}
void read_hour(const FieldRequest& request, FieldResult& result) {
  const auto time = time_of_day(request);
  if (!time.has_value()) return;
  const auto day = std::chrono::floor<std::chrono::days>(*time);
  result.add(int64_t{std::chrono::floor<std::chrono::hours>(*time - day).count()});
}
void read_weekday(const FieldRequest& request, FieldResult& result) {
  const auto time = time_of_day(request);
  if (!time.has_value()) return;
  const std::chrono::weekday day(std::chrono::floor<std::chrono::days>(*time));
  result.add(static_cast<int64_t>(day.iso_encoding()));
}
void read_source(const FieldRequest&, FieldResult& result) {
  result.add(std::string_view("syscall"));
}
void read_count(const FieldRequest&, FieldResult& result) { result.add(int64_t{1}); }
void read_direction(const FieldRequest&, FieldResult& result) { result.add(std::string_view("<")); }

template <auto Member>
void read_id(const FieldRequest& request, FieldResult& result) {
  const uint32_t id = request.observation.process.*Member;
  result.add(id == kNeverSet ? int64_t{-1} : static_cast<int64_t>(id));
}

template <auto Member>
void read_workspace(const FieldRequest& request, FieldResult& result) {
  result.add_present(workspace(request).*Member);
}

template <auto Member>
void read_peer(const FieldRequest& request, FieldResult& result) {
  if (const Workspace* peer = request.observation.peer) result.add_present(peer->*Member);
}

void read_peer_by_memory(const FieldRequest& request, FieldResult& result) {
  const auto* open = request.observation.event.as<pk_open>();
  if (open != nullptr && request.observation.peer != nullptr)
    result.add(open->object.kind == PK_FD_FILE);
}

bool outside(const FieldRequest& request) { return workspace(request).cgroup_id == 0; }

std::string_view container_id(const FieldRequest& request) {
  const Workspace& place = workspace(request);
  return place.container_id.empty() ? std::string_view(place.id) : place.container_id;
}
void read_container_id(const FieldRequest& request, FieldResult& result) {
  result.add_present(outside(request) ? "host" : container_id(request).substr(0, kShortId));
}
void read_container_full_id(const FieldRequest& request, FieldResult& result) {
  result.add_present(outside(request) ? "host" : container_id(request));
}
void read_container_type(const FieldRequest& request, FieldResult& result) {
  result.add_present(outside(request) ? "host" : std::string_view(workspace(request).runtime));
}
void read_container_label(const FieldRequest& request, FieldResult& result) {
  const Labels& labels = workspace(request).labels;
  const auto found = labels.find(request.reference.key);
  if (found != labels.end()) result.add(std::string_view(found->second));
}
void read_container_name(const FieldRequest& request, FieldResult& result) {
  result.add_present(outside(request) ? "host" : std::string_view(workspace(request).name));
}

// An image reference is REPOSITORY[:TAG][@DIGEST]; a colon in front of a slash belongs to the
// registry's port.
struct Image {
  std::string_view repository, tag, digest;
};
Image split_image(std::string_view reference) {
  Image image{reference, {}, {}};
  if (const size_t at = reference.find('@'); at != reference.npos) {
    image.digest = reference.substr(at + 1);
    image.repository = reference.substr(0, at);
  }
  const size_t colon = image.repository.rfind(':');
  if (colon != std::string_view::npos &&
      image.repository.find('/', colon) == std::string_view::npos) {
    image.tag = image.repository.substr(colon + 1);
    image.repository = image.repository.substr(0, colon);
  }
  return image;
}
void read_image_digest(const FieldRequest& request, FieldResult& result) {
  const std::string& told = workspace(request).image_digest;
  result.add_present(told.empty() ? split_image(workspace(request).image).digest
                                  : std::string_view(told));
}
template <auto Part>
void read_image(const FieldRequest& request, FieldResult& result) {
  result.add_present(split_image(workspace(request).image).*Part);
}

void read_label(const FieldRequest& request, FieldResult& result) {
  const std::string* value = find_label(workspace(request), request.reference.key);
  if (value != nullptr) result.add(std::string_view(*value));
}

template <auto Member>
void read_pod(const FieldRequest& request, FieldResult& result) {
  result.add_present(workspace(request).pod.*Member);
}
void read_pod_label(const FieldRequest& request, FieldResult& result) {
  const Labels& labels = workspace(request).pod.labels;
  const auto found = labels.find(request.reference.key);
  if (found != labels.end()) result.add(std::string_view(found->second));
}
void add_labels(const Labels& labels, FieldResult& result) {
  for (const auto& [key, value] : labels) {
    fmt::format_to(std::back_inserter(result.text), "{}{}:{}", result.text.empty() ? "" : ", ", key,
                   value);
  }
  result.add_present(result.text);
}
void read_pod_labels(const FieldRequest& request, FieldResult& result) {
  add_labels(workspace(request).pod.labels, result);
}
void read_container_labels(const FieldRequest& request, FieldResult& result) {
  add_labels(workspace(request).labels, result);
}

}  // namespace

std::span<const Field> place_fields() {
  using enum FieldType;
  static const auto kFields = std::to_array<Field>({
      decided_by(Trait::call, {"evt.type", text,
                               "Name of the event: execve connect dup2 clone procexit found "
                               "cgroup_mkdir ..., or Picket's own name for it",
                               read_type, Values::ends}),
      {"evt.time", text, "Seconds since the node started", read_time},
      {"evt.rawtime", number, "Nanoseconds since the node started", read_raw_time},
      {"evt.hour", number, "Hour of the day, 0 to 23, UTC", read_hour},
      {"evt.weekday", number, "Day of the week, 1 (Monday) to 7, UTC", read_weekday},
      {.name = "evt.num",
       .type = number,
       .doc = "Number of the event, from 1",
       .read = read_event_number,
       .least = 1},
      {.name = "evt.dir",
       .type = text,
       .doc = "Always <: events are seen when they have happened",
       .read = read_direction,
       .constant = "<"},
      {.name = "evt.source",
       .type = text,
       .doc = "Always syscall",
       .read = read_source,
       .constant = "syscall"},
      {"evt.count", number, "Always 1", read_count},
      {"user.uid", number, "Effective user id, initial user namespace", read_id<&Process::uid>},
      {"user.ruid", number, "Real user id", read_id<&Process::ruid>},
      {"user.suid", number, "Saved user id", read_id<&Process::suid>},
      {"user.loginuid", number, "User id of the login session; -1: never set",
       read_id<&Process::loginuid>},
      {"group.gid", number, "Effective group id", read_id<&Process::gid>},
      {"container.id", text, "First 12 characters of the container's id; host outside of any",
       read_container_id},
      {"container.full_id", text, "The container's id; host outside of any",
       read_container_full_id},
      {"container.name", text, "The container's name; host outside of any", read_container_name},
      {"container.type", text, "The container's runtime; host outside of any", read_container_type},
      {"container.label", text, "Label or annotation KEY of the container", read_container_label,
       Values::one, Argument::key},
      {"container.labels", text, "The container's labels: KEY:VALUE, KEY:VALUE",
       read_container_labels},
      {"container.image", text, "The container's image as it was asked for",
       read_workspace<&Workspace::image>},
      {"container.image.repository", text, "The image without tag and digest",
       read_image<&Image::repository>},
      {"container.image.tag", text, "The image's tag", read_image<&Image::tag>},
      {"container.image.digest", text, "The image's digest", read_image_digest},
      {"k8s.pod.name", text, "Name of the Kubernetes pod", read_pod<&Pod::name>},
      {"k8s.pod.uid", text, "Uid of the Kubernetes pod", read_pod<&Pod::uid>},
      {"k8s.pod.id", text, "The same as k8s.pod.uid", read_pod<&Pod::uid>},
      {"k8s.pod.label", text, "Label KEY of the Kubernetes pod", read_pod_label, Values::one,
       Argument::key},
      {"k8s.pod.labels", text, "The pod's labels: KEY:VALUE, KEY:VALUE", read_pod_labels},
      {"k8s.ns.name", text, "Namespace of the Kubernetes pod", read_pod<&Pod::ns>},
      {"workspace.id", text, "Id of the workspace", read_workspace<&Workspace::id>},
      {"workspace.name", text, "Name of the workspace", read_workspace<&Workspace::name>},
      {"workspace.image", text, "Image of the workspace", read_workspace<&Workspace::image>},
      {"workspace.image_source", text,
       "Where the image's name is from: annotation, runtime, rootfs or none",
       read_workspace<&Workspace::image_source>},
      {"workspace.cgroup", text, "Path of the workspace's cgroup",
       read_workspace<&Workspace::cgroup>},
      {"workspace.runtime", text, "Container runtime", read_workspace<&Workspace::runtime>},
      {"workspace.owner", text, "Whose workspace it is, by the configured labels",
       read_workspace<&Workspace::owner>},
      {"workspace.template", text, "Template that it was made from, by the configured labels",
       read_workspace<&Workspace::template_name>},
      {"workspace.repository", text, "Repository that it is for, by the configured labels",
       read_workspace<&Workspace::repository>},
      {"workspace.pull_request", text, "Pull request that it is for, by the configured labels",
       read_workspace<&Workspace::pull_request>},
      {"workspace.profile", text,
       "Profile that a label selects, by the configured labels: restricted",
       read_workspace<&Workspace::profile>},
      {"peer.workspace.id", text,
       "Id of another workspace: at the other end of the socket, or of the target",
       read_peer<&Workspace::id>},
      {"peer.workspace.name", text, "Its name", read_peer<&Workspace::name>},
      {"peer.workspace.owner", text, "Whose it is, by the configured labels",
       read_peer<&Workspace::owner>},
      decided_by(Trait::of_interest,
                 {"peer.by_memory", boolean,
                  "The peer has opened the same file of memory (tmpfs), which the runtime mounted "
                  "into both, and one of the two writes it",
                  read_peer_by_memory}),
      {"workspace.label", text, "Label or annotation KEY of the container or its pod", read_label,
       Values::one, Argument::key},
  });
  return kFields;
}

}  // namespace picket::rule
