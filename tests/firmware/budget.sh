# Sourced by the scripts that measure. `figure KEY... VALUE` notes a figure, and `budget`
# compares all of them with budget.txt, where each line is `KEY... LIMIT`.

figures=$(mktemp)
trap 'rm -f "$figures"' EXIT
limits=$(dirname "${BASH_SOURCE[0]}")/budget.txt

figure() { echo "$*" >>"$figures"; }

# budget --check|--set FIRST_WORD...: of the figures whose keys start with these words.
# `--check` fails where one is above its limit, and where a limit or a figure stands
# alone. `--set` makes the figures the limits. Another compiler may well exceed them, so
# budget.txt names the one that they are of.
budget() {
  local option=$1 compiler
  compiler="# $(/usr/bin/rustc --version)"
  shift
  if [ "$option" = --set ]; then
    awk -v words=" $* " -v compiler="$compiler" '
      NR == FNR { if (/^# rustc/) print compiler; else if (/^#/ || !index(words, " " $1 " ")) print; next }
      index(words, " " $1 " ")' "$limits" "$figures" >"$figures.new"
    mv "$figures.new" "$limits"
    return
  fi
  awk -v words=" $* " '
    /^#/ || !index(words, " " $1 " ") { next }
    { value = $NF; key = $0; sub(/ [^ ]+$/, "", key) }
    NR == FNR { measured[key] = value; next }
    !(key in measured) { print "nothing measured for: " key; bad = 1; next }
    { compared[key]; count++ }
    measured[key] > value + 0 { print key ": " measured[key] ", more than " value; bad = 1 }
    END {
      for (key in measured) if (!(key in compared)) { print "no limit for: " key; bad = 1 }
      if (!count) { print "nothing was compared"; bad = 1 }
      if (!bad) print count " figures, none above its limit"
      exit bad
    }' "$figures" "$limits" >&2 ||
    { printf 'compiled by %s\nlimits of   %s\n' "$compiler" "$(grep '^# rustc' "$limits")" >&2; return 1; }
}
