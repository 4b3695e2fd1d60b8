#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The sources are formatted as .clang-format says, scripts pass shellcheck, and each file says what it is.
. "$(dirname "$0")/lib.sh"

sources ()
{
    (cd "$srcdir" && find . \( -name build -o -name 'build-aux' -o -name '.git' -o -name cache -o -name 'gild-*' \) -prune -o \
        -type f \( "$@" \) -print | sort)
}

is_script ()
{
    head -c 20 "$srcdir/$1" | grep -qE '^#!/bin/(ba)?sh'
}

if type -P clang-format >/dev/null; then
    # shellcheck disable=SC2046
    run_ok 'C is formatted (clang-format -i mends it)' \
        env -C "$srcdir" clang-format --dry-run -Werror $(sources -name '*.c' -o -name '*.h')
else
    skip 'clang-format is not installed' 'C is formatted'
fi

if type -P shellcheck >/dev/null; then
    mapfile -t scripts < <(for file in $(sources -perm -u+x ! -name configure); do ! is_script "$file" || echo "$file"; done)
    run_ok 'scripts pass shellcheck' env -C "$srcdir" shellcheck --severity=warning --shell=bash --exclude=SC1091,SC2034,SC2154 "${scripts[@]}"
else
    skip 'shellcheck is not installed' 'scripts pass shellcheck'
fi

unmarked=$(cd "$srcdir" && sources -name '*.c' -o -name '*.h' -o -name '*.sh' -o -name '*.am' |
    xargs -r sh -c 'for file; do head -n 3 "$file" | grep -q "SPDX-License-Identifier: GPL-2.0-or-later" || echo "$file"; done' sh)
is 'each file has its licence' "$unmarked" ''
done_testing
