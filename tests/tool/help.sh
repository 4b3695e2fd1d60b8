#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every verb explains itself, refuses what it does not know with status 2, and has its options in the manual.
. "$(dirname "$0")/lib.sh"

readonly VERBS='init invite join key publish capture keep promote rollback images export verify gc define desktops status fetch hosts replica attach detach serve edit mount check nightly diff'

printf '[paths]\nstate=%s\nrun=%s\n' "$tmp/state" "$tmp/run" >"$tmp/gild.conf"
export GILD_CONFIG=$tmp/gild.conf
run_ok 'gild --version' gild --version
like 'says the version' "$(cat "$tmp/stdout")" '^gild [0-9]+\.[0-9]+'
run_ok 'gild --help' gild --help
for verb in $VERBS; do
    like "it names $verb" "$(gild --help)" "(^| )$verb( |$)"
done
run_fails 'gild alone' 2 'usage|Usage|--help' gild
run_fails 'an unknown verb' 2 'frobnicate' gild frobnicate
run_fails 'an unknown option' 2 'frobnicate' gild --frobnicate

for verb in $VERBS; do
    run_ok "gild $verb --help" gild "$verb" --help
    like "it shows how to call it" "$(cat "$tmp/stdout")" "gild $verb"
    is "nothing on stderr" "$(cat "$tmp/stderr")" ''
    like "--config is among its options" "$(cat "$tmp/stdout")" '--config'
    run_fails "gild $verb --frobnicate" 2 'frobnicate' gild "$verb" --frobnicate
    run_fails "gild $verb with too many arguments" 2 '.' gild "$verb" a b c d e
done
is 'none of it made anything' "$(ls "$tmp" | tr '\n' ' ')" 'gild.conf stderr stdout '

run_ok 'gildd --help' gildd --help
run_ok 'gildd --version' gildd --version
run_fails 'gildd --frobnicate' 2 'frobnicate' gildd --frobnicate

# A configuration is wrong in one place, and the message names it.
bad_configuration ()
{
    printf '%b' "$2" >"$tmp/bad.conf"
    run_fails "$1" 1 "bad\.conf.*$3" gild images --config "$tmp/bad.conf"
}
bad_configuration 'a configuration with an unknown group' '[nonsense]\na=b\n' nonsense
bad_configuration 'a configuration with an unknown key' '[paths]\nstat=/tmp\n' stat
bad_configuration 'a configuration with a relative path' '[paths]\nstate=here\n' state
bad_configuration 'a configuration with a bad size' '[desktop]\noverlay=2 GB\n' overlay
bad_configuration 'a configuration with a bad number' '[gc]\nkeep=0\n' keep
bad_configuration 'a configuration with a bad type' '[desktop]\nvirt-type=xen\n' virt-type
bad_configuration 'a configuration that is none' 'nonsense\n' ''
run_fails 'a configuration that is not there' 1 'missing\.conf' gild images --config "$tmp/missing.conf"
done_testing
