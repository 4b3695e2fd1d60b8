// SPDX-License-Identifier: GPL-2.0-or-later
// Hosts that answer as no host should, and one that does, for the tests of who asks them.
#pragma once

#include "network/host-certificate.h"
#include "network/host.h"
#include "qcow-backing/chunk-id.h"

typedef enum
{
  FAKE_GOOD,
  FAKE_HAS_NOTHING,      // says so of every chunk
  FAKE_WRONG_BYTES,      // whole frames, of something else
  FAKE_BOMB,             // frames that are much larger inside
  FAKE_GARBAGE,          // frames that are none
  FAKE_WRONG_LENGTH,     // records that are longer than a chunk can be
  FAKE_SHORT_LENGTH,     // records whose length is not the frame's
  FAKE_OTHER_CHUNKS,     // good frames, of chunks that nobody asked for, without an end
  FAKE_TWICE,            // each record twice
  FAKE_CUT,              // ends in the middle of a record
  FAKE_SILENT,           // takes the request, and says nothing
  FAKE_SILENT_IN_RECORD, // says nothing any more in the middle of one
  FAKE_TRICKLE,          // a byte now and then
  FAKE_NO_CHUNKS,        // 200, of another type
  FAKE_ERROR,            // 500
  FAKE_REDIRECT,         // 302 to itself
  FAKE_DEAF,             // takes connections, and no TLS comes of them
  FAKE_FULL,             // what would connect is lost, as on a full link
  FAKE_GONE,             // nobody listens
} FakeBehaviour;

typedef struct FakeHost FakeHost;

/* Have the COUNT chunks that fake_chunk makes.  The certificate is of AUTHORITY, for NAME.  */
FakeHost *fake_host_new (const CertificateAuthority *authority, const char *name,
                         FakeBehaviour behaviour, guint count);
void fake_host_free (FakeHost *host);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FakeHost, fake_host_free)

guint fake_host_port (const FakeHost *host);
const char *fake_host_certificate (const FakeHost *host); // PEM

/* Requests that came, chunks that they asked for, and of those with "forward".  */
typedef struct
{
  guint requests, chunks, forwarded;
} FakeCounts;
FakeCounts fake_host_counts (FakeHost *host);

/* Do as BEHAVIOUR says from now on, which is none from FAKE_DEAF on; nor was it so far, but for
   FAKE_FULL.  */
void fake_host_behave (FakeHost *host, FakeBehaviour behaviour);

/* Chunk NUMBER: its bytes, which compress to some kilobytes, and their id.  */
ChunkId fake_chunk (guint number, guint8 data[CHUNK_SIZE]);
