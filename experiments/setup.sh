#!/bin/sh
# Sets up .venv from requirements.txt, R and its packages, and the page's viewer. Does nothing, in well under 2 s, when nothing has changed.
#   PYTHON=...        a particular Python 3.11-3.13
#   LIRADS_NO_APT=1   install nothing with apt, even where it would be allowed
set -eu
cd "$(dirname "$0")/.."

R_APT="r-base-core pandoc $(tr '\n' ' ' < experiments/r-packages.txt)"

say() { printf '%s\n' "setup: $*" >&2; }
die() { say "$*"; exit 2; }

as_root() {
    if [ -n "${LIRADS_NO_APT:-}" ] || ! command -v apt-get >/dev/null 2>&1; then return 1; fi
    if [ "$(id -u)" = 0 ]; then "$@"; elif sudo -n true 2>/dev/null; then sudo -n "$@"; else return 1; fi
}

apt_install() {
    as_root true || return 1
    say "installing with apt: $*"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq &&
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

usable_python() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1; }

find_python() {
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
        if usable_python "$candidate"; then echo "$candidate"; return; fi
    done
    die "expected Python 3.11, 3.12 or 3.13 as ${PYTHON:-python3}, found $(${PYTHON:-python3} --version 2>&1 || echo none); name one with PYTHON=..."
}

has_r() {
    command -v Rscript >/dev/null 2>&1 && command -v pandoc >/dev/null 2>&1 &&
        dpkg-query -W -f '${Status}\n' $R_APT 2>/dev/null | grep -c '^install ok installed' | grep -qx "$(echo $R_APT | wc -w)"
}

# Elsewhere than on Debian, R's packages come from CRAN: ask R itself.
has_r_elsewhere() {
    command -v dpkg-query >/dev/null 2>&1 && return 1
    command -v Rscript >/dev/null 2>&1 && command -v pandoc >/dev/null 2>&1
}

# The viewer of `lirads read`. Without it everything else works, so that a machine that does not reach npm's registry is told and goes on.
fetch_viewer() {
    web=lirads_keras/reader/web
    # npm writes this file last.
    fetched=$web/node_modules/.package-lock.json
    if [ -e "$fetched" ] && [ ! $web/package-lock.json -nt "$fetched" ]; then return; fi
    npm=$(command -v npm || echo "$PWD/.venv/bin/npm")
    say "fetching the page's viewer with npm"
    # npm of the wheel finds node beside itself.
    (cd $web && PATH="$PATH:$OLDPWD/.venv/bin" "$npm" ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null) ||
        say "npm could not fetch the viewer; \`lirads read\` needs it: make setup, once npm's registry is in reach"
}

gpu=cpu
if [ "$(uname -m)" = x86_64 ] && command -v nvidia-smi >/dev/null 2>&1 && nvidia-smi -L 2>/dev/null | grep -q GPU; then gpu=cuda; fi

r_state=present
if ! has_r && ! has_r_elsewhere; then
    # shellcheck disable=SC2086
    if ! apt_install $R_APT; then
        r_state=absent
        say "R is not complete and may not be installed from here; the report needs: sudo apt-get install -y $(echo $R_APT)"
    fi
fi

stamp=.venv/.setup-$(cat requirements.txt setup.cfg pyproject.toml experiments/setup.sh experiments/requirements-cuda.txt | sha256sum | cut -c1-12)-$gpu
if [ -e "$stamp" ] && [ -x .venv/bin/python ]; then fetch_viewer; exit 0; fi

python=$(find_python)
if ! "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    apt_install "python$version-venv" || die "expected the venv module of $python; type: sudo apt-get install -y python$version-venv"
fi
if ! { [ -x .venv/bin/python ] && usable_python .venv/bin/python; }; then
    say "making .venv with $("$python" --version)"
    rm -rf .venv
    "$python" -m venv .venv
fi

say "installing the packages of requirements.txt ($gpu TensorFlow); a few minutes the first time"
wanted=.venv/requirements.txt
if [ "$gpu" = cuda ]; then
    # The CUDA build is the plain package and its libraries; the CPU build is a package of its own that would stand in its way.
    sed -E 's/^tensorflow-cpu==([^ ;]+).*/tensorflow==\1/; /^tensorflow==.*!=/d' requirements.txt > $wanted
    cat experiments/requirements-cuda.txt >> $wanted
else
    cp requirements.txt $wanted
fi
# rpy2 without a compiler: ABI mode finds R when it is imported, not when it is installed.
export RPY2_CFFI_MODE=ABI PIP_DISABLE_PIP_VERSION_CHECK=1
.venv/bin/python -m pip install --quiet -r $wanted
.venv/bin/python -m pip install --quiet --no-deps --no-build-isolation -e .
fetch_viewer
rm -f .venv/.setup-*
: > "$stamp"
say "done (R $r_state)"
