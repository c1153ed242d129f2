// What an OCI configuration, or runc's copy of one, says of a container: what is mounted, and
// whether it is privileged. Pure. Nothing fails: what has an unexpected form is left out.
#pragma once

#include <nlohmann/json.hpp>

#include "agent/enrich/workspace.h"

namespace picket {

void apply_oci_spec(Workspace& workspace, const nlohmann::json& config);   // config.json
void apply_runc_state(Workspace& workspace, const nlohmann::json& state);  // state.json

}  // namespace picket
