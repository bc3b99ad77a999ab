# shellcheck shell=bash
# Sourced by the scripts that measure. `figure KEY... VALUE` notes a figure, and `budget`
# compares all of them with budget.txt, where each line is `KEY... LIMIT`.

figures=$(mktemp)
trap 'rm -f "$figures"' EXIT
limits=$(dirname "${BASH_SOURCE[0]}")/budget.txt

figure() { echo "$*" >>"$figures"; }

# What the figures are of, in the form in which budget.txt says what its limits are of.
compiler() { echo "# $(/usr/bin/rustc --version)"; }

# budget --check|--set FIRST_WORD... [-- LEVEL...]: of the figures whose keys start with these
# words, and those alone that were measured at these opt-levels. `--check` fails where one is above its limit, and where a limit or a figure
# stands alone; it compares only what the compiler of the limits has made, since another one
# may well exceed them, and says so where it does not compare. `--set` makes the figures the
# limits, and this compiler theirs.
budget() {
  local option=$1 words=' ' levels='' now of
  shift
  while [ $# -gt 0 ] && [ "$1" != -- ]; do words+="$1 "; shift; done
  if [ $# -gt 1 ]; then shift; levels=" $* "; fi
  now=$(compiler)
  if [ "$option" = --set ]; then
    awk -v words="$words" -v compiler="$now" '
      NR == FNR { if (/^# rustc/) print compiler; else if (/^#/ || !index(words, " " $1 " ")) print; next }
      index(words, " " $1 " ")' "$limits" "$figures" >"$figures.new"
    mv "$figures.new" "$limits"
    return
  fi
  of=$(grep '^# rustc' "$limits") || { echo "$limits does not say which compiler its limits are of" >&2; return 1; }
  if [ "$now" != "$of" ]; then
    printf 'NOT COMPARED with the limits: they are of another compiler.\nhere   %s\nlimits %s\n' "${now#\# }" "${of#\# }" >&2
    [ -s "$figures" ] || { echo 'nothing was measured' >&2; return 1; }
    return 0
  fi
  awk -v words="$words" -v levels="$levels" '
    /^#/ || !index(words, " " $1 " ") { next }
    levels != "" && $1 != "size" && !index(levels, " " $3 " ") { next }
    { value = $NF; key = $0; sub(/ [^ ]+$/, "", key) }
    value !~ /^[1-9][0-9]*$/ { print "not a figure: " $0; bad = 1; next }
    FILENAME == ARGV[1] { measured[key] = value; next }
    !(key in measured) { print "nothing measured for: " key; bad = 1; next }
    { compared[key]; count++ }
    measured[key] > value + 0 { print key ": " measured[key] ", more than " value; bad = 1 }
    END {
      for (key in measured) if (!(key in compared)) { print "no limit for: " key; bad = 1 }
      if (!count) { print "nothing was compared"; bad = 1 }
      if (!bad) print count " figures, none above its limit"
      exit bad
    }' "$figures" "$limits" >&2 ||
    { printf 'compiled by %s, as the limits were\n' "${now#\# }" >&2; return 1; }
}
