#!/usr/bin/env bash
# Installs what a fresh machine lacks, and nothing that is there already.
#
#   scripts/setup.sh system    Podman and what it needs, from Debian's packages (as root, where apt is there)
#   scripts/setup.sh venv      the virtual environment in $VENV (.venv) with Fleet and its tools
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
venv=${VENV:-$root/.venv}
packages=(podman runc netavark aardvark-dns iptables busybox-static mmdebstrap git gnupg openssh-server openssh-client)

is_installed() { # PACKAGE
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

apt_install() { # PACKAGE...
    export DEBIAN_FRONTEND=noninteractive
    apt-get install -y -qq --no-install-recommends "$@" </dev/null >/dev/null 2>&1 || {
        apt-get update -qq </dev/null
        apt-get install -y -qq --no-install-recommends "$@" </dev/null >/dev/null
    }
}

can_install() {
    command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]
}

system() {
    if can_install; then
        local missing=() package
        for package in "${packages[@]}"; do
            is_installed "$package" || missing+=("$package")
        done
        if [ ${#missing[@]} -gt 0 ]; then
            echo "installing ${missing[*]}"
            apt_install "${missing[@]}"
        fi
    fi
    command -v podman >/dev/null || {
        echo "Podman is missing. Install it first:" >&2
        echo "  Debian, Ubuntu   sudo apt-get install ${packages[*]}" >&2
        echo "  Fedora           sudo dnf install podman" >&2
        echo "  macOS            brew install podman && podman machine init && podman machine start" >&2
        exit 1
    }
}

find_python() {
    local candidate
    for candidate in "${PYTHON:-python3}" python3.13 python3.12 python3.11 /usr/bin/python3; do
        if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

python_or_install() {
    find_python && return
    if can_install; then
        echo "installing python3-venv" >&2
        apt_install python3 python3-venv >&2
        find_python && return
    fi
    echo "Fleet needs Python 3.11 or newer with its venv module (Debian: apt-get install python3-venv)" >&2
    return 1
}

venv() {
    local stamp=$venv/.installed wanted python
    wanted=$(cat "$root/pyproject.toml" "$root/constraints.txt" | sha256sum)
    if [ -x "$venv/bin/fleet" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
        return
    fi
    if [ ! -x "$venv/bin/python" ]; then
        python=$(python_or_install)
        echo "making $venv with $("$python" --version)"
        "$python" -m venv "$venv"
    fi
    echo "installing Fleet and its tools into $venv"
    (cd "$root" && "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]')
    echo "$wanted" >"$stamp"
}

for step in "$@"; do
    case $step in
        system) system ;;
        venv) venv ;;
        *)
            echo "scripts/setup.sh: there is no step $step; known: system venv" >&2
            exit 1
            ;;
    esac
done
