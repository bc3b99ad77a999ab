# shellcheck shell=bash
# Sourced by `run` and `long`: steps that are timed, and the table of them at the end.

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
export CARGO_TARGET_DIR=$PWD/target
scratch=$(mktemp -d)

# However it ends, the table says what ran, how long, and what failed.
ran=()
failed=0
current='before the first step'
finish() {
  local code=$?
  trap - EXIT
  # shellcheck disable=SC2046 # a list
  kill $(jobs -p) 2>/dev/null || true
  rm -rf "$scratch"
  [ "$code" = 0 ] || ran+=("failed   $current")
  printf '\nran, in %d s:\n' "$SECONDS"
  printf '  %s\n' "${ran[@]}"
  [ "$failed" = 0 ] || code=1
  exit "$code"
}
trap finish EXIT

# step NAME COMMAND...: in `run` a step that fails is the last; where `go_on` is set it is
# noted, and the others run.
go_on=
step() {
  local start=$SECONDS code=0
  current=$1
  shift
  printf '\n== %s\n' "$current"
  if [ "$go_on" ]; then
    # Not `|| code=$?`: a function would not stop at its first error then.
    set +e
    (set -e; "$@")
    code=$?
    set -e
  else
    "$@"
  fi
  ran+=("$(printf '%4d s   %s' $((SECONDS - start)) "$current")")
  if [ "$code" != 0 ]; then
    ran[-1]="${ran[-1]}: FAILED"
    failed=1
  fi
}

# expect CODE COMMAND...: COMMAND must end with that code.
expect() {
  local wanted=$1 code=0
  shift
  "$@" || code=$?
  [ "$code" = "$wanted" ] || { echo "exit code $code, $wanted wanted: $*" >&2; exit 1; }
}
