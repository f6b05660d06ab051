#!/usr/bin/env bash
# The file tree of the busybox image, made in the folder that is named.
set -euo pipefail
root=$1
mkdir -p "$root"/{bin,dev,etc,proc,root,sys,tmp,usr,var,www}
chmod 1777 "$root/tmp"
cp "$(command -v busybox)" "$root/bin/busybox"
for applet in $("$root/bin/busybox" --list); do
    # busybox lists itself, too: a link of that name would replace the program.
    [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
done
printf '%s\n' 'root:x:0:0:root:/root:/bin/sh' 'nobody:x:65534:65534:nobody:/:/bin/false' >"$root/etc/passwd"
printf '%s\n' 'root:x:0:' 'nogroup:x:65534:' >"$root/etc/group"
