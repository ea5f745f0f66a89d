# The environment with the official Python SDK, for the scripts that compare with it: makes $venv.
# shellcheck shell=sh

sdk=armoriq-sdk==0.8.17
venv=${CARGO_TARGET_DIR:-target}/venv

skip() {
    echo "skipped: $1"
    exit 77
}

[ -n "$(command -v python3)" ] || skip 'python3 is not installed'
if [ ! -e "$venv/$sdk" ]; then
    python3 -m venv --clear "$venv" || skip 'python3 cannot make an environment (python3-venv)'
    "$venv/bin/pip" install --quiet --disable-pip-version-check "$sdk" || skip "$sdk cannot be installed"
    : >"$venv/$sdk"
fi
