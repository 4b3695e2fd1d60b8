// SPDX-License-Identifier: GPL-2.0-or-later
// A chunk's name: the SHA-256 of its 64 KiB of guest-visible disk.

#include "chunk-id.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <string.h>

ChunkId
chunk_id_of (const void *data, gsize size)
{
  ChunkId id;
  int status = gnutls_hash_fast (GNUTLS_DIG_SHA256, data, size, id.bytes);

  // It can fail only for an unknown algorithm or in a FIPS lock-down, where nothing can go on.
  if (status < 0)
    g_error ("SHA-256: %s", gnutls_strerror (status));
  return id;
}

ChunkId
chunk_id_of_zeros (gsize size)
{
  static const guint8 ZEROS[CHUNK_SIZE];
  static ChunkId full;
  static gsize full_is_known;

  g_return_val_if_fail (size >= 1 && size <= CHUNK_SIZE, full);
  if (size < CHUNK_SIZE)
    return chunk_id_of (ZEROS, size);
  if (g_once_init_enter (&full_is_known))
    {
      full = chunk_id_of (ZEROS, CHUNK_SIZE);
      g_once_init_leave (&full_is_known, 1);
    }
  return full;
}

gboolean
chunk_is_zero (const void *data, gsize size)
{
  const guint8 *bytes = data;

  // Equal to itself one byte on, and the first byte zero: memcmp does it at memory speed.
  return size == 0 || (bytes[0] == 0 && memcmp (bytes, bytes + 1, size - 1) == 0);
}

void
chunk_id_to_hex (const ChunkId *id, char hex[CHUNK_HEX_SIZE])
{
  static const char DIGITS[] = "0123456789abcdef";

  for (gsize i = 0; i < CHUNK_ID_SIZE; i++)
    {
      hex[2 * i] = DIGITS[id->bytes[i] >> 4];
      hex[2 * i + 1] = DIGITS[id->bytes[i] & 15];
    }
  hex[2 * CHUNK_ID_SIZE] = '\0';
}

/* A lower-case hexadecimal digit's value, -1 for anything else: an id has one spelling.  */
static int
hex_value (char c)
{
  if (c >= '0' && c <= '9')
    return c - '0';
  if (c >= 'a' && c <= 'f')
    return c - 'a' + 10;
  return -1;
}

gboolean
chunk_id_from_hex (const char *hex, ChunkId *id)
{
  if (strlen (hex) != 2 * CHUNK_ID_SIZE)
    return FALSE;
  for (gsize i = 0; i < CHUNK_ID_SIZE; i++)
    {
      int high = hex_value (hex[2 * i]), low = hex_value (hex[2 * i + 1]);
      if (high < 0 || low < 0)
        return FALSE;
      id->bytes[i] = (guint8)(high << 4 | low);
    }
  return TRUE;
}

guint
chunk_id_hash (gconstpointer id)
{
  guint hash;

  memcpy (&hash, id, sizeof hash);
  return hash;
}

gboolean
chunk_id_equal (gconstpointer a, gconstpointer b)
{
  return memcmp (a, b, CHUNK_ID_SIZE) == 0;
}

int
chunk_id_compare (gconstpointer a, gconstpointer b)
{
  return memcmp (a, b, CHUNK_ID_SIZE);
}
