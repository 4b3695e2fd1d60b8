# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# For scripts that run guests: ask a guest's agent, look at its screen. Needs demo/lib.sh and pipefail.

# agent DOMAIN COMMAND [ARGUMENTS as JSON]: ask the guest's agent, print what it returns.
agent ()
{
    virsh --quiet qemu-agent-command --timeout 15 "$1" \
        "{\"execute\": \"$2\", \"arguments\": ${3:-"{}"}}" | jq --compact-output .return
}

# wait_for_guest SECONDS DOMAIN COMMAND…: as wait_for, and fails at once when the guest does not run.
wait_for_guest ()
{
    local seconds=$1 domain=$2
    shift 2
    wait_for "$seconds" is_true_or_stopped "$domain" "$@" && [ "$(virsh domstate "$domain")" = running ]
}

is_true_or_stopped ()
{
    "${@:2}" || [ "$(virsh domstate "$1")" != running ]
}

agent_answers ()
{
    agent "$1" guest-ping
}

guest_is_windows ()
{
    [ "$(agent "$1" guest-get-osinfo | jq --raw-output .id)" = mswindows ]
}

# guest_write DOMAIN PATH TEXT: a file inside the guest, on its disk when this returns.
guest_write ()
{
    local handle
    handle=$(agent "$1" guest-file-open "$(jq --null-input --arg path "$2" '{$path, mode: "w"}')") &&
        agent "$1" guest-file-write "{\"handle\": $handle, \"buf-b64\": \"$(base64 --wrap=0 <<<"$3")\"}" >/dev/null &&
        agent "$1" guest-file-flush "{\"handle\": $handle}" >/dev/null &&
        agent "$1" guest-file-close "{\"handle\": $handle}" >/dev/null
}

# guest_read DOMAIN PATH: fails with what the guest says if the file is not there.
guest_read ()
{
    local handle
    handle=$(agent "$1" guest-file-open "$(jq --null-input --arg path "$2" '{$path, mode: "r"}')") || return
    agent "$1" guest-file-read "{\"handle\": $handle}" | jq --raw-output '."buf-b64"' | base64 --decode
    agent "$1" guest-file-close "{\"handle\": $handle}" >/dev/null
}

# guest_has_process DOMAIN NAME
guest_has_process ()
{
    local pid
    pid=$(agent "$1" guest-exec "{\"path\": \"pgrep\", \"arg\": [\"-x\", \"$2\"]}" | jq .pid) || return
    wait_for 10 process_has_exited "$1" "$pid"
    [ "$process_status" = 0 ]
}

process_has_exited ()
{
    local result
    result=$(agent "$1" guest-exec-status "{\"pid\": $2}") || return
    process_status=$(jq .exitcode <<<"$result")
    [ "$(jq .exited <<<"$result")" = true ]
}

# screenshot DOMAIN FILE.png: QEMU makes a PNG, or before 7.1 a PPM.
screenshot ()
{
    local picture=$2.partial
    virsh --quiet screenshot "$1" "$picture" >/dev/null || return
    case $(head -c 2 "$picture") in
    P6) pnmtopng -quiet "$picture" >"$2" && rm "$picture" ;;
    *) mv "$picture" "$2" ;;
    esac
}

# percent_above BRIGHTNESS: of the picture on standard input, how much is brighter, of 1.
percent_above ()
{
    ppmtopgm | pamthreshold -simple -threshold="$1" | pamsumm -mean -normalize -brief |
        awk '{ printf "%.2f\n", $1 * 100 }'
}

# lit_percent FILE.png [BRIGHTNESS]: how much of the picture is brighter than that, of 1, or else than black.
lit_percent ()
{
    pngtopnm "$1" | percent_above "${2:-0.05}"
}

is_at_least ()
{
    awk -v number="$1" -v least="$2" 'BEGIN { exit !(number >= least) }'
}

# screen_shows DOMAIN FILE.png PERCENT [BRIGHTNESS]: a picture now, of which at least that much is so bright.
screen_shows ()
{
    screenshot "$1" "$2" && is_at_least "$(lit_percent "$2" "${4:-}")" "$3"
}

# screen_is_still DOMAIN FILE.png: some seconds after a first picture, FILE.png differs by no more than a cursor.
screen_is_still ()
{
    local before=$2.before difference
    screenshot "$1" "$before" && sleep 3 && screenshot "$1" "$2" || return
    difference=$(pamarith -difference <(pngtopnm "$before") <(pngtopnm "$2") | percent_above 0.05) || return
    rm "$before"
    is_at_least 0.05 "$difference"
}
