#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The manual says what the programs do: every program, option, parameter, key and route, and none that is not there.
. "$(dirname "$0")/lib.sh"

readonly DOCS=$srcdir/docs BUILD=${builddir:?}

# Options of programs that are not ours, which examples may show.
readonly FOREIGN='--json --list --now --ro --run --unix-socket --store --reason --force-boot --create'

# no_difference DESCRIPTION A B: the same lines.
no_difference ()
{
    if diff -u <(echo "$2") <(echo "$3") >"$tmp/difference"; then
        ok "$1"
    else
        not_ok "$1"
        diag_file "$tmp/difference"
    fi
}

# page_options FILE: the options that it defines, as --help writes them: "-f, --format=FORMAT".
page_options ()
{
    sed -nE 's/^\.It (Fl .*)/\1/p' "$1" | sed -E -e 's/Fl -([a-z])/--\1/g' -e 's/Fl ([a-z])/-\1/g' \
        -e 's/ Ns = Ns Ar /=/g' -e 's/ Ar / /g' -e 's/ , /, /g' | sort
}

# help_options COMMAND…: the options that its --help lists.
help_options ()
{
    "$@" --help | sed -nE 's/^  ((-[a-z], )?--[a-z][a-z-]*(=[A-Z]+)?) .*/\1/p' | sort
}

verbs ()
{
    gild --help | sed -nE '/^Verbs:/,/^$/s/^  ([a-z]+) .*/\1/p' | sort
}

# rendered PAGE: as one reads it, in one line for each paragraph.
rendered ()
{
    MANWIDTH=2000 man --no-hyphenation --encoding=ascii -l "$1" 2>/dev/null
}

test_options ()
{
    local verb
    no_difference 'gild(1) has the options of gild' "$(page_options "$DOCS/gild.1")" "$(help_options gild)"
    no_difference 'gild(1) has its verbs' \
        "$(sed -nE '/^\.Sh VERBS/,/^\.Sh OPTIONS/s/^\.It Xr gild-([a-z]+) 1$/\1/p' "$DOCS/gild.1" | sort)" "$(verbs)"
    no_difference 'every verb has a page, every page a verb' \
        "$(cd "$DOCS" && printf '%s\n' gild-*.1 | sed -E 's/gild-(.*)\.1/\1/' | sort)" "$(verbs)"
    for verb in $(verbs); do
        [ -e "$DOCS/gild-$verb.1" ] || continue
        no_difference "gild-$verb(1) has the options of gild $verb" \
            "$(page_options "$DOCS/gild-$verb.1")" "$(help_options gild "$verb")"
    done
    no_difference 'gildd(8) has the options of gildd' "$(page_options "$DOCS/gildd.8")" "$(help_options gildd)"
}

# Its help is one line: "usage: gild-services {start|stop} [--config FILE]".
test_services ()
{
    local usage
    usage=$(bash "$BUILD/daemon/gild-services" --help)
    no_difference 'gild-services(8) has its commands' \
        "$(sed -nE '/^\.Sh DESCRIPTION/,/^\.Sh OPTIONS/s/^\.It Cm ([a-z]+)$/\1/p' "$DOCS/gild-services.8" | sort)" \
        "$(grep -oE '\{.*\}' <<<"$usage" | tr -d '{}' | tr '|' '\n' | sort)"
    no_difference 'gild-services(8) has its options' \
        "$(page_options "$DOCS/gild-services.8" | grep -v -e '^--help$')" \
        "$(grep -oE -e '--[a-z]+ [A-Z]+' <<<"$usage" | sort)"
}

test_plugin ()
{
    if [ -z "$(type -P nbdkit)" ]; then
        skip 'nbdkit is not installed' 'nbdkit-gild-plugin(1) has its parameters'
        return
    fi
    no_difference 'nbdkit-gild-plugin(1) has its parameters' \
        "$(sed -nE 's/^\.It Cm ([a-z-]+) Ns = Ns Ar ([A-Z]+)$/\1=\2/p' "$DOCS/nbdkit-gild-plugin.1" | sort)" \
        "$(nbdkit "${GILD_NBDKIT_PLUGIN:?}" --help | sed -nE 's/^([a-z-]+=[A-Z]+) .*/\1/p' | sort)"
}

# "[gc] keep 5" for each key. The state directory's default is configure's to say.
code_keys ()
{
    sed -nE '/ KEYS\[\] = \{/,/^\};/p' "$srcdir/qcow-backing/config.c" | tr -s ' \n' ' ' |
        grep -oE '\{ "[a-z-]+", "[a-z-]+", CONFIG_[A-Z_]+, offsetof \([^)]*\), [A-Z]*"? ?"?[^",]*"' |
        sed -E -e 's/LOCALSTATEDIR "/"\/var/' -e 's/SYSCONFDIR "/"\/etc/' -e 's/\{ "([a-z-]+)", "([a-z-]+)", .* "([^"]*)"$/[\1] \2 \3/' | sort
}

page_keys ()
{
    awk '/^\.Ss \[/ { group = $2 } /^\.Sh/ { group = "" }
         group != "" && /^\.It Cm / { key = $3 }
         /^Default:/ { getline; print group, key, $2 }' "$DOCS/gild.conf.5" | sort
}

test_configuration ()
{
    no_difference 'gild.conf(5) has the keys of an image' \
        "$(awk '/^\.Ss / { image = $2 == "[image" } image && /^\.It Cm / { print $3 }' "$DOCS/gild.conf.5" | sort)" \
        "$(sed -nE 's/^  \{ IMAGE_GROUP, "([a-z-]+)", .*/\1/p' "$srcdir/qcow-backing/config.c" | sort)"
    is 'config.c has keys' "$(code_keys | wc -l)" "$(grep -cE '^  \{ "[a-z-]+", "[a-z-]+", CONFIG_' "$srcdir/qcow-backing/config.c")"
    no_difference 'gild.conf(5) has the keys and defaults of config.c' "$(page_keys)" "$(code_keys)"
}

test_routes ()
{
    no_difference 'gildd(8) has the routes of the control socket' \
        "$(sed -nE 's/^\.It Cm ([A-Z]+) Pa (.*)/\1 \2/p' "$DOCS/gildd.8" | sort)" \
        "$(sed -nE 's/^  \{ "([A-Z]+)", "([^"]+)", .*/\1 \2/p' "$srcdir/daemon/control-routes.c" |
            sed -e 's,/\*/\*/\*,/DEPARTMENT/NAME/VERSION,' -e 's/\*/NAME/' | sort)"
}

# No page, and neither README nor HACKING, names an option that nothing has.
test_mentions ()
{
    local file known mentioned
    known=$({ help_options gild; help_options gildd; bash "$BUILD/daemon/gild-services" --help
        for verb in $(verbs); do help_options gild "$verb"; done; echo "$FOREIGN"
        grep -hoE -e '--[a-z-]+\)' "$srcdir/quickstart" "$srcdir/runtests"
        grep -oE -e '"--[a-z-]+"' "$srcdir/virt-hooks/hook.c"
        sed -nE 's/.*AC_ARG_(ENABLE|WITH)\(\[([a-z-]+)\].*/--\L\1-\2/p' "$srcdir/configure.ac"
        echo "${CONFIGURE_OPTIONS:---prefix --sysconfdir --localstatedir --libdir}"; } |
        grep -oE -e '--[a-z][a-z-]+' | sort -u)
    for file in "$DOCS"/*.[0-9] "$srcdir/README" "$srcdir/HACKING" "$srcdir/SECURITY"; do
        case $file in
        *.[0-9]) mentioned=$(rendered "$file") ;;
        *) mentioned=$(cat "$file") ;;
        esac
        is "$(basename "$file") names no option that is not there" \
            "$(comm -23 <(grep -oE -e '(^|[^a-zA-Z0-9-])--[a-z][a-z-]+' <<<"$mentioned" | grep -oE -e '--.*' | sort -u) - <<<"$known")" ''
    done
}

# HACKING's walks go through functions that are there, and its map has every module.
test_hacking ()
{
    local words modules
    words=$(grep -ohE '\b[a-z]+(_[a-z0-9]+)+\b' "$srcdir/HACKING" "$srcdir/SECURITY" | sort -u)
    is 'HACKING and SECURITY name no function that is not there' "$(comm -23 - <(cd "$srcdir" &&
        cat cli/*.[ch] daemon/* network/*.[ch] qcow-backing/*.[ch] virt-hooks/*.[ch] demo/*.sh tests/lib.sh Makefile.am |
        grep -oE '\b[a-z]+(_[a-z0-9]+)+\b' | sort -u) <<<"$words")" ''
    modules=$(cd "$srcdir" && printf '%s\n' daemon/*.c network/*.c qcow-backing/*.c virt-hooks/*.c | sed -E 's,.*/(.*)\.c,\1,' | sort -u)
    is 'and has every module on its map' "$(comm -23 - <(grep -oE '[a-z]+(-[a-z]+)*' "$srcdir/HACKING" | sort -u) <<<"$modules")" ''
}

test_form ()
{
    local page
    for page in "$DOCS"/*.[0-9]; do
        is "$(basename "$page") is in Makefile.am" "$(grep -cE "^	docs/$(basename "$page") \\\\$" "$srcdir/Makefile.am")" 1
        run man --warnings --encoding=ascii -l "$page"
        is "man renders $(basename "$page") without a warning" "$status$(cat "$tmp/stderr")" 0
    done
    if [ -z "$(type -P mandoc)" ]; then
        skip 'mandoc is not installed' 'mandoc finds nothing wrong'
        return
    fi
    run mandoc -Tlint -W warning "$DOCS"/*.[0-9]
    is 'mandoc finds nothing wrong' "$(grep -v 'outdated mandoc.db' "$tmp/stdout")" ''
}

needs man gild gildd
test_options
test_services
test_plugin
test_configuration
test_routes
test_mentions
test_hacking
test_form
done_testing
