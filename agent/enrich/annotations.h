// What the annotations of an OCI container say about its name, its image and its pod. Pure,
// identity thread. Nothing fails: without an annotation the name is the id and the image is the
// root file system's path.
#pragma once

#include <string>

#include "agent/enrich/workspace.h"

namespace picket {

// Fills labels, name, image, image_source and pod of a workspace whose id and rootfs are set.
void apply_annotations(Workspace& workspace, const Labels& annotations);

// The container that only holds a pod's namespaces.
bool is_pod_sandbox(const Workspace& workspace);

// Labels are bounded in number and length. What kubectl keeps of a manifest is left out: it is long
// and may hold secrets.
void add_label(Labels& labels, const std::string& key, const std::string& value);

}  // namespace picket
