# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Real upgrades for a Debian image without a mirror: one of its own packages, made again with a higher version, in a
# repository that is served from this host.
#
#   updates_up                    serve $tmp/updates, which has no package yet
#   image_takes_updates_here      a COMMAND for gild edit: the image's apt gets its packages there, and nowhere else
#   publish_update                its qemu-guest-agent, which it has as $tmp/package, with a file more
readonly UPDATES_PORT=8099 UPDATED_PACKAGE=qemu-guest-agent UPDATED_FILE=/usr/share/updated
export UPDATES_PORT UPDATED_PACKAGE UPDATED_FILE

updates_up ()
{
    unset http_proxy https_proxy no_proxy
    mkdir -p "$tmp/updates"
    : >"$tmp/updates/Packages"
    write_release
    python3 -m http.server --bind 127.0.0.1 --directory "$tmp/updates" "$UPDATES_PORT" >"$tmp/updates.log" 2>&1 &
    stop_at_exit $!
}

write_release ()
{
    (cd "$tmp/updates" && {
        echo "Date: $(date --utc --rfc-email)"
        echo SHA256:
        echo " $(sha256sum Packages | cut -c -64) $(stat --format=%s Packages) Packages"
    } >Release)
}

# The package's files and what dpkg knows of it go to DIRECTORY.
image_takes_updates_here ()
{
    local root=$1.root package=$1
    mkdir "$root"
    gild mount "$root"
    rm -rf "$root/etc/apt/sources.list.d"
    echo "deb [trusted=yes] http://127.0.0.1:$UPDATES_PORT ./" >"$root/etc/apt/sources.list"
    mkdir -p "$package/DEBIAN"
    dpkg-query --admindir="$root/var/lib/dpkg" --status "$UPDATED_PACKAGE" |
        sed -e '/^Status:/d' -e '/^Conffiles:/d' -e '/^ \//d' -e '/^Version:/s/$/+gild1/' >"$package/DEBIAN/control"
    local part
    for part in conffiles preinst postinst prerm postrm; do
        [ ! -e "$root/var/lib/dpkg/info/$UPDATED_PACKAGE.$part" ] ||
            cp "$root/var/lib/dpkg/info/$UPDATED_PACKAGE.$part" "$package/DEBIAN/$part"
    done
    (cd "$root" && sed -n 's,^/\(.\),\1,p' "var/lib/dpkg/info/$UPDATED_PACKAGE.list" |
        while read -r part; do
            [ -d "$part" ] || cp -a --parents "$part" "$package"
        done)
    umount "$root"
    rmdir "$root"
}
export -f image_takes_updates_here

publish_update ()
{
    local deb=$tmp/updates/update.deb
    mkdir -p "$tmp/package$(dirname "$UPDATED_FILE")"
    echo updated >"$tmp/package$UPDATED_FILE"
    dpkg-deb --build --root-owner-group -Zgzip "$tmp/package" "$deb" >"$tmp/package.log"
    {
        cat "$tmp/package/DEBIAN/control"
        echo "Filename: ./update.deb"
        echo "Size: $(stat --format=%s "$deb")"
        echo "SHA256: $(sha256sum "$deb" | cut -c -64)"
    } >"$tmp/updates/Packages"
    write_release
}
