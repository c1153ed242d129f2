// What the annotations of an OCI container say about its name and image. Pure, identity thread.
// Nothing fails: without an annotation the name is the id and the image is the root file system's
// path.
#pragma once

#include <map>
#include <string>

#include "agent/enrich/workspace.h"

namespace picket {

// Fills labels, name, image and image_source of a workspace whose id and rootfs are set. Labels are
// bounded in number and length.
void apply_annotations(Workspace& workspace, const std::map<std::string, std::string>& annotations);

}  // namespace picket
