// SPDX-License-Identifier: GPL-2.0-or-later
// One request to an NBD server, also such as a well-behaved client never sends, or many reads.
//
//   nbd-client URI read OFFSET COUNT      the bytes go to stdout
//   nbd-client URI write OFFSET COUNT     zeros, also where the server said that it takes none
//   nbd-client URI cache OFFSET COUNT
//   nbd-client URI status OFFSET COUNT    lines of "LENGTH FLAGS", as base:allocation has them
//   nbd-client URI read-all               reads each "OFFSET COUNT" that a line of stdin says, in
//   turn

#include <inttypes.h>
#include <libnbd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
check (int status)
{
  if (status != -1)
    return;
  fprintf (stderr, "nbd-client: %s\n", nbd_get_error ());
  exit (EXIT_FAILURE);
}

static int
print_extents (void *data, const char *context, uint64_t offset, uint32_t *entries,
               size_t n_entries, int *error)
{
  for (size_t i = 0; i + 1 < n_entries; i += 2)
    printf ("%" PRIu32 " %" PRIu32 "\n", entries[i], entries[i + 1]);
  return 0;
}

static void
read_all (struct nbd_handle *nbd)
{
  static char buffer[1 << 20];
  uint64_t offset;
  size_t count;

  while (scanf ("%" SCNu64 " %zu", &offset, &count) == 2)
    check (nbd_pread (nbd, buffer, count < sizeof buffer ? count : sizeof buffer, offset, 0));
}

int
main (int argc, char **argv)
{
  struct nbd_handle *nbd = nbd_create ();
  int is_read_all = argc == 3 && strcmp (argv[2], "read-all") == 0;

  if (!nbd || (argc != 5 && !is_read_all))
    {
      fprintf (stderr, "usage: nbd-client URI read|write|cache|status OFFSET COUNT\n"
                       "       nbd-client URI read-all\n");
      return 2;
    }
  const char *command = argv[2];
  uint64_t offset = is_read_all ? 0 : strtoull (argv[3], NULL, 10);
  uint64_t count = is_read_all ? 0 : strtoull (argv[4], NULL, 10);

  check (nbd_add_meta_context (nbd, LIBNBD_CONTEXT_BASE_ALLOCATION));
  check (nbd_connect_uri (nbd, argv[1]));
  check (nbd_set_strict_mode (nbd, 0));
  if (is_read_all)
    read_all (nbd);
  else if (strcmp (command, "cache") == 0)
    check (nbd_cache (nbd, count, offset, 0));
  else if (strcmp (command, "status") == 0)
    check (nbd_block_status (nbd, count, offset, (nbd_extent_callback){ .callback = print_extents },
                             0));
  else
    {
      void *buffer = calloc (1, count);
      if (strcmp (command, "write") == 0)
        check (nbd_pwrite (nbd, buffer, count, offset, 0));
      else
        {
          check (nbd_pread (nbd, buffer, count, offset, 0));
          fwrite (buffer, 1, count, stdout);
        }
      free (buffer);
    }
  check (nbd_shutdown (nbd, 0));
  nbd_close (nbd);
  return 0;
}
