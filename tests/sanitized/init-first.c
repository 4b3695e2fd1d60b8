// SPDX-License-Identifier: GPL-2.0-or-later
// Loaded with a sanitizer before a program that is built without: initialises the sanitizer first.
//
// Otherwise GCC's libasan initialises itself in the first malloc, which for nbdkit is p11-kit's in
// newlocale, and takes a lock of libc's that newlocale holds.  It is linked with -z initfirst.

#include <stdlib.h>

__attribute__ ((constructor)) static void
initialise (void)
{
  void *volatile memory = malloc (1);

  free (memory);
}
