#include "tests/support/kubelet.h"

#include <fmt/format.h>

#include <set>

namespace picket::test {
namespace {

namespace cri = runtime::v1;
using Known = std::set<std::string_view>;

// What is not known here would be left out in silence.
absl::Status only(const Manifest& map, const Known& known, std::string_view where) {
  for (const auto& [key, value] : map.items())
    if (!known.contains(key))
      return absl::UnimplementedError(fmt::format("{} has {}: not translated", where, key));
  return absl::OkStatus();
}

// What only the scheduler, the controller and the kubelet's own loop act on.
const Known kPodFields{"serviceAccountName",
                       "automountServiceAccountToken",
                       "enableServiceLinks",
                       "priorityClassName",
                       "nodeSelector",
                       "tolerations",
                       "terminationGracePeriodSeconds",
                       "hostPID",
                       "hostNetwork",
                       "hostIPC",
                       "initContainers",
                       "containers",
                       "volumes"};
const Known kContainerFields{"name",         "image",         "imagePullPolicy",
                             "command",      "ports",         "securityContext",
                             "startupProbe", "livenessProbe", "readinessProbe",
                             "resources",    "volumeMounts"};
const Known kSecurityFields{"runAsUser",
                            "runAsGroup",
                            "privileged",
                            "allowPrivilegeEscalation",
                            "readOnlyRootFilesystem",
                            "capabilities",
                            "seccompProfile",
                            "appArmorProfile"};

// Of a container that asks for no other procMount, as Kubernetes documents them.
constexpr const char* kMasked[] = {"/proc/asound",      "/proc/acpi",          "/proc/kcore",
                                   "/proc/keys",        "/proc/latency_stats", "/proc/timer_list",
                                   "/proc/timer_stats", "/proc/sched_debug",   "/proc/scsi",
                                   "/sys/firmware"};
constexpr const char* kReadOnly[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
                                     "/proc/sysrq-trigger"};

absl::Status set_profile(const SpecifiedPod& pod, const Manifest& from, cri::SecurityProfile& to) {
  const std::string type = from["type"];
  if (type == "Localhost") {
    to.set_profile_type(cri::SecurityProfile::Localhost);
    to.set_localhost_ref(fmt::format("localhost/{}/{}", pod.seccomp_root,
                                     from["localhostProfile"].get<std::string>()));
  } else {
    to.set_profile_type(type == "Unconfined" ? cri::SecurityProfile::Unconfined
                                             : cri::SecurityProfile::RuntimeDefault);
  }
  return absl::OkStatus();
}

absl::Status set_security(const SpecifiedPod& pod, const Manifest& from,
                          cri::LinuxContainerSecurityContext& to) {
  if (absl::Status known = only(from, kSecurityFields, "securityContext"); !known.ok())
    return known;
  to.mutable_namespace_options()->set_network(cri::NODE);
  to.mutable_namespace_options()->set_pid(pod.spec.value("hostPID", false) ? cri::NODE
                                                                           : cri::CONTAINER);
  to.set_privileged(from.value("privileged", false));
  to.mutable_run_as_user()->set_value(from.value("runAsUser", 0));
  to.mutable_run_as_group()->set_value(from.value("runAsGroup", 0));
  to.set_no_new_privs(!from.value("allowPrivilegeEscalation", true));
  to.set_readonly_rootfs(from.value("readOnlyRootFilesystem", false));
  const Manifest& capabilities = from["capabilities"];
  for (const Manifest& name : capabilities.value("add", Manifest::array()))
    to.mutable_capabilities()->add_add_capabilities(name);
  for (const Manifest& name : capabilities.value("drop", Manifest::array()))
    to.mutable_capabilities()->add_drop_capabilities(name);
  for (const char* path : kMasked) to.add_masked_paths(path);
  for (const char* path : kReadOnly) to.add_readonly_paths(path);
  if (from.contains("appArmorProfile"))
    if (absl::Status set = set_profile(pod, from["appArmorProfile"], *to.mutable_apparmor());
        !set.ok())
      return set;
  return set_profile(pod, from["seccompProfile"], *to.mutable_seccomp());
}

absl::Status add_mount(const SpecifiedPod& pod, const Manifest& from, cri::ContainerConfig& to) {
  const Known fields{"name", "mountPath", "subPath", "readOnly", "mountPropagation"};
  if (absl::Status known = only(from, fields, "a volumeMount"); !known.ok()) return known;
  const Manifest volume = entry(pod.spec["volumes"], from["name"].get<std::string>());
  std::string source;
  if (volume.contains("hostPath")) {
    const auto found = pod.folders.find(volume["hostPath"]["path"].get<std::string>());
    if (found != pod.folders.end()) source = found->second;
  } else if (volume.contains("configMap")) {
    const auto found = pod.config_maps.find(volume["configMap"]["name"].get<std::string>());
    if (found != pod.config_maps.end()) source = found->second;
  }
  if (source.empty())
    return absl::NotFoundError(fmt::format("nothing stands for the volume {}", volume.dump()));
  if (from.contains("subPath")) source += "/" + from["subPath"].get<std::string>();
  cri::Mount& mount = *to.add_mounts();
  mount.set_host_path(source);
  mount.set_container_path(from["mountPath"]);
  mount.set_readonly(from.value("readOnly", false));
  if (from.value("mountPropagation", "None") == "HostToContainer")
    mount.set_propagation(cri::PROPAGATION_HOST_TO_CONTAINER);
  return absl::OkStatus();
}

int64_t bytes(const std::string& quantity) {
  const size_t end = quantity.find_first_not_of("0123456789");
  const int64_t number = std::stoll(quantity);
  return quantity.substr(end) == "Gi" ? number << 30 : number << 20;
}

}  // namespace

absl::StatusOr<cri::PodSandboxConfig> sandbox_config(const SpecifiedPod& pod,
                                                     const std::string& uid,
                                                     const std::string& cgroup) {
  if (absl::Status known = only(pod.spec, kPodFields, "the pod"); !known.ok()) return known;
  cri::PodSandboxConfig config;
  config.mutable_metadata()->set_name(pod.name);
  config.mutable_metadata()->set_namespace_(pod.ns);
  config.mutable_metadata()->set_uid(uid);
  for (const auto& [key, value] : pod.labels) (*config.mutable_labels())[key] = value;
  (*config.mutable_labels())["io.kubernetes.pod.name"] = pod.name;
  (*config.mutable_labels())["io.kubernetes.pod.namespace"] = pod.ns;
  (*config.mutable_labels())["io.kubernetes.pod.uid"] = uid;
  config.set_log_directory(pod.logs);
  config.mutable_linux()->set_cgroup_parent(cgroup);
  auto& options = *config.mutable_linux()->mutable_security_context()->mutable_namespace_options();
  options.set_network(cri::NODE);
  options.set_pid(pod.spec.value("hostPID", false) ? cri::NODE : cri::CONTAINER);
  return config;
}

absl::StatusOr<cri::ContainerConfig> container_config(const SpecifiedPod& pod,
                                                      const Manifest& container,
                                                      const std::string& uid) {
  if (absl::Status known = only(container, kContainerFields, "the container"); !known.ok())
    return known;
  cri::ContainerConfig config;
  config.mutable_metadata()->set_name(container["name"]);
  const auto image = pod.images.find(container["image"].get<std::string>());
  if (image == pod.images.end())
    return absl::NotFoundError(fmt::format("no image stands for {}", container["image"].dump()));
  config.mutable_image()->set_image(image->second);
  config.set_log_path(container["name"].get<std::string>() + ".log");
  for (const Manifest& word : container["command"]) config.add_command(word);
  (*config.mutable_labels())["io.kubernetes.container.name"] = container["name"];
  (*config.mutable_labels())["io.kubernetes.pod.name"] = pod.name;
  (*config.mutable_labels())["io.kubernetes.pod.namespace"] = pod.ns;
  (*config.mutable_labels())["io.kubernetes.pod.uid"] = uid;
  for (const Manifest& mount : container["volumeMounts"])
    if (absl::Status added = add_mount(pod, mount, config); !added.ok()) return added;
  config.mutable_linux()->mutable_resources()->set_memory_limit_in_bytes(
      bytes(container["resources"]["limits"]["memory"]));
  absl::Status secured = set_security(pod, container["securityContext"],
                                      *config.mutable_linux()->mutable_security_context());
  if (!secured.ok()) return secured;
  return config;
}

}  // namespace picket::test
