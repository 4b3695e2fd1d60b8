// SPDX-License-Identifier: GPL-2.0-or-later
// Rendezvous hashing: which host is home to a chunk.
//
// Thaler and Ravishankar, "Using name-based mappings to increase hit rates", IEEE/ACM Transactions
// on Networking 6(1), 1998.  Whoever knows the same hosts picks the same one, without asking
// anybody, and a host that comes or goes moves its own share of the chunks and no other.
#pragma once

#include "qcow-backing/chunk-id.h"

/* The weight of HOST for chunk ID; the host with the highest is its home.  All hosts of a site have
   to agree, whatever version of gild they run, so this function never changes: the first 8 bytes of
   the id, little-endian, xor the 64-bit FNV-1a hash of the name, through the finaliser of
   SplitMix64.  */
guint64 rendezvous_weight (const ChunkId *id, const char *host);
