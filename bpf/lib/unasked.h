/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What no loaded rule can match, as the agent works it out: it is not told. */
#ifndef PICKET_LIB_UNASKED_H
#define PICKET_LIB_UNASKED_H

#include "bpf/lib/base.h"

volatile struct pk_unasked unasked __weak;

PK_INLINE bool pk_is_asked(__u8 call) { return !unasked.calls[call]; }

#endif
