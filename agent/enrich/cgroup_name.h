// What a cgroup's path says about its container, before any runtime is asked. Pure functions, any
// thread. Nothing fails: a path that says nothing gives its last component.
#pragma once

#include <string>
#include <string_view>

namespace picket {

// 64 hexadecimal digits: the ids that Docker, containerd and CRI-O give.
bool is_container_id(std::string_view text);

// The OCI id in the last component ("/kubepods/pod1/ID", "cri-containerd-ID.scope"), else the last
// component itself.
std::string workspace_id(std::string_view cgroup_path);

// The pod's uid in a path that a kubelet made, with the cgroupfs or the systemd driver:
// "/kubepods/burstable/podUID/ID", "/kubepods.slice/kubepods-podUID.slice/...". "": none.
std::string pod_uid(std::string_view cgroup_path);

// True when `path` is `root` or lies below it; "/" is above everything.
bool is_below(std::string_view path, std::string_view root);

}  // namespace picket
